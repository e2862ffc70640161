package localnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
	"github.com/pokt-network/poktroll/app"
)

// Errors of a Network.
var (
	// ErrHalted says that the chain stopped making blocks by itself; what it is
	// joined with says why.
	ErrHalted = errors.New("the chain has halted")
	// ErrStopped says that the network was stopped for good.
	ErrStopped = errors.New("the network is stopped")
)

// Network is a running chain with everything around it that a relay miner
// needs. The exported fields are set by Start and never change.
type Network struct {
	ChainID string
	Home    string
	// RPCURL is the CometBFT RPC, tcp://host:port; RPCAddr the same without
	// the scheme.
	RPCURL, RPCAddr string
	// GRPCURL is host:port.
	GRPCURL string
	// KeyringDir holds the keys of all accounts, for the keyring backend
	// "test".
	KeyringDir string
	// ConfigPath is a relay miner's configuration for all suppliers and
	// services of the network.
	ConfigPath string
	// DescriptionPath is a JSON file with what the fields here say.
	DescriptionPath string

	Applications []Application
	Gateways     []Gateway
	Suppliers    []Supplier
	Services     []Service

	config   Config
	ports    *ports
	dbs      *databases
	rpcGate  *gate
	grpcGate *gate
	backends map[string]*Backend // by service
	rpc      *rpchttp.HTTP
	heights  *heights

	mu      sync.Mutex // held while the node is started or stopped
	node    *chainNode // nil while it is stopped
	stopped bool
}

// Application is a staked application.
type Application struct {
	Address       string
	PrivateKeyHex string
	ServiceID     string   // the one service that it is staked for
	Gateways      []string // addresses of those that it has delegated to
}

// Gateway is a staked gateway.
type Gateway struct {
	Address       string
	PrivateKeyHex string
}

// Supplier is a staked supplier. It owns itself and gets all its revenue.
type Supplier struct {
	OperatorAddress string
	KeyName         string // in the keyring
}

// Service is a service of the network.
type Service struct {
	ID                   string
	ComputeUnitsPerRelay uint64
	BackendURL           string
	// ListenURL is the address that suppliers are staked with, a port on
	// loopback on which a relay miner shall listen. No other network takes it
	// before Stop.
	ListenURL string
}

// Start runs a network and returns when its first block is committed. A
// configuration that cannot be run is a *ConfigError, a chain that fails to make
// its first block ErrHalted. ctx bounds the start only: the network runs until
// Stop.
func Start(ctx context.Context, config Config) (*Network, error) {
	ConfigureSDK()
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	temporary := config.Home == ""
	if config.Home, err = prepareHome(config.Home); err != nil {
		return nil, err
	}
	n := &Network{
		ChainID:         config.ChainID,
		Home:            config.Home,
		KeyringDir:      filepath.Join(config.Home, "keyring"),
		ConfigPath:      filepath.Join(config.Home, "relayminer.yaml"),
		DescriptionPath: filepath.Join(config.Home, "localnet.json"),
		config:          config,
		ports:           newPorts(),
		dbs:             newDatabases(config.Home, config.Persistent),
		backends:        make(map[string]*Backend),
		heights:         newHeights(),
	}
	if err := n.launch(ctx); err != nil {
		err = errors.Join(err, n.Stop())
		if temporary {
			err = errors.Join(err, os.RemoveAll(n.Home))
		}
		return nil, err
	}
	return n, nil
}

// launch returns when the first block of the new network is committed.
func (n *Network) launch(ctx context.Context) error {
	if err := n.reserve(); err != nil {
		return err
	}
	if err := n.create(); err != nil {
		return err
	}
	return n.WaitForHeight(ctx, 1)
}

// prepareHome returns the absolute path of an existing directory without a
// network in it.
func prepareHome(home string) (string, error) {
	if home == "" {
		home, err := os.MkdirTemp("", "localnet-")
		if err != nil {
			return "", fmt.Errorf("create a home: %w", err)
		}
		return home, nil
	}
	home, err := filepath.Abs(home)
	if err != nil {
		return "", configErrorf("Home", "%w", err)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", configErrorf("Home", "%w", err)
	}
	genesis := filepath.Join(home, "config", "genesis.json")
	if _, err := os.Stat(genesis); err == nil {
		return "", configErrorf("Home", "%s already holds a network, an empty directory is needed", home)
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", configErrorf("Home", "%w", err)
	}
	return home, nil
}

// reserve takes the network's addresses and starts its backends.
func (n *Network) reserve() error {
	rpcListener, err := n.ports.listen(n.config.RPCAddr)
	if err != nil {
		return configErrorf("RPCAddr", "%w", err)
	}
	n.rpcGate = newGate(rpcListener)
	grpcListener, err := n.ports.listen(n.config.GRPCAddr)
	if err != nil {
		return configErrorf("GRPCAddr", "%w", err)
	}
	n.grpcGate = newGate(grpcListener)
	n.RPCAddr = n.rpcGate.addr
	n.RPCURL = "tcp://" + n.rpcGate.addr
	n.GRPCURL = n.grpcGate.addr
	if n.rpc, err = rpchttp.New(n.RPCURL, "/websocket"); err != nil {
		return fmt.Errorf("rpc client of %s: %w", n.RPCURL, err)
	}
	for _, config := range n.config.Services {
		service := Service{ID: config.ID, ComputeUnitsPerRelay: config.ComputeUnitsPerRelay, BackendURL: config.BackendURL}
		if service.BackendURL == "" {
			listener, err := n.ports.listen("")
			if err != nil {
				return fmt.Errorf("backend of service %s: %w", service.ID, err)
			}
			backend := NewBackend(listener, n.config.BackendDelay)
			n.backends[service.ID] = backend
			service.BackendURL = backend.URL()
		}
		addr, err := n.ports.free()
		if err != nil {
			return fmt.Errorf("listen address of service %s: %w", service.ID, err)
		}
		service.ListenURL = "http://" + addr
		n.Services = append(n.Services, service)
	}
	return nil
}

// create writes the home of a new network and starts its node.
func (n *Network) create() error {
	ids := newIdentities(n.config)
	n.describe(ids)
	opened, err := openApp(n.config, n.dbs)
	if err != nil {
		return err
	}
	doc, err := newGenesis(opened.AppCodec(), opened.DefaultGenesis(), n.config, ids, n.Services)
	if err != nil {
		return err
	}
	if err := checkGenesis(opened, doc); err != nil {
		return err
	}
	if err := writeNodeFiles(n.config, ids, doc); err != nil {
		return err
	}
	if err := ids.writeKeyring(opened.AppCodec(), n.KeyringDir); err != nil {
		return err
	}
	if err := n.writeFiles(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.run(opened)
}

// describe fills the lists of who is on the network.
func (n *Network) describe(ids identities) {
	var gateways []string
	for _, id := range ids.gateways {
		gateways = append(gateways, id.bech32())
		n.Gateways = append(n.Gateways, Gateway{Address: id.bech32(), PrivateKeyHex: id.privateKeyHex()})
	}
	for i, id := range ids.applications {
		n.Applications = append(n.Applications, Application{
			Address:       id.bech32(),
			PrivateKeyHex: id.privateKeyHex(),
			ServiceID:     serviceOf(n.Services, i),
			Gateways:      append([]string(nil), gateways...),
		})
	}
	for _, id := range ids.suppliers {
		n.Suppliers = append(n.Suppliers, Supplier{OperatorAddress: id.bech32(), KeyName: id.name})
	}
}

// StopNode ends the node as if its process had ended: connections break and
// new ones are refused. Backends keep running.
func (n *Network) StopNode() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.halt()
}

// StartNode runs the node again where StopNode left it, also when it had halted
// before. It does nothing unless the node was stopped.
func (n *Network) StartNode() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped {
		return ErrStopped
	}
	if n.node != nil {
		return nil
	}
	opened, err := openApp(n.config, n.dbs)
	if err != nil {
		return errors.Join(err, n.halt())
	}
	return n.run(opened)
}

// run starts the node over the application and opens the gates. n.mu is held.
func (n *Network) run(opened *app.App) error {
	n.heights.resume()
	node, err := startNode(n.config, opened, n.dbs.comet, n.heights, n.ports)
	if err != nil {
		return errors.Join(err, n.halt())
	}
	n.node = node
	if err := errors.Join(n.rpcGate.open(node.rpcAddr), n.grpcGate.open(node.grpcAddr)); err != nil {
		return errors.Join(err, n.halt())
	}
	return nil
}

// halt stops the node if it runs and closes its databases. n.mu is held.
func (n *Network) halt() error {
	var err error
	if n.node != nil {
		n.rpcGate.close()
		n.grpcGate.close()
		err = n.node.close()
		n.node = nil
	}
	return errors.Join(err, n.dbs.close())
}

// Stop ends the network: node, backends, addresses. The files in Home stay, and
// so do a few idle goroutines that CometBFT never ends. It does nothing the
// second time.
func (n *Network) Stop() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stopped {
		return nil
	}
	n.stopped = true
	errs := []error{n.halt()}
	for _, g := range []*gate{n.rpcGate, n.grpcGate} {
		if g != nil {
			g.close()
		}
	}
	for _, backend := range n.backends {
		errs = append(errs, backend.Close())
	}
	errs = append(errs, n.ports.release())
	n.heights.fail(ErrStopped)
	return errors.Join(errs...)
}

// Height returns the height of the newest committed block.
func (n *Network) Height() int64 {
	height, _, _ := n.heights.now()
	return height
}

// WaitForHeight returns when a block of at least that height is committed. The
// error is the context's, or ErrHalted or ErrStopped when that block cannot
// come any more.
func (n *Network) WaitForHeight(ctx context.Context, height int64) error {
	return n.heights.await(ctx, height)
}

// Err returns why the network makes no more blocks: ErrHalted with the cause,
// ErrStopped, or nil.
func (n *Network) Err() error {
	_, _, err := n.heights.now()
	return err
}

// Wait blocks until ctx ends, which is no error, or the network makes no more
// blocks, which Err explains.
func (n *Network) Wait(ctx context.Context) error { return n.heights.wait(ctx) }

// Backend returns the backend that the network runs for the service, nil if it
// runs none.
func (n *Network) Backend(serviceID string) *Backend { return n.backends[serviceID] }

// RPC returns a client of the node's CometBFT RPC. It works again after
// StopNode and StartNode.
func (n *Network) RPC() *rpchttp.HTTP { return n.rpc }
