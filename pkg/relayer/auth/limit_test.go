package auth

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

func TestBuckets_BurstThenRate(t *testing.T) {
	b, err := newBuckets[string](10, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1000, 0)
	take := func(at time.Time, want bool) {
		t.Helper()
		if got := b.take("key", at); got != want {
			t.Errorf("after %v: %v, want %v", at.Sub(now), got, want)
		}
	}
	for range 3 {
		take(now, true)
	}
	take(now, false)
	take(now.Add(400*time.Millisecond), false)
	take(now.Add(500*time.Millisecond), true)
	take(now.Add(500*time.Millisecond), false)
	take(now, false) // a clock that goes back gives nothing
	if !b.take("other", now) {
		t.Error("keys share a bucket")
	}
	b.giveBack("key")
	take(now.Add(500*time.Millisecond), true)
	for range 3 {
		take(now.Add(time.Hour), true)
	}
	take(now.Add(time.Hour), false)
}

func TestBuckets_AreBounded(t *testing.T) {
	b, err := newBuckets[int](100, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for key := range 10_000 {
		b.take(key, time.Unix(0, 0))
	}
	if n := b.table.Len(); n != 100 {
		t.Errorf("%d keys are kept, want 100", n)
	}
	b.giveBack(1) // forgotten: nothing to give back to
	if n := b.table.Len(); n != 100 {
		t.Errorf("%d keys after a token was given back", n)
	}
}

func TestNetworkOf_CountsWhatOneCustomerHasAsOne(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.77":          "192.0.2.0/24",
		"::ffff:192.0.2.77":   "192.0.2.0/24",
		"2001:db8:1:2:3::9":   "2001:db8:1::/48",
		"fe80::1%eth0":        "fe80::/48",
		"255.255.255.255":     "255.255.255.0/24",
		"2001:db8:1:ffff::12": "2001:db8:1::/48",
	} {
		if got := NetworkOf(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
	if got := NetworkOf(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("no address: %s", got)
	}
	if got := callerOf(context.Background()); got != (netip.Prefix{}) {
		t.Errorf("no caller: %s", got)
	}
}

func TestGate_AsManyRunAsThereAreCoresAndTheRestIsRefusedAtOnce(t *testing.T) {
	g := newGate()
	cores := runtime.GOMAXPROCS(0)
	for range cores {
		if err := g.enter(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	waiting := cores * waitingPerCore
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, waiting)
	for range waiting {
		go func() { ended <- g.enter(ctx) }() // awaited below
	}
	for g.inside.Load() < g.most {
		runtime.Gosched()
	}
	if err := g.enter(context.Background()); !errors.Is(err, relayer.ErrRequestLimit) {
		t.Errorf("one more: %v, want %v", err, relayer.ErrRequestLimit)
	}
	g.leave()
	if err := <-ended; err != nil { // one takes the place
		t.Errorf("the next one: %v", err)
	}
	cancel()
	for range waiting - 1 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v of one that gave up", err)
		}
	}
	for range cores {
		g.leave()
	}
	if n := g.inside.Load(); n != 0 {
		t.Errorf("%d inside an empty gate", n)
	}
	if err := g.enter(context.Background()); err != nil {
		t.Errorf("an empty gate: %v", err)
	}
}
