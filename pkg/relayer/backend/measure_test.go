package backend

import (
	"context"
	"errors"
	"net/url"
	"testing"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// A bomb of brotli takes its window of 16 MiB before it is seen to be one.
func TestHTTP_CompressedBodiesAreMeasuredFewAtATime(t *testing.T) {
	h := NewHTTP(0, 1)
	defer h.Close()
	if most := cap(h.measuring); most < 1 || most > async.Cores() {
		t.Fatalf("%d bodies are measured at a time by %d cores", most, async.Cores())
	}
	for range cap(h.measuring) {
		h.measuring <- struct{}{}
	}
	payload, err := proto.Marshal(&sdktypes.POKTHTTPRequest{
		Method: "POST", BodyBz: []byte("no gzip"),
		Header: map[string]*sdktypes.Header{"Content-Encoding": {Values: []string{"gzip"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(ctx context.Context) error {
		_, err := h.Do(ctx, &config.Backend{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}}, payload, nil, Limits{Answer: 100, Inflated: 100})
		return err
	}
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ask(late); !errors.Is(err, relayer.ErrRequestLimit) {
		t.Errorf("error %v of one whose turn does not come, want %v", err, relayer.ErrRequestLimit)
	}
	<-h.measuring
	if err := ask(t.Context()); !errors.Is(err, relayer.ErrMalformedRequest) {
		t.Errorf("error %v of one whose turn comes, want %v", err, relayer.ErrMalformedRequest)
	}
	if n := len(h.measuring); n != cap(h.measuring)-1 {
		t.Errorf("%d are being measured", n)
	}
}
