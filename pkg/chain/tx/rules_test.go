package tx

import (
	"testing"
	"time"

	"cosmossdk.io/math"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

func dec(s string) math.LegacyDec { return math.LegacyMustNewDecFromStr(s) }

func TestCanLand(t *testing.T) {
	latest := &relayer.Block{Height: 100, Time: genesis}
	in := func(d time.Duration) int64 { return genesis.Add(d).UnixNano() }
	for _, test := range []struct {
		name string
		a    relayer.TxAttempt
		want bool
	}{
		{"the next block is in time", relayer.TxAttempt{TimeoutHeight: 101, TimeoutUnixNs: in(time.Nanosecond)}, true},
		{"height is over", relayer.TxAttempt{TimeoutHeight: 100, TimeoutUnixNs: in(time.Hour)}, false},
		{"time is over with any later block", relayer.TxAttempt{TimeoutHeight: 200, TimeoutUnixNs: in(0)}, false},
		{"neither bound is known", relayer.TxAttempt{}, true},
		{"was included", relayer.TxAttempt{TimeoutHeight: 200, Included: 99}, false},
		{"was included without effect", relayer.TxAttempt{TimeoutHeight: 200, Included: 99, Code: 5}, false},
		{"was refused by all", relayer.TxAttempt{TimeoutHeight: 200, Code: 13, Codespace: "sdk"}, false},
	} {
		if got := canLand(test.a, latest); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestStamps_AreUniqueAndWithinWhatTheChainAllows(t *testing.T) {
	s := make(stamps)
	seen := make(map[int64]bool)
	for block := range 20 {
		now := genesis.Add(time.Duration(block) * time.Minute)
		for range 50 {
			stamp := s.next(now, 9*time.Minute, 0)
			if seen[stamp] {
				t.Fatalf("stamp %d was given twice", stamp)
			}
			seen[stamp] = true
			if at := time.Unix(0, stamp); !at.After(now) || at.After(now.Add(maxLife)) {
				t.Fatalf("stamp %v of a block at %v", at, now)
			}
		}
		if len(s) > 50*11 {
			t.Fatalf("%d stamps are kept", len(s))
		}
	}
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		codespace string
		code      uint32
		want      verdict
	}{
		{"sdk", 20, nodeBusy},
		{"sdk", 13, feeTooLow},
		{"sdk", 21, tooLarge},
		{"sdk", 41, tooLarge},
		{"sdk", 4, accountUnknown},
		{"sdk", 9, accountUnknown},
		{"sdk", 18, attemptDead},
		{"sdk", 5, attemptDead},
		{"undefined", 13, attemptDead},
		{"proof", 21, attemptDead},
	} {
		if got := judge(&chain.Refusal{Codespace: test.codespace, Code: test.code}); got != test.want {
			t.Errorf("%s/%d: %v, want %v", test.codespace, test.code, got, test.want)
		}
	}
}

func TestGasLimitAndFee_AreRoundedUp(t *testing.T) {
	for _, test := range []struct {
		used   uint64
		factor float64
		price  string
		gas    uint64
		fee    int64
	}{
		{100_000, 1.5, "0.001", 150_000, 150},
		{100_001, 1.5, "0.001", 150_002, 151},
		{3, 1, "0.1", 3, 1},
		{3, 1.1, "0", 4, 0},
		{1, 1, "1", 1, 1},
	} {
		gas, err := gasLimit(test.used, test.factor)
		if err != nil {
			t.Fatal(err)
		}
		fee, err := feeFor(gas, dec(test.price))
		if err != nil {
			t.Fatal(err)
		}
		if gas != test.gas || fee.Int64() != test.fee {
			t.Errorf("%+v: gas %d, fee %s", test, gas, fee)
		}
	}
	if _, err := gasLimit(0, 1.5); err == nil {
		t.Error("no gas is accepted")
	}
	if _, err := gasLimit(1<<63, 4); err == nil {
		t.Error("a gas limit that no integer holds is accepted")
	}
	if _, err := feeFor(1<<62, dec("1000")); err == nil {
		t.Error("a fee that no integer holds is accepted")
	}
}

func TestRaise(t *testing.T) {
	for _, test := range []struct {
		name                         string
		price, demanded, limit, want string
		ok                           bool
	}{
		{"a tenth more", "1", "0", "10", "1.1", true},
		{"what is demanded", "1", "3", "10", "3", true},
		{"no more than the limit", "1", "30", "10", "10", true},
		{"not at the limit", "10", "30", "10", "10", false},
		{"without limit", "1", "30", "", "30", true},
		{"from nothing", "0", "0", "1", "0.000001", true},
	} {
		limit := math.LegacyDec{}
		if test.limit != "" {
			limit = dec(test.limit)
		}
		got, ok := raise(dec(test.price), dec(test.demanded), limit)
		if ok != test.ok || !got.Equal(dec(test.want)) {
			t.Errorf("%s: %s, %v; want %s, %v", test.name, got, ok, test.want, test.ok)
		}
	}
}

func TestLastBlock_LeavesTimeForAnotherTransactionWhereThereIsTime(t *testing.T) {
	for _, test := range []struct{ deadline, height, want int64 }{
		{14, 4, 12}, {8, 4, 6}, {7, 4, 7}, {5, 4, 5},
	} {
		if got := lastBlock(test.deadline, test.height); got != test.want {
			t.Errorf("%d at %d: %d, want %d", test.deadline, test.height, got, test.want)
		}
	}
}
