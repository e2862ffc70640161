package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/bench"
)

// phase is one part of a measurement: what the relay miner did under one load. Times are
// those of one relay unless they say otherwise.
type phase struct {
	Name   string        `json:"name"`
	Rate   float64       `json:"offered_per_second,omitempty"` // 0: as fast as replies come
	Load   *bench.Result `json:"load"`
	Direct *bench.Result `json:"service_alone"` // the same load without the relay miner

	RelaysPerSecond float64 `json:"relays_per_second"`
	CPUMicros       float64 `json:"cpu_us_per_relay"`      // of the relay miner
	LoadCPUMicros   float64 `json:"load_cpu_us_per_relay"` // of load generator and service
	Allocs          float64 `json:"allocs_per_relay"`
	AllocBytes      float64 `json:"alloc_bytes_per_relay"`
	StoreWaitMicros float64 `json:"store_wait_us"` // mean, from publishing a relay to its receipt
	PeakRSS         int64   `json:"peak_rss_bytes"`

	// Ratio is the CPU time of a relay to that of a verification by ring-go.
	Ratio float64       `json:"ratio_to_ring_go"`
	Steps []bench.Share `json:"cpu_by_step"`
}

// directTime is for how long the service alone is measured.
const directTime = 2 * time.Second

// measurePhase applies the load to the service alone, then to the relay miner. If ctx ends
// meanwhile the phase is of what was sent until then, and if it ends before, the error is its.
func (b *relayBench) measurePhase(ctx context.Context, name string, run bench.Run) (*phase, error) {
	p := &phase{Name: name, Rate: run.Rate}
	direct := run
	direct.Address, direct.Direct, direct.Connections = b.loader.Service(), true, b.flags.direct
	if direct.Duration == 0 || direct.Duration > directTime {
		direct.Duration = directTime
	}
	var err error
	if p.Direct, err = b.loader.Run(ctx, direct); err != nil {
		return nil, err
	}
	runtime.GC() // what was measured before leaves nothing behind
	before, err := bench.ReadUsage()
	if err != nil {
		return nil, err
	}
	waiting := watchReceipts(b.miner)
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		return nil, errors.Join(err, waiting.stop())
	}
	p.Load, err = b.loader.Run(ctx, run)
	pprof.StopCPUProfile()
	after, usageErr := bench.ReadUsage()
	if err := errors.Join(err, usageErr, waiting.stop()); err != nil {
		return nil, err
	}
	if p.Load.Answered == 0 {
		return p, nil
	}
	p.take(after.Since(before), waiting.mean())
	if b.flags.cpuProfile != "" && run.Rate == 0 {
		if err := os.WriteFile(b.flags.cpuProfile, profile.Bytes(), 0o644); err != nil {
			return nil, err
		}
	}
	p.Steps, err = bench.Split(profile.Bytes(), relaySteps())
	return p, err
}

// take takes up what was used, and how many relays waited for the store at a time.
func (p *phase) take(used bench.Usage, waiting float64) {
	n := float64(p.Load.Answered)
	micros := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) / n }
	p.RelaysPerSecond = p.Load.PerSecond()
	p.CPUMicros, p.LoadCPUMicros = micros(used.CPU), micros(p.Load.CPU)
	p.Allocs, p.AllocBytes = float64(used.Objects)/n, float64(used.Bytes)/n
	p.PeakRSS = used.PeakRSS
	if p.RelaysPerSecond > 0 { // Little's law
		p.StoreWaitMicros = waiting / p.RelaysPerSecond * 1e6
	}
}

// receiptWatch looks now and then how many relays wait to be stored.
type receiptWatch struct {
	group        *async.Group
	looks, found int
}

// watchEvery is the time between two looks.
const watchEvery = 5 * time.Millisecond

func watchReceipts(m *simMiner) *receiptWatch {
	w := &receiptWatch{group: async.NewGroup(context.Background())}
	// A new group takes every goroutine.
	_ = w.group.Go("watch receipts", func(ctx context.Context) error {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if pending := m.receipts.Pending(); pending > 0 || w.found > 0 { // relays have begun to come
					w.looks++
					w.found += pending
				}
			case <-ctx.Done():
				return nil
			}
		}
	})
	return w
}

func (w *receiptWatch) stop() error { return w.group.Stop(context.Background()) }

// mean returns the mean of what was found. The watch must be stopped.
func (w *receiptWatch) mean() float64 {
	if w.looks == 0 {
		return 0
	}
	return float64(w.found) / float64(w.looks)
}
