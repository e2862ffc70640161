package ring

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
	"github.com/seed52205347/relayminer/testutil/golden"
)

// golden's signature is of the members A and B, and signed by B.
func goldenSignature(t *testing.T) ([32]byte, Signature) {
	t.Helper()
	s, err := Parse(golden.RingSignature.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256([]byte(golden.RingMessage)), s
}

// newAudited returns a verifier that reports to reports.
func newAudited(t *testing.T, reports *[]Disagreement, opts ...Option) *Verifier {
	t.Helper()
	opts = append(opts, WithListedMembers(), OnDisagreement(func(d Disagreement) { *reports = append(*reports, d) }))
	v, err := NewVerifier(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return v
}

// standStill has a verifier's audit take no time.
func standStill(v *Verifier) {
	at := time.Now()
	v.auditor.init(&v.options, func() time.Time { return at })
}

// spoil gives a cached member the multiples of another point.
func spoil(t *testing.T, v *Verifier, key []byte) {
	t.Helper()
	e := v.cached.get(false, key)
	if e == nil {
		t.Fatal("the member is not cached")
	}
	generator := curve.Generator()
	e.point.comb.Store(curve.NewComb(&generator, curve.MinCombWidth))
}

func TestVerifier_ReferenceOverrulesAWrongRefusal(t *testing.T) {
	var reports []Disagreement
	v := newAudited(t, &reports)
	message, s := goldenSignature(t)
	if err := v.Verify(message, s); err != nil {
		t.Fatal(err)
	}
	spoil(t, v, s.Member(0))
	if err := v.verify(&message, s); !errors.Is(err, ErrInvalid) {
		t.Fatalf("a wrong table has no effect: %v", err)
	}
	for range 3 {
		if err := v.Verify(message, s); err != nil {
			t.Errorf("got %v, Reference says it is valid", err)
		}
	}
	if stats := v.Stats(); stats.Disagreements != 1 || !stats.ReferenceOnly || stats.Valid != 4 || stats.Refused != 0 {
		t.Errorf("stats are %+v; after one disagreement everything is Reference's", stats)
	}
	if len(reports) != 1 {
		t.Fatalf("%d disagreements were reported, want 1", len(reports))
	}
	report := reports[0]
	if report.Message != message || !bytes.Equal(report.Signature, s.bz) || report.Reference != nil || !errors.Is(report.Verifier, ErrInvalid) {
		t.Errorf("reported %+v", report)
	}
}

func TestVerifier_ReferenceOverrulesAWrongAcceptance(t *testing.T) {
	var reports []Disagreement
	v := newAudited(t, &reports, WithAudit(3, 1), WithFallbackAfter(0))
	standStill(v)
	v.auditor.reference = func([32]byte, Signature) error { return ErrInvalid }
	message, s := goldenSignature(t)
	const rounds = 40
	places := make(map[int]bool) // of the audited one among three
	for round := range rounds {
		audited := 0
		for i := range 3 {
			if err := v.Verify(message, s); errors.Is(err, ErrInvalid) {
				places[i] = true
				audited++
			}
		}
		if audited != 1 {
			t.Errorf("%d of the signatures of round %d were audited, want one", audited, round)
		}
	}
	if stats := v.Stats(); stats.Audited != rounds || stats.Disagreements != rounds || stats.ReferenceOnly || len(reports) != rounds {
		t.Errorf("stats are %+v, %d reports", stats, len(reports))
	}
	// By chance it is the same place each time once in 10¹⁸ runs.
	if len(places) == 1 {
		t.Errorf("it can be foretold which signature is audited: always %v of three", places)
	}
}

func TestVerifier_ReferenceJudgesWhatMakesItPanic(t *testing.T) {
	var reports []Disagreement
	v := newAudited(t, &reports, WithAudit(1, 0))
	message, s := goldenSignature(t)
	if err := v.Verify(message, s); err != nil {
		t.Fatal(err)
	}
	v.cached.get(false, s.Member(1)).hash = nil
	if err := v.Verify(message, s); err != nil {
		t.Errorf("got %v, Reference says it is valid", err)
	}
	if len(reports) != 1 || !errors.Is(reports[0].Verifier, errFault) {
		t.Errorf("reported %+v", reports)
	}
}

func TestVerifier_LeavesEverythingToReferenceWhenTold(t *testing.T) {
	var reports []Disagreement
	v := newAudited(t, &reports)
	calls := 0
	v.auditor.reference = func(message [32]byte, s Signature) error {
		calls++
		return Reference{}.Verify(message, s)
	}
	message, s := goldenSignature(t)
	for _, only := range []bool{true, false} {
		v.UseReference(only)
		calls = 0
		if err := v.Verify(message, s); err != nil || (calls == 1) != only {
			t.Errorf("Reference only is %v: %d calls of it, verdict %v", only, calls, err)
		}
	}
}

func TestVerifier_AuditsRefusalsWithinTheirBudget(t *testing.T) {
	var reports []Disagreement
	v := newAudited(t, &reports, WithAudit(1, 0.5))
	at := time.Now()
	v.auditor.init(&v.options, func() time.Time { return at })
	const cost = burst / 4
	v.auditor.reference = func([32]byte, Signature) error {
		at = at.Add(cost)
		return ErrInvalid
	}
	_, s := goldenSignature(t)
	refused := func() uint64 {
		before := v.Stats().Audited
		for range 20 {
			if err := v.Verify([32]byte{}, s); !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v, want ErrInvalid", err)
			}
		}
		return v.Stats().Audited - before
	}
	// A quarter of the burst goes with each, of which half comes back meanwhile.
	if got := refused(); got < 4 || got > 8 {
		t.Errorf("%d audits after a rest", got)
	}
	if got := refused(); got != 0 {
		t.Errorf("%d audits with nothing left", got)
	}
	at = at.Add(cost) // half of what one costs
	if got := refused(); got != 1 {
		t.Errorf("%d audits after a short rest, want 1", got)
	}
	if len(reports) != 0 {
		t.Errorf("disagreements: %+v", reports)
	}
}

func TestAlignLeft_MovesZeroBytesBehind(t *testing.T) {
	for _, c := range []struct {
		n, want []byte
		ok      bool
	}{
		{[]byte{1}, append([]byte{1}, make([]byte, 31)...), true},
		{make([]byte, 32), make([]byte, 32), true},
		{append([]byte{1}, make([]byte, 31)...), append([]byte{1}, make([]byte, 31)...), true},
		{bytes.Repeat([]byte{7}, 31), append(bytes.Repeat([]byte{7}, 31), 0), true},
		// Above the group's order when it is aligned, where ring-go panics.
		{bytes.Repeat([]byte{0xff}, 31), nil, false},
	} {
		var s secp256k1.ModNScalar
		s.SetByteSlice(c.n)
		ok := alignLeft(&s)
		got := s.Bytes()
		if ok != c.ok || ok && !bytes.Equal(got[:], c.want) {
			t.Errorf("%x: got %x, %v", c.n, got, ok)
		}
	}
}
