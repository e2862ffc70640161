package auth_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/ring"
)

func TestMain(m *testing.M) {
	cosmostypes.GetConfig().SetBech32PrefixForAccount("pokt", "poktpub")
	os.Exit(m.Run())
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

func (c *fakeChain) Blocks() relayer.BlocksObservable { return nil } // nobody observes

func (c *fakeChain) Latest() *relayer.Block {
	if c.height == 0 {
		return nil
	}
	return &relayer.Block{Height: c.height}
}

func (c *fakeChain) Session(_ context.Context, app, service string, height int64) (*sessiontypes.Session, error) {
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
