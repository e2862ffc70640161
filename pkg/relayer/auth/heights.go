package auth

import (
	"context"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// checkHeights checks that the session has begun, or does in the next block, and
// that its grace period is not over. It leaves only heights near the newest block
// at which a session begins, so that a stranger cannot have the chain asked about
// a different session each time.
func (a *Authenticator) checkHeights(ctx context.Context, header *sessiontypes.SessionHeader) error {
	latest := a.blocks.Latest()
	if latest == nil {
		return relayer.ErrInternal.Wrapf("no block seen yet")
	}
	start, end := header.SessionStartBlockHeight, header.SessionEndBlockHeight
	if start > latest.Height+1 {
		return future(start, latest.Height)
	}
	live, err := a.shared.SharedParams(ctx)
	if err != nil {
		return relayer.ErrInternal.Wrapf("shared params: %w", err)
	}
	length := int64(live.NumBlocksPerSession)
	if end >= latest.Height {
		// A new session length begins with a session (x/shared), so the one in
		// force now is that of the session that the newest block belongs to.
		if start+length <= latest.Height {
			return relayer.ErrInvalidSession.Wrapf("sessions have %d blocks, the one from height %d cannot last until %d",
				length, start, end)
		}
		return a.checkStart(ctx, live, start)
	}
	// Loose, since the grace period may have changed after the session. It is shorter
	// than a session (x/shared), and the session before the grid's anchor may have been
	// longer than those of now.
	beforeAnchor := end+1 == int64(live.SessionGridAnchorHeight)
	if end+int64(live.GracePeriodEndOffsetBlocks)+length < latest.Height && !beforeAnchor {
		return expired(end, latest.Height)
	}
	params, err := a.shared.SharedParamsAt(ctx, end)
	if err != nil {
		return relayer.ErrInternal.Wrapf("shared params at %d: %w", end, err)
	}
	if sharedtypes.IsGracePeriodElapsed(params, end, latest.Height) {
		return expired(end, latest.Height)
	}
	if start != sharedtypes.GetSessionStartHeight(params, end) {
		return relayer.ErrInvalidSession.Wrapf("no session lasts from height %d to %d", start, end)
	}
	return nil
}

// checkStart checks that a session begins at the height. Around a block that
// changes the length of sessions the parameters of that height decide.
func (a *Authenticator) checkStart(ctx context.Context, live *sharedtypes.Params, start int64) error {
	if sharedtypes.IsSessionStartHeight(live, start) {
		return nil
	}
	params, err := a.shared.SharedParamsAt(ctx, start)
	if err != nil {
		return relayer.ErrInternal.Wrapf("shared params at %d: %w", start, err)
	}
	if !sharedtypes.IsSessionStartHeight(params, start) {
		return relayer.ErrInvalidSession.Wrapf("no session begins at height %d", start)
	}
	return nil
}

func future(start, latest int64) error {
	return relayer.ErrInvalidSession.Wrapf("session starts at height %d, the chain is at %d", start, latest)
}

func expired(end, latest int64) error {
	return relayer.ErrInvalidSession.Wrapf("session expired: it ended at height %d, the chain is at %d", end, latest)
}
