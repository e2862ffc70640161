package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/seed52205347/relayminer/pkg/bench"
	"github.com/seed52205347/relayminer/pkg/simchain"
)

// relayBench is a relay miner and the load on it.
type relayBench struct {
	flags    *benchFlags
	progress io.Writer
	chain    *simchain.Chain
	loader   *loadProcess
	miner    *simMiner
	address  string
	ringGo   []float64 // measurements so far, in microseconds

	// What came of all relays so far.
	answered, lost uint64
}

// relayReport is what bench --relay and --overload have measured.
type relayReport struct {
	Interrupted  bool   `json:"interrupted,omitempty"`
	Ring         int    `json:"ring"`
	Applications int    `json:"applications"`
	Suppliers    int    `json:"suppliers"`
	Durability   string `json:"durability"`
	AnswerBytes  int    `json:"answer_bytes"`

	// Stalls are those of the machine, before the relay miner had anything to do.
	Stalls bench.Stalls `json:"stalls"`

	RingGoMicros float64  `json:"ring_go_verify_cpu_us"`
	Phases       []*phase `json:"phases"`
	Settled      *settled `json:"settled,omitempty"`
	PeakRSS      int64    `json:"peak_rss_bytes"`
}

// settled compares what was answered, in all phases and before, with what became of it.
type settled struct {
	Answered uint64 `json:"answered"`
	Lost     uint64 `json:"replies_lost"` // the relay may have been served
	Stored   uint64 `json:"stored"`
	Claimed  uint64 `json:"claimed"`
	Paid     uint64 `json:"paid"`
	Sessions int    `json:"sessions"`
}

// complete says whether all that was answered was stored, claimed and paid, and nothing else but what
// may have been served.
func (s *settled) complete() bool {
	return s.Stored >= s.Answered && s.Stored <= s.Answered+s.Lost && s.Claimed == s.Stored && s.Paid == s.Claimed
}

const (
	// ringGoTime is for how long ring-go is measured each time.
	ringGoTime = time.Second
	// stallTime is for how long the machine is watched at most.
	stallTime = 3 * time.Second
	// settleTime bounds the time until all sessions are settled.
	settleTime = 2 * time.Minute
	// filesBeside is how many files are open beside connections.
	filesBeside = 500
)

// runRelay measures and prints what it has measured, also if it is interrupted.
func (f *benchFlags) runRelay(ctx context.Context, out, progress io.Writer) (err error) {
	if err := f.limitConnections(progress); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(f.store, "relayminer-bench-")
	if err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tuneRuntime() // as start does
	b := &relayBench{flags: f, progress: progress}
	b.chain = simchain.New(simchain.Options{Suppliers: f.suppliers, Applications: f.applications, Gateways: f.ring[0] - 1})
	defer b.chain.Close()
	if b.loader, err = startLoad(ctx, b.plan(), f.answerBytes, progress); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.loader.stop()) }()
	if err := b.start(ctx, dir); err != nil {
		return err
	}
	report := &relayReport{
		Ring: f.ring[0], Applications: f.applications, Suppliers: f.suppliers,
		Durability: f.durability, AnswerBytes: f.answerBytes,
	}
	err = b.measure(ctx, report)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		report.Interrupted, err = true, nil
	}
	b.finish(report)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err == nil {
		err = b.settle(stopping, report)
	}
	err = errors.Join(err, b.miner.Stop(stopping))
	if f.json {
		return errors.Join(err, printJSON(out, report))
	}
	return errors.Join(err, report.print(out))
}

// limitConnections makes room for the connections, or uses as many as there is room for.
func (f *benchFlags) limitConnections(progress io.Writer) error {
	allowed, err := bench.AllowFiles(uint64(2*f.connections + filesBeside))
	if err != nil {
		return err
	}
	files := int(min(allowed, math.MaxInt32)) - filesBeside
	if files < 1 {
		return fmt.Errorf("--connections: %d open files are allowed, which is too few (raise the limit, as with ulimit -n)", allowed)
	}
	// The load generator has both ends of connections to the service alone.
	f.direct = min(f.connections, max(1, files/2))
	// The relay miner has one with the client, and for a relay that is served one with the
	// service; when there are many connections most have to wait.
	possible := max(1, files/3*2)
	if possible >= f.connections {
		return nil
	}
	fmt.Fprintf(progress, "%d connections in place of %d: %d open files are allowed (raise the limit, as with ulimit -n)\n",
		possible, f.connections, allowed)
	f.connections = possible
	return nil
}

// plan has relays to all sessions of the newest block.
func (b *relayBench) plan() bench.Plan {
	plan := bench.Plan{Key: b.chain.Gateways[0].Key.Bytes()}
	for n, application := range b.chain.Applications {
		plan.Sessions = append(plan.Sessions, bench.PlannedSession{
			Header: b.chain.Header(application.Address, b.chain.Latest().Height), Ring: b.chain.Ring(n),
		})
	}
	for _, supplier := range b.chain.Suppliers {
		plan.Suppliers = append(plan.Suppliers, bench.PlannedSupplier{
			Address: supplier.Address, Key: supplier.Key.PubKey().Bytes(),
		})
	}
	return plan
}

// start starts the relay miner with its store in dir.
func (b *relayBench) start(ctx context.Context, dir string) (err error) {
	if b.address, err = freeAddress(ctx); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(b.progress, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b.miner, err = newSimMiner(b.chain, simConfig{
		StoreDir: filepath.Join(dir, "store"), RecordsDir: filepath.Join(dir, "records"),
		Durability: b.flags.durability, Address: b.address, Backend: "http://" + b.loader.Service(),
		Connections: b.flags.connections,
	}, log)
	if err != nil {
		return err
	}
	if err := b.miner.Start(ctx); err != nil {
		return errors.Join(err, b.miner.Stop(ctx))
	}
	return nil
}

// measure measures the machine, and the phases that the flags ask for.
func (b *relayBench) measure(ctx context.Context, report *relayReport) error {
	var err error
	if report.Stalls, err = bench.MeasureStalls(ctx, min(stallTime, b.flags.duration)); err != nil {
		return err
	}
	rate, err := b.warmUp(ctx)
	if err != nil {
		return err
	}
	held := b.flags.held
	if held == 0 {
		p, err := b.addPhase(ctx, report, "maximum", 0, rate)
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if b.flags.rate == "max" || b.flags.overload {
			return nil
		}
		held = p.RelaysPerSecond / 2
		_, err = b.addPhase(ctx, report, "half load", held, rate)
		return errors.Join(err, ctx.Err())
	}
	_, err = b.addPhase(ctx, report, "held load", held, rate)
	return errors.Join(err, ctx.Err())
}

// addPhase signs what a phase needs, measures it, and ring-go after it. A rate of 0 is as fast as
// possible, for which guess is a first idea of the rate.
func (b *relayBench) addPhase(ctx context.Context, report *relayReport, name string, rate, guess float64) (*phase, error) {
	run := bench.Run{
		Address: b.address, Connections: b.flags.connections, Rate: rate,
		Limit: b.flags.relays, Duration: b.flags.duration,
	}
	switch {
	case run.Limit > 0:
		run.Duration = 0
	case rate > 0:
		run.Limit = int(rate*run.Duration.Seconds()) + 1
	default: // the guess is of a relay miner that had just begun
		run.Limit = int(2*guess*run.Duration.Seconds()) + 2*run.Connections
	}
	if err := b.sign(ctx, run.Limit); err != nil {
		return nil, err
	}
	fmt.Fprintf(b.progress, "measuring: %s\n", name)
	p, err := b.measurePhase(ctx, name, run)
	if err != nil {
		return nil, err
	}
	b.count(p.Load)
	report.Phases = append(report.Phases, p)
	return p, b.measureRingGo(ctx)
}

// sign signs relays for the next phase. Those of an earlier one that were not sent are not counted.
func (b *relayBench) sign(ctx context.Context, n int) error {
	return b.loader.Sign(ctx, n, func(signed int) {
		if signed%10_000 == 0 {
			fmt.Fprintf(b.progress, "signed %d of %d relays\n", signed, n)
		}
	})
}
