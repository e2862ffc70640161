package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// deathTime is what a signal has to end the process. The first process of a container is not
// ended by default.
const deathTime = time.Second

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. The next one ends
// the process, however soon it comes. The caller must call stop, after which signals have
// their default effect.
func untilSignal() (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	over, done := make(chan struct{}), make(chan struct{})
	go func() { // awaited by stop
		defer close(done)
		for _, take := range []func(os.Signal){func(os.Signal) { cancel() }, dieOf} {
			select {
			case s := <-signals:
				take(s)
			case <-over:
				return
			}
		}
	}()
	return ctx, sync.OnceFunc(func() {
		signal.Stop(signals)
		cancel()
		close(over)
		<-done
	})
}

// dieOf ends the process by the signal.
func dieOf(s os.Signal) {
	signal.Reset(s)
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(s) == nil {
		time.Sleep(deathTime)
	}
	os.Exit(1)
}
