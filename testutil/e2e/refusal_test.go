package e2e

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// post sends bytes to the relay miner and returns its reply.
func (w *world) post(body []byte) *servicetypes.RelayResponse {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.ctx, http.MethodPost, w.net.Services[0].ListenURL, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer reply.Body.Close()
	bz, err := io.ReadAll(reply.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if reply.StatusCode != http.StatusOK {
		w.t.Errorf("HTTP status %s", reply.Status)
	}
	response := &servicetypes.RelayResponse{}
	if err := response.Unmarshal(bz); err != nil {
		w.t.Fatalf("reply %q: %v", bz, err)
	}
	return response
}

func TestRelays_OfStrangersAreRefusedAndNeverReachTheService(t *testing.T) {
	w := newWorld(t, localnet.Config{Suppliers: 2, BlocksPerSession: 4})
	w.startMiner()
	old := w.freshSession()
	if err := w.net.WaitForHeight(w.ctx, old.Header.SessionEndBlockHeight+3); err != nil {
		t.Fatal(err)
	}
	session := w.freshSession()
	member := w.client()
	stranger, err := ring.NewSigner(bytes.Repeat([]byte{7}, 32), [][]byte{publicKey(bytes.Repeat([]byte{7}, 32))})
	if err != nil {
		t.Fatal(err)
	}
	alter := func(change func(*sessiontypes.SessionHeader)) *client.Relay {
		relay := w.relay(session)
		header := *session.Header
		change(&header)
		relay.Session = &header
		return relay
	}
	build := func(signer *ring.Signer, relay *client.Relay) []byte {
		body, err := (&client.Client{Signer: signer}).Build(relay)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	unsigned := func() []byte {
		request := &servicetypes.RelayRequest{}
		if err := request.Unmarshal(build(member.Signer, w.relay(session))); err != nil {
			t.Fatal(err)
		}
		request.Meta.Signature = nil
		body, err := request.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	otherSupplier := w.relay(session)
	otherSupplier.Supplier = w.net.Gateways[0].Address
	ahead := int64(w.net.Height() + 100)

	for _, tc := range []struct {
		name      string
		body      []byte
		codespace string
		code      uint32
	}{
		{"garbage", []byte("\xff\xfe garbage"), "relayer_proxy", 14},
		{"empty", nil, "relayer_proxy", 14},
		{"unsigned", unsigned(), "relay_authenticator", 4},
		{"signed by a stranger", build(stranger, w.relay(session)), "rings", 2},
		{"for an unknown application", build(member.Signer, alter(func(h *sessiontypes.SessionHeader) {
			h.ApplicationAddress = w.net.Suppliers[0].OperatorAddress
		})), "relayer_proxy", 6},
		{"for another supplier", build(member.Signer, otherSupplier), "relayer_proxy", 9},
		{"for an unknown service", build(member.Signer, alter(func(h *sessiontypes.SessionHeader) {
			h.ServiceId = "unknown"
		})), "relayer_proxy", 2},
		{"of an old session", build(member.Signer, alter(func(h *sessiontypes.SessionHeader) {
			*h = *old.Header
		})), "relay_authenticator", 1},
		{"of a future session", build(member.Signer, alter(func(h *sessiontypes.SessionHeader) {
			h.SessionStartBlockHeight, h.SessionEndBlockHeight = ahead, ahead+3
		})), "relay_authenticator", 1},
		{"of a made-up session", build(member.Signer, alter(func(h *sessiontypes.SessionHeader) {
			h.SessionId = "0000000000000000000000000000000000000000000000000000000000000000"
		})), "relay_authenticator", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response := w.post(tc.body)
			reason := response.RelayMinerError
			if reason == nil {
				t.Fatalf("it was served: %v", response)
			}
			if reason.Codespace != tc.codespace || reason.Code != tc.code {
				t.Errorf("refused with %s %d (%s), want %s %d", reason.Codespace, reason.Code, reason.Message, tc.codespace, tc.code)
			}
			if len(response.Meta.SupplierOperatorSignature) != 0 {
				t.Error("the refusal is signed")
			}
		})
	}
	if n := w.requests(); n != 0 {
		t.Errorf("%d requests reached the service", n)
	}
	_, err = member.Send(w.ctx, w.relay(w.freshSession()))
	var refused *client.RefusedError
	if errors.As(err, &refused) || err != nil {
		t.Errorf("a good relay afterwards: %v", err)
	}
}
