package backend_test

import (
	"errors"
	"net/http"
	"testing"

	sdktypes "github.com/pokt-network/shannon-sdk/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
)

func TestHTTP_ASlowServiceLeavesRoomForTheOthers(t *testing.T) {
	const connections, each = 8, 3 // of 8 connections 2 can be kept for later
	asked, release := make(chan struct{}), make(chan struct{})
	slow := serve(t, func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-release })
	quick := serve(t, ok)
	h := backend.NewHTTP(connections, 2)
	t.Cleanup(h.Close)
	payload, ctx := encode(t, &sdktypes.POKTHTTPRequest{Method: "POST", Url: "/"}), bounded(t)
	if _, err := h.Do(ctx, quick.Backend, payload, nil, limits(maxBody)); err != nil {
		t.Fatal(err)
	}
	answered := make(chan error)
	for range each {
		go func() {
			_, err := h.Do(ctx, slow.Backend, payload, nil, limits(maxBody))
			answered <- err
		}()
		<-asked
	}
	if _, err := h.Do(ctx, slow.Backend, payload, nil, limits(maxBody)); !errors.Is(err, relayer.ErrRequestLimit) {
		t.Errorf("one more to the slow service: %v", err)
	}
	for range 3 * connections {
		if _, err := h.Do(ctx, quick.Backend, payload, nil, limits(maxBody)); err != nil {
			t.Fatalf("to another service: %v", err)
		}
	}
	close(release)
	for range each {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	go func() { <-asked }()
	if _, err := h.Do(ctx, slow.Backend, payload, nil, limits(maxBody)); err != nil {
		t.Errorf("when the others are answered: %v", err)
	}
}

func TestHTTP_TheOnlyServiceHasAllConnections(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	only := serve(t, func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-release })
	h := backend.NewHTTP(4, 1) // one of which is for later
	t.Cleanup(h.Close)
	payload, ctx := encode(t, &sdktypes.POKTHTTPRequest{Method: "POST", Url: "/"}), bounded(t)
	answered := make(chan error)
	for range 3 {
		go func() {
			_, err := h.Do(ctx, only.Backend, payload, nil, limits(maxBody))
			answered <- err
		}()
		<-asked
	}
	if _, err := h.Do(ctx, only.Backend, payload, nil, limits(maxBody)); !errors.Is(err, relayer.ErrRequestLimit) {
		t.Errorf("one more: %v", err)
	}
	close(release)
	for range 3 {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
}

func TestHTTP_AllServicesTogetherAreBounded(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	h := backend.NewHTTP(5, 3) // three of which are for later
	t.Cleanup(h.Close)
	payload, ctx := encode(t, &sdktypes.POKTHTTPRequest{Method: "POST", Url: "/"}), bounded(t)
	answered := make(chan error)
	hold := func() *service {
		return serve(t, func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-release })
	}
	for range 2 {
		s := hold()
		go func() {
			_, err := h.Do(ctx, s.Backend, payload, nil, limits(maxBody))
			answered <- err
		}()
		<-asked
	}
	if _, err := h.Do(ctx, hold().Backend, payload, nil, limits(maxBody)); !errors.Is(err, relayer.ErrRequestLimit) {
		t.Errorf("a third service: %v", err)
	}
	close(release)
	for range 2 {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
}
