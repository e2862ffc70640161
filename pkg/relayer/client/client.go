package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/ring"
)

// maxReply is the size in bytes of the largest reply that is read. A larger one
// is an error.
const maxReply = 256 << 20

// ErrReply is wrapped by the errors for replies that a gateway would not accept.
var ErrReply = errors.New("unacceptable reply")

// RefusedError is returned when the relay miner answered with an error.
type RefusedError struct {
	Reason *servicetypes.RelayMinerError
}

// Error returns the relay miner's words.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("relay refused: %s (%s %d)", e.Reason.Message, e.Reason.Codespace, e.Reason.Code)
}

// Client sends relays signed by one key. It may be used concurrently.
type Client struct {
	// Signer signs as a member of the application's ring.
	Signer *ring.Signer
	// HTTP sends the requests; nil stands for http.DefaultClient.
	HTTP *http.Client
}

// Relay is one relay to be sent.
type Relay struct {
	Session  *sessiontypes.SessionHeader
	Supplier string // operator address
	// SupplierKey verifies the reply.
	SupplierKey cryptotypes.PubKey
	// Endpoint is the URL of the relay miner.
	Endpoint string
	// RPCType is sent in the header Rpc-Type unless it is unknown (0).
	RPCType sharedtypes.RPCType
	// Request is what the service is asked.
	Request *sdktypes.POKTHTTPRequest
}

// JSONRPC returns the request of a JSON-RPC call.
func JSONRPC(body []byte) *sdktypes.POKTHTTPRequest {
	return &sdktypes.POKTHTTPRequest{
		Method: http.MethodPost,
		Url:    "/",
		Header: map[string]*sdktypes.Header{
			"Content-Type": {Key: "Content-Type", Values: []string{"application/json"}},
		},
		BodyBz: body,
	}
}

// Build returns the signed, encoded request of the relay.
func (c *Client) Build(r *Relay) ([]byte, error) {
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(r.Request)
	if err != nil {
		return nil, fmt.Errorf("encode payload: %w", err)
	}
	request := &servicetypes.RelayRequest{
		Meta: servicetypes.RelayRequestMetadata{
			SessionHeader:           r.Session,
			SupplierOperatorAddress: r.Supplier,
		},
		Payload: payload,
	}
	message, err := request.GetSignableBytesHash()
	if err != nil {
		return nil, fmt.Errorf("signable bytes: %w", err)
	}
	if request.Meta.Signature, err = c.Signer.Sign(message); err != nil {
		return nil, err
	}
	return request.Marshal()
}

// Send builds and sends the relay and returns the service's answer. The error is
// a *RefusedError if the relay miner refused the relay, and wraps ErrReply if
// the reply does not verify.
func (c *Client) Send(ctx context.Context, r *Relay) (*sdktypes.POKTHTTPResponse, error) {
	body, err := c.Build(r)
	if err != nil {
		return nil, err
	}
	reply, err := c.post(ctx, r, body)
	if err != nil {
		return nil, err
	}
	return Check(r, reply)
}

// post sends an encoded request and returns the body of the reply.
func (c *Client) post(ctx context.Context, r *Relay, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.Endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("relay endpoint: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if r.RPCType != sharedtypes.RPCType_UNKNOWN_RPC {
		request.Header.Set("Rpc-Type", strconv.Itoa(int(r.RPCType)))
	}
	sender := c.HTTP
	if sender == nil {
		sender = http.DefaultClient
	}
	response, err := sender.Do(request)
	if err != nil {
		return nil, fmt.Errorf("send relay: %w", err)
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("read reply: %w", err)
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusTooManyRequests: // both carry a RelayResponse
		return reply, nil
	case http.StatusServiceUnavailable: // does so if the relay miner itself has answered
		if response.ContentLength != 0 {
			return reply, nil
		}
	}
	return nil, fmt.Errorf("%w: HTTP status %s", ErrReply, response.Status)
}

// Check verifies an encoded reply to the relay and returns the service's answer.
func Check(r *Relay, reply []byte) (*sdktypes.POKTHTTPResponse, error) {
	var response servicetypes.RelayResponse
	if err := response.Unmarshal(reply); err != nil {
		return nil, fmt.Errorf("%w: not a relay response: %w", ErrReply, err)
	}
	if response.RelayMinerError != nil {
		return nil, &RefusedError{Reason: response.RelayMinerError}
	}
	if err := response.ValidateBasic(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	if *response.Meta.SessionHeader != *r.Session {
		return nil, fmt.Errorf("%w: it is for session %s", ErrReply, response.Meta.SessionHeader.SessionId)
	}
	if err := checkPayload(&response); err != nil {
		return nil, err
	}
	if err := response.VerifySupplierOperatorSignature(r.SupplierKey); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrReply, err)
	}
	answer, err := sdktypes.DeserializeHTTPResponse(response.Payload)
	if err != nil {
		return nil, fmt.Errorf("%w: payload is not a POKTHTTPResponse: %w", ErrReply, err)
	}
	return answer, nil
}

// checkPayload checks that the signature, which covers the hash, is for this payload.
func checkPayload(response *servicetypes.RelayResponse) error {
	claimed := response.PayloadHash
	if err := response.UpdatePayloadHash(); err != nil {
		return fmt.Errorf("%w: %w", ErrReply, err)
	}
	if !bytes.Equal(claimed, response.PayloadHash) {
		return fmt.Errorf("%w: payload and payload hash differ", ErrReply)
	}
	return nil
}
