package simchain

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Service is the id of the chain's only service.
const Service = "svc"

// ComputeUnitsPerRelay is what a relay of the service counts.
const ComputeUnitsPerRelay = 100

// genesisTime is when the chain began. Blocks are a minute apart.
var genesisTime = time.Unix(1_700_000_000, 0)

// Options says what a chain has.
type Options struct {
	// Suppliers, Applications and Gateways are how many of each there are. 1 if 0.
	Suppliers, Applications, Gateways int
	// Params and Proof are the parameters in force. Sessions of 4 blocks, whose
	// claims and proofs have windows of 4 blocks each, and every proof required
	// unless set.
	Params *sharedtypes.Params
	Proof  *prooftypes.Params
}

// Actor is an account with a key.
type Actor struct {
	Key     *secp256k1.PrivKey
	Address string
}

// Chain is a chain in memory. It may be used concurrently. The owner calls Close.
type Chain struct {
	// Suppliers, Applications and Gateways are who is staked. All applications
	// delegate to all gateways.
	Suppliers    []Actor
	Applications []Actor
	Gateways     []Actor

	params *sharedtypes.Params
	proof  *prooftypes.Params
	staked staked
	blocks *observable.Replay[*relayer.Block]

	advancing sync.Mutex // held while a block is made and published
	mu        sync.Mutex
	latest    *relayer.Block
	claims    map[claimKey]*prooftypes.Claim
	events    map[int64]*relayer.BlockEvents
	waiting   []*submission
	totals    Totals
	sessions  map[sessionKey]*sessiontypes.Session // asked for since the last block
}

// Totals are what the chain has seen.
type Totals struct {
	Claims, Proofs   int    // included
	Settled, Expired int    // claims
	Relays           uint64 // of settled claims
}

type claimKey struct{ supplier, session string }

type sessionKey struct {
	application string
	start       int64
}

// New returns a chain at height 1. Chains with the same options have the same actors.
func New(opts Options) *Chain {
	chain.SetBech32Prefixes()
	c := &Chain{
		Suppliers:    actors("supplier", opts.Suppliers),
		Applications: actors("application", opts.Applications),
		Gateways:     actors("gateway", opts.Gateways),
		params:       opts.Params, proof: opts.Proof,
		blocks: observable.NewReplay[*relayer.Block](1, observable.WithName("simchain_blocks")),
		claims: make(map[claimKey]*prooftypes.Claim),
		events: make(map[int64]*relayer.BlockEvents),
	}
	c.staked = c.stakeAll()
	if c.params == nil {
		c.params = defaultParams()
	}
	if c.proof == nil {
		params := prooftypes.DefaultParams()
		params.ProofRequestProbability = 1
		c.proof = &params
	}
	c.Advance(1)
	return c
}

// actors returns n actors of a role, or one if n is 0.
func actors(role string, n int) []Actor {
	all := make([]Actor, max(n, 1))
	for i := range all {
		key := secp256k1.GenPrivKeyFromSecret(fmt.Appendf(nil, "%s %d", role, i))
		all[i] = Actor{Key: key, Address: cosmostypes.AccAddress(key.PubKey().Address()).String()}
	}
	return all
}

func defaultParams() *sharedtypes.Params {
	p := sharedtypes.DefaultParams()
	p.NumBlocksPerSession = 4
	p.GracePeriodEndOffsetBlocks = 1
	p.ClaimWindowOpenOffsetBlocks = 1
	p.ClaimWindowCloseOffsetBlocks = 4
	p.ProofWindowOpenOffsetBlocks = 0
	p.ProofWindowCloseOffsetBlocks = 4
	return &p
}

// Close ends the stream of blocks and parks what was submitted.
func (c *Chain) Close() {
	c.Park()
	c.blocks.Close()
}

// Park ends all submissions without an outcome, as a submitter that stops does.
func (c *Chain) Park() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.waiting {
		close(s.outcome)
	}
	c.waiting = nil
}

// Advance makes n blocks. What was submitted is included in the first.
func (c *Chain) Advance(n int) {
	c.advancing.Lock()
	defer c.advancing.Unlock()
	for range n {
		// Fails only after Close, when nobody observes.
		_ = c.blocks.Publish(context.Background(), c.makeBlock())
	}
}

func (c *Chain) makeBlock() *relayer.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := int64(1)
	if c.latest != nil {
		next = c.latest.Height + 1
	}
	c.events[next] = &relayer.BlockEvents{Height: next}
	c.include(next)
	c.settle(next)
	c.latest = block(next)
	c.sessions = make(map[sessionKey]*sessiontypes.Session)
	return c.latest
}

// block returns the block of a height, which is the same each time.
func block(height int64) *relayer.Block {
	hash := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(height)))
	return &relayer.Block{Height: height, Hash: hash[:], Time: genesisTime.Add(time.Duration(height) * time.Minute)}
}

// Totals returns what the chain has seen so far.
func (c *Chain) Totals() Totals {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals
}
