package auth

import (
	"context"
	"math/rand/v2"
	"testing"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// history is a chain whose session length and grace period have changed now and then,
// each time with the beginning of a session.
type history struct {
	epochs []epoch
	latest int64
}

// epoch are the parameters from a height on.
type epoch struct {
	from   int64
	params sharedtypes.Params
}

// newHistory returns a history of some changes, no two of them within a grace period. As
// in x/shared the grid's anchor moves only when the length does.
func newHistory(rng *rand.Rand) *history {
	const least = 7 // sessions of two blocks are longer together than any grace period
	h := &history{}
	from, number := int64(1), uint64(1)
	var params sharedtypes.Params
	for range 5 {
		if length := 2 + rng.Uint64N(12); len(h.epochs) == 0 || rng.IntN(3) > 0 && length != params.NumBlocksPerSession {
			params.NumBlocksPerSession = length
			params.SessionGridAnchorHeight, params.SessionNumberAtAnchor = uint64(from), number
		}
		params.GracePeriodEndOffsetBlocks = rng.Uint64N(params.NumBlocksPerSession)
		h.epochs = append(h.epochs, epoch{from, params})
		sessions := least + rng.Uint64N(4)
		from, number = from+int64(sessions*params.NumBlocksPerSession), number+sessions
	}
	return h
}

// at returns the parameters in force at a height.
func (h *history) at(height int64) *sharedtypes.Params {
	params := &h.epochs[0].params
	for i := range h.epochs {
		if h.epochs[i].from <= height {
			params = &h.epochs[i].params
		}
	}
	return params
}

func (h *history) Blocks() relayer.BlocksObservable { return nil }
func (h *history) Latest() *relayer.Block           { return &relayer.Block{Height: h.latest} }

func (h *history) SharedParams(context.Context) (*sharedtypes.Params, error) {
	return h.at(h.latest), nil
}

func (h *history) SharedParamsAt(_ context.Context, height int64) (*sharedtypes.Params, error) {
	return h.at(height), nil
}

// However session length and grace period change, a session is served from the block
// before its first until the end of the grace period that it began with, and nothing else is.
func TestCheckHeights_ServesEachSessionForItsTimeWhateverChanges(t *testing.T) {
	const last = 400
	for seed := range uint64(100) {
		h := newHistory(rand.New(rand.NewPCG(seed, 1)))
		a := &Authenticator{blocks: h, shared: h}
		for start := int64(1); start < last; start++ {
			params := h.at(start)
			end := sharedtypes.GetSessionEndHeight(params, start)
			begins := sharedtypes.IsSessionStartHeight(params, start)
			header := &sessiontypes.SessionHeader{SessionStartBlockHeight: start, SessionEndBlockHeight: end}
			for h.latest = max(1, start-5); h.latest < end+30; h.latest++ {
				want := begins && start <= h.latest+1 && !sharedtypes.IsGracePeriodElapsed(params, end, h.latest)
				if err := a.checkHeights(context.Background(), header); (err == nil) != want {
					t.Fatalf("history %d, %+v: session from %d to %d at height %d: got %v, want it served: %v",
						seed, h.epochs, start, end, h.latest, err, want)
				}
			}
		}
	}
}
