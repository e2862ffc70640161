package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// reply is what a client received.
type reply struct {
	*servicetypes.RelayResponse
	bytes []byte
	http  *http.Response
}

// send sends the request, which must be replied to.
func (f *fixture) send(t testing.TB, client *http.Client, request *servicetypes.RelayRequest) reply {
	t.Helper()
	return f.post(t, client, marshal(t, request), nil)
}

// post sends a body with headers, which must be replied to with a relay response.
func (f *fixture) post(t testing.TB, client *http.Client, body []byte, header http.Header) reply {
	t.Helper()
	got, err := f.try(context.Background(), client, bytes.NewReader(body), header)
	if err != nil {
		t.Fatalf("relay: %v", err)
	}
	return got
}

// try is post for what may fail.
func (f *fixture) try(ctx context.Context, client *http.Client, body io.Reader, header http.Header) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url(), body)
	if err != nil {
		return reply{}, err
	}
	if header != nil {
		request.Header = header
	}
	response, err := client.Do(request)
	if err != nil {
		return reply{}, err
	}
	return read(response)
}

func read(response *http.Response) (reply, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	switch response.StatusCode {
	case http.StatusOK, http.StatusTooManyRequests, http.StatusServiceUnavailable:
	default:
		return reply{}, errors.New("HTTP status " + response.Status)
	}
	got := reply{&servicetypes.RelayResponse{}, body, response}
	return got, got.Unmarshal(body)
}

// clients are the ways in which gateways connect.
var clients = map[string]func(testing.TB) *http.Client{"HTTP/1.1": http1, "h2c": h2c}

func http1(t testing.TB) *http.Client { return newClient(t, false) }

func h2c(t testing.TB) *http.Client { return newClient(t, true) }

func newClient(t testing.TB, http2 bool) *http.Client {
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	transport := &http.Transport{Protocols: &protocols, MaxIdleConnsPerHost: 256}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// relayRequest returns the request of a relay for the service with the body as
// what the service is asked.
func relayRequest(t testing.TB, serviceID, body string) *servicetypes.RelayRequest {
	t.Helper()
	payload, err := proto.Marshal(&sdktypes.POKTHTTPRequest{Method: "POST", Url: "/", BodyBz: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	return &servicetypes.RelayRequest{
		Meta: servicetypes.RelayRequestMetadata{
			SessionHeader: &sessiontypes.SessionHeader{
				ApplicationAddress: "pokt1application", ServiceId: serviceID, SessionId: "session",
				SessionStartBlockHeight: 11, SessionEndBlockHeight: 20,
			},
			SupplierOperatorAddress: supplier,
			Signature:               []byte("ring"),
		},
		Payload: payload,
	}
}

func marshal(t testing.TB, message interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	encoded, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func echo(w http.ResponseWriter, r *http.Request) {
	// A copy that fails is seen by the one who reads the answer.
	_, _ = io.Copy(w, r.Body)
}

// answered checks that the reply is signed and returns the service's answer.
func (f *fixture) answered(t testing.TB, got reply) *sdktypes.POKTHTTPResponse {
	t.Helper()
	if got.RelayMinerError != nil {
		t.Fatalf("refused: %s", got.RelayMinerError.Message)
	}
	if err := got.VerifySupplierOperatorSignature(f.auth.key.PubKey()); err != nil {
		t.Fatalf("signature: %v", err)
	}
	answer, err := sdktypes.DeserializeHTTPResponse(got.Payload)
	if err != nil {
		t.Fatalf("payload: %v", err)
	}
	return answer
}

// refused checks that the reply is a short, unsigned refusal for the reason.
func refused(t testing.TB, got reply, reason *relayer.Error) {
	t.Helper()
	e := got.RelayMinerError
	if e == nil {
		t.Fatalf("not refused, want %v", reason)
	}
	if e.Codespace != reason.Codespace || e.Code != reason.Code || e.Description != reason.Description {
		t.Errorf("refused with %s %d: %s, want %s %d", e.Codespace, e.Code, e.Message, reason.Codespace, reason.Code)
	}
	if len(got.Meta.SupplierOperatorSignature) != 0 || len(got.PayloadHash) != 0 {
		t.Error("the refusal is signed")
	}
	if string(got.Payload) != e.Message || e.Message == "" {
		t.Errorf("payload %q, message %q", got.Payload, e.Message)
	}
	if len(got.bytes) > 3<<10 {
		t.Errorf("refusal of %d bytes", len(got.bytes))
	}
	if got.http.ContentLength != int64(len(got.bytes)) {
		t.Errorf("content length %d of %d bytes", got.http.ContentLength, len(got.bytes))
	}
}

func await(t testing.TB, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
}

// dial opens a connection to the proxy for bytes that net/http would not send.
func (f *fixture) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", f.addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}
