package backend

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// errProtocolSwitched is the cause when a service changed to another protocol,
// which it was not asked to.
var errProtocolSwitched = errors.New("the service switched protocols")

// PrivateError is an error whose cause is for the operator only: it can name
// addresses and paths that are none of the caller's business.
type PrivateError struct {
	Reason error // for the caller
	Cause  error // for the operator
}

// Error returns the text that the caller may see.
func (e *PrivateError) Error() string { return e.Reason.Error() }

// Unwrap returns the reason and the cause.
func (e *PrivateError) Unwrap() []error { return []error{e.Reason, e.Cause} }

// unanswered says why the target, which was asked, did not answer.
func unanswered(ctx context.Context, target *config.Backend, cause error) error {
	var netErr net.Error
	var reason error
	switch {
	case errors.Is(cause, relayer.ErrResponseTooLarge), errors.Is(cause, relayer.ErrRequestLimit):
		reason = cause
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.As(cause, &netErr) && netErr.Timeout():
		reason = relayer.ErrTimeout.Wrapf("the service did not answer in time")
	case ctx.Err() != nil:
		reason = relayer.ErrInternal.Wrapf("the relay was given up before the service answered")
	default:
		reason = relayer.ErrInternal.Wrapf("the service gave no complete answer")
	}
	return &PrivateError{Reason: reason, Cause: fmt.Errorf("backend %s: %w", target, cause)}
}
