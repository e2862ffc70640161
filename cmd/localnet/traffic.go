package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// maxTries is how often a relay that is refused is sent again. Around the end of
// a session a refusal is normal: the next try is for the new one.
const maxTries = 20

// sendRelays has o.relays relays served, spread over applications and suppliers.
func (o *demoOptions) sendRelays(ctx context.Context, network *localnet.Network, t *tally) (err error) {
	node, err := dialNode(ctx, network)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	gateways, err := newGateways(ctx, network, node, o.concurrency)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range o.concurrency {
		group.Go(func() error {
			for n := next.Add(1); n <= int64(o.relays); n = next.Add(1) {
				if err := gateways[int(n)%len(gateways)].serveOne(ctx, int(n)/len(gateways), t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// dialNode returns a client's own connection to the node, for the caller to close.
func dialNode(ctx context.Context, network *localnet.Network) (*chain.Node, error) {
	return chain.Dial(ctx, chain.Config{
		QueryGRPCURLs: []string{network.GRPCURL},
		QueryRPCURLs:  []string{network.RPCURL},
		ChainID:       network.ChainID,
		Logger:        slog.New(slog.DiscardHandler),
	})
}

// patience is for how many blocks a question may go unanswered: a node that was
// started again makes blocks a moment before it answers.
const patience = 20

// patiently asks again after the next block when a question fails, which it does
// while the node is stopped.
func patiently(ctx context.Context, network *localnet.Network, ask func() error) error {
	var err error
	for range patience {
		if err = ask(); err == nil {
			return nil
		}
		if waitErr := network.WaitForHeight(ctx, network.Height()+1); waitErr != nil {
			return errors.Join(err, waitErr)
		}
	}
	return err
}

// gateway sends relays for one application.
type gateway struct {
	network  *localnet.Network
	node     *chain.Node
	queries  *chain.Queries
	app      localnet.Application
	endpoint string
	client   *client.Client

	mu      sync.Mutex
	targets []*client.Relay // one for each supplier of the current session
}

// newGateways returns a gateway for each application. It signs with the key of
// the first gateway that the application has delegated to, or its own.
func newGateways(ctx context.Context, network *localnet.Network, node *chain.Node, connections int) ([]*gateway, error) {
	queries := chain.NewQueries(node)
	sender := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	endpoints := make(map[string]string)
	for _, service := range network.Services {
		endpoints[service.ID] = service.ListenURL
	}
	var gateways []*gateway
	for _, app := range network.Applications {
		signer, err := signerFor(ctx, network, queries, app)
		if err != nil {
			return nil, fmt.Errorf("application %s: %w", app.Address, err)
		}
		gateways = append(gateways, &gateway{
			network:  network,
			node:     node,
			queries:  queries,
			app:      app,
			endpoint: endpoints[app.ServiceID],
			client:   &client.Client{Signer: signer, HTTP: sender},
		})
	}
	return gateways, nil
}

func signerFor(ctx context.Context, network *localnet.Network, queries *chain.Queries, app localnet.Application) (*ring.Signer, error) {
	key := app.PrivateKeyHex
	for _, candidate := range network.Gateways {
		if len(app.Gateways) > 0 && candidate.Address == app.Gateways[0] {
			key = candidate.PrivateKeyHex
		}
	}
	private, err := hex.DecodeString(key)
	if err != nil {
		return nil, err
	}
	var members [][]byte
	for _, address := range append([]string{app.Address}, app.Gateways...) {
		public, err := queries.PubKey(ctx, address)
		if err != nil {
			return nil, err
		}
		members = append(members, public.Bytes())
	}
	return ring.NewSigner(private, members)
}

// serveOne has one relay served by the n-th supplier of the current session.
func (g *gateway) serveOne(ctx context.Context, n int, t *tally) error {
	var refused error
	for range maxTries {
		relay, err := g.target(ctx, n)
		if err != nil {
			return err
		}
		t.sent(relay.Session, relay.Supplier)
		_, err = g.client.Send(ctx, relay)
		if err == nil {
			t.served(relay.Session, relay.Supplier)
			return nil
		}
		var refusal *client.RefusedError
		if !errors.As(err, &refusal) {
			return err
		}
		refused = err
		g.forget(relay)
		if err := g.network.WaitForHeight(ctx, g.network.Height()+1); err != nil {
			return err
		}
	}
	return fmt.Errorf("no relay of application %s was served in %d tries: %w", g.app.Address, maxTries, refused)
}

// target returns a relay to send in the current session.
func (g *gateway) target(ctx context.Context, n int) (*client.Relay, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	height, err := g.node.StateHeight(ctx)
	if err != nil {
		return nil, err
	}
	if len(g.targets) == 0 || g.targets[0].Session.SessionEndBlockHeight < height {
		session, err := g.queries.Session(ctx, g.app.Address, g.app.ServiceID, height)
		if err != nil {
			return nil, err
		}
		g.targets = nil
		for _, supplier := range session.Suppliers {
			key, err := g.queries.PubKey(ctx, supplier.OperatorAddress)
			if err != nil {
				return nil, err
			}
			g.targets = append(g.targets, &client.Relay{
				Session:     session.Header,
				Supplier:    supplier.OperatorAddress,
				SupplierKey: key,
				Endpoint:    g.endpoint,
				Request:     client.JSONRPC([]byte(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}`)),
			})
		}
	}
	return g.targets[n%len(g.targets)], nil
}

// forget makes the next relay look its session up anew.
func (g *gateway) forget(relay *client.Relay) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.targets) > 0 && g.targets[0].Session.SessionId == relay.Session.SessionId {
		g.targets = nil
	}
}
