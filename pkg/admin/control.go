package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/seed52205347/relayminer/pkg/session"
)

// ErrUnsupported says that the relay miner that answers cannot do it.
var ErrUnsupported = errors.New("not supported by this relay miner")

// Controller changes what a running relay miner does. Its methods may be called
// concurrently.
type Controller interface {
	// Pause holds claims that are not urgent until Resume. A required proof is
	// never held, and relays are served on. To pause again replaces the reason.
	Pause(reason string) error
	// Resume lets claims go on. It does nothing if there is no pause.
	Resume() error
	// Flush has what has failed and waits for the next block tried again at once, and
	// returns when what the store has taken is synced to the disk.
	Flush(ctx context.Context) error
}

var _ Controller = (*clientControl)(nil)

// maxReason bounds the reason of a pause, in bytes.
const maxReason = 512

// Option says what else a Server answers.
type Option func(*Server)

// WithController has the server pass commands on.
func WithController(controller Controller) Option {
	return func(s *Server) { s.control = controller }
}

// carryOut returns a handler that has the controller do something and answers with
// an empty object.
func (s *Server) carryOut(do func(Controller, *http.Request) error) handler {
	return answer(func(r *http.Request) (any, error) {
		if s.control == nil {
			return nil, fmt.Errorf("%w: its work cannot be held or hastened", ErrUnsupported)
		}
		if err := do(s.control, r); err != nil {
			return nil, err
		}
		s.log.Info("command carried out", "path", r.URL.Path)
		return struct{}{}, nil
	})
}

func pause(c Controller, r *http.Request) error {
	reason := r.URL.Query().Get(paramReason)
	if len(reason) > maxReason {
		return fmt.Errorf("%w: reason of %d bytes, at most %d", session.ErrInvalid, len(reason), maxReason)
	}
	return c.Pause(reason)
}

func resume(c Controller, _ *http.Request) error { return c.Resume() }

func flush(c Controller, r *http.Request) error { return c.Flush(r.Context()) }

// clientControl is the Controller of a relay miner that a client asks.
type clientControl struct {
	ctx    context.Context // of the command
	client *Client
}

// Controller returns the controller of the relay miner. Its calls end with ctx.
// Their errors wrap ErrUnsupported if the relay miner has none.
func (c *Client) Controller(ctx context.Context) Controller { return &clientControl{ctx, c} }

// Pause implements Controller.
func (c *clientControl) Pause(reason string) error {
	return c.client.command(c.ctx, "/v1/pause", url.Values{paramReason: {reason}})
}

// Resume implements Controller.
func (c *clientControl) Resume() error { return c.client.command(c.ctx, "/v1/resume", nil) }

// Flush implements Controller.
func (c *clientControl) Flush(ctx context.Context) error {
	return c.client.command(ctx, "/v1/flush", nil)
}

func (c *Client) command(ctx context.Context, path string, params url.Values) error {
	var done struct{}
	return c.get(ctx, http.MethodPost, path, params, &done)
}
