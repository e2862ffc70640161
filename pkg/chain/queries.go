package chain

import (
	"context"
	"fmt"

	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
	"google.golang.org/grpc"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Bounds of what Queries remembers, in answers. At its bound the answer that was
// not used for longest is dropped and asked for again when needed.
const (
	maxSessions     = 2048 // some 25 kB each where a session has fifty suppliers
	maxHeights      = 4096 // parameters, prices and difficulties at a height
	maxApplications = 8192
	maxSuppliers    = 1024
	maxPubKeys      = 16384
	maxServices     = 1024
	maxPastBlocks   = 1024
	maxPastEvents   = 64
	one             = 1
)

// resultsAtOnce bounds the blocks whose results are fetched at the same time. Those
// of a settlement have many megabytes, and after an outage many are asked for.
const resultsAtOnce = 2

// Queries answers questions about the chain's state. It implements the query
// interfaces of package relayer and may be used concurrently.
//
// Answers pinned to a height are remembered for good, within a bound, once the
// chain has reached that height. Answers that are true only now are remembered
// until the next block; claims and balances are not remembered at all. A public
// key is remembered for good when there is one. Errors are not remembered.
type Queries struct {
	node *Node

	sessions     *memo[sessionKey, *sessiontypes.Session]
	sharedNow    *memo[nothing, *sharedtypes.Params]
	sharedAt     *memo[int64, *sharedtypes.Params]
	proofNow     *memo[nothing, *prooftypes.Params]
	tokenomics   *memo[nothing, *tokenomicstypes.Params]
	applications *memo[string, *apptypes.Application]
	suppliers    *memo[string, *sharedtypes.Supplier]
	pubKeys      *memo[string, cryptotypes.PubKey]
	services     *memo[string, *sharedtypes.Service]
	unitsAt      *memo[serviceKey, uint64]
	targetAt     *memo[serviceKey, []byte]
	blocks       *memo[int64, *relayer.Block]
	events       *memo[int64, *relayer.BlockEvents]

	results chan struct{} // a place for each block whose results are fetched at once
}

// nothing is the key of a question without parameters.
type nothing struct{}

// serviceKey is the key of a question about a service at a height.
type serviceKey struct {
	service string
	height  int64
}

var (
	_ relayer.SessionQuerier     = (*Queries)(nil)
	_ relayer.SharedQuerier      = (*Queries)(nil)
	_ relayer.ApplicationQuerier = (*Queries)(nil)
	_ relayer.AccountQuerier     = (*Queries)(nil)
	_ relayer.ServiceQuerier     = (*Queries)(nil)
	_ relayer.ProofQuerier       = (*Queries)(nil)
	_ relayer.TokenomicsQuerier  = (*Queries)(nil)
	_ relayer.SupplierQuerier    = (*Queries)(nil)
	_ relayer.BalanceQuerier     = (*Queries)(nil)
	_ relayer.BlockQuerier       = (*Queries)(nil)
)

// NewQueries returns queries that are answered by the node. Answers about the
// present are renewed with each block that the node's BlockDriver sees.
func NewQueries(node *Node) *Queries {
	q := &Queries{node: node, results: make(chan struct{}, resultsAtOnce)}
	q.sessions = newMemo(node, maxSessions, q.askSession)
	q.sharedNow = newMemo(node, one, q.askSharedParams)
	q.sharedAt = newMemo(node, maxHeights, q.askSharedParamsAt)
	q.proofNow = newMemo(node, one, q.askProofParams)
	q.tokenomics = newMemo(node, one, q.askTokenomicsParams)
	q.applications = newMemo(node, maxApplications, q.askApplication)
	q.suppliers = newMemo(node, maxSuppliers, q.askSupplier)
	q.pubKeys = newMemo(node, maxPubKeys, q.askPubKey)
	q.services = newMemo(node, maxServices, q.askService)
	q.unitsAt = newMemo(node, maxHeights, q.askUnits)
	q.targetAt = newMemo(node, maxHeights, q.askTarget)
	q.blocks = newMemo(node, maxPastBlocks, q.askBlock)
	q.events = newMemo(node, maxPastEvents, q.askEvents)
	return q
}

// pinned says whether what was answered about a height is final: the state that
// answered must have reached it. Parameters of a future height can still change.
func (n *Node) pinned(about, answeredAt int64) bool {
	if answeredAt == 0 { // the answer does not tell; be one block careful
		return about < n.seen.Load()
	}
	return about <= answeredAt
}

// noHeight is the error of a height that no block has. To the chain zero often
// means "now", which would be another question.
func noHeight(what string, height int64) error {
	return fmt.Errorf("%s: %w: there is no height %d", what, ErrInvalidQuery, height)
}

// now asks for what is true only now.
func now[R, V any](
	ctx context.Context, n *Node, what string,
	call func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (R, error), pick func(R) V,
) (answer[V], error) {
	response, height, err := ask(ctx, n, what, call)
	if err != nil {
		return answer[V]{height: height}, err
	}
	return answer[V]{value: pick(response), height: height}, nil
}
