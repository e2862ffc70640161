package auth_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/ring"
)

func TestMain(m *testing.M) {
	cosmostypes.GetConfig().SetBech32PrefixForAccount("pokt", "poktpub")
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// The names by which a fakeChain remembers its queries.
const (
	session     = "session"
	shared      = "shared params"
	sharedAt    = "shared params at a height"
	application = "application"
	pubKey      = "public key"
)

// fakeChain is a chain with one session. It remembers what it is asked.
type fakeChain struct {
	height  int64                       // 0: no block was seen
	header  *sessiontypes.SessionHeader // of the session
	session *sessiontypes.Session
	live    sharedtypes.Params
	past    map[int64]sharedtypes.Params // where they differ from live
	app     *apptypes.Application
	pubKeys map[string]cryptotypes.PubKey
	failing map[string]error // by name of the query

	hold <-chan struct{} // session queries wait for its end, unless nil
	held chan struct{}   // is told of each that waits

	mu    sync.Mutex
	asked []string
}

func (c *fakeChain) ask(query string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, query)
	return c.failing[query]
}

// queries returns the distinct names of what was asked, in order of their first time.
func (c *fakeChain) queries() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, name := range c.asked {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// times fails the test unless the chain was asked that query that many times.
func (w *world) times(t *testing.T, query string, want int) {
	t.Helper()
	if got := w.count(query); got != want {
		t.Errorf("the chain was asked for %q %d times, want %d", query, got, want)
	}
}

// count returns how many times the chain was asked the query.
func (w *world) count(query string) int {
	w.chain.mu.Lock()
	defer w.chain.mu.Unlock()
	count := 0
	for _, name := range w.chain.asked {
		if name == query {
			count++
		}
	}
	return count
}

// advance lets the chain have another session, at whose first height it is.
func (c *fakeChain) advance(next *sessiontypes.SessionHeader) {
	c.header = next
	c.session = &sessiontypes.Session{Header: next, SessionId: next.SessionId, Suppliers: c.session.Suppliers}
	c.height = next.SessionStartBlockHeight
}

func (c *fakeChain) Blocks() relayer.BlocksObservable { return nil }

func (c *fakeChain) Latest() *relayer.Block {
	if c.height == 0 {
		return nil
	}
	return &relayer.Block{Height: c.height}
}

func (c *fakeChain) Session(_ context.Context, app, service string, height int64) (*sessiontypes.Session, error) {
	if c.hold != nil {
		c.held <- struct{}{}
		<-c.hold
	}
	if err := c.ask(session); err != nil {
		return nil, err
	}
	header := c.header
	if app != header.ApplicationAddress || service != header.ServiceId ||
		height < header.SessionStartBlockHeight || height > header.SessionEndBlockHeight {
		return nil, fmt.Errorf("session: %w", relayer.ErrNotFound)
	}
	return c.session, nil
}

func (c *fakeChain) SharedParams(context.Context) (*sharedtypes.Params, error) {
	return &c.live, c.ask(shared)
}

func (c *fakeChain) SharedParamsAt(_ context.Context, height int64) (*sharedtypes.Params, error) {
	params, ok := c.past[height]
	if !ok {
		params = c.live
	}
	return &params, c.ask(sharedAt)
}

func (c *fakeChain) Application(_ context.Context, address string) (*apptypes.Application, error) {
	if err := c.ask(application); err != nil {
		return nil, err
	}
	if c.app == nil || c.app.Address != address {
		return nil, fmt.Errorf("application %q: %w", address, relayer.ErrNotFound)
	}
	return c.app, nil
}

func (c *fakeChain) PubKey(_ context.Context, address string) (cryptotypes.PubKey, error) {
	if err := c.ask(pubKey); err != nil {
		return nil, err
	}
	key, ok := c.pubKeys[address]
	if !ok {
		return nil, fmt.Errorf("public key of %q: %w", address, relayer.ErrNotFound)
	}
	return key, nil
}

// fakeKeys holds private keys by operator address.
type fakeKeys map[string]cryptotypes.PrivKey

func (k fakeKeys) Signer(operatorAddress string) (cryptotypes.PrivKey, bool) {
	key, ok := k[operatorAddress]
	return key, ok
}

// countingVerifier verifies with the reference and counts.
type countingVerifier struct {
	ring.Reference
	calls atomic.Int64
}

func (v *countingVerifier) Verify(message [32]byte, signature ring.Signature) error {
	v.calls.Add(1)
	return v.Reference.Verify(message, signature)
}
