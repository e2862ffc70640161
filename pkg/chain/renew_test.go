package chain

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// deafFeed is a node whose first subscription stays open and says nothing.
type deafFeed struct {
	*testFeed
	opened, left atomic.Int64
}

func (f *deafFeed) subscribe(ctx context.Context, deliver func(head)) error {
	if f.opened.Add(1) > 1 {
		return f.testFeed.subscribe(ctx, deliver)
	}
	<-ctx.Done()
	f.left.Add(1)
	return ctx.Err()
}

// grow makes the chain longer by a block and waits for the driver to see it.
func (f *deafFeed) grow(t *testing.T, d *BlockDriver) {
	t.Helper()
	var height int64
	f.set(func(f *testFeed) { f.height++; height = f.height })
	until(t, func() bool { return d.Latest().Height == height })
}

func startOnDeafFeed(t *testing.T, renewal time.Duration) (*deafFeed, *BlockDriver) {
	t.Helper()
	feed := &deafFeed{testFeed: newTestFeed(5)}
	d := startDriver(t, feed, WithMinSilence(time.Millisecond), WithPollInterval(time.Millisecond), WithRenewal(renewal))
	until(t, func() bool { return d.Source() == "polling" })
	return feed, d
}

func TestBlockDriver_OpenSubscriptionThatDoesNotTellOfBlocksIsOpenedAnew(t *testing.T) {
	feed, d := startOnDeafFeed(t, time.Nanosecond)
	feed.grow(t, d)
	until(t, func() bool { return feed.opened.Load() >= 2 })
	known := testHead("a", d.Latest().Height) // polling finds nothing, so that the new one is kept
	ctx := testContext(t)
	until(t, func() bool { // soon after a word the subscription counts as silent again
		select {
		case feed.events <- known:
		case <-ctx.Done():
			t.Fatal("the new subscription is not listened to")
		}
		return d.Source() == "subscription"
	})
}

func TestBlockDriver_YoungSubscriptionIsGivenTime(t *testing.T) {
	feed, d := startOnDeafFeed(t, time.Hour)
	for range 20 {
		feed.grow(t, d)
	}
	if feed.left.Load() != 0 {
		t.Error("it was given up")
	}
}

func TestBlockDriver_SubscriptionToAChainThatStandsStillIsKept(t *testing.T) {
	feed, _ := startOnDeafFeed(t, time.Nanosecond)
	asked := func() (n int) {
		feed.set(func(f *testFeed) { n = f.asked })
		return n
	}
	polls := asked()
	until(t, func() bool { return asked() > polls+20 })
	if feed.left.Load() != 0 {
		t.Error("it was given up")
	}
}

// serveEvents makes a node's event stream, of which act is what happens after the
// subscription was asked for.
func serveEvents(t *testing.T, node *Node, act func(*websocket.Conn) error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			return // the client has seen why
		}
		defer conn.Close()
		if _, _, err := conn.ReadMessage(); err != nil {
			return
		}
		for err = act(conn); err == nil; {
			_, _, err = conn.ReadMessage()
		}
	}))
	t.Cleanup(server.Close)
	at, err := parseRPC(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	node.query.servers[0].rpc.at = at
}

func TestSubscribe_RequestThatIsLostIsNotWaitedForForEver(t *testing.T) {
	for name, act := range map[string]func(*websocket.Conn) error{
		"silence": func(*websocket.Conn) error { return nil },
		"signs of life": func(conn *websocket.Conn) error {
			beat := time.NewTicker(10 * time.Millisecond)
			defer beat.Stop()
			for range beat.C {
				if err := conn.WriteMessage(websocket.PingMessage, nil); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, node := newFakeNode(t)
			node.timeout = 100 * time.Millisecond
			serveEvents(t, node, act)
			ctx := testContext(t)
			if err := node.subscribe(ctx, nil); !errors.Is(err, ErrUnreachable) || ctx.Err() != nil {
				t.Errorf("got %v", err)
			}
			if n := node.followed.Load(); n != 0 {
				t.Errorf("%d subscriptions are counted", n)
			}
		})
	}
}

func TestSubscribe_ConfirmedSubscriptionIsWaitedFor(t *testing.T) {
	_, node := newFakeNode(t)
	node.timeout = 50 * time.Millisecond
	message := announcement(t, testHeader(11))
	serveEvents(t, node, func(conn *websocket.Conn) error {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":1,"result":{}}`)); err != nil {
			return err
		}
		late := time.NewTimer(4 * node.timeout) // the next block takes longer than an answer may
		defer late.Stop()
		<-late.C
		return conn.WriteMessage(websocket.TextMessage, message)
	})
	ctx, cancel := context.WithCancel(testContext(t))
	err := node.subscribe(ctx, func(h head) {
		if h.block.Height != 11 || node.followed.Load() != 1 {
			t.Errorf("block %d, %d subscriptions are counted", h.block.Height, node.followed.Load())
		}
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
