package tx

import (
	"fmt"
	"strings"
	"testing"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"pgregory.net/rapid"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// entry describes a submission by its deadline, its size and what it travels with.
func entry(name string, deadline int64, bytes int, change ...func(*pending)) *pending {
	p := &pending{
		sub:     &relayer.Submission{Key: name, Deadline: deadline},
		message: &codectypes.Any{TypeUrl: "/m", Value: make([]byte, bytes)},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

func mandatory(p *pending) { p.sub.Mandatory = true }
func suspect(p *pending)   { p.suspect = true }
func atMost(n int) func(*pending) {
	return func(p *pending) { p.limit = n }
}

func shape(batches [][]*pending) string {
	var shapes []string
	for _, batch := range batches {
		var names []string
		for _, p := range batch {
			names = append(names, p.sub.Key)
		}
		shapes = append(shapes, strings.Join(names, ""))
	}
	return strings.Join(shapes, " ")
}

// gasOfSize is a gas for every message: its bytes.
func gasOfSize(p *pending) uint64 { return uint64(len(p.message.Value)) }

func TestPack(t *testing.T) {
	for _, test := range []struct {
		name  string
		free  []*pending
		count int
		bytes int
		want  string
	}{
		{"nothing", nil, 10, 10_000, ""},
		{"all fit", []*pending{entry("a", 9, 10), entry("b", 9, 10)}, 10, 10_000, "ab"},
		{"cut by count", []*pending{entry("a", 9, 1), entry("b", 9, 1), entry("c", 9, 1)}, 2, 10_000, "ab c"},
		{"cut by bytes", []*pending{entry("a", 9, 400), entry("b", 9, 400), entry("c", 9, 400)}, 10, 1400, "ab c"},
		{"too large for any travels alone", []*pending{entry("a", 9, 5000), entry("b", 9, 10)}, 10, 1000, "a b"},
		{"due first goes first", []*pending{entry("a", 9, 1), entry("b", 3, 1), entry("c", 5, 1)}, 1, 10_000, "b c a"},
		{"mandatory goes first and apart", []*pending{entry("a", 3, 1), entry("b", 9, 1, mandatory)}, 10, 10_000, "b a"},
		{"suspects do not mix with others", []*pending{entry("a", 3, 1, suspect), entry("b", 9, 1), entry("c", 4, 1, suspect)}, 10, 10_000, "b ac"},
		{"one that must be alone is", []*pending{entry("a", 3, 1, atMost(1)), entry("b", 3, 1), entry("c", 3, 1)}, 10, 10_000, "a bc"},
		{"one that must be alone is, later", []*pending{entry("a", 3, 1), entry("b", 3, 1, atMost(1)), entry("c", 3, 1)}, 10, 10_000, "a b c"},
		{"smallest bound counts", []*pending{entry("a", 3, 1, atMost(3)), entry("b", 3, 1, atMost(2)), entry("c", 3, 1)}, 10, 10_000, "ab c"},
	} {
		if got := shape(pack(test.free, room{messages: test.count, bytes: test.bytes}, gasOfSize)); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestPack_CutsByGas(t *testing.T) {
	messages := []*pending{entry("a", 9, 40), entry("b", 9, 60), entry("c", 9, 1), entry("d", 9, 500), entry("e", 9, 1)}
	for gas, want := range map[uint64]string{0: "abcde", 100: "ab c d e", 101: "abc d e", 602: "abcde"} {
		if got := shape(pack(messages, room{messages: 10, bytes: 10_000, gas: gas}, gasOfSize)); got != want {
			t.Errorf("%d gas: %q, want %q", gas, got, want)
		}
	}
}

func TestPack_LosesNothingAndKeepsEveryBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var free []*pending
		for i := range rapid.IntRange(0, 60).Draw(t, "messages") {
			p := entry(fmt.Sprint(i), rapid.Int64Range(1, 4).Draw(t, "deadline"), rapid.IntRange(0, 900).Draw(t, "bytes"))
			p.sub.Mandatory, p.suspect = rapid.Bool().Draw(t, "mandatory"), rapid.Bool().Draw(t, "suspect")
			p.limit = rapid.IntRange(0, 5).Draw(t, "limit")
			free = append(free, p)
		}
		count, bytes := rapid.IntRange(1, 20).Draw(t, "max messages"), rapid.IntRange(600, 4000).Draw(t, "max bytes")
		gas := uint64(rapid.IntRange(0, 3000).Draw(t, "max gas"))
		packed := 0
		for _, batch := range pack(free, room{count, bytes, gas}, gasOfSize) {
			size, asked := envelopeBytes, uint64(0)
			for _, p := range batch {
				size += len(p.message.Value) + len(p.message.TypeUrl)
				asked += gasOfSize(p)
				if p.class() != batch[0].class() {
					t.Fatalf("classes mix in %s", shape([][]*pending{batch}))
				}
				if p.limit > 0 && len(batch) > p.limit {
					t.Fatalf("%s has a message for at most %d", shape([][]*pending{batch}), p.limit)
				}
			}
			if len(batch) == 0 || len(batch) > count || len(batch) > 1 && (size > bytes || gas > 0 && asked > gas) {
				t.Fatalf("batch of %d messages, %d bytes and %d gas", len(batch), size, asked)
			}
			packed += len(batch)
		}
		if packed != len(free) {
			t.Fatalf("%d of %d messages are packed", packed, len(free))
		}
	})
}
