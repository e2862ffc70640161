package auth

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Bounds of the session table, in entries. At its bound each part forgets the
// entry that was not used for longest.
const (
	maxKnownSessions   = 8192
	maxRefusedSessions = 8192
	maxCallers         = 4096
	maxApplications    = 4096
)

// Limits of looking up sessions that are not in the table.
const (
	// callerRate a second, and callerBurst at once, serve a gateway that begins
	// to send for hundreds of applications.
	callerRate, callerBurst = 128, 512
	// applicationRate a second, and applicationBurst at once: an application has
	// one service, and two sessions of it around a session's end.
	applicationRate, applicationBurst = 4, 16
	// refusedFor bounds how long a session is believed not to exist if no block
	// arrives; the next block ends it anyway.
	refusedFor = 30 * time.Second
)

// sessionKey names a session: id and suppliers are a function of it.
type sessionKey struct {
	application, service string
	start                int64
}

func keyOf(header *sessiontypes.SessionHeader) sessionKey {
	return sessionKey{header.ApplicationAddress, header.ServiceId, header.SessionStartBlockHeight}
}

// knownSession is what is kept of a session of the chain.
type knownSession struct {
	header    sessiontypes.SessionHeader
	suppliers []string    // operator addresses in it whose keys are held here
	served    atomic.Bool // a request of it was verified; the rest does not change
}

// serve takes note of a request that was verified.
func (s *knownSession) serve() {
	if !s.served.Load() { // most find it set, and share it best if they only read
		s.served.Store(true)
	}
}

// refusedSession is a session that the chain did not have.
type refusedSession struct {
	cause  error
	height int64 // the newest block when it was asked
	until  time.Time
}

// sessionTable knows the sessions that relays were served in, and briefly those
// that the chain says do not exist. Of one that it does not know it asks the
// chain, if the caller and the application have not caused too many such
// questions. That the chain could not be asked is not remembered.
type sessionTable struct {
	querier      relayer.SessionQuerier
	blocks       relayer.BlockSource
	keys         SigningKeys
	now          func() time.Time
	known        *lru.Cache[sessionKey, *knownSession]
	refused      *lru.Cache[sessionKey, refusedSession]
	callers      *buckets[netip.Prefix]
	applications *buckets[string]

	queries, remembered, limited atomic.Uint64

	mu     sync.Mutex
	asking map[sessionKey]int // requests that wait for the chain's answer
}

// init makes the table's parts. The dependencies are set by the caller.
func (t *sessionTable) init() error {
	var errs [4]error
	t.now = time.Now
	t.asking = make(map[sessionKey]int)
	t.known, errs[0] = lru.New[sessionKey, *knownSession](maxKnownSessions)
	t.refused, errs[1] = lru.New[sessionKey, refusedSession](maxRefusedSessions)
	t.callers, errs[2] = newBuckets[netip.Prefix](maxCallers, callerRate, callerBurst)
	t.applications, errs[3] = newBuckets[string](maxApplications, applicationRate, applicationBurst)
	return errors.Join(errs[:]...)
}

// check returns the session if it is the chain's, in every field, and the supplier
// takes part in it.
func (t *sessionTable) check(ctx context.Context, header *sessiontypes.SessionHeader, supplier string) (*knownSession, error) {
	session, err := t.lookUp(ctx, keyOf(header))
	switch {
	case err != nil:
		return nil, err
	case session.header != *header:
		return nil, relayer.ErrInvalidSession.Wrapf("header differs from the chain's session %s", session.header.SessionId)
	case !slices.Contains(session.suppliers, supplier):
		return nil, relayer.ErrSupplierNotInSession.Wrapf("supplier %q, session %s", supplier, session.header.SessionId)
	}
	return session, nil
}

// lookUp returns the session, from the table or from the chain.
func (t *sessionTable) lookUp(ctx context.Context, key sessionKey) (*knownSession, error) {
	if session, ok := t.known.Get(key); ok {
		return session, nil
	}
	if past, ok := t.refused.Get(key); ok && t.holds(past) {
		t.remembered.Add(1)
		return nil, past.cause
	}
	caller := callerOf(ctx)
	if !t.depart(key, caller) {
		t.limited.Add(1)
		return nil, relayer.ErrRateLimited.Wrapf("too many requests for sessions that were not asked for before")
	}
	defer t.land(key)
	if session, ok := t.known.Get(key); ok { // the one before has landed meanwhile
		return session, nil
	}
	session, err := t.ask(ctx, key)
	if err != nil && key.start > t.height() {
		// It is early rather than made up. The caller has paid for it.
		t.applications.giveBack(key.application)
	}
	return session, err
}

// depart says whether the chain may be asked. Who asks what is being asked
// already shares the answer and is not counted.
func (t *sessionTable) depart(key sessionKey, caller netip.Prefix) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asking[key] == 0 {
		now := t.now()
		if !t.callers.take(caller, now) {
			return false
		}
		if !t.applications.take(key.application, now) {
			return false
		}
	}
	t.asking[key]++
	return true
}

func (t *sessionTable) land(key sessionKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asking[key]--
	if t.asking[key] == 0 {
		delete(t.asking, key)
	}
}

// ask asks the chain for the session and remembers the answer.
func (t *sessionTable) ask(ctx context.Context, key sessionKey) (*knownSession, error) {
	t.queries.Add(1)
	asked := t.height()
	session, err := t.querier.Session(ctx, key.application, key.service, key.start)
	switch {
	case errors.Is(err, relayer.ErrNotFound):
		return nil, t.refuse(key, asked, err)
	case err != nil:
		// A gateway that follows another node can be one block ahead of this one.
		if height := t.height(); height > 0 && key.start > height {
			return nil, future(key.start, height)
		}
		return nil, relayer.ErrInternal.Wrapf("session: %w", err)
	case session.Header == nil:
		return nil, relayer.ErrInvalidSession.Wrapf("the chain's session %q has no header", session.SessionId)
	}
	known := t.digest(session)
	if keyOf(&known.header) != key {
		return known, nil // is compared and refused, not remembered
	}
	return t.remember(known), nil
}

// digest returns what is kept of a session.
func (t *sessionTable) digest(session *sessiontypes.Session) *knownSession {
	known := &knownSession{header: *session.Header}
	for _, supplier := range session.Suppliers {
		if _, ours := t.keys.Signer(supplier.OperatorAddress); ours {
			known.suppliers = append(known.suppliers, supplier.OperatorAddress)
		}
	}
	return known
}

// remember returns the session as it is in the table, and adds it if it is not.
func (t *sessionTable) remember(known *knownSession) *knownSession {
	if previous, ok, _ := t.known.PeekOrAdd(keyOf(&known.header), known); ok {
		return previous
	}
	return known
}

// refuse remembers and returns that the session did not exist at a height.
func (t *sessionTable) refuse(key sessionKey, height int64, err error) error {
	cause := relayer.ErrUnknownSession.Wrapf("application %q has no session for service %q at height %d: %w",
		key.application, key.service, key.start, err)
	t.refused.Add(key, refusedSession{cause: cause, height: height, until: t.now().Add(refusedFor)})
	return cause
}

// holds says whether the session is still believed not to exist.
func (t *sessionTable) holds(past refusedSession) bool {
	return past.height == t.height() && t.now().Before(past.until)
}

// height returns the height of the newest block, 0 before the first one.
func (t *sessionTable) height() int64 {
	if latest := t.blocks.Latest(); latest != nil {
		return latest.Height
	}
	return 0
}
