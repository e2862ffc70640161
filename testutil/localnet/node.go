package localnet

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"

	cmtconfig "github.com/cometbft/cometbft/config"
	"github.com/cometbft/cometbft/node"
	"github.com/cometbft/cometbft/p2p"
	"github.com/cometbft/cometbft/privval"
	"github.com/cometbft/cometbft/proxy"
	"github.com/cometbft/cometbft/rpc/client/local"
	cmttypes "github.com/cometbft/cometbft/types"
	dbm "github.com/cosmos/cosmos-db"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/server"
	serverconfig "github.com/cosmos/cosmos-sdk/server/config"
	servergrpc "github.com/cosmos/cosmos-sdk/server/grpc"
	servercmtlog "github.com/cosmos/cosmos-sdk/server/log"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	"github.com/pokt-network/poktroll/app"
	"google.golang.org/grpc"
)

// chainNode is one run of the node: consensus over the application, and the
// gRPC server.
type chainNode struct {
	rpcAddr, grpcAddr string // where it listens, behind the gates

	logger  nodeLogger
	guard   *guardedApp
	comet   *node.Node
	heights *heights
	blocks  *blockWatch // nil until start

	grpc     *grpc.Server
	stopping chan struct{} // closed by close
	wg       sync.WaitGroup
}

// startNode runs the application as a node in the home that writeNodeFiles
// made. On error nothing is left running; the databases are the caller's to
// close.
func startNode(config Config, opened *app.App, dbs cmtconfig.DBProvider, heights *heights, ports *ports) (_ *chainNode, err error) {
	logger := newNodeLogger(config.Logger)
	n := &chainNode{
		logger:   logger,
		guard:    newGuardedApp(config.wrapApp(server.NewCometABCIWrapper(opened)), config.Logger),
		heights:  heights,
		stopping: make(chan struct{}),
	}
	if n.rpcAddr, err = ports.free(); err != nil {
		return nil, err
	}
	n.comet, err = newComet(cometConfig(config, n.rpcAddr), n.guard, dbs, logger)
	if err != nil {
		return nil, err
	}
	// The handshake with the application has replayed what is stored.
	heights.reached(n.comet.BlockStore().Height())
	if err := n.start(config, opened, ports); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// start serves gRPC and makes blocks.
func (n *chainNode) start(config Config, opened *app.App, ports *ports) error {
	var err error
	if n.grpc, err = newGRPCServer(config, opened, n.comet); err != nil {
		return err
	}
	listener, err := ports.listen("")
	if err != nil {
		return fmt.Errorf("grpc: %w", err)
	}
	n.grpcAddr = listener.Addr().String()
	n.wg.Go(func() { n.serveGRPC(listener) })
	if n.blocks, err = watchBlocks(n.comet.EventBus(), n.heights); err != nil {
		return err
	}
	if err := n.comet.Start(); err != nil {
		return fmt.Errorf("start the node: %w", err)
	}
	return n.watchConsensus()
}

// close stops the node and returns when its goroutines have ended.
func (n *chainNode) close() error {
	n.logger.silence()
	close(n.stopping)
	if n.grpc != nil {
		n.grpc.Stop()
	}
	var err error
	if n.comet.IsRunning() {
		if stopErr := n.comet.Stop(); stopErr != nil {
			err = fmt.Errorf("stop the node: %w", stopErr)
		}
		n.comet.Wait()
	}
	if n.blocks != nil { // ended by the node's end, if it has run
		err = errors.Join(err, n.blocks.end())
	}
	if proxyApp := n.comet.ProxyApp(); proxyApp.IsRunning() { // the node leaves it running
		if stopErr := proxyApp.Stop(); stopErr != nil {
			err = errors.Join(err, fmt.Errorf("stop the node's application: %w", stopErr))
		}
	}
	n.wg.Wait()
	return err
}

// serveGRPC ends when the server is stopped.
func (n *chainNode) serveGRPC(listener net.Listener) {
	if err := n.grpc.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		n.heights.fail(fmt.Errorf("%w: grpc: %w", ErrHalted, err))
	}
}

// watchConsensus reports when consensus ends by itself: CometBFT goes on
// serving RPC then as if nothing had happened.
func (n *chainNode) watchConsensus() error {
	env, err := n.comet.ConfigureRPC()
	if err != nil {
		return fmt.Errorf("find the node's consensus: %w", err)
	}
	consensus, ok := env.ConsensusState.(interface{ Wait() })
	if !ok {
		return fmt.Errorf("the node's consensus cannot be waited for: %T", env.ConsensusState)
	}
	n.wg.Go(func() {
		consensus.Wait()
		select {
		case <-n.stopping:
		default:
			n.heights.fail(errors.Join(ErrHalted, n.guard.failure()))
		}
	})
	return nil
}

// cometConfig returns the configuration of a node whose RPC listens on rpcAddr.
func cometConfig(config Config, rpcAddr string) *cmtconfig.Config {
	c := cmtconfig.DefaultConfig().SetRoot(config.Home)
	c.DBBackend = string(dbm.MemDBBackend)
	if config.Persistent {
		c.DBBackend = string(dbm.GoLevelDBBackend)
	}
	c.P2P.ListenAddress = "tcp://127.0.0.1:0"
	c.P2P.PexReactor = false
	c.RPC.ListenAddress = "tcp://" + rpcAddr
	// The validator is alone, so all other timeouts are about itself only and
	// are better long than short.
	c.Consensus.TimeoutCommit = config.BlockTime
	if config.MaxTxBytes != 0 {
		c.Mempool.MaxTxBytes = config.MaxTxBytes
	}
	if config.MaxRPCBodyBytes != 0 {
		c.RPC.MaxBodyBytes = config.MaxRPCBodyBytes
	}
	if config.MaxSubscriptionsPerClient != 0 {
		c.RPC.MaxSubscriptionsPerClient = config.MaxSubscriptionsPerClient
	}
	return c
}

// writeNodeFiles creates what a node expects to find in its home.
func writeNodeFiles(config Config, ids identities, doc *genutiltypes.AppGenesis) (err error) {
	c := cmtconfig.DefaultConfig().SetRoot(config.Home)
	for _, dir := range []string{filepath.Dir(c.GenesisFile()), c.DBDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create the node's home: %w", err)
		}
	}
	if err := doc.SaveAs(c.GenesisFile()); err != nil {
		return fmt.Errorf("write the genesis: %w", err)
	}
	defer func() {
		if r := recover(); r != nil { // Save panics when it cannot write
			err = fmt.Errorf("write the validator's key: %w", panicError(r))
		}
	}()
	privval.NewFilePV(ids.consensus, c.PrivValidatorKeyFile(), c.PrivValidatorStateFile()).Save()
	return nil
}

// newComet creates a node that is not running yet. On its first run the
// application processes the genesis here.
func newComet(c *cmtconfig.Config, guard *guardedApp, dbs cmtconfig.DBProvider, logger nodeLogger) (*node.Node, error) {
	nodeKey, err := p2p.LoadOrGenNodeKey(c.NodeKeyFile())
	if err != nil {
		return nil, fmt.Errorf("node key: %w", err)
	}
	genesis := func() (*cmttypes.GenesisDoc, error) {
		doc, err := genutiltypes.AppGenesisFromFile(c.GenesisFile())
		if err != nil {
			return nil, err
		}
		return doc.ToGenesisDoc()
	}
	comet, err := node.NewNode(c,
		privval.LoadFilePV(c.PrivValidatorKeyFile(), c.PrivValidatorStateFile()),
		nodeKey,
		proxy.NewLocalClientCreator(guard),
		genesis,
		dbs,
		node.DefaultMetricsProvider(c.Instrumentation),
		servercmtlog.CometLoggerWrapper{Logger: logger},
	)
	if err != nil {
		return nil, fmt.Errorf("create the node: %w", err)
	}
	return comet, nil
}

func newGRPCServer(config Config, opened *app.App, comet *node.Node) (*grpc.Server, error) {
	clientCtx := client.Context{}.
		WithCodec(opened.AppCodec()).
		WithInterfaceRegistry(opened.AppCodec().InterfaceRegistry()).
		WithTxConfig(opened.TxConfig()).
		WithLegacyAmino(opened.LegacyAmino()).
		WithChainID(config.ChainID).
		WithHomeDir(config.Home).
		WithClient(local.New(comet))
	serverConfig := serverconfig.DefaultConfig()
	serverConfig.MinGasPrices = config.MinGasPrices
	opened.RegisterTxService(clientCtx)
	opened.RegisterTendermintService(clientCtx)
	opened.RegisterNodeService(clientCtx, *serverConfig)
	srv, err := servergrpc.NewGRPCServer(clientCtx, opened, serverConfig.GRPC)
	if err != nil {
		return nil, fmt.Errorf("create the grpc server: %w", err)
	}
	return srv, nil
}
