package admin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/seed52205347/relayminer/pkg/session"
)

// Status is how a running relay miner does.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Now     time.Time `json:"now"`
	Chain   Chain     `json:"chain"`
	Nodes   []Node    `json:"nodes"`
	Stages  []Stage   `json:"stages"`
	// Queue and Provers are nil if there are none.
	Queue   *session.QueueStatus  `json:"queue,omitempty"`
	Provers *session.ProverStatus `json:"provers,omitempty"`
	// AtRisk are obligations whose windows are about to close.
	AtRisk session.AtRisk `json:"at_risk"`
	// Sessions are those in the store.
	Sessions *session.Overview `json:"sessions"`
	Funds    []session.Funds   `json:"funds"` // of the configured suppliers, as last asked for
	// Alerts say what needs somebody's attention, a line each.
	Alerts []string `json:"alerts,omitempty"`
}

// Chain is the chain as the relay miner sees it.
type Chain struct {
	ID     string    `json:"id"`
	Height int64     `json:"height"` // of the newest block seen, 0 before the first
	Time   time.Time `json:"time"`   // of that block
	// Source is how blocks come: "subscription" or "polling".
	Source string `json:"source"`
}

// Node is one of the configured addresses.
type Node struct {
	Kind    string `json:"kind"` // what it is asked for
	Address string `json:"address"`
	InUse   bool   `json:"in_use"`
	Usable  bool   `json:"usable"`
	// Lag is how many blocks the height that it has named last is behind the highest
	// known; nil if it is the only one of its kind, which is not looked at.
	Lag     *int64 `json:"lag_blocks,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// Stage is one part of the relay miner.
type Stage struct {
	Name string `json:"name"`
	// Goroutines is how many of them work; nil for a part that does not count them.
	Goroutines *int   `json:"goroutines,omitempty"`
	Problem    string `json:"problem,omitempty"` // empty if it is well
}

// WithStatus has the server tell how the relay miner does.
func WithStatus(status func(ctx context.Context) (*Status, error)) Option {
	return func(s *Server) { s.status = status }
}

func (s *Server) report(r *http.Request) (any, error) {
	if s.status == nil {
		return nil, fmt.Errorf("%w: it does not tell its status", ErrUnsupported)
	}
	return s.status(r.Context())
}

// Status returns how the relay miner does. It fails with ErrUnsupported if the
// relay miner does not tell.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	status := &Status{}
	if err := c.get(ctx, http.MethodGet, "/v1/status", nil, status); err != nil {
		return nil, err
	}
	return status, nil
}
