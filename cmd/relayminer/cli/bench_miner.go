package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"cosmossdk.io/depinject"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/chain/tx"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/simchain"
)

// simMiner is a relay miner before a chain in memory, with the keys of all its
// suppliers.
type simMiner struct {
	*Instance
	chain    *simchain.Chain
	receipts *relayer.Receipts
}

// simConfig is the configuration of a relay miner before a chain in memory.
type simConfig struct {
	StoreDir   string
	RecordsDir string
	Durability string // as in the configuration; empty for the default
	Address    string // host and port that relays are sent to
	Backend    string // URL of the service
	// Connections is how many come from one network; 0 leaves the default limit.
	Connections int
	// Parting, unless nil, is called when the submitter is stopped, before it parks what
	// was not included.
	Parting func()
}

// simQuestions are what the chain can be asked, without the way to send it something.
type simQuestions struct {
	relayer.BlockSource
	relayer.BlockQuerier
	relayer.SessionQuerier
	relayer.SharedQuerier
	relayer.ApplicationQuerier
	relayer.AccountQuerier
	relayer.ServiceQuerier
	relayer.ProofQuerier
	relayer.TokenomicsQuerier
	relayer.SupplierQuerier
	relayer.BalanceQuerier
}

func questionsTo(c *simchain.Chain) simQuestions {
	return simQuestions{c, c, c, c, c, c, c, c, c, c, c}
}

// simSubmitter submits to the chain. It has none of its other methods: the parts find
// what they ask in simQuestions.
type simSubmitter struct {
	chain   *simchain.Chain
	parting func()
}

// Submit implements submitter.
func (s simSubmitter) Submit(ctx context.Context, submission *relayer.Submission) (<-chan relayer.Outcome, error) {
	return s.chain.Submit(ctx, submission)
}

// Stats implements submitter. Nothing is counted.
func (simSubmitter) Stats() tx.Stats { return tx.Stats{} }

// Stop implements submitter.
func (s simSubmitter) Stop(context.Context) error {
	if s.parting != nil {
		s.parting()
	}
	s.chain.Park()
	return nil
}

// newSimMiner builds the parts as New does, except that the chain is in the place of what
// speaks to a node. The caller must call Stop, whether or not Start is called.
func newSimMiner(c *simchain.Chain, sim simConfig, log *slog.Logger) (_ *simMiner, err error) {
	keys, names, err := simKeys(c)
	if err != nil {
		return nil, err
	}
	cfg, err := sim.parse(names)
	if err != nil {
		return nil, err
	}
	m := &simMiner{Instance: &Instance{log: log, fatal: async.NewFatal()}, chain: c, receipts: &relayer.Receipts{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close(context.Background()))
		}
	}()
	opts := Options{Log: log}
	if err := m.openStore(opts, cfg); err != nil {
		return nil, err
	}
	if m.rings, err = openRings(log); err != nil {
		return nil, err
	}
	m.txs = simSubmitter{chain: c, parting: sim.Parting}
	base := depinject.Supply(cfg, log, keys, questionsTo(c), m.store, m.rings, m.receipts, storedUsage{m.store})
	if err := m.assemble(base, cfg, keys, Decorators{}); err != nil {
		return nil, err
	}
	if m.miner, err = relayer.NewRelayMiner(context.Background(), m.parts.config()); err != nil {
		return nil, err
	}
	return m, m.openKeeper(opts, cfg)
}

// simKeys returns the keys of the chain's suppliers and their names.
func simKeys(c *simchain.Chain) (*chain.Keys, []string, error) {
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	kr := keyring.NewInMemory(codec.NewProtoCodec(registry))
	var names []string
	for i, supplier := range c.Suppliers {
		names = append(names, fmt.Sprintf("supplier%d", i))
		if err := kr.ImportPrivKeyHex(names[i], fmt.Sprintf("%x", supplier.Key.Bytes()), "secp256k1"); err != nil {
			return nil, nil, err
		}
	}
	keys, err := chain.LoadKeys(kr, names)
	return keys, names, err
}

// parse returns the configuration. The node in it is not asked.
func (s simConfig) parse(keyNames []string) (*config.Config, error) {
	text := fmt.Appendf(nil, `
default_signing_key_names: [%s]
smt_store_path: %q
records_dir: %q
pocket_node: {query_node_rpc_url: "tcp://127.0.0.1:1", query_node_grpc_url: "tcp://127.0.0.1:2", tx_node_rpc_url: "tcp://127.0.0.1:1"}
suppliers:
  - {service_id: %s, listen_url: "http://%s", service_config: {backend_url: %q}}
`, strings.Join(keyNames, ", "), s.StoreDir, s.RecordsDir, simchain.Service, s.Address, s.Backend)
	if s.Durability != "" {
		text = fmt.Appendf(text, "durability: %s\n", s.Durability)
	}
	if s.Connections > 0 { // of which half can be of one network
		text = fmt.Appendf(text, "max_connections: %d\n", 2*s.Connections)
	}
	return config.Parse("bench.yaml", text)
}

// freeAddress returns a loopback address that nobody listens at.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// restPoll is the time between two looks whether the sessions rest.
const restPoll = 2 * time.Millisecond

// rest waits until all sessions wait for the next block.
func (m *simMiner) rest(ctx context.Context) error {
	tick := time.NewTicker(restPoll)
	defer tick.Stop()
	for {
		records, err := m.Sessions()
		if err != nil {
			return err
		}
		busy := 0
		for _, record := range records {
			if !record.State.Final() && !m.rests(record) {
				busy++
			}
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d sessions do not come to rest: %w", busy, ctx.Err())
		}
	}
}

// rests says whether a session has nothing to do before the next block.
func (m *simMiner) rests(record *session.Record) bool {
	params, _ := m.chain.SharedParams(context.Background()) // never fails
	height := m.chain.Latest().Height
	switch record.State {
	case session.StateOpen, session.StateSealed:
		return height < sharedtypes.GetClaimWindowOpenHeight(params, record.EndHeight)
	case session.StateClaiming:
		return m.chain.Waiting("claim/" + record.Key().String())
	case session.StateClaimed:
		return height < sharedtypes.GetProofWindowOpenHeight(params, record.EndHeight)
	case session.StateProving:
		return m.chain.Waiting("proof/" + record.Key().String())
	default:
		return height < sharedtypes.GetProofWindowCloseHeight(params, record.EndHeight)
	}
}

// settleBlocks end every session that has begun: its own blocks and both windows.
const settleBlocks = 16

// settle makes blocks until all sessions have come to their end.
func (m *simMiner) settle(ctx context.Context) error {
	for range settleBlocks {
		if err := m.rest(ctx); err != nil {
			return err
		}
		m.chain.Advance(1)
	}
	return m.rest(ctx)
}
