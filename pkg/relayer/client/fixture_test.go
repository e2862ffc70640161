package client_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/ring"
)

func TestMain(m *testing.M) {
	cosmostypes.GetConfig().SetBech32PrefixForAccount("pokt", "poktpub")
	os.Exit(m.Run())
}

func keyOf(name string) *secp256k1.PrivKey { return secp256k1.GenPrivKeyFromSecret([]byte(name)) }

func addressOf(name string) string {
	return cosmostypes.AccAddress(keyOf(name).PubKey().Address()).String()
}

func session() *sessiontypes.SessionHeader {
	return &sessiontypes.SessionHeader{
		ApplicationAddress:      addressOf("application"),
		ServiceId:               "anvil",
		SessionId:               "c1112e5a51ba0e68aa066173a1844e0433c4c57884e59cf1cdfaa6aecc8137d8",
		SessionStartBlockHeight: 21,
		SessionEndBlockHeight:   30,
	}
}

// newClient returns a client that signs as a gateway of the application.
func newClient() (*client.Client, error) {
	signer, err := ring.NewSigner(keyOf("gateway").Key, [][]byte{
		keyOf("application").PubKey().Bytes(), keyOf("gateway").PubKey().Bytes(),
	})
	return &client.Client{Signer: signer}, err
}

// newRelay returns a relay to be sent to endpoint.
func newRelay(endpoint string) *client.Relay {
	return &client.Relay{
		Session:     session(),
		Supplier:    addressOf("supplier"),
		SupplierKey: keyOf("supplier").PubKey(),
		Endpoint:    endpoint,
		RPCType:     sharedtypes.RPCType_JSON_RPC,
		Request:     client.JSONRPC([]byte(`{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}`)),
	}
}

// answered returns a response with the service's answer, not signed yet.
func answered() *servicetypes.RelayResponse {
	payload, err := proto.Marshal(&sdktypes.POKTHTTPResponse{StatusCode: http.StatusOK, BodyBz: []byte(`{"result":"0x1"}`)})
	if err != nil {
		panic(err) // a constant
	}
	return &servicetypes.RelayResponse{
		Meta:    servicetypes.RelayResponseMetadata{SessionHeader: session()},
		Payload: payload,
	}
}

// signed signs the response as name and encodes it.
func signed(response *servicetypes.RelayResponse, name string) (*servicetypes.RelayResponse, error) {
	if err := response.UpdatePayloadHash(); err != nil {
		return nil, err
	}
	digest, err := response.GetSignableBytesHash()
	if err != nil {
		return nil, err
	}
	response.Meta.SupplierOperatorSignature, err = keyOf(name).Sign(digest[:])
	return response, err
}

func mustSign(t *testing.T, response *servicetypes.RelayResponse, name string) *servicetypes.RelayResponse {
	t.Helper()
	response, err := signed(response, name)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func encode(t *testing.T, response *servicetypes.RelayResponse) []byte {
	t.Helper()
	bz, err := response.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return bz
}

// serve starts a server on loopback that answers every request with handle.
func serve(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

// send sends a relay to a server that answers with these bytes.
func send(t *testing.T, status int, reply []byte) (*sdktypes.POKTHTTPResponse, error) {
	t.Helper()
	endpoint := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if _, err := w.Write(reply); err != nil {
			t.Error(err)
		}
	})
	return sendTo(t, t.Context(), endpoint)
}

func sendTo(t *testing.T, ctx context.Context, endpoint string) (*sdktypes.POKTHTTPResponse, error) {
	t.Helper()
	c, err := newClient()
	if err != nil {
		t.Fatal(err)
	}
	return c.Send(ctx, newRelay(endpoint))
}
