package cli

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/session"
)

// noChain stands for the chain where nothing is asked of it.
type noChain struct {
	relayer.BlockSource
	relayer.BlockQuerier
	relayer.SharedQuerier
	relayer.ServiceQuerier
	relayer.ProofQuerier
	relayer.TxSubmitter
	session.EvidenceVerifier
}

// instance returns an instance on the home's store that was not started.
func (h *home) instance() (*Instance, *config.Config) {
	h.t.Helper()
	i := &Instance{log: slog.New(slog.DiscardHandler), store: h.open(), parts: &parts{refusals: session.NewRefusals(nil, nil)}}
	h.t.Cleanup(func() {
		if err := i.close(context.Background()); err != nil {
			h.t.Error(err)
		}
	})
	var err error
	i.parts.manager, err = session.NewRelayerSessionsManager(depinject.Supply(i.store, noChain{}, &relayer.Receipts{}, i.log))
	if err != nil {
		h.t.Fatal(err)
	}
	return i, &config.Config{SMTStorePath: h.store()}
}

func TestInstance_AnswersSessionsCommandsUntilItStops(t *testing.T) {
	h := newHome(t)
	i, cfg := h.instance()
	if err := i.openAdmin(Options{Home: h.dir, Log: i.log}, cfg); err != nil {
		t.Fatal(err)
	}
	golden(t, "show_settled.txt", h.must("show", "1a2b", "--store", h.store()))
	h.fails([]string{"drop", "3a", "--supplier", aliceAddress}, "refused")
	if out := h.must("drop", "3a", "--supplier", aliceAddress, "--force"); !strings.HasPrefix(out, "dropped open session") {
		t.Errorf("got %q", out)
	}
	if err := i.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	i.admin, i.store = nil, nil
	if _, err := os.Stat(admin.SocketPath(h.dir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	h.fails([]string{"show", "3a", "--supplier", aliceAddress}, "no such session")
}

// Relays are paid, a socket is not: two relay miners can share a home.
func TestInstance_GoesWithoutASocketThatAnotherRelayMinerHas(t *testing.T) {
	h, other := newHome(t), newHome(t)
	stop := other.serve()
	defer stop()
	i, cfg := h.instance()
	if err := i.openAdmin(Options{Home: other.dir, Log: i.log}, cfg); err != nil || i.admin != nil {
		t.Errorf("admin %v, error %v", i.admin, err)
	}
}

func TestInstance_RefusesAHomeThatCannotHoldASocket(t *testing.T) {
	h := newHome(t)
	i, cfg := h.instance()
	err := i.openAdmin(Options{Home: filepath.Join(h.dir, strings.Repeat("x", 200)), Log: i.log}, cfg)
	if !errors.Is(err, admin.ErrPathTooLong) || !strings.Contains(err.Error(), "--home") {
		t.Errorf("got %v", err)
	}
	if err := i.openAdmin(Options{Log: i.log}, cfg); err != nil || i.admin != nil {
		t.Errorf("without a home: admin %v, error %v", i.admin, err)
	}
}
