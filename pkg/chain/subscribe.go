package chain

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	cmtjson "github.com/cometbft/cometbft/libs/json"
	ctypes "github.com/cometbft/cometbft/rpc/core/types"
	rpctypes "github.com/cometbft/cometbft/rpc/jsonrpc/types"
	comettypes "github.com/cometbft/cometbft/types"
	"github.com/gorilla/websocket"
)

const (
	// newBlockHeaders selects one small event per block.
	newBlockHeaders = "tm.event='NewBlockHeader'"
	// maxEventBytes bounds one message of the subscription; a header with its
	// envelope has some two thousand bytes.
	maxEventBytes = 1 << 20
	// maxQuiet is how long the connection may carry nothing at all. The server
	// pings every 27 seconds (CometBFT: rpc/jsonrpc/server, defaultWSPingPeriod).
	maxQuiet = 75 * time.Second
)

// errSubscriptionEnded says that the server closed the subscription.
var errSubscriptionEnded = errors.New("subscription ended")

// errOtherServer says that another server is used from now on.
var errOtherServer = errors.New("another node is used now")

// subscribe hands the head of each new block to deliver until the subscription
// breaks, another server comes into use or ctx is done, and returns why. One that
// the server does not confirm within the time for an answer is broken. Blocks can
// be missing: the server drops events for a slow reader without a word.
func (n *Node) subscribe(ctx context.Context, deliver func(head)) error {
	s, tenure, err := n.query.current()
	if err != nil {
		return fmt.Errorf("subscription: %w", err)
	}
	stream, err := n.openEvents(ctx, s.rpc.at)
	if err != nil {
		s.look()
		return err
	}
	defer stream.conn.Close()
	// Closing the connection is the only way to end a read that waits.
	release := context.AfterFunc(ctx, func() { stream.conn.Close() })
	defer release()
	leave := context.AfterFunc(tenure, func() { stream.conn.Close() })
	defer leave()
	err = n.listen(stream, s, deliver)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case tenure.Err() != nil:
		err = errOtherServer
	case errors.Is(err, ErrUnreachable):
		// That events do not come does not say that nothing does: look.
		s.look()
	}
	return fmt.Errorf("subscription: rpc %s: %w", s.name, err)
}

// listen hands on what a server announces until the stream ends, and returns why.
func (n *Node) listen(stream *eventStream, s *server, deliver func(head)) error {
	message, err := stream.read()
	if err == nil {
		n.followed.Add(1)
		defer n.followed.Add(-1)
	}
	for ; err == nil; message, err = stream.read() {
		h, ok, err := parseEvent(message)
		if err != nil {
			return err
		}
		if ok {
			h.from = s
			n.note(h.block.Height)
			deliver(h)
		}
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// eventStream is a connection on which new headers were asked for. It belongs to
// one goroutine.
type eventStream struct {
	conn *websocket.Conn
	// confirmed tells that the server has said something since. Before it has, the
	// request may be lost, and nothing would ever come.
	confirmed bool
}

// alive notes a sign of life and lets the next one take its time.
func (e *eventStream) alive() error {
	if !e.confirmed {
		return nil
	}
	return e.conn.SetReadDeadline(time.Now().Add(maxQuiet))
}

// read waits for a message: for the first, which confirms the subscription, until
// the deadline that was set when it was asked for, and then as long as the
// connection shows life.
func (e *eventStream) read() ([]byte, error) {
	_, message, err := e.conn.ReadMessage()
	if err != nil && !e.confirmed {
		return nil, fmt.Errorf("not confirmed: %w", err)
	}
	if err != nil {
		return nil, err
	}
	e.confirmed = true
	return message, e.alive()
}

// openEvents connects to the event stream and asks for new headers.
func (n *Node) openEvents(ctx context.Context, at rpcEndpoint) (*eventStream, error) {
	header := http.Header{}
	if user := at.url.User; user != nil {
		password, _ := user.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		header.Set("Authorization", "Basic "+credentials)
	}
	dialer := websocket.Dialer{HandshakeTimeout: n.timeout, Proxy: http.ProxyFromEnvironment}
	conn, response, err := dialer.DialContext(ctx, at.websocket(), header)
	if err != nil {
		return nil, fmt.Errorf("subscription: %w: rpc %s: %w", ErrUnreachable, at, err)
	}
	if err := response.Body.Close(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscription: rpc %s: %w", at, err)
	}
	stream := &eventStream{conn: conn}
	conn.SetReadLimit(maxEventBytes)
	answerPing := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		if err := stream.alive(); err != nil {
			return err
		}
		return answerPing(data)
	})
	if err := n.requestHeaders(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscription: %w: rpc %s: %w", ErrUnreachable, at, err)
	}
	return stream, nil
}

// requestHeaders asks for new headers, and lets the first word about it take no
// longer than any answer.
func (n *Node) requestHeaders(conn *websocket.Conn) error {
	request, err := rpctypes.MapToRequest(rpctypes.JSONRPCIntID(1), "subscribe", map[string]any{"query": newBlockHeaders})
	if err != nil {
		return err
	}
	if err := conn.SetWriteDeadline(time.Now().Add(n.timeout)); err != nil {
		return err
	}
	if err := conn.WriteJSON(request); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(n.timeout)); err != nil {
		return err
	}
	return conn.SetWriteDeadline(time.Time{})
}

// parseEvent reads one message of the subscription. ok is false for a message
// that carries no block, such as the confirmation of the subscription.
func parseEvent(message []byte) (h head, ok bool, err error) {
	var response rpctypes.RPCResponse
	if err := response.UnmarshalJSON(message); err != nil {
		return head{}, false, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if response.Error != nil {
		return head{}, false, fmt.Errorf("%w: %w", errSubscriptionEnded, response.Error)
	}
	var event ctypes.ResultEvent
	if err := cmtjson.Unmarshal(response.Result, &event); err != nil {
		return head{}, false, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	data, ok := event.Data.(comettypes.EventDataNewBlockHeader)
	if !ok {
		return head{}, false, nil
	}
	h, err = newHead(&data.Header)
	return h, err == nil, err
}
