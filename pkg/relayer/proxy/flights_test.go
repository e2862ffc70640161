package proxy

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestFlights_WaitEndsWithTheLastRelay(t *testing.T) {
	var f flights
	if err := f.wait(context.Background()); err != nil {
		t.Errorf("nothing in flight: %v", err)
	}
	first, second := f.begin(), f.begin()
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.wait(done); !errors.Is(err, context.Canceled) || f.number() != 2 {
		t.Errorf("error %v, %d in flight", err, f.number())
	}
	waited := make(chan error, 2)
	for range cap(waited) {
		go func() { waited <- f.wait(context.Background()) }() // awaited below
	}
	first()
	second()
	for range cap(waited) {
		select {
		case err := <-waited:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the wait does not end")
		}
	}
}
