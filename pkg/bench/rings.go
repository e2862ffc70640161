package bench

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// RingOptions say what Rings measures.
type RingOptions struct {
	// Sizes of the rings, each 1 to ring.MaxMembers.
	Sizes []int
	// Applications is how many there are in the mixed case, at least 1.
	Applications int
	// Duration is for each line.
	Duration time.Duration

	settledUses int // the constant if 0
}

// RingLine compares ring-go with this relay miner's verifier in one case. Both start from
// the bytes of a signature: an operation is to parse and to verify it.
type RingLine struct {
	Case   string  `json:"case"`
	Ring   int     `json:"ring"`
	Theirs Score   `json:"ring_go"`
	Ours   Score   `json:"ours"`
	Ratio  float64 `json:"ratio"` // of ring-go's time to ours
}

// signed is a signature of message.
type signed struct {
	message   [32]byte
	signature []byte
}

// Rings measures the verification of ring signatures and calls line with each result, for
// rings of each size: "hot", one signature over and over, with all that can be
// precomputed; "cold", with nothing; and "mixed", the requests of one gateway for many
// applications in random order, with all that was precomputed for them in the cache. It
// returns the error of ctx if that ends first.
func Rings(ctx context.Context, o RingOptions, line func(RingLine)) (err error) {
	warm, err := newVerifier()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, warm.Close(context.WithoutCancel(ctx))) }()
	cold, err := newVerifier(ring.WithCacheBytes(0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cold.Close(context.WithoutCancel(ctx))) }()
	for _, size := range o.Sizes {
		many, err := signAll(ctx, size, o.Applications)
		if err != nil {
			return err
		}
		if err := warmUp(ctx, warm, many, cmp.Or(o.settledUses, settledUses)); err != nil {
			return err
		}
		for _, c := range []struct {
			name       string
			signatures []signed
			verifier   *ring.Verifier
		}{
			{"hot", many[:1], warm},
			{"cold", many[:1], cold},
			{fmt.Sprintf("mixed %d", o.Applications), many, warm},
		} {
			result, err := compareRings(ctx, o.Duration, c.signatures, c.verifier)
			if err != nil {
				return fmt.Errorf("%s, ring of %d: %w", c.name, size, err)
			}
			result.Case, result.Ring = c.name, size
			line(result)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
	}
	return nil
}

// newVerifier returns a verifier that spends nothing on audits, as no single verification
// does.
func newVerifier(opts ...ring.Option) (*ring.Verifier, error) {
	return ring.NewVerifier(append(opts, ring.WithListedMembers(), ring.WithAudit(1, 0))...)
}

// compareRings verifies the signatures in random order, the same for both.
func compareRings(ctx context.Context, d time.Duration, signatures []signed, verifier *ring.Verifier) (line RingLine, err error) {
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(signatures))
	with := func(verify func([32]byte, ring.Signature) error) func(int) error {
		return func(n int) error { return signatures[order[n%len(order)]].verify(verify) }
	}
	scores, err := Contest(ctx, d,
		Contestant{"ring-go", with(ring.Reference{}.Verify)},
		Contestant{"ours", with(verifier.Verify)})
	if err != nil {
		return line, err
	}
	line.Theirs, line.Ours = scores[0], scores[1]
	line.Ratio = line.Theirs.Nanos / line.Ours.Nanos
	return line, nil
}

func (s *signed) verify(verify func([32]byte, ring.Signature) error) error {
	parsed, err := ring.Parse(s.signature)
	if err != nil {
		return err
	}
	return verify(s.message, parsed)
}

// settledUses is after how many uses of the gateways' keys without a new table none will be
// made any more, and settledRounds of those of the applications.
const (
	settledUses   = 6000
	settledRounds = 20
)

// warmUp verifies the signatures on all cores until the verifier has made its tables.
func warmUp(ctx context.Context, verifier *ring.Verifier, signatures []signed, uses int) error {
	enough := max(settledRounds, uses/len(signatures))
	built, unchanged := uint64(0), 0
	for unchanged < enough {
		if err := verifyAll(ctx, verifier, signatures); err != nil {
			return err
		}
		unchanged++
		if now := verifier.Stats().TablesBuilt; now != built {
			built, unchanged = now, 0
		}
	}
	return ctx.Err()
}

// verifyAll verifies each of the signatures once.
func verifyAll(ctx context.Context, verifier *ring.Verifier, signatures []signed) error {
	workers := min(async.Cores(), len(signatures))
	return parallel(ctx, workers, func(_ context.Context, worker int) error {
		for n := worker; n < len(signatures); n += workers {
			if err := signatures[n].verify(verifier.Verify); err != nil {
				return err
			}
		}
		return nil
	})
}

// signAll signs a message each for a number of applications, as their gateway, for rings of
// the size. The other gateways are the same for all applications.
func signAll(ctx context.Context, size, applications int) ([]signed, error) {
	gateways := make([][]byte, max(size-1, 1))
	for i := range gateways {
		gateways[i] = key("gateway", i).PubKey().Bytes()
	}
	all := make([]signed, applications)
	workers := async.Cores()
	err := parallel(ctx, workers, func(ctx context.Context, worker int) error {
		for n := worker; n < applications && ctx.Err() == nil; n += workers {
			members := append([][]byte{key("application", n).PubKey().Bytes()}, gateways...)[:size]
			signer, err := ring.NewSigner(signingKey(size, n).Bytes(), members)
			if err != nil {
				return err
			}
			all[n].message = sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
			if all[n].signature, err = signer.Sign(all[n].message); err != nil {
				return err
			}
		}
		return nil
	})
	return all, err
}

// signingKey is the gateway's, or the application's own if it has none.
func signingKey(size, application int) *secp256k1.PrivKey {
	if size == 1 {
		return key("application", application)
	}
	return key("gateway", 0)
}

func key(role string, n int) *secp256k1.PrivKey {
	return secp256k1.GenPrivKeyFromSecret(fmt.Appendf(nil, "bench %s %d", role, n))
}

// MeasureReference returns the CPU time of one verification by ring-go of a ring of the
// size, on all cores at once, as a relay miner that is busy would have it. It is
// that of the whole process, so nothing else should work.
func MeasureReference(ctx context.Context, size int, d time.Duration) (time.Duration, error) {
	signatures, err := signAll(ctx, size, 16)
	if err != nil {
		return 0, err
	}
	before, _, err := processUsage()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	counts := make([]int, async.Cores())
	err = parallel(ctx, len(counts), func(ctx context.Context, worker int) error {
		for counts[worker] == 0 || time.Since(began) < d && ctx.Err() == nil {
			s := &signatures[counts[worker]%len(signatures)]
			if err := s.verify(ring.Reference{}.Verify); err != nil {
				return err
			}
			counts[worker]++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	after, _, err := processUsage()
	total := 0
	for _, n := range counts {
		total += n
	}
	return (after - before) / time.Duration(total), err
}
