package chain

import (
	"context"
	"errors"
	"fmt"

	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	comettypes "github.com/cometbft/cometbft/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// head is a block as its header describes it.
type head struct {
	block  *relayer.Block
	parent []byte  // hash of the block before, empty at the first block
	from   *server // that described it
}

// newHead takes from a header what the relayer needs. The hash is computed, not
// believed: it is the value that x/session stores and derives session ids from
// (x/session: EndBlock, ctx.HeaderHash).
func newHead(header *comettypes.Header) (head, error) {
	if header == nil {
		return head{}, fmt.Errorf("%w: block without header", ErrMalformed)
	}
	hash := header.Hash()
	if len(hash) == 0 || header.Height <= 0 {
		return head{}, fmt.Errorf("%w: incomplete header of block %d", ErrMalformed, header.Height)
	}
	return head{
		block:  &relayer.Block{Height: header.Height, Hash: hash, Time: header.Time},
		parent: header.LastBlockID.Hash,
	}, nil
}

// latest returns the height of the newest block whose effects can be queried.
// It asks the application rather than the block store, which is ahead of it
// while a block is executed.
func (n *Node) latest(ctx context.Context) (int64, error) {
	var best int64
	info, s, err := callRPC(ctx, n, "abci info", func(ctx context.Context, c cometClient) (*ctypes.ResultABCIInfo, error) {
		best = n.seen.Load()
		return c.ABCIInfo(ctx)
	})
	if err != nil {
		return 0, err
	}
	height := info.Response.LastBlockHeight
	n.note(height)
	n.query.saw(s, height, best)
	return height, nil
}

// oldest returns the height of the oldest block that the node keeps.
func (n *Node) oldest(ctx context.Context) (int64, error) {
	status, _, err := callRPC(ctx, n, "status", func(ctx context.Context, c cometClient) (*ctypes.ResultStatus, error) {
		return c.Status(ctx)
	})
	if err != nil {
		return 0, err
	}
	return status.SyncInfo.EarliestBlockHeight, nil
}

// headersPerCall is what a node returns at most (CometBFT: rpc/core, blockchain).
const headersPerCall = 20

// headers returns the heads from one height on, ascending and without gaps: at
// least the first, at most headersPerCall, none above to. The error wraps
// ErrHeightPruned or ErrHeightAhead if the node does not have the first.
func (n *Node) headers(ctx context.Context, from, to int64) ([]head, error) {
	what := fmt.Sprintf("headers from %d", from)
	to = min(to, from+headersPerCall-1)
	info, s, err := callRPC(ctx, n, what, func(ctx context.Context, c cometClient) (*ctypes.ResultBlockchainInfo, error) {
		return c.BlockchainInfo(ctx, from, to)
	})
	if err != nil {
		return nil, n.placeHeight(ctx, s, from, err)
	}
	heads := make([]head, 0, len(info.BlockMetas))
	for i := len(info.BlockMetas) - 1; i >= 0; i-- { // the node lists the newest first
		meta := info.BlockMetas[i]
		if meta == nil {
			break
		}
		h, err := newHead(&meta.Header)
		if err != nil {
			return nil, fmt.Errorf("%s: rpc %s: %w", what, s.name, err)
		}
		if h.block.Height != from+int64(len(heads)) {
			break
		}
		h.from = s
		heads = append(heads, h)
	}
	if len(heads) == 0 {
		return nil, n.placeHeight(ctx, s, from, fmt.Errorf("%w: rpc %s does not return block %d", ErrMalformed, s.name, from))
	}
	return heads, nil
}

// placeHeight finds out whether a server's failure to return the block at height
// has its reason in the height. Its own answer says so in prose only.
func (n *Node) placeHeight(ctx context.Context, s *server, height int64, err error) error {
	if s == nil || errors.Is(err, ErrUnreachable) {
		return err
	}
	var status *ctypes.ResultStatus
	statusErr := attempt(ctx, n.timeout, func(ctx context.Context) (err error) {
		status, err = s.rpc.Status(ctx)
		return err
	})
	if statusErr != nil {
		return err
	}
	sync := status.SyncInfo
	switch {
	case height < sync.EarliestBlockHeight:
		return fmt.Errorf("%w: block %d, oldest is %d: %w", ErrHeightPruned, height, sync.EarliestBlockHeight, err)
	case height > sync.LatestBlockHeight:
		return fmt.Errorf("%w: block %d, newest is %d: %w", ErrHeightAhead, height, sync.LatestBlockHeight, err)
	}
	return err
}
