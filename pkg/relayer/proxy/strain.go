package proxy

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

const (
	// strainEvery is the least time between two measurements.
	strainEvery = 10 * time.Millisecond
	// maxStrain is how long what has arrived may wait to be read. A relay waits as
	// long for its request and for the service's answer, and its client then waits
	// as long again.
	maxStrain = 50 * time.Millisecond
	// calmPerCore is how many relays for each core can be in flight without being the
	// cause of strain.
	calmPerCore = 64
)

// strain measures how long what has arrived at a socket waits until a goroutine reads it.
// That grows with each connection when requests come faster than they can be
// answered, and nothing else shows it: those that wait are not known to anyone yet.
// The zero value is not strained.
type strain struct {
	sent atomic.Int64 // when what is on its way was sent, in nanoseconds; 0 for nothing
	// lasted is the shorter of the last two waits: a machine can stand still for a moment.
	lasted atomic.Int64
	last   time.Duration
}

// watch measures until ctx ends: it sends to itself, through what waits for all sockets.
// What is not measured any more is no strain.
func (s *strain) watch(ctx context.Context) error {
	defer s.forget()
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	group := async.NewGroup(ctx)
	err = group.Go("receive", func(context.Context) error { return s.receive(reader) })
	if err == nil {
		err = s.send(ctx, writer)
	}
	return errors.Join(err, writer.Close(), group.Wait(context.WithoutCancel(ctx)), group.Err(), reader.Close())
}

// forget makes s what it was before anything was measured.
func (s *strain) forget() {
	s.sent.Store(0)
	s.lasted.Store(0)
	s.last = 0
}

// send sends one byte after the other until ctx ends, each when the last one has arrived.
func (s *strain) send(ctx context.Context, writer *os.File) error {
	tick := time.NewTicker(strainEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if s.sent.Load() != 0 {
				continue
			}
			s.sent.Store(time.Now().UnixNano())
			if _, err := writer.Write([]byte{0}); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// receive notes how long each byte was on its way, until there are no more.
func (s *strain) receive(reader *os.File) error {
	for {
		if _, err := reader.Read(make([]byte, 1)); err != nil {
			return nil // closed
		}
		s.note(time.Duration(time.Now().UnixNano() - s.sent.Swap(0)))
	}
}

// note takes up how long something has waited.
func (s *strain) note(wait time.Duration) {
	s.lasted.Store(int64(min(wait, s.last)))
	s.last = wait
}

// tooMuch returns how long what arrives waits, if that is too long and as many relays
// in flight can be the cause.
func (s *strain) tooMuch(inFlight int) (time.Duration, bool) {
	if inFlight <= calmPerCore*async.Cores() {
		return 0, false
	}
	wait := time.Duration(s.lasted.Load())
	if sent := s.sent.Load(); sent != 0 {
		wait = max(wait, time.Duration(time.Now().UnixNano()-sent)/2)
	}
	return wait, wait > maxStrain
}
