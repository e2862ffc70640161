package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/chain/tx"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// Options is what `relayminer start` is told by its flags.
type Options struct {
	// ConfigPath is the configuration file.
	ConfigPath string
	// Home is the directory of the relay miner's own files, among them the socket
	// at which `relayminer sessions` asks it. Empty for no such socket.
	Home string
	// KeyringBackend and KeyringDir say where the suppliers' keys are.
	KeyringBackend string
	KeyringDir     string
	// GasPrices is a price such as "0.001upokt"; empty pays no fees.
	GasPrices string
	// GasAdjustment is the factor by which simulated gas is exceeded; 0 means
	// the default.
	GasAdjustment float64
	// ChainID is the chain that the node must be on.
	ChainID string
	// Node overrides how the configuration says that the node is reached; nil
	// leaves it as configured.
	Node func(*chain.Config)
	// Stdin is what a keyring's passphrase is read from.
	Stdin io.Reader
	Log   *slog.Logger
	// Decorate changes what the parts of the relay miner are; its zero value
	// leaves them as the configuration has them.
	Decorate Decorators
}

// Instance is a relay miner with everything that it runs on.
type Instance struct {
	log    *slog.Logger
	fatal  *async.Fatal
	node   *chain.Node
	blocks *chain.BlockDriver
	txs    submitter
	store  *store.Store
	rings  *ring.Verifier
	parts  *parts
	miner  relayMiner
	admin  *admin.Server // nil if there is no socket
	keeper *session.Keeper
	funds  *session.FundsMonitor

	began   time.Time
	started atomic.Bool // set when all parts work

	prefetcher *chain.Prefetcher
	height     *heightKeeper

	// unfollow ends the authenticator's look at blocks, nil before Start.
	unfollow func()

	endpoints []*endpoint // metrics, profiles, pings
}

// submitter brings claims and proofs on chain. *tx.Submitter implements it.
type submitter interface {
	relayer.TxSubmitter
	Stats() tx.Stats
	Stop(ctx context.Context) error
}

// relayMiner is what relayer.NewRelayMiner returns.
type relayMiner interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// New reads the configuration, opens keys, node and store, and joins the parts.
// It serves nothing before Start. What it has opened is closed if it fails;
// otherwise the caller must call Stop, whether or not Start is called.
func New(ctx context.Context, opts Options) (_ *Instance, err error) {
	cfg, err := config.Load(opts.ConfigPath)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	for _, warning := range cfg.Warnings {
		opts.Log.Warn(warning)
	}
	limitConnections(cfg, opts.Log)
	keys, err := loadKeys(opts, cfg)
	if err != nil {
		return nil, err
	}
	i := &Instance{log: opts.Log, fatal: async.NewFatal(), began: time.Now()}
	defer func() {
		if err != nil {
			err = errors.Join(err, i.close(context.WithoutCancel(ctx)))
		}
	}()
	if err := i.openStore(opts, cfg); err != nil {
		return nil, err
	}
	if err := i.connect(ctx, opts, cfg, keys); err != nil {
		return nil, err
	}
	if i.rings, err = openRings(opts.Log); err != nil {
		return nil, err
	}
	if err := i.join(ctx, opts, cfg, keys); err != nil {
		return nil, err
	}
	if err := i.openKeeper(opts, cfg); err != nil {
		return nil, err
	}
	if err := i.openFunds(opts, keys); err != nil {
		return nil, err
	}
	if err := i.openAdmin(opts, cfg); err != nil {
		return nil, err
	}
	if err := i.openEndpoints(ctx, cfg); err != nil {
		return nil, err
	}
	return i, nil
}

// loadKeys loads the keys that the configuration names.
func loadKeys(opts Options, cfg *config.Config) (*chain.Keys, error) {
	kr, err := openKeyring(opts.KeyringBackend, opts.KeyringDir, opts.Stdin)
	if err != nil {
		return nil, err
	}
	keys, err := chain.LoadKeys(kr, cfg.SigningKeyNames())
	if err != nil {
		return nil, fmt.Errorf("%s: signing_key_names: %w (correct the name, or --keyring-backend and --keyring-dir)", cfg.File, err)
	}
	return keys, nil
}

// openStore opens the relay store.
func (i *Instance) openStore(opts Options, cfg *config.Config) error {
	var err error
	dir := storeDir(cfg, opts.Home)
	i.store, err = store.Open(dir, store.Options{
		Logger:     opts.Log,
		Durability: durability(cfg.Durability),
		Interval:   cfg.DurabilityInterval,
	})
	switch {
	case errors.Is(err, store.ErrLocked):
		return fmt.Errorf("%s: smt_store_path: %w (stop the relay miner that works on it, or choose another smt_store_path)", cfg.File, err)
	case err != nil:
		return fmt.Errorf("%s: smt_store_path %s: %w", cfg.File, dir, err)
	}
	return nil
}

// storeDir returns the directory of the relay store. home is taken for the user's
// home if that is not known.
func storeDir(cfg *config.Config, home string) string {
	return cfg.StorePath(userHome(home))
}

func durability(d config.Durability) store.Durability {
	if d == config.SyncAtIntervals {
		return store.Interval
	}
	return store.Reply
}

// openRings returns a verifier for requests, whose members the authenticator checks
// before. A disagreement with ring-go is a defect to be reported: what it was about is
// logged, and from then on ring-go verifies everything.
func openRings(log *slog.Logger) (*ring.Verifier, error) {
	return ring.NewVerifier(
		ring.WithListedMembers(),
		ring.OnDisagreement(func(d ring.Disagreement) {
			log.Error("ring signature verified differently by ring-go, which verifies from now on",
				"message", hex.EncodeToString(d.Message[:]), "signature", hex.EncodeToString(d.Signature),
				"verdict", d.Verifier, "ring_go_verdict", d.Reference)
		}),
	)
}

// join joins the parts into a relay miner.
func (i *Instance) join(ctx context.Context, opts Options, cfg *config.Config, keys *chain.Keys) error {
	queries := chain.NewQueries(i.node)
	base := depinject.Supply(
		cfg, opts.Log, keys, i.node, i.blocks, i.store, i.rings,
		queries, &relayer.Receipts{}, storedUsage{i.store},
	)
	if err := i.assemble(base, cfg, keys, opts.Decorate); err != nil {
		return err
	}
	var err error
	i.prefetcher, err = chain.NewPrefetcher(queries, i.blocks, chain.PrefetchOptions{
		Suppliers: keys.Addresses(), Services: serviceIDs(cfg), Logger: opts.Log,
	})
	if err != nil {
		return err
	}
	// Lookups made for relays outlive the signal to stop: relays in flight are finished.
	i.miner, err = relayer.NewRelayMiner(context.WithoutCancel(ctx), i.parts.config())
	return err
}

// assemble builds the parts around the submitter. The sessions manager stops it, so that
// it concludes from the outcomes of transactions that are followed to the last.
func (i *Instance) assemble(base depinject.Config, cfg *config.Config, keys *chain.Keys, decorate Decorators) error {
	txs, err := decorate.TxSubmitter.around(base, i.txs)
	if err != nil {
		return err
	}
	i.parts, err = wire(depinject.Configs(base, depinject.Supply(txs)), cfg, keys, decorate,
		i.fatal.Fail, session.WithSubmitterStop(i.txs.Stop))
	return err
}

// openAdmin opens the socket at which the sessions commands ask. Another relay
// miner that has it already works on another store, since this one's is locked:
// relays are served without a socket then.
func (i *Instance) openAdmin(opts Options, cfg *config.Config) error {
	if opts.Home == "" {
		return nil
	}
	inspector, err := session.NewLiveInspector(i.store, i.parts.manager, session.WithRefusals(i.parts.refusals))
	if err != nil {
		return err
	}
	i.admin, err = admin.Start(opts.Home, storeDir(cfg, opts.Home), inspector, opts.Log, i.adminOptions(inspector)...)
	switch {
	case errors.Is(err, admin.ErrInUse):
		opts.Log.Warn("another relay miner has the admin socket of --home: sessions commands reach this one only if it has a --home of its own",
			"socket", admin.SocketPath(opts.Home))
		return nil
	case errors.Is(err, admin.ErrPathTooLong):
		return fmt.Errorf("--home: %w (choose a shorter one, and name where the keys are with --keyring-dir)", err)
	case err != nil:
		return fmt.Errorf("--home %s: %w", opts.Home, err)
	}
	return nil
}

// Start serves relays.
func (i *Instance) Start(ctx context.Context) error {
	if i.unfollow == nil {
		i.unfollow = i.parts.auth.Follow(context.WithoutCancel(ctx))
	}
	if err := i.keeper.Start(ctx); err != nil {
		return err
	}
	records, err := i.Sessions()
	if err != nil {
		return err
	}
	i.parts.meter.Start(unsettled(records)...)
	if i.funds != nil {
		i.funds.Start()
	}
	if err := i.miner.Start(ctx); err != nil {
		return err
	}
	i.started.Store(true)
	return nil
}

// Sessions returns the records of all sessions in the store.
func (i *Instance) Sessions() ([]*session.Record, error) {
	return session.Records(i.store)
}

// Failed is closed when a part of the relay miner has failed for good, in spite of
// being started again; Err says which and why. The relay miner is to be stopped
// then.
func (i *Instance) Failed() <-chan struct{} { return i.fatal.Failed() }

// Err returns what has failed, or nil.
func (i *Instance) Err() error { return i.fatal.Err() }

// Stop stops in the order in which data flows: relays in flight are finished and
// stored, transactions under way are followed for a while, what comes of them is written
// down, and the sessions are parked; then the connections and the store are closed.
func (i *Instance) Stop(ctx context.Context) error {
	err := i.miner.Stop(ctx)
	// What is left to do is short and must be done even if ctx is over.
	return errors.Join(err, i.close(context.WithoutCancel(ctx)))
}

// close closes what is open: whoever needs something is closed before it.
func (i *Instance) close(ctx context.Context) error {
	var errs []error
	if i.unfollow != nil {
		i.unfollow()
	}
	for _, e := range i.endpoints {
		errs = append(errs, e.stop())
	}
	if i.admin != nil {
		errs = append(errs, i.admin.Stop(ctx))
	}
	if i.funds != nil {
		i.funds.Stop()
	}
	if i.keeper != nil {
		errs = append(errs, i.keeper.Stop(ctx))
	}
	if i.parts != nil && i.parts.meter != nil { // reads the store
		errs = append(errs, i.parts.meter.Stop(ctx))
	}
	if i.parts != nil && i.parts.provers != nil { // reads the store
		errs = append(errs, i.parts.provers.Stop(ctx))
	}
	if i.txs != nil { // if nobody has yet; writes its attempts down in the store
		errs = append(errs, i.txs.Stop(ctx))
	}
	if i.rings != nil {
		errs = append(errs, i.rings.Close(ctx))
	}
	if i.height != nil { // writes the last height down in the store
		errs = append(errs, i.height.Stop(ctx))
	}
	if i.store != nil {
		errs = append(errs, i.store.Close(ctx))
	}
	if i.prefetcher != nil {
		errs = append(errs, i.prefetcher.Stop(ctx))
	}
	if i.blocks != nil {
		errs = append(errs, i.blocks.Stop(ctx))
	}
	if i.node != nil {
		errs = append(errs, i.node.Close())
	}
	return errors.Join(errs...)
}
