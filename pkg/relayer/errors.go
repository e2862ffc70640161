package relayer

import (
	"errors"
	"fmt"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

// Error is a reason for which a relay is refused, identified by the codespace
// and code that gateways know from the replies of relay miners.
//
// The reasons below are sentinels: wrap them with Wrapf and test for them with
// errors.Is.
type Error struct {
	Codespace   string
	Code        uint32
	Description string
}

// Error returns the description of the reason.
func (e *Error) Error() string { return e.Description }

// Wrapf returns an error that is e and says what happened in this case.
func (e *Error) Wrapf(format string, args ...any) error {
	return &caseError{reason: e, detail: fmt.Errorf(format, args...)}
}

// caseError is one occurrence of a reason. Both the reason and the errors that
// the detail wraps can be found with errors.Is and errors.As.
type caseError struct {
	reason *Error
	detail error
}

func (e *caseError) Error() string   { return e.reason.Description + ": " + e.detail.Error() }
func (e *caseError) Unwrap() []error { return []error{e.reason, e.detail} }

// The codespaces of the reasons below.
const (
	codespaceProxy         = "relayer_proxy"
	codespaceAuthenticator = "relay_authenticator"
	codespaceRings         = "rings"
	codespaceSession       = "relayer_session"
)

// Reasons of the proxy.
var (
	ErrServiceNotConfigured = &Error{codespaceProxy, 2, "service is not configured"}
	ErrEndpointNotHandled   = &Error{codespaceProxy, 3, "endpoint is not handled"}
	ErrUnsupportedTransport = &Error{codespaceProxy, 4, "unsupported transport"}
	ErrInternal             = &Error{codespaceProxy, 5, "internal error"}
	ErrUnknownSession       = &Error{codespaceProxy, 6, "unknown session"}
	ErrRateLimited          = &Error{codespaceProxy, 7, "rate limited"}
	ErrSupplierUnreachable  = &Error{codespaceProxy, 9, "supplier is not reachable here"}
	ErrTimeout              = &Error{codespaceProxy, 10, "request timed out"}
	ErrBodyTooLarge         = &Error{codespaceProxy, 11, "maximum body size exceeded"}
	ErrResponseTooLarge     = &Error{codespaceProxy, 12, "response limit exceeded"}
	ErrRequestLimit         = &Error{codespaceProxy, 13, "request limit exceeded"}
	ErrMalformedRequest     = &Error{codespaceProxy, 14, "cannot unmarshal relay request"}
)

// Reasons of the authenticator.
var (
	ErrInvalidSession       = &Error{codespaceAuthenticator, 1, "invalid session"}
	ErrSupplierNotInSession = &Error{codespaceAuthenticator, 2, "supplier is not in the session"}
	ErrUndefinedSigner      = &Error{codespaceAuthenticator, 3, "no signing key for the supplier"}
	ErrInvalidRequest       = &Error{codespaceAuthenticator, 4, "invalid relay request"}
	ErrInvalidResponse      = &Error{codespaceAuthenticator, 5, "invalid relay response"}
	ErrMissingSupplier      = &Error{codespaceAuthenticator, 6, "missing supplier operator address"}
	ErrInvalidRing          = &Error{codespaceRings, 2, "invalid ring in relay request"}
	ErrInvalidRingSignature = &Error{codespaceRings, 3, "invalid relay request signature"}
)

// Reasons of the sessions manager.
var (
	ErrSessionSealed = &Error{codespaceSession, 1, "session tree is closed"}
	ErrNotSealed     = &Error{codespaceSession, 2, "session tree is not closed"}
	ErrPathMismatch  = &Error{codespaceSession, 4, "session is already proven for another path"}
	ErrClaimed       = &Error{codespaceSession, 6, "session is already being claimed"}
	ErrStoreRelay    = &Error{codespaceSession, 8, "relay could not be stored"}
	ErrStoreBusy     = &Error{codespaceSession, 12, "relay store is busy"}
	ErrStoreClosed   = &Error{codespaceSession, 13, "relay store is closed"}
)

// RelayMinerError returns err in the form in which it is sent to a gateway. An
// error without a reason from this package is an internal one. The text of
// internal errors, which may name nodes and files, is kept from the caller.
func RelayMinerError(err error) *servicetypes.RelayMinerError {
	var reason *Error
	if !errors.As(err, &reason) {
		reason = ErrInternal
	}
	message := reason.Description
	if reason != ErrInternal {
		message = err.Error()
	}
	return &servicetypes.RelayMinerError{
		Codespace:   reason.Codespace,
		Code:        reason.Code,
		Description: reason.Description,
		Message:     message,
	}
}
