package faultnode

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"google.golang.org/grpc/metadata"
)

// Protocol says by which way a call came.
type Protocol string

// The protocols of a node.
const (
	RPC       Protocol = "rpc"       // CometBFT RPC over HTTP, JSON-RPC or URI
	WebSocket Protocol = "websocket" // CometBFT's event stream: requests and events
	GRPC      Protocol = "grpc"
)

// Event is the method of the calls that the node makes: one for each event that
// it sends to a subscriber, whose message is the call's body. To be answered
// means to reach the client.
const Event = "event"

// Call is something that is asked of the node, or an event.
type Call struct {
	Protocol Protocol
	// Method is a method of CometBFT RPC such as "broadcast_tx_sync", or the full
	// name of a gRPC method such as "pocket.proof.Query/Claim", or Event.
	Method string
	// Body is the JSON of a JSON-RPC request's params, a gRPC request message, or
	// the message of an event. It is empty for an RPC call in the form of a URI.
	Body []byte
	// Header is the metadata of a gRPC call, which a fault may change.
	Header metadata.MD

	id    json.RawMessage // of a JSON-RPC request
	query url.Values      // params of an RPC call in the form of a URI
}

// errNoTx says that a call carries no transaction.
var errNoTx = errors.New("the call carries no transaction")

// Tx returns the transaction that a call broadcasts or simulates.
func (c *Call) Tx() ([]byte, error) {
	switch {
	case c.Method == "cosmos.tx.v1beta1.Service/Simulate":
		var request txtypes.SimulateRequest
		if err := request.Unmarshal(c.Body); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Method, err)
		}
		return request.TxBytes, nil
	case c.Method == "cosmos.tx.v1beta1.Service/BroadcastTx":
		var request txtypes.BroadcastTxRequest
		if err := request.Unmarshal(c.Body); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Method, err)
		}
		return request.TxBytes, nil
	case c.Protocol != GRPC && strings.HasPrefix(c.Method, "broadcast_tx_"):
		tx, err := c.rpcTx()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Method, err)
		}
		return tx, nil
	}
	return nil, fmt.Errorf("%s: %w", c.Method, errNoTx)
}

// rpcTx reads the parameter tx: base64 in JSON, hex or the bytes themselves in a
// URI (CometBFT: rpc/jsonrpc/server, httpParamsToArgs).
func (c *Call) rpcTx() ([]byte, error) {
	value := c.param("tx")
	switch {
	case value == "":
		return nil, errNoTx
	case c.query == nil:
		return base64.StdEncoding.DecodeString(value)
	case strings.HasPrefix(value, "0x"):
		return hex.DecodeString(value[2:])
	}
	return []byte(value), nil
}

// Messages returns the type URLs of the messages in the transaction that a call
// carries, none if it carries none that can be decoded.
func (c *Call) Messages() []string {
	txBytes, err := c.Tx()
	if err != nil {
		return nil
	}
	var raw txtypes.TxRaw
	var body txtypes.TxBody
	if raw.Unmarshal(txBytes) != nil || body.Unmarshal(raw.BodyBytes) != nil {
		return nil
	}
	types := make([]string, len(body.Messages))
	for i, message := range body.Messages {
		types[i] = message.TypeUrl
	}
	return types
}

// Carries reports whether the call carries a transaction with a message whose
// type URL ends in "." and name, for example "MsgSubmitProof".
func (c *Call) Carries(name string) bool {
	for _, url := range c.Messages() {
		if strings.HasSuffix(url, "."+name) {
			return true
		}
	}
	return false
}

// param returns a parameter of an RPC call without its quotes, empty if it is
// missing.
func (c *Call) param(name string) string {
	if c.query != nil {
		return strings.Trim(c.query.Get(name), `"`)
	}
	var params map[string]json.RawMessage
	if json.Unmarshal(c.Body, &params) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(params[name], &text) == nil {
		return text
	}
	if value := string(params[name]); value != "null" {
		return value
	}
	return ""
}

// height returns a parameter that is a height, 0 if it is missing.
func (c *Call) height(name string) int64 {
	height, err := strconv.ParseInt(c.param(name), 10, 64)
	if err != nil {
		return 0
	}
	return height
}

// withHeight returns the call with a parameter set to a height.
func (c *Call) withHeight(name string, height int64) (*Call, error) {
	changed := *c
	text := strconv.FormatInt(height, 10)
	if c.query != nil {
		changed.query = url.Values{}
		for key, values := range c.query {
			changed.query[key] = values
		}
		changed.query.Set(name, text)
		return &changed, nil
	}
	params := make(map[string]json.RawMessage)
	if body := bytes.TrimSpace(c.Body); len(body) > 0 {
		if err := json.Unmarshal(body, &params); err != nil {
			return nil, fmt.Errorf("params of %s: %w", c.Method, err)
		}
	}
	if params == nil { // they were null
		params = make(map[string]json.RawMessage)
	}
	params[name] = json.RawMessage(strconv.Quote(text))
	var err error
	changed.Body, err = json.Marshal(params)
	return &changed, err
}

// Answer is what comes back for a call.
type Answer struct {
	// Status is the HTTP status of an answer over RPC, 200 if it is zero.
	Status int
	// Body is the JSON-RPC response, or the gRPC response message.
	Body []byte
	// Header and Trailer are the metadata of a gRPC answer.
	Header, Trailer metadata.MD
	// Err is the gRPC status of a call that failed.
	Err error
	// Cut breaks the connection instead of an answer: that of the HTTP request or
	// of the websocket. A gRPC call fails as unavailable.
	Cut bool
}
