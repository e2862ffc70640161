package e2e

import (
	"testing"

	dleqtypes "github.com/pokt-network/go-dleq/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	ringgo "github.com/pokt-network/ring-go"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

// publicKey returns the compressed public key of a private one.
func publicKey(private []byte) []byte {
	return (&secp256k1.PrivKey{Key: private}).PubKey().Bytes()
}

// foreignRequest builds a relay request with ring-go and the protobuf types, and
// nothing of this module.
func foreignRequest(t *testing.T, request *servicetypes.RelayRequest, private []byte, members [][]byte) []byte {
	t.Helper()
	curve := ringgo.Secp256k1()
	key, err := curve.DecodeToScalar(private)
	if err != nil {
		t.Fatal(err)
	}
	points := make([]dleqtypes.Point, len(members))
	for i, member := range members {
		if points[i], err = curve.DecodeToPoint(member); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := ringgo.NewFixedKeyRingFromPublicKeys(curve, points)
	if err != nil {
		t.Fatal(err)
	}
	message, err := request.GetSignableBytesHash()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := ring.Sign(message, key)
	if err != nil {
		t.Fatal(err)
	}
	if request.Meta.Signature, err = signature.Serialize(); err != nil {
		t.Fatal(err)
	}
	body, err := request.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestRelays_OfAForeignClientAreServed(t *testing.T) {
	w := newWorld(t, localnet.Config{})
	w.startMiner()
	app := w.net.Applications[0]
	session := w.freshSession()
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(&sdktypes.POKTHTTPRequest{
		Method: "GET", Url: "/echo?q=1",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, signer := range []struct{ name, private string }{
		{"application", app.PrivateKeyHex},
		{"gateway", w.net.Gateways[0].PrivateKeyHex},
	} {
		t.Run(signer.name, func(t *testing.T) {
			response := w.post(foreignRequest(t, &servicetypes.RelayRequest{
				Meta: servicetypes.RelayRequestMetadata{
					SessionHeader:           session.Header,
					SupplierOperatorAddress: session.Suppliers[0].OperatorAddress,
				},
				Payload: payload,
			}, w.key(signer.private), w.members(app.Address, app.Gateways...)))
			if response.RelayMinerError != nil {
				t.Fatalf("refused: %v", response.RelayMinerError)
			}
			supplierKey, err := w.queries.PubKey(w.ctx, session.Suppliers[0].OperatorAddress)
			if err != nil {
				t.Fatal(err)
			}
			if err := response.VerifySupplierOperatorSignature(supplierKey); err != nil {
				t.Error(err)
			}
			answer, err := sdktypes.DeserializeHTTPResponse(response.Payload)
			if err != nil || answer.StatusCode != 200 {
				t.Errorf("the service answered %d, %v", answer.GetStatusCode(), err)
			}
		})
	}
}
