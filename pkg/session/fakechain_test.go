package session

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

func now() time.Time { return time.Unix(1_700_000_000, 0) }

// fakeChain is a chain whose blocks are made by the test. It includes what is
// submitted in the next block, judges proofs as x/proof does where tries are
// concerned, and settles at the close of the proof window.
type fakeChain struct {
	t      *testing.T
	params *sharedtypes.Params
	proof  *prooftypes.Params

	blocks *observable.Replay[*relayer.Block]

	mu          sync.Mutex
	latest      *relayer.Block
	claims      map[string]*prooftypes.Claim // by session id and supplier
	events      map[int64]*relayer.BlockEvents
	submissions []*pendingSubmission
	drop        func(*relayer.Submission) bool  // loses a submission until its deadline
	refuse      func(*relayer.Submission) error // why a message fails, if it does
	down        error                           // what looking a claim up answers
	silent      bool                            // gives no answer to who looks a claim up
	submitted   []string                        // keys, in order
	changed     []paramsChange                  // of the parameters, in order
	spoilt      bool                            // judges every proof invalid
	noResults   bool                            // has thrown the results of blocks away
	discard     bool                            // discards claims in place of settling them
	fee         int64                           // upokt that a message costs
	gone        uint64                          // how often it went back
	onClaim     func()                          // is called once, when a claim was looked up
}

// paramsChange is parameters that are in force from a height on.
type paramsChange struct {
	from   int64
	params *sharedtypes.Params
}

type pendingSubmission struct {
	*relayer.Submission
	outcome chan relayer.Outcome
}

func newFakeChain(t *testing.T) *fakeChain {
	proofParams := prooftypes.DefaultParams()
	proofParams.ProofRequestProbability = 1
	c := &fakeChain{
		t: t, params: devnetParams(), proof: &proofParams,
		blocks: observable.NewReplay[*relayer.Block](1),
		claims: make(map[string]*prooftypes.Claim),
		events: make(map[int64]*relayer.BlockEvents),
	}
	c.params.ProofWindowOpenOffsetBlocks = 1
	c.advance(1)
	return c
}

func (c *fakeChain) windows(sessionEnd int64) windows {
	return windowsOf(c.paramsAt(sessionEnd), sessionEnd)
}

// paramsAt returns the parameters in force at the height.
func (c *fakeChain) paramsAt(height int64) *sharedtypes.Params {
	params := c.params
	for _, change := range c.changed {
		if change.from <= height {
			params = change.params
		}
	}
	return params
}

// set changes how the chain is.
func (c *fakeChain) set(change func(*fakeChain)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// change makes changes of the form name=value to the parameters from a height on.
func (c *fakeChain) change(from int64, words []string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	params := *c.paramsAt(c.latest.Height)
	fields := map[string]*uint64{
		"price": &params.ComputeUnitsToTokensMultiplier, "claim-open": &params.ClaimWindowOpenOffsetBlocks,
		"claim-close": &params.ClaimWindowCloseOffsetBlocks, "proof-close": &params.ProofWindowCloseOffsetBlocks,
	}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		field, ok := fields[name]
		n, err := strconv.ParseUint(value, 10, 64)
		if !ok || err != nil {
			c.t.Fatalf("parameter %q", word)
		}
		*field = n
	}
	c.changed = append(c.changed, paramsChange{from, &params})
}

// lose makes the chain lose submissions of the kinds, "claims" or "proofs".
func (c *fakeChain) lose(words []string) { c.set(func(c *fakeChain) { c.drop = kinds(words) }) }

// refuseKinds makes the chain refuse submissions of the kinds.
func (c *fakeChain) refuseKinds(words []string) {
	refused := kinds(words)
	c.set(func(c *fakeChain) {
		c.refuse = func(s *relayer.Submission) error {
			if refused(s) {
				return errors.New("supplier is not staked")
			}
			return nil
		}
	})
}

// advance makes blocks up to the given height.
func (c *fakeChain) advance(height int64) {
	c.t.Helper()
	for {
		c.mu.Lock()
		if c.latest != nil && c.latest.Height >= height {
			c.mu.Unlock()
			return
		}
		block := c.makeBlock()
		c.mu.Unlock()
		if err := c.blocks.Publish(context.Background(), block); err != nil {
			c.t.Fatalf("publish block: %v", err)
		}
	}
}

func (c *fakeChain) makeBlock() *relayer.Block {
	next := int64(1)
	if c.latest != nil {
		next = c.latest.Height + 1
	}
	c.events[next] = &relayer.BlockEvents{Height: next}
	c.include(next)
	c.settle(next)
	c.latest = c.blockAt(next)
	return c.latest
}

func (c *fakeChain) blockAt(height int64) *relayer.Block {
	hash := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(height)))
	return &relayer.Block{Height: height, Hash: hash[:], Time: now().Add(time.Duration(height) * time.Minute)}
}

// include executes what was submitted.
func (c *fakeChain) include(height int64) {
	var left []*pendingSubmission
	for _, s := range c.submissions {
		switch {
		case c.drop != nil && c.drop(s.Submission):
			if height <= s.Deadline {
				left = append(left, s)
				continue
			}
			s.outcome <- relayer.Outcome{State: relayer.NotIncluded, Height: height, Err: errors.New("dropped")}
		default:
			if err := c.execute(s.Submission, height); err != nil {
				s.outcome <- relayer.Outcome{State: relayer.Failed, Height: height, Err: err}
			} else {
				s.outcome <- relayer.Outcome{State: relayer.InForce, Height: height}
			}
		}
		close(s.outcome)
	}
	c.submissions = left
}

func (c *fakeChain) execute(s *relayer.Submission, height int64) error {
	if c.refuse != nil {
		if err := c.refuse(s); err != nil {
			return err
		}
	}
	switch msg := s.Msg.(type) {
	case *prooftypes.MsgCreateClaim:
		w := c.windows(msg.SessionHeader.SessionEndBlockHeight)
		if height < w.ClaimOpen || height > w.ClaimClose {
			return fmt.Errorf("claim at %d outside %+v", height, w)
		}
		c.claims[claimKey(msg.SessionHeader.SessionId, msg.SupplierOperatorAddress)] =
			newClaim(msg.SessionHeader, msg.SupplierOperatorAddress, msg.RootHash)
	case *prooftypes.MsgSubmitProof:
		return c.judge(msg, height)
	}
	return nil
}

func (c *fakeChain) judge(msg *prooftypes.MsgSubmitProof, height int64) error {
	w := c.windows(msg.SessionHeader.SessionEndBlockHeight)
	if height < w.ProofOpen || height > w.ProofClose {
		return fmt.Errorf("proof at %d outside %+v", height, w)
	}
	claim := c.claims[claimKey(msg.SessionHeader.SessionId, msg.SupplierOperatorAddress)]
	if claim == nil {
		return errors.New("proof without claim")
	}
	claim.ProofValidationStatus = prooftypes.ClaimProofStatus_INVALID
	proof, err := trie.Decode(msg.Proof)
	if err == nil {
		valid, verifyErr := trie.Verify(trie.Root(claim.RootHash), proof)
		path := proofPath(c.blockAt(w.ProofSeed).Hash, msg.SessionHeader.SessionId)
		if verifyErr == nil && valid && !c.spoilt && string(proof.Path) == string(path) {
			claim.ProofValidationStatus = prooftypes.ClaimProofStatus_VALIDATED
		}
	}
	return nil
}

// settle ends the claims whose proof window closes at the height.
func (c *fakeChain) settle(height int64) {
	for key, claim := range c.claims {
		header := claim.SessionHeader
		if c.windows(header.SessionEndBlockHeight).ProofClose != height {
			continue
		}
		event := relayer.ClaimEvent{
			Kind: relayer.ClaimSettled, Supplier: claim.SupplierOperatorAddress, SessionID: header.SessionId,
			SessionEnd: header.SessionEndBlockHeight, SettledUpokt: "42upokt",
		}
		if c.proof.ProofRequestProbability == 1 && claim.ProofValidationStatus != prooftypes.ClaimProofStatus_VALIDATED {
			event.Kind, event.Reason, event.SettledUpokt = relayer.ClaimExpired, "PROOF_MISSING", ""
		}
		if claim.ProofValidationStatus == prooftypes.ClaimProofStatus_INVALID {
			event.Reason = "PROOF_INVALID"
		}
		if c.discard {
			event.Kind, event.Reason, event.SettledUpokt = relayer.ClaimDiscarded, "the chain could not settle it", ""
		}
		c.events[height].Events = append(c.events[height].Events, event)
		delete(c.claims, key)
	}
}

func claimKey(sessionID, supplier string) string { return supplier + "/" + sessionID }

// setClaimsDown makes looking claims up fail with err; nil ends that.
func (c *fakeChain) setClaimsDown(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = err
}

// pending returns how many messages wait for the next block.
func (c *fakeChain) pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.submissions)
}

func (c *fakeChain) Blocks() relayer.BlocksObservable { return c.blocks }

func (c *fakeChain) Latest() *relayer.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

func (c *fakeChain) BlockAt(_ context.Context, height int64) (*relayer.Block, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blockAt(height), nil
}

func (c *fakeChain) Events(_ context.Context, height int64) (*relayer.BlockEvents, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if events := c.events[height]; events != nil && !c.noResults {
		return events, nil
	}
	return nil, fmt.Errorf("no block %d", height)
}

func (c *fakeChain) SharedParams(context.Context) (*sharedtypes.Params, error) {
	return c.params, nil
}

func (c *fakeChain) SharedParamsAt(_ context.Context, height int64) (*sharedtypes.Params, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paramsAt(height), nil
}

func (c *fakeChain) ComputeUnitsPerRelayAt(context.Context, string, int64) (uint64, error) {
	return 100, nil
}

func (c *fakeChain) DifficultyTargetAt(context.Context, string, int64) ([]byte, error) {
	target := make([]byte, 32)
	for i := range target {
		target[i] = 0xff
	}
	return target, nil
}

func (c *fakeChain) ProofParams(context.Context) (*prooftypes.Params, error) {
	return c.proof, nil
}

// Regressions makes the chain one that can go back.
func (c *fakeChain) Regressions() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

func (c *fakeChain) Claim(ctx context.Context, sessionID, supplier string) (*prooftypes.Claim, error) {
	c.mu.Lock()
	silent, called := c.silent, c.onClaim
	c.onClaim = nil
	claim, err := c.claimOf(sessionID, supplier)
	c.mu.Unlock()
	if called != nil {
		called()
	}
	if silent {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return claim, err
}

// claimOf returns a claim. c.mu is held.
func (c *fakeChain) claimOf(sessionID, supplier string) (*prooftypes.Claim, error) {
	if c.down != nil {
		return nil, c.down
	}
	claim := c.claims[claimKey(sessionID, supplier)]
	if claim == nil {
		return nil, relayer.ErrNotFound
	}
	copied := *claim
	return &copied, nil
}

func (c *fakeChain) Submit(_ context.Context, s *relayer.Submission) (<-chan relayer.Outcome, error) {
	attempt := relayer.TxAttempt{Hash: fmt.Sprintf("%X", sha256.Sum256([]byte(s.Key)))}
	if err := s.Record(attempt); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.submitted = append(c.submitted, s.Key)
	if !s.Mandatory && s.WorthUpokt > 0 && s.WorthUpokt < c.fee {
		outcome := make(chan relayer.Outcome, 1)
		outcome <- relayer.Outcome{State: relayer.Unprofitable, Height: c.latest.Height, Err: fmt.Errorf("fee of %d upokt", c.fee)}
		close(outcome)
		return outcome, nil
	}
	pending := &pendingSubmission{Submission: s, outcome: make(chan relayer.Outcome, 1)}
	c.submissions = append(c.submissions, pending)
	return pending.outcome, nil
}

// stop closes the outcomes of what was not included, as a submitter does.
func (c *fakeChain) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.submissions {
		close(s.outcome)
	}
	c.submissions = nil
}

// count returns how often a message of the kind was submitted.
func (c *fakeChain) count(kind string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, key := range c.submitted {
		if len(key) > len(kind) && key[:len(kind)] == kind {
			n++
		}
	}
	return n
}

// refuseLookups makes looking claims up fail, or ends that.
func (c *fakeChain) refuseLookups(on bool) {
	if on {
		c.setClaimsDown(errors.New("node is down"))
		return
	}
	c.setClaimsDown(nil)
}
