package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/chain/tx"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// stopPatience is how long a stop waits for transactions that are under way. What
// is not included by then is found out at the next start.
const stopPatience = 10 * time.Second

// connect dials the nodes, makes sure that the suppliers are on the chain, and
// begins to follow it. The store tells how far it was followed before.
func (i *Instance) connect(ctx context.Context, opts Options, cfg *config.Config, keys *chain.Keys) (err error) {
	at := chain.Config{
		QueryGRPCURLs: cfg.PocketNode.QueryNodeGRPCURLs,
		QueryRPCURLs:  cfg.PocketNode.QueryNodeRPCURLs,
		TxRPCURLs:     cfg.PocketNode.TxNodeRPCURLs,
		ChainID:       opts.ChainID,
		Logger:        opts.Log,
	}
	if opts.Node != nil {
		opts.Node(&at)
	}
	if i.node, err = chain.Dial(ctx, at); err != nil {
		return dialError(cfg.File, err)
	}
	if err := checkSuppliers(ctx, opts, cfg, keys, chain.NewQueries(i.node)); err != nil {
		return err
	}
	processed, err := processedHeight(i.store)
	if err != nil {
		return err
	}
	if i.blocks, err = chain.NewBlockDriver(i.node, chain.WithLastProcessed(processed), chain.WithOnFailure(i.fatal.Fail)); err != nil {
		return err
	}
	if err := i.blocks.Start(ctx); err != nil {
		return fmt.Errorf("%s: pocket_node.query_node_rpc_url: no block arrived: %w", cfg.File, err)
	}
	if i.height, err = keepHeight(i.store, i.blocks, opts.Log); err != nil {
		return err
	}
	txs, err := tx.NewSubmitter(i.node, i.blocks, keys, tx.Options{
		GasPrices:     opts.GasPrices,
		GasAdjustment: opts.GasAdjustment,
		Balances:      chain.NewQueries(i.node),
		StopPatience:  stopPatience,
		OnFailure:     i.fatal.Fail,
		Logger:        opts.Log,
	})
	if err != nil {
		return fmt.Errorf("--gas-prices, --gas-adjustment: %w (for example --gas-prices 0.001upokt --gas-adjustment 1.5)", err)
	}
	i.txs = txs
	return nil
}

// dialError names the setting and the fix for a node that cannot be used.
func dialError(file string, err error) error {
	switch {
	case errors.Is(err, chain.ErrWrongChainID):
		return fmt.Errorf("--chain-id: %w (set --chain-id to the node's, or pocket_node in %s to a node of that chain)", err, file)
	case errors.Is(err, chain.ErrUnreachable):
		return fmt.Errorf("%s: pocket_node: %w (start the node, or correct the address there or in --node and --grpc-addr)", file, err)
	default:
		return fmt.Errorf("%s: pocket_node: %w", file, err)
	}
}

// checkSuppliers makes sure that every key belongs to a staked supplier. A
// supplier that is not staked for a service that it is configured for serves
// nothing there, which is worth a warning only: stakes change.
func checkSuppliers(
	ctx context.Context,
	opts Options,
	cfg *config.Config,
	keys *chain.Keys,
	suppliers relayer.SupplierQuerier,
) error {
	stakedFor := make(map[string]map[string]bool)
	for _, name := range cfg.SigningKeyNames() {
		address, _ := keys.Address(name)
		supplier, err := suppliers.Supplier(ctx, address)
		if errors.Is(err, relayer.ErrNotFound) {
			return fmt.Errorf("%s: signing_key_names: supplier %s is not staked (stake it, or remove the key)",
				cfg.File, describe(name, address))
		}
		if err != nil {
			return fmt.Errorf("look supplier %s up: %w", describe(name, address), err)
		}
		stakedFor[name] = make(map[string]bool)
		for _, service := range supplier.Services {
			stakedFor[name][service.ServiceId] = true
		}
	}
	for _, service := range cfg.Services {
		for _, name := range service.SigningKeyNames {
			if !stakedFor[name][service.ID] {
				address, _ := keys.Address(name)
				opts.Log.Warn("supplier is not staked for a service that it is configured for",
					"supplier", describe(name, address), "service", service.ID)
			}
		}
	}
	return nil
}
