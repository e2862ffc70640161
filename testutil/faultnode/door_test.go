package faultnode

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestDoor_RefusesAndAdmitsAgain(t *testing.T) {
	w := newWorld(t)
	s := w.subscribe()
	check(t, errOf(w.rpc.Status(w.ctx)))
	check(t, errOf(w.info(w.ctx)))
	for range 2 {
		w.RPC.Refuse()
		w.GRPC.Refuse()
		w.http.CloseIdleConnections() // they break at the next use, which is not what is looked at
		if _, err := w.rpc.Status(w.ctx); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("rpc: %v", err)
		}
		if _, err := w.info(w.ctx); status.Code(err) != codes.Unavailable {
			t.Errorf("grpc: %v", err)
		}
		check(t, w.RPC.Admit())
		check(t, w.RPC.Admit())
		check(t, w.GRPC.Admit())
		check(t, errOf(w.rpc.Status(w.ctx)))
		check(t, errOf(w.info(w.ctx, grpc.WaitForReady(true))))
	}
	if _, _, err := s.conn.ReadMessage(); err == nil {
		t.Error("the websocket survived")
	}
}

func TestDoor_FreezesEverythingAndGoesOn(t *testing.T) {
	w := newWorld(t)
	s := w.subscribe()
	check(t, errOf(w.rpc.Status(w.ctx)))
	check(t, errOf(w.info(w.ctx)))
	w.RPC.Freeze()
	w.RPC.Freeze()
	w.GRPC.Freeze()
	if _, err := w.rpc.Status(w.short()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("rpc: %v", err)
	}
	if _, err := w.info(w.short()); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("grpc: %v", err)
	}
	w.node.push(1)
	ended := make(chan error, 2)
	go func() { ended <- errOf(w.rpc.Status(w.ctx)) }()
	go func() { ended <- errOf(w.info(w.ctx)) }()
	select {
	case err := <-ended:
		t.Errorf("a call ended in the frost: %v", err)
	case <-w.short().Done():
	}
	w.RPC.Thaw()
	w.RPC.Thaw()
	w.GRPC.Thaw()
	check(t, <-ended)
	check(t, <-ended)
	if got := s.heights(1); !slices.Equal(got, []int64{11}) {
		t.Errorf("the event held back is of block %d", got)
	}
}

func TestDoor_CutBreaksWhatIsThereOnly(t *testing.T) {
	w := newWorld(t)
	s := w.subscribe()
	check(t, errOf(w.info(w.ctx)))
	w.RPC.Cut()
	w.GRPC.Cut()
	if _, _, err := s.conn.ReadMessage(); err == nil {
		t.Error("the websocket survived")
	}
	w.subscribe()
	// A call that is on its way when the client notices fails.
	err := errOf(w.info(w.ctx, grpc.WaitForReady(true)))
	for status.Code(err) == codes.Unavailable {
		err = errOf(w.info(w.ctx, grpc.WaitForReady(true)))
	}
	check(t, err)
}
