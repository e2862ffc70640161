package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/ring"
)

func TestSend_ReturnsTheServicesAnswer(t *testing.T) {
	answer, err := send(t, http.StatusOK, encode(t, mustSign(t, answered(), "supplier")))
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || string(answer.BodyBz) != `{"result":"0x1"}` {
		t.Errorf("got %d %s", answer.StatusCode, answer.BodyBz)
	}
}

// What a relay miner gets is what gateways send.
func TestSend_SendsWhatGatewaysSend(t *testing.T) {
	for _, c := range []struct {
		rpcType sharedtypes.RPCType
		header  []string
	}{
		{sharedtypes.RPCType_JSON_RPC, []string{"3"}},
		{sharedtypes.RPCType_UNKNOWN_RPC, nil},
	} {
		t.Run(c.rpcType.String(), func(t *testing.T) {
			var got *http.Request
			var body []byte
			endpoint := serve(t, func(w http.ResponseWriter, r *http.Request) {
				var err error
				if body, err = io.ReadAll(r.Body); err != nil {
					t.Error(err)
				}
				got = r
			})
			gateway, err := newClient()
			if err != nil {
				t.Fatal(err)
			}
			gateway.HTTP = &http.Client{}
			relay := newRelay(endpoint + "/v1")
			relay.RPCType = c.rpcType
			if _, err := gateway.Send(t.Context(), relay); !errors.Is(err, client.ErrReply) {
				t.Errorf("the empty reply is taken: %v", err)
			}
			if got.Method != http.MethodPost || got.URL.Path != "/v1" || got.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got %s %s of type %q", got.Method, got.URL, got.Header.Get("Content-Type"))
			}
			if rpcType := got.Header.Values("Rpc-Type"); fmt.Sprint(rpcType) != fmt.Sprint(c.header) {
				t.Errorf("header Rpc-Type is %q, want %q", rpcType, c.header)
			}
			checkRequest(t, relay, body)
		})
	}
}

// checkRequest checks an encoded request as a relay miner would.
func checkRequest(t *testing.T, relay *client.Relay, body []byte) {
	t.Helper()
	var request servicetypes.RelayRequest
	if err := request.Unmarshal(body); err != nil {
		t.Fatal(err)
	}
	if err := request.ValidateBasic(); err != nil {
		t.Error(err)
	}
	if *request.Meta.SessionHeader != *relay.Session || request.Meta.SupplierOperatorAddress != relay.Supplier {
		t.Errorf("request is for %v", request.Meta)
	}
	message, err := request.GetSignableBytesHash()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := ring.Parse(request.Meta.Signature)
	if err != nil {
		t.Fatal(err)
	}
	if err := (ring.Reference{}).Verify(message, signature); err != nil {
		t.Error(err)
	}
	asked, err := sdktypes.DeserializeHTTPRequest(request.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(asked, relay.Request) {
		t.Errorf("the service is asked %v, want %v", asked, relay.Request)
	}
}

func TestSend_TellsRefusalsWithTheirReason(t *testing.T) {
	reason := &servicetypes.RelayMinerError{Codespace: "relayer_proxy", Code: 7, Description: "rate limited", Message: "rate limited: enough"}
	bare := &servicetypes.RelayResponse{RelayMinerError: reason}
	full := mustSign(t, answered(), "supplier")
	full.RelayMinerError = reason
	for name, response := range map[string]*servicetypes.RelayResponse{"bare": bare, "beside an answer": full} {
		t.Run(name, func(t *testing.T) {
			answer, err := send(t, http.StatusOK, encode(t, response))
			var refused *client.RefusedError
			if !errors.As(err, &refused) || answer != nil {
				t.Fatalf("got %v and error %v", answer, err)
			}
			if *refused.Reason != *reason {
				t.Errorf("reason is %v, want %v", refused.Reason, reason)
			}
			if want := "relay refused: rate limited: enough (relayer_proxy 7)"; err.Error() != want {
				t.Errorf("error is %q, want %q", err, want)
			}
			if errors.Is(err, client.ErrReply) {
				t.Error("a refusal is not an unacceptable reply")
			}
		})
	}
}

func TestSend_RefusesRepliesThatDoNotVerify(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(*servicetypes.RelayResponse) // it is signed
		after  func(*servicetypes.RelayResponse)
	}{
		{"unsigned", nil, func(r *servicetypes.RelayResponse) { r.Meta.SupplierOperatorSignature = nil }},
		{"wrong signature", nil, func(r *servicetypes.RelayResponse) { r.Meta.SupplierOperatorSignature[10] ^= 1 }},
		{"short signature", nil, func(r *servicetypes.RelayResponse) { r.Meta.SupplierOperatorSignature = []byte{1} }},
		{"signed by another supplier", nil, func(r *servicetypes.RelayResponse) {
			other, err := signed(answered(), "another supplier")
			if err != nil {
				t.Fatal(err)
			}
			*r = *other
		}},
		{"payload swapped", nil, func(r *servicetypes.RelayResponse) { r.Payload[len(r.Payload)-2] ^= 1 }},
		{"payload and its hash swapped", nil, func(r *servicetypes.RelayResponse) {
			r.Payload[len(r.Payload)-2] ^= 1
			if err := r.UpdatePayloadHash(); err != nil {
				t.Fatal(err)
			}
		}},
		{"no payload", nil, func(r *servicetypes.RelayResponse) { r.Payload = nil }},
		{"no payload hash", nil, func(r *servicetypes.RelayResponse) { r.PayloadHash = nil }},
		{"no session", nil, func(r *servicetypes.RelayResponse) { r.Meta.SessionHeader = nil }},
		{"other session", func(r *servicetypes.RelayResponse) { r.Meta.SessionHeader.SessionId = "another" }, nil},
		{"other application", func(r *servicetypes.RelayResponse) {
			r.Meta.SessionHeader.ApplicationAddress = addressOf("another")
		}, nil},
		{"other end", func(r *servicetypes.RelayResponse) { r.Meta.SessionHeader.SessionEndBlockHeight++ }, nil},
		{"payload that is no HTTP response", func(r *servicetypes.RelayResponse) { r.Payload = []byte{0xff} }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			response := answered()
			if c.before != nil {
				c.before(response)
			}
			response = mustSign(t, response, "supplier")
			if c.after != nil {
				c.after(response)
			}
			answer, err := client.Check(newRelay(""), encode(t, response))
			if !errors.Is(err, client.ErrReply) || answer != nil {
				t.Errorf("got %v and error %v, want ErrReply", answer, err)
			}
		})
	}
}

func TestSend_RefusalForWantOfPaymentKeepsItsReason(t *testing.T) {
	reason := &servicetypes.RelayMinerError{Codespace: "relayer_proxy", Code: 7, Description: "rate limited"}
	_, err := send(t, http.StatusTooManyRequests, encode(t, &servicetypes.RelayResponse{RelayMinerError: reason}))
	var refused *client.RefusedError
	if !errors.As(err, &refused) || *refused.Reason != *reason {
		t.Errorf("got %v", err)
	}
}

func TestSend_RefusesRepliesThatAreNone(t *testing.T) {
	good := encode(t, mustSign(t, answered(), "supplier"))
	for _, c := range []struct {
		name   string
		status int
		reply  []byte
	}{
		{"nothing", http.StatusOK, nil},
		{"garbage", http.StatusOK, []byte("<html>502 Bad Gateway</html>")},
		{"cut short", http.StatusOK, good[:len(good)-1]},
		{"HTTP status 500", http.StatusInternalServerError, good},
		{"HTTP status 404", http.StatusNotFound, []byte("404 page not found")},
		{"HTTP status 202", http.StatusAccepted, good},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, err := send(t, c.status, c.reply)
			if !errors.Is(err, client.ErrReply) || answer != nil {
				t.Errorf("got %v and error %v, want ErrReply", answer, err)
			}
		})
	}
}

func TestSend_FailsWithTheConnection(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close() // nobody listens there any more
	cut := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		if _, err := w.Write([]byte("not all of it")); err != nil {
			t.Error(err)
		}
	})
	for name, endpoint := range map[string]string{
		"nobody listens": server.URL,
		"cut off":        cut,
		"no URL":         "http://[",
	} {
		t.Run(name, func(t *testing.T) {
			answer, err := sendTo(t, t.Context(), endpoint)
			if err == nil || answer != nil {
				t.Fatalf("got %v and error %v", answer, err)
			}
			// Nothing was replied that could be judged.
			if errors.Is(err, client.ErrReply) {
				t.Errorf("%v is ErrReply", err)
			}
		})
	}
}

func TestSend_EndsWithItsContextAndTheClientsTimeout(t *testing.T) {
	arrived := make(chan struct{}, 2)
	endpoint := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until then a lost client goes unnoticed
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		if _, err := sendTo(t, ctx, endpoint); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		gateway, err := newClient()
		if err != nil {
			t.Fatal(err)
		}
		gateway.HTTP = &http.Client{Timeout: 20 * time.Millisecond}
		if _, err := gateway.Send(t.Context(), newRelay(endpoint)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want context.DeadlineExceeded", err)
		}
	})
}

func TestClient_SendsConcurrently(t *testing.T) {
	reply := encode(t, mustSign(t, answered(), "supplier"))
	endpoint := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write(reply); err != nil {
			t.Error(err)
		}
	})
	gateway, err := newClient()
	if err != nil {
		t.Fatal(err)
	}
	relay := newRelay(endpoint)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := gateway.Send(t.Context(), relay); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func FuzzCheck(f *testing.F) {
	good, err := signed(answered(), "supplier")
	if err != nil {
		f.Fatal(err)
	}
	bz, err := good.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bz)
	f.Add(bz[:len(bz)/2])
	f.Add([]byte{})
	f.Add([]byte{0x1a, 0x00}) // an empty RelayMinerError
	f.Fuzz(func(t *testing.T, reply []byte) {
		answer, err := client.Check(newRelay(""), reply)
		if (answer == nil) == (err == nil) {
			t.Fatalf("answer %v and error %v", answer, err)
		}
		var refused *client.RefusedError
		if err != nil && !errors.Is(err, client.ErrReply) && !errors.As(err, &refused) {
			t.Fatalf("got %v", err)
		}
		if refused != nil && refused.Error() == "" {
			t.Fatal("a refusal without words")
		}
	})
}

func BenchmarkBuild(b *testing.B) {
	gateway, err := newClient()
	if err != nil {
		b.Fatal(err)
	}
	relay := newRelay("")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := gateway.Build(relay); err != nil {
			b.Fatal(err)
		}
	}
}
