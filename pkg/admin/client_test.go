package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// Through the socket everything is as it is without it.
func TestClient_AnswersAsTheInspectorDoes(t *testing.T) {
	inspector := inspected(t)
	_, client := serve(t, inspector)
	for _, c := range []struct {
		name string
		ask  func(Sessions) (any, error)
	}{
		{"list", func(s Sessions) (any, error) { return s.List(t.Context(), session.Filter{}) }},
		{"list some", func(s Sessions) (any, error) {
			return s.List(t.Context(), session.Filter{States: []session.State{session.StateOpen, session.StateSettled}, Supplier: "pokt1"})
		}},
		{"list none", func(s Sessions) (any, error) { return s.List(t.Context(), session.Filter{Supplier: "x"}) }},
		{"ledger", func(s Sessions) (any, error) { return s.Ledger(t.Context(), session.Filter{}) }},
		{"ledger of some", func(s Sessions) (any, error) {
			return s.Ledger(t.Context(), session.Filter{States: []session.State{session.StateSealed}, Supplier: "pokt1"})
		}},
		{"transactions", func(s Sessions) (any, error) { return s.Transactions(t.Context(), session.TxFilter{}) }},
		{"some transactions", func(s Sessions) (any, error) {
			return s.Transactions(t.Context(), session.TxFilter{Supplier: "pokt1", Session: "se", Open: true})
		}},
		{"no transactions", func(s Sessions) (any, error) {
			return s.Transactions(t.Context(), session.TxFilter{Session: "open"})
		}},
		{"show", func(s Sessions) (any, error) { return s.Show(t.Context(), session.Name{ID: "sealed"}) }},
		{"show by prefix", func(s Sessions) (any, error) {
			return s.Show(t.Context(), session.Name{ID: "op", Supplier: "pokt1sup"})
		}},
		{"show none", func(s Sessions) (any, error) { return s.Show(t.Context(), session.Name{ID: "none of these"}) }},
		{"show without id", func(s Sessions) (any, error) { return s.Show(t.Context(), session.Name{}) }},
		{"show ambiguous", func(s Sessions) (any, error) { return s.Show(t.Context(), session.Name{ID: "o"}) }},
		{"show escaped", func(s Sessions) (any, error) { return s.Show(t.Context(), session.Name{ID: "a/b?c&d"}) }},
		{"prove open", func(s Sessions) (any, error) { return s.Prove(t.Context(), session.Name{ID: "open"}, make([]byte, 32)) }},
		{"prove short path", func(s Sessions) (any, error) { return s.Prove(t.Context(), session.Name{ID: "sealed"}, nil) }},
		{"prove", func(s Sessions) (any, error) {
			proof, err := s.Prove(t.Context(), session.Name{ID: "sealed"}, make([]byte, 32))
			if err != nil {
				return nil, err
			}
			err = proof.Check()
			proof.Proof = nil // its encoding differs from time to time (encoding/gob)
			return proof, err
		}},
		{"export", func(s Sessions) (any, error) {
			var file bytes.Buffer
			err := s.Export(t.Context(), session.Name{ID: "sealed"}, &file)
			return file.Bytes(), err
		}},
		{"export none", func(s Sessions) (any, error) { return nil, s.Export(t.Context(), session.Name{ID: "none"}, io.Discard) }},
		{"verify all", func(s Sessions) (any, error) { return verdicts(t, s, session.Verification{All: true, Deep: true}) }},
		{"verify one", func(s Sessions) (any, error) {
			return verdicts(t, s, session.Verification{Name: session.Name{ID: "sealed", Supplier: "pokt1"}})
		}},
		{"verify none", func(s Sessions) (any, error) {
			return verdicts(t, s, session.Verification{Name: session.Name{ID: "none"}})
		}},
		{"drop refused", func(s Sessions) (any, error) { return s.Drop(t.Context(), session.Name{ID: "open"}, false) }},
	} {
		want, wantErr := c.ask(inspector)
		got, err := c.ask(client)
		if fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("%s: error %q, want %q", c.name, err, wantErr)
		}
		if wantErr == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got, want)
		}
	}
}

// verdicts returns the reports of a verification.
func verdicts(t *testing.T, s Sessions, what session.Verification) ([]session.Report, error) {
	var reports []session.Report
	err := s.Verify(t.Context(), what, func(e session.Event) error {
		if e.Report != nil {
			reports = append(reports, *e.Report)
		}
		return nil
	})
	return reports, err
}

func TestClient_Drops(t *testing.T) {
	inspector := inspected(t)
	_, client := serve(t, inspector)
	dropped, err := client.Drop(t.Context(), session.Name{ID: "open"}, true)
	if err != nil || dropped.SessionID != "open" || dropped.Relays != 3 {
		t.Errorf("dropped %+v, %v", dropped, err)
	}
	_, err = inspector.Show(t.Context(), session.Name{ID: "open"})
	mustBe(t, err, session.ErrNoSession)
}

func TestClient_DoesNotImport(t *testing.T) {
	_, client := serve(t, inspected(t))
	_, _, err := client.Import(t.Context(), strings.NewReader(""))
	mustBe(t, err, session.ErrRefused)
}

func TestClient_KnowsWhichStoreIsServed(t *testing.T) {
	server, client := serve(t, inspected(t))
	if got := client.StoreDir(); got != server.store.Dir || got == "" {
		t.Errorf("got %q, want %q", got, server.store.Dir)
	}
}

func TestErrors_KeepTheirMeaningAndTheirText(t *testing.T) {
	f := &fake{}
	_, client := serve(t, f)
	for _, sentinel := range []error{
		session.ErrNoSession, session.ErrAmbiguous, session.ErrRefused, session.ErrExists, session.ErrInvalid,
		session.ErrDamaged, session.ErrFile, relayer.ErrNotSealed, store.ErrUnavailable, store.ErrClosed,
	} {
		sent := fmt.Errorf("session x: %w: details", sentinel)
		f.show = func(context.Context, session.Name) (*session.Details, error) { return nil, sent }
		_, err := client.Show(t.Context(), session.Name{ID: "x"})
		mustBe(t, err, sentinel)
		if err == nil || err.Error() != sent.Error() {
			t.Errorf("%q arrives as %q", sent, err)
		}
	}
	f.show = func(context.Context, session.Name) (*session.Details, error) { return nil, errors.New("no idea") }
	_, err := client.Show(t.Context(), session.Name{ID: "x"})
	mustBe(t, err, ErrInternal)
	if err == nil || err.Error() != "no idea" {
		t.Errorf("arrives as %q", err)
	}
}

func TestVerify_ErrorAfterEventsArrives(t *testing.T) {
	f := &fake{verify: func(_ context.Context, _ session.Verification, observe func(session.Event) error) error {
		if err := observe(session.Event{Report: &session.Report{SessionID: "one"}}); err != nil {
			return err
		}
		return fmt.Errorf("no more: %w", store.ErrUnavailable)
	}}
	_, client := serve(t, f)
	reports, err := verdicts(t, client, session.Verification{All: true})
	mustBe(t, err, store.ErrUnavailable)
	if len(reports) != 1 || reports[0].SessionID != "one" {
		t.Errorf("before it arrived: %+v", reports)
	}
}

// A verification that its client has turned away from is not carried on.
func TestVerify_EndsWithItsClient(t *testing.T) {
	ended := make(chan struct{})
	f := &fake{verify: func(ctx context.Context, _ session.Verification, observe func(session.Event) error) error {
		defer close(ended)
		if err := observe(session.Event{Progress: &session.Progress{}}); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}}
	_, client := serve(t, f)
	enough := errors.New("enough")
	err := client.Verify(t.Context(), session.Verification{All: true}, func(session.Event) error { return enough })
	mustBe(t, err, enough)
	wait(t, ended)
}

// A file of which the end is missing is no file.
func TestExport_ErrorInTheMiddleArrives(t *testing.T) {
	f := &fake{export: func(_ context.Context, _ session.Name, w io.Writer) error {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			return err
		}
		return store.ErrUnavailable
	}}
	_, client := serve(t, f)
	if err := client.Export(t.Context(), session.Name{ID: "x"}, io.Discard); err == nil {
		t.Error("an export that broke off has succeeded")
	}
}

func TestDial_SaysThatNobodyAnswers(t *testing.T) {
	home := shortDir(t)
	_, err := Dial(t.Context(), home)
	mustBe(t, err, ErrNoServer)
	leaveStale(t, SocketPath(home))
	_, err = Dial(t.Context(), home)
	mustBe(t, err, ErrNoServer)
	_, err = Dial(t.Context(), strings.Repeat("x", 200))
	mustBe(t, err, ErrNoServer)
}
