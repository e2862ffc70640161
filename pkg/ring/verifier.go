package ring

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/ring/internal/curve"
)

// Verifier verifies some twenty times as fast as Reference, and says the same. It may be used
// concurrently.
type Verifier struct {
	options   options
	generator *curve.Comb
	cached    *cache
	builder   *builder
	group     *async.Group
	checks    chan *check // that are not in use; never closed

	auditor auditor
	valid   atomic.Uint64
	refused atomic.Uint64
}

// Stats is what a Verifier has counted since it was constructed.
type Stats struct {
	Valid         uint64 // verdicts
	Refused       uint64 // verdicts
	Audited       uint64 // verdicts that were compared with Reference's
	Disagreements uint64
	ReferenceOnly bool // everything is left to Reference

	CachedKeys  int    // keys and key images
	CachedBytes int    //
	Evicted     uint64 // keys and key images
	TablesBuilt uint64
}

// generatorWidth is the width of the generator's comb, which every signature uses.
const generatorWidth = 8

// idleChecks bounds how many checks are kept while they are not in use. One takes a
// kilobyte, and some twenty more after a ring of unknown keys.
const idleChecks = 64

// NewVerifier returns a verifier. The caller must close it. The error is about an option.
func NewVerifier(opts ...Option) (*Verifier, error) {
	o, err := newOptions(opts)
	if err != nil {
		return nil, err
	}
	generator := curve.Generator()
	cached := newCache(o.cacheBytes)
	v := &Verifier{
		options:   o,
		generator: curve.NewComb(&generator, generatorWidth),
		cached:    cached,
		builder:   newBuilder(cached),
		group:     async.NewGroup(context.Background()),
		checks:    make(chan *check, idleChecks),
	}
	v.auditor.init(&v.options, time.Now)
	if err := v.group.Supervise("ring tables", async.Restart{}, v.builder.run); err != nil {
		return nil, fmt.Errorf("ring verifier: %w", err)
	}
	return v, nil
}

// Close ends the work in the background. Verify still works afterwards, with the
// tables that were built. The error is about ctx ending first.
func (v *Verifier) Close(ctx context.Context) error { return v.group.Stop(ctx) }

// Verify checks that signature is a valid signature of message, a SHA-256 hash, by
// one of the signature's own members. It returns nil, ErrInvalid, or an error
// that wraps ErrMalformed if a part is not a curve point, always the same as Reference. It
// does not panic, whatever the bytes.
func (v *Verifier) Verify(message [32]byte, signature Signature) error {
	if signature.size == 0 {
		return fmt.Errorf("%w: empty ring", ErrMalformed)
	}
	var err error
	if v.auditor.referenceOnly.Load() {
		err = v.auditor.reference(message, signature)
	} else {
		err = v.auditor.audit(message, signature, v.verify(&message, signature))
	}
	if err != nil {
		v.refused.Add(1)
		return err
	}
	v.valid.Add(1)
	return nil
}

// errFault is wrapped by the verdict of a verification that panicked. It is never
// returned to callers.
var errFault = errors.New("ring verifier failed")

// verify verifies without Reference.
func (v *Verifier) verify(message *[32]byte, s Signature) (err error) {
	k := v.take()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errFault, r) // and k is not used again
			return
		}
		k.reset(s)
		v.giveBack(k)
	}()
	if err := k.load(v.cached, s); err != nil {
		return err
	}
	err = k.run(v.generator, message, s)
	v.remember(k, s, err == nil)
	return err
}

// take returns a check that is not in use.
func (v *Verifier) take() *check {
	select {
	case k := <-v.checks:
		return k
	default:
		return &check{}
	}
}

// giveBack keeps a check for the next signature, or drops it if enough are kept.
func (v *Verifier) giveBack(k *check) {
	select {
	case v.checks <- k:
	default:
	}
}

// remember caches what may be: members that the caller vouches for, and the key image of a
// valid signature of such members. Others could be made up without end.
func (v *Verifier) remember(k *check, s Signature, valid bool) {
	vouched := true
	for _, e := range k.fresh {
		if e.hash == nil {
			continue
		}
		vouched = vouched && v.options.listed
		if v.options.listed {
			v.cached.put(e)
		}
	}
	if !valid || !vouched {
		return
	}
	for _, e := range k.fresh {
		if e == k.image {
			v.cached.put(e)
		}
	}
	v.builder.used(k.image)
	for _, e := range k.members[:s.size] {
		v.builder.used(e)
	}
}

// Admit caches what depends on the given compressed public keys, which the caller knows
// to be such that the chain lists. The error wraps ErrMalformed if one is not a curve
// point; those before it are admitted.
func (v *Verifier) Admit(keys ...[]byte) error {
	for i, key := range keys {
		if len(key) != KeySize {
			return fmt.Errorf("%w: key %d has %d bytes, want %d", ErrMalformed, i, len(key), KeySize)
		}
		if v.cached.get(false, key) != nil {
			continue
		}
		var k check
		e, err := k.compute(false, key)
		if err != nil {
			return fmt.Errorf("%w: key %d: %w", ErrMalformed, i, err)
		}
		k.odds.Build()
		v.cached.put(e)
	}
	return nil
}

// UseReference has everything left to Reference from now on, or no longer.
func (v *Verifier) UseReference(only bool) { v.auditor.referenceOnly.Store(only) }

// Stats returns what was counted.
func (v *Verifier) Stats() Stats {
	s := Stats{
		Valid:         v.valid.Load(),
		Refused:       v.refused.Load(),
		Audited:       v.auditor.audited.Load(),
		Disagreements: v.auditor.disagreements.Load(),
		ReferenceOnly: v.auditor.referenceOnly.Load(),
		TablesBuilt:   v.builder.built.Load(),
	}
	s.CachedKeys, s.CachedBytes, s.Evicted = v.cached.usage()
	return s
}
