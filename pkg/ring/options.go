package ring

import (
	"errors"
	"fmt"
)

// The defaults of a Verifier's options.
const (
	DefaultCacheBytes    = 128 << 20
	DefaultAuditEvery    = 1000
	DefaultAuditShare    = 0.02
	DefaultFallbackAfter = 1
)

// Option changes a Verifier while it is constructed.
type Option func(*options)

type options struct {
	cacheBytes     int
	listed         bool
	auditEvery     int
	auditShare     float64
	fallbackAfter  uint64
	onDisagreement func(Disagreement)
}

// WithCacheBytes sets how many bytes may be kept of what depends on keys alone, the
// generator's share of some 130 KB aside. A key takes 2 KB, then 88 KB when it is used
// often; one that is used all the time 270 KB if there is room. With less than
// 2 KB nothing is kept. The default is DefaultCacheBytes.
func WithCacheBytes(n int) Option { return func(o *options) { o.cacheBytes = n } }

// WithListedMembers says that every member of every signature that is given to Verify
// is a key that the chain lists, as relayer/auth checks beforehand. Such members
// are cached when they are first seen. Without it only keys given to Admit are, since
// strangers have as many keys as they like.
func WithListedMembers() Option { return func(o *options) { o.listed = true } }

// WithAudit sets how much is verified again by Reference: of every n signatures that are
// found valid one, drawn at random, and refusals, each of both within its own share of
// one core's time, from 0 for no audit to 1. The defaults are DefaultAuditEvery and DefaultAuditShare.
func WithAudit(every int, share float64) Option {
	return func(o *options) { o.auditEvery, o.auditShare = every, share }
}

// OnDisagreement has report called for each disagreement with Reference. It runs within
// Verify, on the caller's goroutine, possibly on several at once.
func OnDisagreement(report func(Disagreement)) Option {
	return func(o *options) { o.onDisagreement = report }
}

// WithFallbackAfter sets after how many disagreements everything is left to
// Reference; 0 for never. The default is DefaultFallbackAfter: a request that is accepted
// wrongly can cost a supplier its stake.
func WithFallbackAfter(disagreements int) Option {
	return func(o *options) { o.fallbackAfter = uint64(max(disagreements, 0)) }
}

func newOptions(opts []Option) (options, error) {
	o := options{
		cacheBytes:     DefaultCacheBytes,
		auditEvery:     DefaultAuditEvery,
		auditShare:     DefaultAuditShare,
		fallbackAfter:  DefaultFallbackAfter,
		onDisagreement: func(Disagreement) {},
	}
	for _, opt := range opts {
		opt(&o)
	}
	switch {
	case o.cacheBytes < 0:
		return o, fmt.Errorf("ring verifier: cache of %d bytes", o.cacheBytes)
	case o.auditEvery < 1:
		return o, fmt.Errorf("ring verifier: audit of every %d signatures", o.auditEvery)
	case !(o.auditShare >= 0 && o.auditShare <= 1):
		return o, fmt.Errorf("ring verifier: audit may take %v of a core, want 0 to 1", o.auditShare)
	case o.onDisagreement == nil:
		return o, errors.New("ring verifier: no function to report disagreements to")
	}
	return o, nil
}
