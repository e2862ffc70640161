package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// claimID is what all events of the chain name a claim by.
type claimID struct {
	application string
	service     string
	supplier    string
	sessionEnd  int64
}

// claimTally is what became of the relays of one session and supplier.
type claimTally struct {
	sent     uint64
	served   uint64
	claimed  uint64
	proven   bool
	required bool // the chain asked for a proof
	settled  bool
	paidFor  uint64 // relays that were settled
	expired  bool
	slashed  bool
	reward   int64    // upokt that the supplier was paid
	faults   []string // what the chain says is wrong with it
}

// losses returns what is wrong with the end of a claim. Unless over is set there
// may be more to come, and only what can no more be made good counts.
func (c *claimTally) losses(over bool) []string {
	losses := slices.Clone(c.faults)
	ended := c.settled || c.expired
	switch {
	case !ended && !over, c.served == 0 && c.claimed == 0:
	case c.claimed < c.served:
		losses = append(losses, fmt.Sprintf("served %d relays and claimed %d", c.served, c.claimed))
	case !ended:
		losses = append(losses, "the claim is not settled")
	}
	if c.settled && c.paidFor < c.served {
		losses = append(losses, fmt.Sprintf("served %d relays and settled %d", c.served, c.paidFor))
	}
	if c.settled && c.required && !c.proven {
		losses = append(losses, "the proof that was required was not judged valid")
	}
	if c.expired {
		losses = append(losses, "the claim expired")
	}
	if c.slashed {
		losses = append(losses, "the supplier was slashed")
	}
	return losses
}

// tally counts what a client was served and what the chain says of it.
type tally struct {
	progress io.Writer
	want     int
	lifetime int64 // blocks after which a session that ended has an outcome

	mu     sync.Mutex
	done   bool
	claims map[claimID]*claimTally
	shown  string
}

func newTally(progress io.Writer, want int, lifetime int64) *tally {
	return &tally{progress: progress, want: want, lifetime: lifetime, claims: make(map[claimID]*claimTally)}
}

func (t *tally) sent(header *sessiontypes.SessionHeader, supplier string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claimOf(header, supplier).sent++
}

func (t *tally) served(header *sessiontypes.SessionHeader, supplier string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.claimOf(header, supplier).served++
}

// claimOf returns the entry of a session and supplier; mu is held.
func (t *tally) claimOf(header *sessiontypes.SessionHeader, supplier string) *claimTally {
	return t.claim(header.ApplicationAddress, header.ServiceId, supplier, header.SessionEndBlockHeight)
}

// allSent says that no more relays will be sent.
func (t *tally) allSent() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = true
}

// claim returns the entry of a claim; mu is held.
func (t *tally) claim(application, service, supplier string, sessionEnd int64) *claimTally {
	id := claimID{application: application, service: service, supplier: supplier, sessionEnd: sessionEnd}
	entry := t.claims[id]
	if entry == nil {
		entry = &claimTally{}
		t.claims[id] = entry
	}
	return entry
}

// follow reads the chain's events until every session in which relays were sent is
// over.
func (t *tally) follow(ctx context.Context, network *localnet.Network) error {
	for height := int64(1); ; height++ {
		if err := network.WaitForHeight(ctx, height); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		var events []localnet.Event
		if err := patiently(ctx, network, func() (err error) {
			events, err = network.Events(ctx, height, height)
			return err
		}); err != nil {
			return err
		}
		if t.add(events, height) {
			return nil
		}
	}
}

// add counts the events of a block and reports whether all is over.
func (t *tally) add(events []localnet.Event, height int64) (over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, event := range events {
		t.addEvent(event)
	}
	t.show(height)
	if !t.done {
		return false
	}
	for id, claim := range t.claims {
		if !claim.settled && !claim.expired && height <= id.sessionEnd+t.lifetime {
			return false
		}
	}
	return true
}

func (t *tally) addEvent(event localnet.Event) {
	switch e := event.Msg.(type) {
	case *prooftypes.EventClaimCreated:
		t.claim(e.ApplicationAddress, e.ServiceId, e.SupplierOperatorAddress, e.SessionEndBlockHeight).claimed = e.NumRelays
	case *prooftypes.EventClaimUpdated:
		t.claim(e.ApplicationAddress, e.ServiceId, e.SupplierOperatorAddress, e.SessionEndBlockHeight).claimed = e.NumRelays
	case *prooftypes.EventProofValidityChecked:
		claim := t.claim(e.ApplicationAddress, e.ServiceId, e.SupplierOperatorAddress, e.SessionEndBlockHeight)
		claim.proven = e.FailureReason == ""
		if !claim.proven {
			claim.faults = append(claim.faults, "invalid proof: "+e.FailureReason)
		}
	case *tokenomicstypes.EventClaimSettled:
		claim := t.claim(e.ApplicationAddress, e.ServiceId, e.SupplierOperatorAddress, e.SessionEndBlockHeight)
		claim.settled, claim.paidFor = true, e.NumRelays
		claim.required = e.ProofRequirementInt != int32(prooftypes.ProofRequirementReason_NOT_REQUIRED)
		claim.reward = rewardOf(e)
	case *tokenomicstypes.EventClaimExpired:
		t.claim(e.ApplicationAddress, e.ServiceId, e.SupplierOperatorAddress, e.SessionEndBlockHeight).expired = true
	case *tokenomicstypes.EventClaimDiscarded:
		claim := t.claim(e.ApplicationAddress, e.ServiceId, e.SupplierOperatorAddress, e.SessionEndBlockHeight)
		claim.faults = append(claim.faults, "discarded: "+e.Error)
	case *tokenomicstypes.EventSupplierSlashed:
		t.claim(e.ApplicationAddress, e.ServiceId, e.SupplierOperatorAddress, e.SessionEndBlockHeight).slashed = true
	}
}

// rewardOf returns the upokt that a settlement paid to the supplier, who owns
// itself in this network.
func rewardOf(e *tokenomicstypes.EventClaimSettled) int64 {
	var total int64
	for _, part := range e.RewardDistributionDetailed {
		coin, err := cosmostypes.ParseCoinNormalized(part.Amount)
		if err == nil && part.RecipientAddress == e.SupplierOperatorAddress {
			total += coin.Amount.Int64()
		}
	}
	return total
}

// show prints a line of progress if it says something new; mu is held.
func (t *tally) show(height int64) {
	r := t.sum()
	line := fmt.Sprintf("relays %d/%d  sessions %d  claims %d  proofs %d  settled %d",
		r.RelaysServed, t.want, r.Sessions, r.claims, r.ProofsValid, r.ClaimsSettled)
	if r.ClaimsExpired > 0 {
		line += fmt.Sprintf("  expired %d", r.ClaimsExpired)
	}
	if line != t.shown {
		fmt.Fprintf(t.progress, "block %-5d %s\n", height, line)
		t.shown = line
	}
}

// result is the end of a demo. Its JSON form is for programs.
type result struct {
	RelaysSent    uint64  `json:"relays_sent"`
	RelaysServed  uint64  `json:"relays_served"`
	RelaysClaimed uint64  `json:"relays_claimed"`
	Sessions      int     `json:"sessions"`
	ClaimsSettled int     `json:"claims_settled"`
	ClaimsExpired int     `json:"claims_expired"`
	ProofsValid   int     `json:"proofs_valid"`
	RewardUpokt   int64   `json:"reward_upokt"`
	Seconds       float64 `json:"seconds"`

	claims   int
	inTrees  uint64
	problems []string
}

// sum adds up what is known so far; mu is held.
func (t *tally) sum() *result {
	r := &result{}
	for _, claim := range t.claims {
		r.RelaysSent += claim.sent
		r.RelaysServed += claim.served
		r.RelaysClaimed += claim.claimed
		r.RewardUpokt += claim.reward
		r.Sessions += count(claim.served > 0)
		r.claims += count(claim.claimed > 0)
		r.ProofsValid += count(claim.proven)
		r.ClaimsSettled += count(claim.settled)
		r.ClaimsExpired += count(claim.expired)
	}
	return r
}

// losses returns what is wrong with any claim, in order; see claimTally. mu is held.
func (t *tally) losses(over bool) []string {
	var losses []string
	for id, claim := range t.claims {
		for _, loss := range claim.losses(over) {
			losses = append(losses, fmt.Sprintf("session of %s with supplier %s that ended at %d: %s",
				id.application, id.supplier, id.sessionEnd, loss))
		}
	}
	slices.Sort(losses)
	return losses
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// result returns the end of the demo. records are the relay miner's own.
func (t *tally) result(records []*session.Record, took time.Duration) *result {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.sum()
	r.problems = t.losses(true)
	r.Seconds = took.Seconds()
	for _, record := range records {
		r.inTrees += record.Relays
	}
	return r
}

// verdict returns an error unless every relay served was claimed and every claim
// settled.
func (r *result) verdict() error { return joined(r.problems) }

// joined makes one error of problems, nil if there are none.
func joined(problems []string) error {
	errs := make([]error, len(problems))
	for i, problem := range problems {
		errs[i] = errors.New(problem)
	}
	return errors.Join(errs...)
}

func (r *result) writeTable(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "")
	for _, row := range []struct {
		name  string
		value any
	}{
		{"relays served", r.RelaysServed},
		{"relays in trees", r.inTrees},
		{"relays claimed", r.RelaysClaimed},
		{"sessions", r.Sessions},
		{"proofs judged valid", r.ProofsValid},
		{"claims settled", r.ClaimsSettled},
		{"claims expired", r.ClaimsExpired},
		{"reward in upokt", r.RewardUpokt},
		{"seconds", fmt.Sprintf("%.1f", r.Seconds)},
	} {
		fmt.Fprintf(w, "%s\t%v\t\n", row.name, row.value)
	}
	return w.Flush()
}
