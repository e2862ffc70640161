package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

// BenchmarkPipeline measures a relay over HTTP/1.1 from the client's request to
// its reply, with a service on loopback that answers 200 bytes, and without
// cryptography and storage. The client and the service are part of the cost;
// "service" is what asking the service directly costs.
func BenchmarkPipeline(b *testing.B) {
	payload := []byte(strings.Repeat("x", 200))
	f := start(b, func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write(payload); err != nil {
			b.Error(err)
		}
	}, func(f *fixture) {
		f.auth.sign = func(response *servicetypes.RelayResponse) error {
			response.Meta.SupplierOperatorSignature = payload[:64]
			return response.UpdatePayloadHash()
		}
	})
	body := marshal(b, relayRequest(b, "svc", `{"jsonrpc":"2.0","method":"eth_blockNumber","id":1}`))
	for name, newClient := range clients {
		b.Run(name, func(b *testing.B) {
			client := newClient(b)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					got, err := f.try(context.Background(), client, bytes.NewReader(body), nil)
					if err != nil || got.RelayMinerError != nil {
						b.Errorf("relay: %v, %v", err, got.RelayMinerError)
						return
					}
				}
			})
		})
	}
	b.Run("service", func(b *testing.B) {
		client := newClient(b, false)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				response, err := client.Post(f.service.URL, "", bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, response.Body)
				if err = errors.Join(err, response.Body.Close()); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
}
