package backend_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdktypes "github.com/pokt-network/shannon-sdk/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
)

func TestHTTP_ConnectionsAreBoundedAndRequestsWait(t *testing.T) {
	const limit, requests = 3, 12
	var asked, most atomic.Int64
	service := serve(t, func(http.ResponseWriter, *http.Request) {
		defer asked.Add(-1)
		for now, before := asked.Add(1), most.Load(); now > before && !most.CompareAndSwap(before, now); before = most.Load() {
		}
		time.Sleep(5 * time.Millisecond) // so that they come together if they can
	})
	h := backend.NewHTTP(limit)
	t.Cleanup(h.Close)
	payload, ctx := encode(t, &sdktypes.POKTHTTPRequest{Method: "POST", Url: "/"}), bounded(t)
	var all sync.WaitGroup
	for range requests {
		all.Go(func() {
			if _, err := h.Do(ctx, service.Backend, payload, nil, limits(maxBody)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := most.Load(); got > limit {
		t.Errorf("%d requests at a time over %d connections", got, limit)
	}
}

func TestHTTP_ConnectionsThatAreKeptForLaterGiveWay(t *testing.T) {
	h := backend.NewHTTP(1)
	t.Cleanup(h.Close)
	payload, ctx := encode(t, &sdktypes.POKTHTTPRequest{Method: "POST", Url: "/"}), bounded(t)
	for range 2 {
		for _, service := range []*service{serve(t, ok), serve(t, ok)} {
			if _, err := h.Do(ctx, service.Backend, payload, nil, limits(maxBody)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestHTTP_ARequestWaitsForAConnectionAsLongAsItMay(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	service := serve(t, func(http.ResponseWriter, *http.Request) { close(asked); <-release })
	h := backend.NewHTTP(1)
	t.Cleanup(h.Close)
	to, payload := service.Backend, encode(t, &sdktypes.POKTHTTPRequest{Method: "POST", Url: "/"})
	first := make(chan error)
	go func() {
		_, err := h.Do(bounded(t), to, payload, nil, limits(maxBody))
		first <- err
	}()
	<-asked
	ctx, cancel := context.WithTimeout(bounded(t), 20*time.Millisecond)
	defer cancel()
	if _, err := h.Do(ctx, to, payload, nil, limits(maxBody)); !errors.Is(err, relayer.ErrTimeout) {
		t.Errorf("without a connection: %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
