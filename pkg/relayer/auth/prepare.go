package auth

import (
	"context"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
)

// Served returns the sessions in the table that began at height from or later, and
// before height before, of which a request was verified: for each application and
// service the one that was used last. Those used last come first.
func (a *Authenticator) Served(from, before int64) []*sessiontypes.SessionHeader {
	var served []*sessiontypes.SessionHeader
	listed := make(map[sessionKey]bool)
	known := a.sessions.known.Values() // those used last come last
	for i := len(known) - 1; i >= 0; i-- {
		key := keyOf(&known[i].header)
		began := key.start
		key.start = 0
		if began >= from && began < before && known[i].served.Load() && !listed[key] {
			listed[key] = true
			served = append(served, &known[i].header)
		}
	}
	return served
}

// Prepare takes a session of the chain into the table, and looks up the members of its
// ring if a supplier takes part in it whose key is held here. The error wraps
// relayer.ErrInternal if the chain could not be asked.
func (a *Authenticator) Prepare(ctx context.Context, session *sessiontypes.Session) error {
	known := a.sessions.remember(a.sessions.digest(session))
	if len(known.suppliers) == 0 {
		return nil
	}
	_, _, err := a.rings.allowedKeys(ctx, &known.header)
	return err
}
