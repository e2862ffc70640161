package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"time"

	"cosmossdk.io/depinject"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
)

// The parts that the proxy depends on are those of the tests here: an
// authenticator that accepts everything, a chain and a store without limits.
func ExampleNewRelayerProxy() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "0x2a")
	}))
	defer service.Close()
	receipts := &relayer.Receipts{}
	auth := &authenticator{key: secp256k1.GenPrivKey()}
	cfg := exampleConfig(service.URL)
	p, err := proxy.NewRelayerProxy(depinject.Supply(
		cfg, auth, &chain{}, &intake{}, &meter{}, receipts, slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	// What is after the proxy says for each relay when its evidence is safe.
	done := observable.ForEach(p.ServedRelays(), func(_ context.Context, relay *servicetypes.Relay) error {
		fmt.Println("stored, session", relay.Req.Meta.SessionHeader.SessionId)
		receipts.Resolve(relay, nil)
		return nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}

	reply, err := exampleRelay("http://" + cfg.Services[0].ListenAddr)
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := sdktypes.DeserializeHTTPResponse(reply.Payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("answered", string(answer.BodyBz))
	fmt.Println("signature", reply.VerifySupplierOperatorSignature(auth.key.PubKey()))

	fmt.Println("stopped", p.Stop(ctx))
	<-done
	// Output:
	// stored, session session-1
	// answered 0x2a
	// signature <nil>
	// stopped <nil>
}

// exampleConfig offers one service on a free port of loopback.
func exampleConfig(backend string) *config.Config {
	u, err := url.Parse(backend)
	if err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return &config.Config{MaxConnections: 1000, Services: []*config.Service{{
		ID: "eth", ListenAddr: listener.Addr().String(), RequestTimeout: 10 * time.Second, MaxBodySize: 1 << 20,
		MaxResponseSize: 1 << 20, MaxInflatedSize: 4 << 20,
		DefaultBackend: &config.Backend{URL: u},
	}}}
}

// exampleRelay sends one relay as a gateway does.
func exampleRelay(to string) (*servicetypes.RelayResponse, error) {
	payload, err := proto.Marshal(&sdktypes.POKTHTTPRequest{Method: "POST", Url: "/", BodyBz: []byte("{}")})
	if err != nil {
		return nil, err
	}
	body, err := (&servicetypes.RelayRequest{
		Meta: servicetypes.RelayRequestMetadata{
			SessionHeader:           &sessiontypes.SessionHeader{ServiceId: "eth", SessionId: "session-1"},
			SupplierOperatorAddress: supplier,
		},
		Payload: payload,
	}).Marshal()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Post(to, "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	encoded, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	reply := &servicetypes.RelayResponse{}
	return reply, reply.Unmarshal(encoded)
}
