package chaintest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"golang.org/x/crypto/sha3"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// stranger is a valid address that nothing is known of.
const stranger = "pokt1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqw9ltm9"

func TestDial_WrongChainIDNamesBoth(t *testing.T) {
	network := start(t, localnet.Config{})
	_, err := chain.Dial(deadline(t), chain.Config{
		QueryGRPCURLs: []string{network.GRPCURL}, TxRPCURLs: []string{network.RPCURL}, ChainID: "elsewhere", Logger: logger(t),
	})
	if !errors.Is(err, chain.ErrWrongChainID) {
		t.Fatalf("got %v", err)
	}
	for _, id := range []string{"elsewhere", network.ChainID} {
		if !bytes.Contains([]byte(err.Error()), []byte(id)) {
			t.Errorf("%q does not name %q", err, id)
		}
	}
}

func TestDial_SecondQueryURLServesWhenTheFirstIsDead(t *testing.T) {
	network := start(t, localnet.Config{})
	node, err := chain.Dial(deadline(t), chain.Config{
		QueryGRPCURLs: []string{"tcp://" + network.GRPCURL},
		QueryRPCURLs:  []string{"http://127.0.0.1:1", network.RPCURL},
		ChainID:       network.ChainID, Timeout: time.Second, Logger: logger(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	follow(t, node)
	if err := node.Close(); err != nil {
		t.Error(err)
	}
}

func TestSession_IsThatOfTheProtocolAtEveryHeight(t *testing.T) {
	ctx := deadline(t)
	network := start(t, localnet.Config{BlocksPerSession: 5, Suppliers: 3})
	node := dial(t, network)
	queries := chain.NewQueries(node)
	if err := network.WaitForHeight(ctx, 12); err != nil {
		t.Fatal(err)
	}
	app, service := network.Applications[0].Address, network.Services[0].ID
	for height := int64(1); height <= 12; height++ {
		session, err := queries.Session(ctx, app, service, height)
		if err != nil {
			t.Fatal(err)
		}
		start := height - (height-1)%5
		header := session.Header
		if header.SessionStartBlockHeight != start || header.SessionEndBlockHeight != start+4 {
			t.Errorf("session at %d is from %d to %d", height, header.SessionStartBlockHeight, header.SessionEndBlockHeight)
		}
		if len(session.Suppliers) != 3 {
			t.Errorf("session at %d has %d suppliers", height, len(session.Suppliers))
		}
		block, err := queries.BlockAt(ctx, start)
		if err != nil {
			t.Fatal(err)
		}
		if want := sessionID(block.Hash, service, app, start); session.SessionId != want {
			t.Errorf("session at %d has id %s, block hash gives %s", height, session.SessionId, want)
		}
		again, err := queries.Session(ctx, app, service, start)
		if err != nil || again != session {
			t.Errorf("session at %d is not remembered: %v", start, err)
		}
	}
}

// sessionID derives a session's id (x/session: GetSessionId).
func sessionID(blockHash []byte, service, app string, start int64) string {
	height := binary.LittleEndian.AppendUint64(nil, uint64(start))
	preimage := bytes.Join([][]byte{blockHash, []byte(service), []byte(app), height}, []byte("."))
	sum := sha3.Sum256(preimage)
	return hex.EncodeToString(sum[:])
}

func TestQueries_AbsenceIsToldFromEverythingElse(t *testing.T) {
	ctx := deadline(t)
	network := start(t, localnet.Config{
		Services: []localnet.ServiceConfig{{ID: "anvil"}, {ID: "other"}}, Applications: 1,
	})
	node := dial(t, network)
	q := chain.NewQueries(node)
	app, supplier := network.Applications[0].Address, network.Suppliers[0].OperatorAddress
	height := network.Height()
	for _, test := range []struct {
		name string
		ask  func() error
		want error
	}{
		{"session of unknown application", func() error { return second(q.Session(ctx, stranger, "anvil", height)) }, relayer.ErrNotFound},
		{"session of service not staked for", func() error { return second(q.Session(ctx, app, "other", height)) }, relayer.ErrNotFound},
		{"session of unknown service", func() error { return second(q.Session(ctx, app, "nothing", height)) }, relayer.ErrNotFound},
		{"session ahead of the chain", func() error { return second(q.Session(ctx, app, "anvil", height+1000)) }, chain.ErrHeightAhead},
		{"session at no height", func() error { return second(q.Session(ctx, app, "anvil", 0)) }, chain.ErrInvalidQuery},
		{"unknown application", func() error { return second(q.Application(ctx, stranger)) }, relayer.ErrNotFound},
		{"application that is no address", func() error { return second(q.Application(ctx, "nonsense")) }, relayer.ErrNotFound},
		{"unknown supplier", func() error { return second(q.Supplier(ctx, stranger)) }, relayer.ErrNotFound},
		{"key of unknown account", func() error { return second(q.PubKey(ctx, stranger)) }, relayer.ErrNotFound},
		{"price of unknown service", func() error { return second(q.ComputeUnitsPerRelayAt(ctx, "nothing", 1)) }, relayer.ErrNotFound},
		{"difficulty of unknown service", func() error { return second(q.DifficultyTargetAt(ctx, "nothing", 1)) }, relayer.ErrNotFound},
		{"unknown claim", func() error { return second(q.Claim(ctx, "0123", supplier)) }, relayer.ErrNotFound},
		{"block ahead of the chain", func() error { return second(q.BlockAt(ctx, height+1000)) }, chain.ErrHeightAhead},
		{"events ahead of the chain", func() error { return second(q.Events(ctx, height+1000)) }, chain.ErrHeightAhead},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.ask(); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}

	if err := network.StopNode(); err != nil {
		t.Fatal(err)
	}
	for name, ask := range map[string]func() error{
		"claim":       func() error { return second(q.Claim(ctx, "0123", supplier)) },
		"application": func() error { return second(q.Application(ctx, network.Suppliers[0].OperatorAddress)) },
		"block":       func() error { return second(q.BlockAt(ctx, 1)) },
	} {
		err := ask()
		if !errors.Is(err, chain.ErrUnreachable) || errors.Is(err, relayer.ErrNotFound) {
			t.Errorf("%s of a dead node: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestQueries_AnswersAreThoseOfTheChain(t *testing.T) {
	ctx := deadline(t)
	network := start(t, localnet.Config{BlocksPerSession: 7})
	q := chain.NewQueries(dial(t, network))
	app, supplier := network.Applications[0], network.Suppliers[0]

	now, err := q.SharedParams(ctx)
	if err != nil || now.NumBlocksPerSession != 7 {
		t.Errorf("shared parameters %v, %v", now, err)
	}
	past, err := q.SharedParamsAt(ctx, 1)
	if err != nil || past.NumBlocksPerSession != 7 {
		t.Errorf("shared parameters at 1: %v, %v", past, err)
	}
	if future, err := q.SharedParamsAt(ctx, 1_000_000); err != nil || future.NumBlocksPerSession != 7 {
		t.Errorf("shared parameters to come: %v, %v", future, err)
	}
	if params, err := q.ProofParams(ctx); err != nil || params.ProofRequestProbability != 1 {
		t.Errorf("proof parameters %v, %v", params, err)
	}
	if a, err := q.Application(ctx, app.Address); err != nil || a.Address != app.Address || len(a.DelegateeGatewayAddresses) != 1 {
		t.Errorf("application %v, %v", a, err)
	}
	if s, err := q.Supplier(ctx, supplier.OperatorAddress); err != nil || s.OperatorAddress != supplier.OperatorAddress || len(s.Services) != 1 {
		t.Errorf("supplier %v, %v", s, err)
	}
	if key, err := q.PubKey(ctx, app.Address); err != nil || len(key.Bytes()) != 33 {
		t.Errorf("public key %v, %v", key, err)
	}
	if units, err := q.ComputeUnitsPerRelayAt(ctx, network.Services[0].ID, 1); err != nil || units != network.Services[0].ComputeUnitsPerRelay {
		t.Errorf("compute units per relay %d, %v", units, err)
	}
	if target, err := q.DifficultyTargetAt(ctx, network.Services[0].ID, 1); err != nil || !bytes.Equal(target, bytes.Repeat([]byte{0xff}, 32)) {
		t.Errorf("target %X, %v", target, err)
	}
	if balance, err := q.Balance(ctx, supplier.OperatorAddress); err != nil || !balance.IsPositive() {
		t.Errorf("balance %v, %v", balance, err)
	}
	if balance, err := q.Balance(ctx, stranger); err != nil || !balance.IsZero() {
		t.Errorf("balance of a stranger %v, %v", balance, err)
	}
}

func TestQueries_OneCallersCancellationDoesNotFailTheOthers(t *testing.T) {
	network := start(t, localnet.Config{})
	q := chain.NewQueries(dial(t, network))
	gone, cancel := context.WithCancel(t.Context())
	results := make(chan error, 64)
	for i := range cap(results) {
		ctx := deadline(t)
		if i%2 == 0 {
			ctx = gone
		}
		go func() { results <- second(q.Application(ctx, network.Applications[0].Address)) }()
	}
	cancel()
	for range cap(results) {
		if err := <-results; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	if err := second(q.Application(deadline(t), network.Applications[0].Address)); err != nil {
		t.Error(err)
	}
}
