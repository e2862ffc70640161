package prover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// RemoteConfig says where a remote prover is.
type RemoteConfig struct {
	// URL is where NewHandler's handler is served, such as "https://prover-1:8443".
	URL string
	// Token is sent with every request unless it is empty. It goes over the network
	// as it is: the URL should be of https then.
	Token string
	// Client makes the requests, without following redirects. Nil stands for one with
	// the standard transport. Its Timeout should be zero: contexts bound each call.
	Client *http.Client
	// Poll is the time between two questions for a result. Default 1 second.
	Poll time.Duration
	// MaxProof is the greatest size of a proof in bytes. Default trie.MaxProofSize.
	MaxProof int64
}

// remote is a prover that is asked over HTTP.
type remote struct {
	base   string
	token  string
	client http.Client
	poll   time.Duration
	limit  int64 // bytes of an answer
}

// NewRemote returns a prover that is asked over HTTP. It fails with ErrConfig for
// anything but a URL of http or https. The methods take as long as their contexts let
// them.
func NewRemote(config RemoteConfig) (Prover, error) {
	parsed, err := url.Parse(config.URL)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" ||
		parsed.RawQuery != "" || parsed.Fragment != "" {
		return nil, fmt.Errorf("%w: %q is not the URL of a prover", ErrConfig, config.URL)
	}
	r := &remote{
		base:  strings.TrimSuffix(config.URL, "/"),
		token: config.Token,
		poll:  config.Poll,
	}
	if config.Client != nil {
		r.client = *config.Client
	}
	// Leaves and token are for this server only.
	r.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if r.poll <= 0 {
		r.poll = time.Second
	}
	if config.MaxProof <= 0 {
		config.MaxProof = trie.MaxProofSize
	}
	r.limit = config.MaxProof/3*4 + maxHeaderSize // base64
	return r, nil
}

// Ready implements Prover.
func (r *remote) Ready(ctx context.Context) error {
	a, err := r.call(ctx, http.MethodGet, readyPath, nil)
	if err != nil {
		return err
	}
	return a.expect(statusReady)
}

// Start implements Prover. It returns when the server has read all leaves, or does
// not want more of them.
func (r *remote) Start(ctx context.Context, id string, job Job) error {
	body, w := io.Pipe()
	streaming := async.NewGroup(ctx)
	written := fmt.Errorf("%w: %w", ErrLeaves, async.ErrExited)
	err := streaming.Go("stream leaves of "+job.Session, func(context.Context) error {
		defer func() { w.CloseWithError(written) }() // the end of the stream if nil
		written = writeJob(w, job)
		return nil
	})
	if err != nil {
		return err
	}
	a, err := r.call(ctx, http.MethodPost, proofsPath+url.PathEscape(id), body)
	body.CloseWithError(io.ErrClosedPipe) // ends the walk over the leaves, however the call has ended
	if err := streaming.Stop(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if errors.Is(written, ErrLeaves) {
		return written
	}
	if err != nil {
		return err
	}
	return a.expect(statusWorking, statusSuccess)
}

// Result implements Prover.
func (r *remote) Result(ctx context.Context, id string) ([]byte, error) {
	for {
		a, err := r.call(ctx, http.MethodGet, proofsPath+url.PathEscape(id), nil)
		if err != nil {
			return nil, err
		}
		if a.Status != statusWorking {
			return a.Proof, a.expect(statusSuccess)
		}
		if !async.Sleep(ctx, r.poll) {
			return nil, context.Cause(ctx)
		}
	}
}

// Cancel implements Prover.
func (r *remote) Cancel(ctx context.Context, id string) error {
	a, err := r.call(ctx, http.MethodDelete, proofsPath+url.PathEscape(id), nil)
	if err != nil {
		return err
	}
	return a.expect(statusUnknown)
}

// call makes a request and decodes its answer.
func (r *remote) call(ctx context.Context, method, path string, body io.Reader) (*answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, body)
	if err != nil {
		return nil, err
	}
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/octet-stream")
		// A server that is busy says so before leaves are sent.
		request.Header.Set("Expect", "100-continue")
	}
	response, err := r.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	bz, err := io.ReadAll(io.LimitReader(response.Body, r.limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(bz)) > r.limit {
		return nil, fmt.Errorf("%w: answer of more than %d bytes", ErrOversize, r.limit)
	}
	var a answer
	if err := decodeStrict(bz, &a); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrAnswer, response.Status, err)
	}
	return &a, nil
}

// expect returns nil if the answer is one of those wanted, or the error that it
// stands for.
func (a *answer) expect(wanted ...status) error {
	for _, s := range wanted {
		if a.Status == s {
			return nil
		}
	}
	text := a.Error[:min(len(a.Error), maxSession)]
	switch a.Status {
	case statusBusy:
		return ErrBusy
	case statusUnknown:
		return ErrUnknownJob
	case statusFailed, statusRefused:
		return fmt.Errorf("%w: %s: %q", ErrFailed, a.Status, text)
	default:
		return fmt.Errorf("%w: status %q", ErrAnswer, a.Status[:min(len(a.Status), maxID)])
	}
}
