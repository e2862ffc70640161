package admin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

func TestMain(m *testing.M) {
	// The keyring's dependencies start a goroutine when the program starts.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// shortDir returns a directory whose path is short enough for a socket, whatever
// the test's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "adm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// serve starts a server, with a short write deadline, and returns a client of it.
// Both are stopped at the end of the test.
func serve(t testing.TB, sessions Sessions, opts ...Option) (*Server, *Client) {
	t.Helper()
	home := shortDir(t)
	server, err := start(home, home, sessions, slog.New(slog.DiscardHandler), 500*time.Millisecond, opts...)
	if err != nil {
		t.Fatal(err)
	}
	client, err := Dial(context.Background(), home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		if err := server.Stop(context.Background()); err != nil {
			t.Errorf("stop server: %v", err)
		}
	})
	return server, client
}

// inspected returns an inspector of a store with an open, a sealed and a settled
// session of three relays each.
func inspected(t testing.TB) *session.Inspector {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	for _, id := range []string{"open", "sealed", "other"} {
		tree, err := session.NewSessionTree(st, &sessiontypes.SessionHeader{
			ApplicationAddress: "pokt1app", ServiceId: "anvil", SessionId: id,
			SessionStartBlockHeight: 1, SessionEndBlockHeight: 4,
		}, "pokt1supplier", 1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			value := fmt.Appendf(nil, "relay %d of %s", i, id)
			hash := sha256.Sum256(value)
			if err := tree.Update(hash[:], value, 100); err != nil {
				t.Fatal(err)
			}
		}
		if id == "open" {
			continue
		}
		if _, err := tree.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	addAttempt(t, st, store.SessionKey{Supplier: "pokt1supplier", SessionEnd: 4, SessionID: "sealed"})
	return session.NewInspector(st)
}

// addAttempt notes in a session's record that its claim is under way.
func addAttempt(t testing.TB, st *store.Store, key store.SessionKey) {
	t.Helper()
	raw, err := st.Record(key)
	if err != nil {
		t.Fatal(err)
	}
	record, err := session.DecodeRecord(raw)
	if err != nil {
		t.Fatal(err)
	}
	record.ClaimAttempts = []relayer.TxAttempt{{Hash: "AB", FeeUpokt: 7, Messages: 1, SentHeight: 6, TimeoutHeight: 9}}
	if raw, err = json.Marshal(record); err != nil {
		t.Fatal(err)
	}
	if err := st.PutRecord(key, raw); err != nil {
		t.Fatal(err)
	}
}

// fake answers what it is told to.
type fake struct {
	Sessions // nil: methods that a test does not set are not called
	show     func(context.Context, session.Name) (*session.Details, error)
	verify   func(context.Context, session.Verification, func(session.Event) error) error
	export   func(context.Context, session.Name, io.Writer) error
}

func (f *fake) Show(ctx context.Context, name session.Name) (*session.Details, error) {
	return f.show(ctx, name)
}

func (f *fake) Verify(ctx context.Context, what session.Verification, observe func(session.Event) error) error {
	return f.verify(ctx, what, observe)
}

func (f *fake) Export(ctx context.Context, name session.Name, w io.Writer) error {
	return f.export(ctx, name, w)
}

// wait receives from ch, but not forever.
func wait[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		t.Fatal("what the test waits for does not happen")
		panic("unreachable")
	}
}

// mustBe fails the test unless err wraps want.
func mustBe(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}
