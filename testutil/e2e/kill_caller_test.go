package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// newKillWorld starts a chain whose claim and proof windows have the given number
// of blocks, so that a relay miner can be down for a part of each. limit bounds
// the test.
func newKillWorld(t *testing.T, config localnet.Config, window uint64, limit time.Duration) *world {
	t.Helper()
	config.Genesis.Shared = func(params *sharedtypes.Params) {
		params.ClaimWindowCloseOffsetBlocks = window
		params.ProofWindowCloseOffsetBlocks = window
	}
	w := newWorld(t, config)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	w.ctx = ctx
	return w
}

// caller sends relays for one application and keeps the ledger.
type caller struct {
	w      *world
	app    localnet.Application
	client *client.Client
	ledger *ledger
	number atomic.Uint64 // of the last relay, so that no two are the same

	mu      sync.Mutex
	session *sessiontypes.Session // the last that was looked up
}

// newCaller returns a caller that signs with the key of the application's gateway.
func (w *world) newCaller(t *testing.T, app localnet.Application, l *ledger) *caller {
	t.Helper()
	signer, err := ring.NewSigner(w.key(w.net.Gateways[0].PrivateKeyHex), w.members(app.Address, app.Gateways...))
	if err != nil {
		t.Fatal(err)
	}
	sender := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	t.Cleanup(sender.CloseIdleConnections)
	return &caller{w: w, app: app, client: &client.Client{Signer: signer, HTTP: sender}, ledger: l}
}

// current returns the application's session of the newest block.
func (c *caller) current(ctx context.Context) (*sessiontypes.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil && c.w.net.Height() <= c.session.Header.SessionEndBlockHeight {
		return c.session, nil
	}
	height, err := c.w.node.StateHeight(ctx)
	if err != nil {
		return nil, err
	}
	c.session, err = c.w.queries.Session(ctx, c.app.Address, c.app.ServiceID, height)
	return c.session, err
}

// fresh returns the session of the newest block, and waits for the next one if
// that is not at its beginning: a test has the whole of it.
func (c *caller) fresh(ctx context.Context, t *testing.T) *sessiontypes.Session {
	t.Helper()
	for {
		session, err := c.current(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if c.w.net.Height() <= session.Header.SessionStartBlockHeight+1 {
			return session
		}
		if err := c.w.net.WaitForHeight(ctx, session.Header.SessionEndBlockHeight+1); err != nil {
			t.Fatal(err)
		}
	}
}

// send sends a relay that differs from all others, and enters in the ledger what
// becomes of it. It returns why there was no valid answer.
func (c *caller) send(ctx context.Context, session *sessiontypes.Session, supplier string) error {
	key, err := c.w.queries.PubKey(ctx, supplier)
	if err != nil {
		return err
	}
	call := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"eth_blockNumber"}`, c.number.Add(1))
	ref := refOf(session.Header, supplier)
	c.ledger.sent(ref)
	_, err = c.client.Send(ctx, &client.Relay{
		Session:     session.Header,
		Supplier:    supplier,
		SupplierKey: key,
		Endpoint:    c.endpoint(),
		Request:     client.JSONRPC(call),
	})
	var refused *client.RefusedError
	switch {
	case err == nil:
		c.ledger.answered(ref)
	case errors.As(err, &refused):
		c.ledger.refused(refused.Reason.Description)
	case errors.Is(err, client.ErrReply):
		c.ledger.fault("%s: %v", ref, err)
	}
	return err
}

// endpoint returns where the relay miner for the application's service listens.
func (c *caller) endpoint() string {
	for _, service := range c.w.net.Services {
		if service.ID == c.app.ServiceID {
			return service.ListenURL
		}
	}
	return ""
}

// awaitFates waits until the windows of all sessions of the ledger are closed, and
// returns what the chain did with their claims.
func (w *world) awaitFates(t *testing.T, l *ledger) fates {
	t.Helper()
	params, err := w.queries.SharedParams(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	// The block of the close settles the claims.
	last := sharedtypes.GetProofWindowCloseHeight(params, l.lastEnd()) + 1
	if err := w.net.WaitForHeight(w.ctx, last); err != nil {
		t.Fatal(err)
	}
	all, err := readFates(w.ctx, w.net, last)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
