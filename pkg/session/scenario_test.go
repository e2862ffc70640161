package session

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Scenarios are stories of one session, told in testdata/scenarios/*.txt: lines
// that begin with "> " are done, the others are what is seen of it. Lines that
// begin with "#" say what the story is about.
//
//	UPDATE_GOLDEN=1 go test ./pkg/session -run Scenario
//
// writes what is seen into the files, to be read before it is believed.
func TestScenario_EveryPathOfASessionIsAsTold(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scenarios, error %v", len(files), err)
	}
	gone := make(map[State]map[State]bool)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			told, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			seen := newScenario(t, gone).play(string(told))
			if os.Getenv("UPDATE_GOLDEN") != "" {
				if err := os.WriteFile(file, []byte(seen), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if seen != string(told) {
				t.Errorf("told:\n%s\nseen:\n%s", told, seen)
			}
		})
	}
	if !t.Failed() {
		checkEveryPathGone(t, gone)
	}
}

// checkEveryPathGone makes sure that the scenarios leave out no transition.
func checkEveryPathGone(t *testing.T, gone map[State]map[State]bool) {
	for from, targets := range transitions {
		for _, to := range targets {
			if !gone[from][to] {
				t.Errorf("no scenario goes from %s to %s", from, to)
			}
		}
	}
}

// scenario plays a story on a sessions manager with a real store and a fake chain.
type scenario struct {
	*bench
	gone map[State]map[State]bool // transitions seen, of all scenarios

	out   strings.Builder
	sent  int // relays
	lines int // of the timeline that were told
	msgs  int // submissions that were told
}

func newScenario(t *testing.T, gone map[State]map[State]bool) *scenario {
	return &scenario{bench: newBench(t, newFakeChain(t)), gone: gone}
}

// play does what the story says and returns it with what was seen.
func (s *scenario) play(story string) string {
	for line := range strings.Lines(story) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "#") || line == "":
			s.tell("%s", line)
		case strings.HasPrefix(line, "> "):
			s.tell("%s", line)
			s.do(strings.Fields(line[2:]))
			s.look()
		}
	}
	return s.out.String()
}

func (s *scenario) tell(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

// verbs are what a story can do.
var verbs = map[string]func(s *scenario, args []string){
	"send":     func(s *scenario, args []string) { s.sendRelays(s.number(args[0])) },
	"to":       func(s *scenario, args []string) { s.run(s.height(args[0])) },
	"stop":     func(s *scenario, _ []string) { s.stop() },
	"start":    func(s *scenario, _ []string) { s.start(); s.rest() },
	"skip":     func(s *scenario, args []string) { s.chain.advance(s.height(args[0])) },
	"node":     func(s *scenario, args []string) { s.node(args[0]) },
	"lose":     func(s *scenario, args []string) { s.chain.lose(args) },
	"refuse":   func(s *scenario, args []string) { s.chain.refuseKinds(args) },
	"claim-by": func(s *scenario, args []string) { s.foreignClaim(args[0]) },
	"require":  func(s *scenario, args []string) { s.require(args[0]) },
	"params":   func(s *scenario, args []string) { s.chain.change(s.chain.Latest().Height+1, args) },
	"always":   func(s *scenario, args []string) { s.chain.change(0, args) },
	"prove-by": func(s *scenario, _ []string) { s.foreignProof() },
	"spoil":    func(s *scenario, args []string) { s.chain.set(func(c *fakeChain) { c.spoilt = args[0] == "proofs" }) },
	"results":  func(s *scenario, args []string) { s.chain.set(func(c *fakeChain) { c.noResults = args[0] == "gone" }) },
	"discard":  func(s *scenario, _ []string) { s.chain.set(func(c *fakeChain) { c.discard = true }) },
	"forget":   func(s *scenario, args []string) { s.forget(args[0]) },
	"fee":      func(s *scenario, args []string) { s.chain.set(func(c *fakeChain) { c.fee = int64(s.number(args[0])) }) },
}

func (s *scenario) do(words []string) {
	s.t.Helper()
	verb, ok := verbs[words[0]]
	if !ok {
		s.t.Fatalf("a story cannot %q: %v", words[0], slices.Sorted(maps.Keys(verbs)))
	}
	verb(s, words[1:])
}

func (s *scenario) number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// height reads a height: a number, a place of the session's windows, or either
// with an offset, such as claim-close+1.
func (s *scenario) height(word string) int64 {
	offset := int64(0)
	if place, plus, ok := strings.Cut(word, "+"); ok {
		word, offset = place, int64(s.number(plus))
	}
	w := s.chain.windows(header().SessionEndBlockHeight)
	places := map[string]int64{
		"now": s.chain.Latest().Height, "end": header().SessionEndBlockHeight,
		"claim-open": w.ClaimOpen, "claim-close": w.ClaimClose, "proof-open": w.ProofOpen, "proof-close": w.ProofClose,
	}
	if height, ok := places[word]; ok {
		return height + offset
	}
	return int64(s.number(word)) + offset
}

func (s *scenario) sendRelays(n int) {
	stored := 0
	refusals := make(map[string]int)
	for _, err := range s.send(s.sent, n) {
		if err == nil {
			stored++
		} else {
			refusals[err.Error()]++
		}
	}
	s.sent += n
	s.tell("%d stored", stored)
	for _, reason := range slices.Sorted(maps.Keys(refusals)) {
		s.tell("%d refused: %s", refusals[reason], reason)
	}
}

func (s *scenario) node(is string) {
	s.chain.refuseLookups(is == "down")
}

// foreignClaim has another replica make the session's claim.
func (s *scenario) foreignClaim(root string) {
	bz := make([]byte, 48)
	bz[0] = 1
	if root == "same-root" {
		s.open(func() {
			var err error
			if bz, err = s.record().RootBytes(); err != nil || bz == nil {
				s.t.Fatalf("root %x, error %v", bz, err)
			}
		})
	}
	s.chain.set(func(c *fakeChain) {
		c.claims[claimKey(header().SessionId, testSupplier)] = newClaim(header(), testSupplier, bz)
	})
}

// foreignProof has another replica prove the session's claim.
func (s *scenario) foreignProof() {
	s.chain.set(func(c *fakeChain) {
		c.claims[claimKey(header().SessionId, testSupplier)].ProofValidationStatus = prooftypes.ClaimProofStatus_VALIDATED
	})
}

func (s *scenario) require(proofs string) {
	probability := map[string]float64{"proofs": 1, "nothing": 0}[proofs]
	s.chain.set(func(c *fakeChain) { c.proof.ProofRequestProbability = probability })
}

// forget takes something away from the store while the relay miner is stopped.
func (s *scenario) forget(what string) {
	s.open(func() {
		key := s.record().Key()
		if what != "leaves" {
			s.t.Fatalf("cannot forget %s", what)
		}
		bz, err := s.store.Record(key)
		if err == nil {
			err = errors.Join(s.store.DeleteSession(key), s.store.PutRecord(key, bz))
		}
		if err != nil {
			s.t.Fatal(err)
		}
	})
}

// look tells what is new.
func (s *scenario) look() {
	s.open(func() { s.tellTimeline() })
	s.chain.mu.Lock()
	defer s.chain.mu.Unlock()
	for _, key := range s.chain.submitted[s.msgs:] {
		s.tell("   submitted %s", strings.SplitN(key, "/", 2)[0])
	}
	s.msgs = len(s.chain.submitted)
}

func (s *scenario) tellTimeline() {
	records, err := Records(s.store)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, record := range records {
		for i := s.lines; i < len(record.Timeline); i++ {
			s.tellTransition(record, i)
		}
		s.lines = len(record.Timeline)
	}
}

func (s *scenario) tellTransition(record *Record, i int) {
	entry := record.Timeline[i]
	line := fmt.Sprintf("%4d %s", entry.Height, entry.State)
	if i > 0 {
		from := record.Timeline[i-1].State
		if s.gone[from] == nil {
			s.gone[from] = make(map[State]bool)
		}
		s.gone[from][entry.State] = true
	}
	switch entry.State {
	case StateSealed:
		line += fmt.Sprintf(", %d relays, %d compute units", record.Relays, record.ComputeUnits)
	case StateClaiming:
		line += fmt.Sprintf(", worth %d upokt", record.EstimatedUpokt)
	case StateSettled:
		line += fmt.Sprintf(", proof requirement %q, %s", record.Requirement, record.SettledUpokt)
	}
	if entry.Reason != "" {
		line += ": " + entry.Reason
	}
	s.tell("%s", line)
}

// open gives access to the store, if need be while the relay miner is stopped.
func (s *scenario) open(use func()) {
	if s.store != nil {
		use()
		return
	}
	s.reopen()
	use()
	s.shut()
}

// kinds returns whether a submission is of one of the kinds, "claim" or "proof".
func kinds(words []string) func(*relayer.Submission) bool {
	return func(sub *relayer.Submission) bool {
		kind, _, _ := strings.Cut(sub.Key, "/")
		return slices.Contains(words, kind+"s")
	}
}
