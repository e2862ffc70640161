package auth_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"cosmossdk.io/depinject"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
)

func TestNewAuthenticator_NamesWhatIsMissing(t *testing.T) {
	w := newWorld()
	for _, c := range []struct {
		missing string
		deps    depinject.Config
	}{
		{"SigningKeys", depinject.Supply(w.chain, w.verifier)},
		{"RingVerifier", depinject.Supply(w.chain, w.keys)},
		{"BlockSource", depinject.Supply(w.keys, w.verifier)},
	} {
		a, err := auth.NewAuthenticator(c.deps)
		if err == nil || a != nil || !strings.Contains(err.Error(), c.missing) {
			t.Errorf("without %s: got %v and error %v", c.missing, a, err)
		}
	}
}

func TestVerifyRelayRequest_AcceptsAnHonestRequest(t *testing.T) {
	w := newWorld()
	w.accepts(t, signed(t))
	w.asked(t, shared, session, application, pubKey)
}

func TestVerifyRelayRequest_AcceptsEverySupplierOfOursInTheSession(t *testing.T) {
	request := unsigned()
	request.Meta.SupplierOperatorAddress = addressOf("second supplier")
	newWorld().accepts(t, sign(t, request, "gateway", "application"))
}

// What is wrong with the request alone is found without asking the chain.
func TestVerifyRelayRequest_RefusesBadStructureWithoutAQuery(t *testing.T) {
	resized := func(size uint32) func(*servicetypes.RelayRequest) {
		return func(r *servicetypes.RelayRequest) { binary.BigEndian.PutUint32(r.Meta.Signature, size) }
	}
	for _, c := range []struct {
		name  string
		spoil func(*servicetypes.RelayRequest) // after it was signed
		want  *relayer.Error
	}{
		{"empty", func(r *servicetypes.RelayRequest) { *r = servicetypes.RelayRequest{} }, relayer.ErrInvalidRequest},
		{"without session header", func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader = nil }, relayer.ErrInvalidRequest},
		{"unsigned", func(r *servicetypes.RelayRequest) { r.Meta.Signature = nil }, relayer.ErrInvalidRequest},
		{"signature of no bytes", func(r *servicetypes.RelayRequest) { r.Meta.Signature = []byte{} }, relayer.ErrInvalidRequest},
		{"without supplier", func(r *servicetypes.RelayRequest) { r.Meta.SupplierOperatorAddress = "" }, relayer.ErrMissingSupplier},
		{"without application", func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.ApplicationAddress = "" }, relayer.ErrInvalidRequest},
		{"application of another chain", func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.ApplicationAddress = cosmostypes.MustBech32ifyAddressBytes("cosmos", pubKeyOf("application").Address())
		}, relayer.ErrInvalidRequest},
		{"without session id", func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.SessionId = "" }, relayer.ErrInvalidRequest},
		{"without service", func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.ServiceId = "" }, relayer.ErrInvalidRequest},
		{"start height zero", func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.SessionStartBlockHeight = 0 }, relayer.ErrInvalidRequest},
		{"end before start", func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.SessionEndBlockHeight = start - 1 }, relayer.ErrInvalidRequest},
		{"end height negative", func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.SessionEndBlockHeight = -1 << 63 }, relayer.ErrInvalidRequest},
		{"for another service", func(r *servicetypes.RelayRequest) { r.Meta.SessionHeader.ServiceId = "other" }, relayer.ErrInvalidSession},
		{"for a supplier that is not ours", func(r *servicetypes.RelayRequest) {
			r.Meta.SupplierOperatorAddress = addressOf("foreign supplier")
		}, relayer.ErrSupplierUnreachable},
		{"for a supplier that is no address", func(r *servicetypes.RelayRequest) {
			r.Meta.SupplierOperatorAddress = "nobody"
		}, relayer.ErrSupplierUnreachable},
		{"ring of none", resized(0), relayer.ErrInvalidRing},
		{"ring larger than its signature", resized(3), relayer.ErrInvalidRing},
		{"ring of billions", resized(1<<32 - 1), relayer.ErrInvalidRing},
		{"signature cut short", func(r *servicetypes.RelayRequest) { r.Meta.Signature = r.Meta.Signature[:198] }, relayer.ErrInvalidRing},
		{"signature with a byte more", func(r *servicetypes.RelayRequest) { r.Meta.Signature = append(r.Meta.Signature, 0) }, relayer.ErrInvalidRing},
		{"signature of three bytes", func(r *servicetypes.RelayRequest) { r.Meta.Signature = r.Meta.Signature[:3] }, relayer.ErrInvalidRing},
		{"session in the future", func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionStartBlockHeight = middle + 2
		}, relayer.ErrInvalidSession},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, request := newWorld(), signed(t)
			c.spoil(request)
			w.refuses(t, request, c.want)
			w.asked(t)
		})
	}
	t.Run("nil", func(t *testing.T) {
		w := newWorld()
		w.refuses(t, nil, relayer.ErrInvalidRequest)
		w.asked(t)
	})
}

func TestVerifyRelayRequest_SupplierAnswersOnlyForItsServices(t *testing.T) {
	w := newWorld()
	allowed := []string{addressOf("second supplier")}
	w.options = append(w.options, auth.WithServiceSuppliers(service, allowed...))
	allowed[0] = addressOf("supplier") // the caller's slice is the caller's
	w.refuses(t, signed(t), relayer.ErrSupplierUnreachable)
	w.asked(t)

	request := unsigned()
	request.Meta.SupplierOperatorAddress = addressOf("second supplier")
	w.accepts(t, sign(t, request, "gateway", "application"))

	w = newWorld()
	w.options = append(w.options, auth.WithServiceSuppliers("other", addressOf("second supplier")))
	w.accepts(t, signed(t))

	w = newWorld()
	w.options = append(w.options, auth.WithServiceSuppliers(service))
	w.refuses(t, signed(t), relayer.ErrSupplierUnreachable)
}

func TestVerifyRelayRequest_ServesFromTheFirstBlockToTheLastOfGrace(t *testing.T) {
	for _, c := range []struct {
		height int64
		want   *relayer.Error // nil: served
		asked  []string       // of a refused request
	}{
		{0, relayer.ErrInternal, nil}, // no block seen yet
		{start - 2, relayer.ErrInvalidSession, nil},
		{start - 1, nil, nil}, // the gateway's node is one block ahead
		{start, nil, nil},
		{end - 1, nil, nil},
		{end, nil, nil},
		{end + 1, nil, nil},
		{lastOfGrace, nil, nil},
		{lastOfGrace + 1, relayer.ErrInvalidSession, []string{shared, sharedAt}},
		{lastOfGrace + blocks, relayer.ErrInvalidSession, []string{shared, sharedAt}},
		{lastOfGrace + blocks + 1, relayer.ErrInvalidSession, []string{shared}},
		{1 << 62, relayer.ErrInvalidSession, []string{shared}},
	} {
		t.Run(fmt.Sprint(c.height), func(t *testing.T) {
			w := newWorld()
			w.chain.height = c.height
			if c.want == nil {
				w.accepts(t, signed(t))
				return
			}
			w.refuses(t, signed(t), c.want)
			w.asked(t, c.asked...)
		})
	}
}

// The grace period is the one of the session's end height.
func TestVerifyRelayRequest_GraceIsPinnedToTheSession(t *testing.T) {
	const longer = grace + 3
	for height, served := range map[int64]bool{end + longer: true, end + longer + 1: false} {
		w := newWorld()
		w.chain.height = height
		w.chain.past[end] = sharedtypes.Params{NumBlocksPerSession: blocks, GracePeriodEndOffsetBlocks: longer}
		if served {
			w.accepts(t, signed(t))
		} else {
			w.refuses(t, signed(t), relayer.ErrInvalidSession)
		}
	}
}

// When sessions become shorter than the grace period of the last long one was, that
// one is served as long as before.
func TestVerifyRelayRequest_GraceOutlastsShorterSessions(t *testing.T) {
	const long = 7
	for height, served := range map[int64]bool{end + long: true, end + long + 1: false} {
		w := newWorld()
		w.chain.height = height
		w.chain.past[end] = sharedtypes.Params{NumBlocksPerSession: blocks, GracePeriodEndOffsetBlocks: long}
		w.chain.live = sharedtypes.Params{
			NumBlocksPerSession: 4, GracePeriodEndOffsetBlocks: 1, SessionGridAnchorHeight: end + 1, SessionNumberAtAnchor: 4,
		}
		if served {
			w.accepts(t, signed(t))
		} else {
			w.refuses(t, signed(t), relayer.ErrInvalidSession)
		}
	}
}

// Every field of the header is compared with the chain's. The requests are signed
// by a member of the ring, and refused before anybody looks at the signature.
func TestVerifyRelayRequest_RefusesHeadersThatAreNotTheChains(t *testing.T) {
	for _, c := range []struct {
		name   string
		height int64
		change func(*servicetypes.RelayRequest)
		want   *relayer.Error
		asked  []string
	}{
		{"made-up session id", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionId = strings.Repeat("0", 64)
		}, relayer.ErrInvalidSession, []string{shared, session}},
		{"later start", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionStartBlockHeight++
		}, relayer.ErrInvalidSession, []string{shared, sharedAt}},
		{"later end", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionEndBlockHeight++
		}, relayer.ErrInvalidSession, []string{shared, session}},
		{"end in the far future", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionEndBlockHeight = 1<<63 - 1
		}, relayer.ErrInvalidSession, []string{shared, session}},
		{"application without a session", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.ApplicationAddress = addressOf("gateway")
		}, relayer.ErrUnknownSession, []string{shared, session}},
		{"start in another session", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionStartBlockHeight = start - 1
		}, relayer.ErrInvalidSession, []string{shared, sharedAt}},
		{"longer than sessions are", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionStartBlockHeight = middle - blocks
		}, relayer.ErrInvalidSession, []string{shared}},
		{"since the first block", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionStartBlockHeight = 1
		}, relayer.ErrInvalidSession, []string{shared}},
		{"later start, in grace", end + 1, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionStartBlockHeight++
		}, relayer.ErrInvalidSession, []string{shared, sharedAt}},
		{"since the first block, in grace", end + 1, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionStartBlockHeight = 1
		}, relayer.ErrInvalidSession, []string{shared, sharedAt}},
		{"earlier end", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SessionHeader.SessionEndBlockHeight = middle
		}, relayer.ErrInvalidSession, []string{shared, session}},
		{"supplier that is not in the session", middle, func(r *servicetypes.RelayRequest) {
			r.Meta.SupplierOperatorAddress = addressOf("idle supplier")
		}, relayer.ErrSupplierNotInSession, []string{shared, session}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, request := newWorld(), unsigned()
			w.chain.height = c.height
			c.change(request)
			w.refuses(t, sign(t, request, "gateway", "application"), c.want)
			w.asked(t, c.asked...)
		})
	}
}

func TestVerifyRelayRequest_RefusesAServiceThatTheApplicationIsNotStakedFor(t *testing.T) {
	w, request := newWorld(), unsigned()
	request.Meta.SessionHeader.ServiceId = "other"
	err := w.authenticator(t).VerifyRelayRequest(context.Background(), sign(t, request, "gateway", "application"), "other")
	refused(t, err, relayer.ErrUnknownSession)
	if !errors.Is(err, relayer.ErrNotFound) {
		t.Errorf("%v does not wrap the chain's answer", err)
	}
}

func TestVerifyRelayRequest_RefusesASessionWithoutHeader(t *testing.T) {
	w := newWorld()
	w.chain.session.Header = nil
	w.refuses(t, signed(t), relayer.ErrInvalidSession)
}

// Whatever is changed after the signature was made, the signature is not of it.
func TestVerifyRelayRequest_RefusesWhatWasNotSigned(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*servicetypes.RelayRequest)
	}{
		{"payload", func(r *servicetypes.RelayRequest) { r.Payload[0] ^= 1 }},
		{"no payload", func(r *servicetypes.RelayRequest) { r.Payload = nil }},
		{"supplier", func(r *servicetypes.RelayRequest) { r.Meta.SupplierOperatorAddress = addressOf("second supplier") }},
		{"challenge", func(r *servicetypes.RelayRequest) { r.Meta.Signature[4] ^= 1 }},
		{"scalar", func(r *servicetypes.RelayRequest) { r.Meta.Signature[4+32+33] ^= 1 }},
		{"members swapped", func(r *servicetypes.RelayRequest) {
			const first, second = 4 + 32 + 33 + 32, 4 + 32 + 33 + 32 + 65
			s := r.Meta.Signature
			gateway := slices.Clone(s[first : first+33])
			copy(s[first:], s[second:second+33])
			copy(s[second:], gateway)
		}},
		{"key image that is no point", func(r *servicetypes.RelayRequest) { clear(r.Meta.Signature[36:69]) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, request := newWorld(), signed(t)
			c.spoil(request)
			refused(t, w.authenticator(t).VerifyRelayRequest(context.Background(), request, service), relayer.ErrInvalidRingSignature)
			w.verified(t, 1)
		})
	}
}

// A chain that cannot be asked says nothing about the request.
func TestVerifyRelayRequest_FailedQueriesAreInternalErrors(t *testing.T) {
	unreachable := errors.New("connection refused")
	for _, query := range []string{session, shared, sharedAt, application, pubKey} {
		t.Run(query, func(t *testing.T) {
			w := newWorld()
			w.chain.height = end + 1 // all queries are needed then
			w.chain.failing[query] = fmt.Errorf("%s: %w", query, unreachable)
			err := w.authenticator(t).VerifyRelayRequest(context.Background(), signed(t), service)
			refused(t, err, relayer.ErrInternal)
			if !errors.Is(err, unreachable) {
				t.Errorf("%v does not wrap its cause", err)
			}
			for _, verdict := range []error{relayer.ErrUnknownSession, relayer.ErrInvalidSession, relayer.ErrInvalidRing} {
				if errors.Is(err, verdict) {
					t.Errorf("%v is also %v", err, verdict)
				}
			}
			w.verified(t, 0)
		})
	}
}

func TestAuthenticator_IsUsedConcurrently(t *testing.T) {
	w, request := newWorld(), signed(t)
	a := w.authenticator(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := a.VerifyRelayRequest(context.Background(), request, service); err != nil {
				t.Error(err)
			}
			response := &servicetypes.RelayResponse{Payload: []byte("0x1")}
			if err := a.SignRelayResponse(response, request.Meta.SupplierOperatorAddress); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
