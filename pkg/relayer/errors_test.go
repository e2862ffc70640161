package relayer_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// reasons are all reasons, under the numbers by which gateways know them.
func reasons() map[string]*relayer.Error {
	return map[string]*relayer.Error{
		"relayer_proxy 2":       relayer.ErrServiceNotConfigured,
		"relayer_proxy 3":       relayer.ErrEndpointNotHandled,
		"relayer_proxy 4":       relayer.ErrUnsupportedTransport,
		"relayer_proxy 5":       relayer.ErrInternal,
		"relayer_proxy 6":       relayer.ErrUnknownSession,
		"relayer_proxy 7":       relayer.ErrRateLimited,
		"relayer_proxy 9":       relayer.ErrSupplierUnreachable,
		"relayer_proxy 10":      relayer.ErrTimeout,
		"relayer_proxy 11":      relayer.ErrBodyTooLarge,
		"relayer_proxy 12":      relayer.ErrResponseTooLarge,
		"relayer_proxy 13":      relayer.ErrRequestLimit,
		"relayer_proxy 14":      relayer.ErrMalformedRequest,
		"relay_authenticator 1": relayer.ErrInvalidSession,
		"relay_authenticator 2": relayer.ErrSupplierNotInSession,
		"relay_authenticator 3": relayer.ErrUndefinedSigner,
		"relay_authenticator 4": relayer.ErrInvalidRequest,
		"relay_authenticator 5": relayer.ErrInvalidResponse,
		"relay_authenticator 6": relayer.ErrMissingSupplier,
		"rings 2":               relayer.ErrInvalidRing,
		"rings 3":               relayer.ErrInvalidRingSignature,
		"relayer_session 1":     relayer.ErrSessionSealed,
		"relayer_session 2":     relayer.ErrNotSealed,
		"relayer_session 4":     relayer.ErrPathMismatch,
		"relayer_session 6":     relayer.ErrClaimed,
		"relayer_session 8":     relayer.ErrStoreRelay,
		"relayer_session 12":    relayer.ErrStoreBusy,
		"relayer_session 13":    relayer.ErrStoreClosed,
	}
}

func TestError_IsSentUnderTheNumbersThatGatewaysKnow(t *testing.T) {
	for number, reason := range reasons() {
		sent := relayer.RelayMinerError(reason.Wrapf("case %d", 1))
		if got := fmt.Sprintf("%s %d", sent.Codespace, sent.Code); got != number {
			t.Errorf("%q is sent as %s, want %s", reason, got, number)
		}
		if sent.Description != reason.Description || reason.Description == "" {
			t.Errorf("%s is described as %q, want %q", number, sent.Description, reason.Description)
		}
		if !strings.HasPrefix(sent.Message, reason.Description) {
			t.Errorf("%s has the message %q", number, sent.Message)
		}
	}
}

func TestError_WrapfKeepsReasonAndCause(t *testing.T) {
	err := relayer.ErrInvalidSession.Wrapf("session %s: %w", "s1", io.ErrUnexpectedEOF)
	if want := "invalid session: session s1: unexpected EOF"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	for _, cause := range []error{relayer.ErrInvalidSession, io.ErrUnexpectedEOF} {
		if !errors.Is(err, cause) {
			t.Errorf("%v is not %v", err, cause)
		}
	}
	for number, other := range reasons() {
		if other != relayer.ErrInvalidSession && errors.Is(err, other) {
			t.Errorf("%v is also %s", err, number)
		}
	}
	var reason *relayer.Error
	if !errors.As(fmt.Errorf("verify: %w", err), &reason) || reason != relayer.ErrInvalidSession {
		t.Errorf("the reason found is %v", reason)
	}
}

func TestRelayMinerError_TellsTheReasonAndHidesWhatHasNone(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7:9090: connection refused")
	for _, c := range []struct {
		name    string
		err     error
		number  string
		message string
	}{
		{"bare reason", relayer.ErrRateLimited, "relayer_proxy 7", "rate limited"},
		{"case of a reason", relayer.ErrInvalidRing.Wrapf("key %x", 2), "rings 2", "invalid ring in relay request: key 2"},
		{
			"case, wrapped", fmt.Errorf("pipeline: %w", relayer.ErrTimeout.Wrapf("after 1s")),
			"relayer_proxy 10", "pipeline: request timed out: after 1s",
		},
		{
			"a reason for a reason: the outer one", relayer.ErrStoreBusy.Wrapf("%w", relayer.ErrStoreClosed),
			"relayer_session 12", "relay store is busy: relay store is closed",
		},
		{"no reason", secret, "relayer_proxy 5", "internal error"},
		{"no reason, wrapped", fmt.Errorf("forward: %w", secret), "relayer_proxy 5", "internal error"},
		{"nil", nil, "relayer_proxy 5", "internal error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := relayer.RelayMinerError(c.err)
			if got := fmt.Sprintf("%s %d", sent.Codespace, sent.Code); got != c.number {
				t.Errorf("sent as %s, want %s", got, c.number)
			}
			if sent.Message != c.message {
				t.Errorf("message is %q, want %q", sent.Message, c.message)
			}
		})
	}
}
