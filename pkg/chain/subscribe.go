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

// subscribe hands the head of each new block to deliver until the subscription
// breaks or ctx is done, and returns why. Blocks can be missing: the server
// drops events for a slow reader without a word.
func (n *Node) subscribe(ctx context.Context, deliver func(head)) error {
	conn, err := n.openEvents(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Closing the connection is the only way to end a read that waits.
	release := context.AfterFunc(ctx, func() { conn.Close() })
	defer release()
	n.followed.Add(1)
	defer n.followed.Add(-1)

	for {
		message, err := read(conn)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("subscription: %w: rpc %s: %w", ErrUnreachable, n.query.at, err)
		}
		h, ok, err := parseEvent(message)
		if err != nil {
			return fmt.Errorf("subscription: rpc %s: %w", n.query.at, err)
		}
		if ok {
			n.note(h.block.Height)
			deliver(h)
		}
	}
}

// read waits for a message as long as the connection shows life.
func read(conn *websocket.Conn) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(maxQuiet)); err != nil {
		return nil, err
	}
	_, message, err := conn.ReadMessage()
	return message, err
}

// openEvents connects to the event stream and asks for new headers.
func (n *Node) openEvents(ctx context.Context) (*websocket.Conn, error) {
	header := http.Header{}
	if user := n.query.at.url.User; user != nil {
		password, _ := user.Password()
		credentials := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		header.Set("Authorization", "Basic "+credentials)
	}
	dialer := websocket.Dialer{HandshakeTimeout: n.timeout, Proxy: http.ProxyFromEnvironment}
	conn, response, err := dialer.DialContext(ctx, n.query.at.websocket(), header)
	if err != nil {
		return nil, fmt.Errorf("subscription: %w: rpc %s: %w", ErrUnreachable, n.query.at, err)
	}
	if err := response.Body.Close(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscription: rpc %s: %w", n.query.at, err)
	}
	conn.SetReadLimit(maxEventBytes)
	answerPing := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		if err := conn.SetReadDeadline(time.Now().Add(maxQuiet)); err != nil {
			return err
		}
		return answerPing(data)
	})
	if err := n.requestHeaders(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("subscription: %w: rpc %s: %w", ErrUnreachable, n.query.at, err)
	}
	return conn, nil
}

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
