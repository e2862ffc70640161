package admin

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"

	"github.com/seed52205347/relayminer/pkg/session"
)

// maxErrorBytes bounds what is read of an answer that says what went wrong.
const maxErrorBytes = 1 << 20

// Client asks a running relay miner. Its methods may be called concurrently.
type Client struct {
	socket string
	http   *http.Client
	store  storeInfo
}

// Dial returns a client of the relay miner that answers at the socket of home. It
// fails with ErrNoServer if there is none. The caller must call Close.
func Dial(ctx context.Context, home string) (*Client, error) {
	path := SocketPath(home)
	if len(path) > maxPath {
		return nil, fmt.Errorf("%w at %s: no socket can have a path of %d bytes", ErrNoServer, path, len(path))
	}
	dialer := &net.Dialer{Timeout: answerTime}
	c := &Client{socket: path, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
		DisableCompression: true,
	}}}
	err := c.get(ctx, http.MethodGet, "/v1/store", nil, &c.store)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		err = fmt.Errorf("%w at %s", ErrNoServer, path)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// StoreDir returns the directory of the store that the relay miner serves.
func (c *Client) StoreDir() string { return c.store.Dir }

// List implements Sessions.
func (c *Client) List(ctx context.Context, filter session.Filter) ([]session.Summary, error) {
	var list []session.Summary
	return list, c.get(ctx, http.MethodGet, "/v1/sessions", filterParams(filter), &list)
}

// filterParams returns the parameters that stand for a filter.
func filterParams(filter session.Filter) url.Values {
	params := url.Values{paramSupplier: {filter.Supplier}}
	for _, state := range filter.States {
		params.Add(paramState, string(state))
	}
	return params
}

// Ledger implements Sessions.
func (c *Client) Ledger(ctx context.Context, filter session.Filter) (*session.Ledger, error) {
	ledger := &session.Ledger{}
	if err := c.get(ctx, http.MethodGet, "/v1/ledger", filterParams(filter), ledger); err != nil {
		return nil, err
	}
	return ledger, nil
}

// Transactions implements Sessions.
func (c *Client) Transactions(ctx context.Context, filter session.TxFilter) (*session.TxList, error) {
	params := url.Values{
		paramSupplier: {filter.Supplier},
		paramSession:  {filter.Session},
		paramOpen:     {strconv.FormatBool(filter.Open)},
	}
	list := &session.TxList{}
	if err := c.get(ctx, http.MethodGet, "/v1/transactions", params, list); err != nil {
		return nil, err
	}
	return list, nil
}

// Show implements Sessions.
func (c *Client) Show(ctx context.Context, name session.Name) (*session.Details, error) {
	return getSession[session.Details](ctx, c, http.MethodGet, name, "", nil)
}

// Drop implements Sessions.
func (c *Client) Drop(ctx context.Context, name session.Name, force bool) (*session.Summary, error) {
	params := url.Values{paramForce: {strconv.FormatBool(force)}}
	return getSession[session.Summary](ctx, c, http.MethodDelete, name, "", params)
}

// Prove implements Sessions.
func (c *Client) Prove(ctx context.Context, name session.Name, path []byte) (*session.Proof, error) {
	params := url.Values{paramPath: {hex.EncodeToString(path)}}
	return getSession[session.Proof](ctx, c, http.MethodGet, name, "/proof", params)
}

// Import implements Sessions. It always fails: the relay miner takes up imported
// sessions when it starts.
func (c *Client) Import(context.Context, io.ReadSeeker) (*session.Summary, bool, error) {
	return nil, false, fmt.Errorf("%w: the relay miner at %s is running, stop it to import a session",
		session.ErrRefused, c.socket)
}

// Export implements Sessions.
func (c *Client) Export(ctx context.Context, name session.Name, w io.Writer) error {
	body, err := c.session(ctx, http.MethodGet, name, "/file", nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, body); err != nil {
		return errors.Join(fmt.Errorf("export session %s: %w", name, err), body.Close())
	}
	return body.Close()
}

// Verify implements Sessions.
func (c *Client) Verify(ctx context.Context, what session.Verification, observe func(session.Event) error) error {
	body, err := c.ask(ctx, http.MethodPost, "/v1/verifications", url.Values{
		paramID:       {what.Name.ID},
		paramSupplier: {what.Name.Supplier},
		paramAll:      {strconv.FormatBool(what.All)},
		paramDeep:     {strconv.FormatBool(what.Deep)},
	})
	if err != nil {
		return err
	}
	return errors.Join(follow(body, observe), body.Close())
}

// follow passes on the events of a verification until its end.
func follow(body io.Reader, observe func(session.Event) error) error {
	for decoder := json.NewDecoder(body); ; {
		var next line
		switch err := decoder.Decode(&next); {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("verification broke off: %w", io.ErrUnexpectedEOF)
		case err != nil:
			return fmt.Errorf("verification broke off: %w", err)
		case next.Error != nil:
			return next.Error.received()
		case next.Done:
			return nil
		}
		if err := observe(next.Event); err != nil {
			return err
		}
	}
}

// getSession makes a request about one session and decodes the answer.
func getSession[T any](ctx context.Context, c *Client, method string, name session.Name, what string, params url.Values) (*T, error) {
	body, err := c.session(ctx, method, name, what, params)
	if err != nil {
		return nil, err
	}
	value := new(T)
	if err := decode(body, value); err != nil {
		return nil, err
	}
	return value, nil
}

// session makes a request about one session.
func (c *Client) session(ctx context.Context, method string, name session.Name, what string, params url.Values) (io.ReadCloser, error) {
	if name.ID == "" {
		return nil, fmt.Errorf("%w: no session id is given", session.ErrInvalid)
	}
	if params == nil {
		params = url.Values{}
	}
	params.Set(paramSupplier, name.Supplier)
	return c.ask(ctx, method, "/v1/sessions/"+url.PathEscape(name.ID)+what, params)
}

// get makes a request and decodes the answer.
func (c *Client) get(ctx context.Context, method, path string, params url.Values, value any) error {
	body, err := c.ask(ctx, method, path, params)
	if err != nil {
		return err
	}
	return decode(body, value)
}

func decode(body io.ReadCloser, value any) error {
	if err := json.NewDecoder(body).Decode(value); err != nil {
		return errors.Join(fmt.Errorf("answer of the relay miner: %w", err), body.Close())
	}
	return body.Close()
}

// ask makes a request and returns the body of the answer, which the caller must
// close, or the error in it.
func (c *Client) ask(ctx context.Context, method, path string, params url.Values) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://relayminer"+path+"?"+params.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", session.ErrInvalid, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		// Without the URL, which means nothing to who has not asked for one.
		if asked := (*url.Error)(nil); errors.As(err, &asked) {
			err = asked.Err
		}
		return nil, fmt.Errorf("ask the relay miner at %s: %w", c.socket, err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	return nil, errors.Join(failure(response), response.Body.Close())
}

// failure returns the error in an answer.
func failure(response *http.Response) error {
	var said line
	err := json.NewDecoder(io.LimitReader(response.Body, maxErrorBytes)).Decode(&said)
	if err != nil || said.Error == nil {
		return fmt.Errorf("%w: it answered with status %s", ErrInternal, response.Status)
	}
	return said.Error.received()
}
