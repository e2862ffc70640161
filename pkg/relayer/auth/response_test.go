package auth_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

func answer() *servicetypes.RelayResponse {
	return &servicetypes.RelayResponse{
		Meta:    servicetypes.RelayResponseMetadata{SessionHeader: header()},
		Payload: []byte(`{"result":"0x1"}`),
	}
}

func TestSignRelayResponse_VerifiesWithTheSuppliersKeyOnly(t *testing.T) {
	response := answer()
	if err := newWorld().authenticator(t).SignRelayResponse(response, addressOf("supplier")); err != nil {
		t.Fatal(err)
	}
	if err := response.VerifySupplierOperatorSignature(pubKeyOf("supplier")); err != nil {
		t.Error(err)
	}
	if err := response.VerifySupplierOperatorSignature(pubKeyOf("second supplier")); err == nil {
		t.Error("verifies with the key of another supplier")
	}
	if want := sha256.Sum256(response.Payload); string(response.PayloadHash) != string(want[:]) {
		t.Errorf("payload hash is %x, want %x", response.PayloadHash, want)
	}
	if err := response.ValidateBasic(); err != nil {
		t.Error(err)
	}
}

// A proof holds the response without its payload.
func TestSignRelayResponse_VerifiesWithoutThePayload(t *testing.T) {
	response := answer()
	if err := newWorld().authenticator(t).SignRelayResponse(response, addressOf("supplier")); err != nil {
		t.Fatal(err)
	}
	response.Payload = nil
	if err := response.VerifySupplierOperatorSignature(pubKeyOf("supplier")); err != nil {
		t.Error(err)
	}
	response.PayloadHash[0] ^= 1
	if err := response.VerifySupplierOperatorSignature(pubKeyOf("supplier")); err == nil {
		t.Error("verifies with another payload hash")
	}
}

func TestSignRelayResponse_SignsTheSessionHeader(t *testing.T) {
	response := answer()
	if err := newWorld().authenticator(t).SignRelayResponse(response, addressOf("supplier")); err != nil {
		t.Fatal(err)
	}
	response.Meta.SessionHeader.SessionEndBlockHeight++
	if err := response.VerifySupplierOperatorSignature(pubKeyOf("supplier")); err == nil {
		t.Error("verifies in another session")
	}
}

func TestSignRelayResponse_Refuses(t *testing.T) {
	w := newWorld()
	w.keys[addressOf("broken supplier")] = brokenKey{}
	for _, c := range []struct {
		name     string
		response *servicetypes.RelayResponse
		supplier string
		want     *relayer.Error
	}{
		{"empty payload", &servicetypes.RelayResponse{}, "supplier", relayer.ErrInvalidResponse},
		{"nil", nil, "supplier", relayer.ErrInvalidResponse},
		{"supplier without a key", answer(), "foreign supplier", relayer.ErrUndefinedSigner},
		{"key that cannot sign", answer(), "broken supplier", relayer.ErrInternal},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := w.authenticator(t).SignRelayResponse(c.response, addressOf(c.supplier))
			refused(t, err, c.want)
			if c.response.GetMeta().SupplierOperatorSignature != nil {
				t.Error("there is a signature")
			}
		})
	}
	w.asked(t)
}

// brokenKey is a key on a device that was unplugged.
type brokenKey struct{ *secp256k1.PrivKey }

func (brokenKey) Sign([]byte) ([]byte, error) { return nil, errors.New("device is gone") }

func BenchmarkVerifyRelayRequest(b *testing.B) {
	request := signed(b)
	for name, spoil := range map[string]func(){
		"accepted":             func() {},
		"refused by structure": func() { request.Meta.SupplierOperatorAddress = addressOf("stranger") },
	} {
		b.Run(name, func(b *testing.B) {
			request = signed(b)
			spoil()
			a := newWorld().authenticator(b)
			b.ReportAllocs()
			for b.Loop() {
				err := a.VerifyRelayRequest(context.Background(), request, service)
				if (err == nil) != (name == "accepted") {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSignRelayResponse(b *testing.B) {
	a := newWorld().authenticator(b)
	response := answer()
	b.ReportAllocs()
	for b.Loop() {
		if err := a.SignRelayResponse(response, addressOf("supplier")); err != nil {
			b.Fatal(err)
		}
	}
}
