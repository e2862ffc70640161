package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/seed52205347/relayminer/pkg/bench"
)

const (
	// warmUpRelays are sent before anything is measured: what depends on keys is
	// precomputed by then, the gateway's widest tables too.
	warmUpRelays = 6000
	// warmUpPerApplication does the same for each application.
	warmUpPerApplication = 25
	// warmUpConnections are used for that at most.
	warmUpConnections = 64
)

// warmUp sends relays that are not measured and returns how many were answered in a second.
// Then it measures ring-go for the first time.
func (b *relayBench) warmUp(ctx context.Context) (float64, error) {
	n := max(warmUpRelays, warmUpPerApplication*b.flags.applications)
	if b.flags.relays > 0 {
		n = min(n, b.flags.relays)
	}
	if err := b.sign(ctx, n); err != nil {
		return 0, err
	}
	fmt.Fprintln(b.progress, "warming up")
	warm, err := b.loader.Run(ctx, bench.Run{
		Address: b.address, Connections: min(b.flags.connections, warmUpConnections), Limit: n,
	})
	if err != nil {
		return 0, err
	}
	b.count(warm)
	if warm.Answered == 0 {
		return 0, fmt.Errorf("no relay was answered: refused %v, failed %v", warm.Refused, warm.Failed)
	}
	return warm.PerSecond(), b.measureRingGo(ctx)
}

// count adds up what came of relays.
func (b *relayBench) count(r *bench.Result) {
	b.answered += uint64(r.Answered)
	for _, n := range r.Failed {
		b.lost += uint64(n)
	}
}

// measureRingGo measures a verification by ring-go once more.
func (b *relayBench) measureRingGo(ctx context.Context) error {
	cpu, err := bench.MeasureReference(ctx, b.flags.ring[0], ringGoTime)
	if err != nil {
		return err
	}
	b.ringGo = append(b.ringGo, float64(cpu)/float64(time.Microsecond))
	return nil
}

// finish fills in what follows from all measurements.
func (b *relayBench) finish(report *relayReport) {
	report.RingGoMicros = bench.Median(b.ringGo)
	for _, p := range report.Phases {
		if report.RingGoMicros > 0 {
			p.Ratio = p.CPUMicros / report.RingGoMicros
		}
		report.PeakRSS = max(report.PeakRSS, p.PeakRSS)
	}
}

// settle lets all sessions end, be claimed, proven and settled, and compares.
func (b *relayBench) settle(ctx context.Context, report *relayReport) error {
	s := &settled{Answered: b.answered, Lost: b.lost}
	fmt.Fprintln(b.progress, "settling the sessions")
	if err := b.miner.settle(ctx); err != nil {
		return err
	}
	records, err := b.miner.Sessions()
	if err != nil {
		return err
	}
	for _, record := range records {
		stats, err := b.miner.store.Stats(record.Key())
		if err != nil {
			return err
		}
		s.Stored += stats.Leaves
		s.Claimed += record.Relays
	}
	s.Sessions, s.Paid = len(records), b.chain.Totals().Relays
	report.Settled = s
	if !s.complete() {
		return fmt.Errorf("relays were lost: %+v", *s)
	}
	return nil
}
