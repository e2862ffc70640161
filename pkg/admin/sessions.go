package admin

import (
	"context"
	"io"

	"github.com/seed52205347/relayminer/pkg/session"
)

// Sessions is what can be asked about sessions and done to them. See
// session.Inspector, whose methods these are, for what they do and the errors
// that they return.
type Sessions interface {
	List(ctx context.Context, filter session.Filter) ([]session.Summary, error)
	Show(ctx context.Context, name session.Name) (*session.Details, error)
	Transactions(ctx context.Context, filter session.TxFilter) (*session.TxList, error)
	Ledger(ctx context.Context, filter session.Filter) (*session.Ledger, error)
	Verify(ctx context.Context, what session.Verification, observe func(session.Event) error) error
	Prove(ctx context.Context, name session.Name, path []byte) (*session.Proof, error)
	Export(ctx context.Context, name session.Name, w io.Writer) error
	Import(ctx context.Context, file io.ReadSeeker) (_ *session.Summary, alreadyThere bool, err error)
	Drop(ctx context.Context, name session.Name, force bool) (*session.Summary, error)
}

var (
	_ Sessions = (*session.Inspector)(nil)
	_ Sessions = (*Client)(nil)
)

// storeInfo says which store is served.
type storeInfo struct {
	Dir string `json:"dir"` // absolute
}

// line is one line of a verification.
type line struct {
	session.Event
	Done  bool       `json:"done,omitempty"`
	Error *wireError `json:"error,omitempty"`
}

// The names of parameters.
const (
	paramID       = "id"
	paramSupplier = "supplier"
	paramState    = "state"
	paramSession  = "session"
	paramOpen     = "open"
	paramAll      = "all"
	paramDeep     = "deep"
	paramForce    = "force"
	paramPath     = "path"
	paramReason   = "reason"
)
