package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

var (
	// ErrInUse says that another process answers at the socket.
	ErrInUse = errors.New("admin socket is in use by another process")
	// ErrPathTooLong says that the system does not take a socket's path of that
	// length.
	ErrPathTooLong = errors.New("path of admin socket is too long")
	// ErrNoServer says that nobody answers at the socket.
	ErrNoServer = errors.New("no relay miner answers")
	// ErrStopping says that the relay miner was stopped meanwhile.
	ErrStopping = errors.New("the relay miner is stopping")
	// ErrInternal says that the relay miner failed in a way that has no name.
	ErrInternal = errors.New("relay miner failed")
)

// reason is what an error means, on both sides of the socket.
type reason struct {
	code   string
	status int
	err    error
}

// reasons are looked through in this order: an error can wrap several.
func reasons() []reason {
	return []reason{
		{"no_session", http.StatusNotFound, session.ErrNoSession},
		{"ambiguous", http.StatusConflict, session.ErrAmbiguous},
		{"refused", http.StatusConflict, session.ErrRefused},
		{"exists", http.StatusConflict, session.ErrExists},
		{"not_sealed", http.StatusConflict, relayer.ErrNotSealed},
		{"purged", http.StatusGone, session.ErrPurged},
		{"invalid", http.StatusBadRequest, session.ErrInvalid},
		{"file", http.StatusUnprocessableEntity, session.ErrFile},
		{"damaged", http.StatusInternalServerError, session.ErrDamaged},
		{"unavailable", http.StatusServiceUnavailable, store.ErrUnavailable},
		{"closed", http.StatusServiceUnavailable, store.ErrClosed},
		{"unsupported", http.StatusNotImplemented, ErrUnsupported},
		{"stopping", http.StatusServiceUnavailable, ErrStopping},
	}
}

// wireError is an error on its way through the socket.
type wireError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// wireErrorOf returns the error in the form in which it is sent, and its status.
func wireErrorOf(err error) (*wireError, int) {
	if errors.Is(err, context.Canceled) {
		err = ErrStopping // or the client is gone, and nobody reads it
	}
	for _, r := range reasons() {
		if errors.Is(err, r.err) {
			return &wireError{Code: r.code, Message: err.Error()}, r.status
		}
	}
	return &wireError{Code: "internal", Message: err.Error()}, http.StatusInternalServerError
}

// remoteError is an error that came through the socket.
type remoteError struct {
	message string
	reason  error
}

func (e *remoteError) Error() string { return e.message }
func (e *remoteError) Unwrap() error { return e.reason }

// received returns the error that was sent: with its text, and wrapping what the
// original wrapped, or ErrInternal.
func (e *wireError) received() error {
	for _, r := range reasons() {
		if r.code == e.Code {
			return &remoteError{message: e.Message, reason: r.err}
		}
	}
	return &remoteError{message: e.Message, reason: ErrInternal}
}
