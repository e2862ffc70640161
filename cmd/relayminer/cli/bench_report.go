package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/seed52205347/relayminer/pkg/bench"
)

// print prints the report as text.
func (r *relayReport) print(out io.Writer) error {
	if r.Interrupted {
		fmt.Fprintln(out, "interrupted: this is what was measured until then")
	}
	fmt.Fprintf(out, "ring of %d, %s, %s, answers of %d bytes, durability %s\n", r.Ring,
		counted(uint64(r.Applications), "application", "applications"),
		counted(uint64(r.Suppliers), "supplier", "suppliers"), r.AnswerBytes, r.Durability)
	if r.RingGoMicros > 0 {
		fmt.Fprintf(out, "ring-go verifies such a ring in %.0f us of CPU time\n", r.RingGoMicros)
	}
	if s := r.Stalls; s.Cores > 0 {
		fmt.Fprintf(out, "the machine's cores stood still for %.2f%% of the time: in %s %s for a millisecond or longer, %.1f ms at most\n",
			100*s.Share(), s.Time.Round(time.Millisecond), counted(uint64(s.Number), "time", "times"), s.Max.Seconds()*1e3)
	}
	for _, p := range r.Phases {
		if err := p.print(out); err != nil {
			return err
		}
	}
	if s := r.Settled; s != nil {
		fmt.Fprintf(out, "\nin all %d relays answered, %d replies lost: %d stored, %d claimed, %d paid, in %s\n",
			s.Answered, s.Lost, s.Stored, s.Claimed, s.Paid, counted(uint64(s.Sessions), "session", "sessions"))
	}
	if r.PeakRSS > 0 {
		fmt.Fprintf(out, "peak of %s resident\n", humanBytes(uint64(r.PeakRSS)))
	}
	return nil
}

// print prints the phase as text.
func (p *phase) print(out io.Writer) error {
	offered := "as fast as replies come"
	if p.Rate > 0 {
		offered = fmt.Sprintf("%.0f relays/s due", p.Rate)
	}
	fmt.Fprintf(out, "\n%s: %s, %s\n", p.Name, offered, counted(uint64(p.Load.Connections), "connection", "connections"))
	fmt.Fprintf(out, "  %d relays answered of %d sent in %s: %.0f relays/s; %s checked\n", p.Load.Answered, p.Load.Sent,
		p.Load.Elapsed.Round(time.Millisecond), p.RelaysPerSecond, counted(uint64(p.Load.Checked), "signature", "signatures"))
	if err := p.latencies().write(out, "  "); err != nil {
		return err
	}
	printCounts(out, "refused", p.Load.Refused)
	printCounts(out, "failed", p.Load.Failed)
	fmt.Fprintf(out, "  relay miner: %.0f us of CPU per relay, %.2f of a verification by ring-go; %.0f allocations, %s\n",
		p.CPUMicros, p.Ratio, p.Allocs, humanBytes(uint64(p.AllocBytes)))
	fmt.Fprintf(out, "  load generator and service: %.0f us of CPU per relay\n", p.LoadCPUMicros)
	fmt.Fprintf(out, "  from publishing a relay until it is durable: %.0f us on average\n", p.StoreWaitMicros)
	steps := table{columns: []column{{title: "CPU by step (of profile samples)"}, {title: "share", right: true}, {title: "us", right: true}}}
	for _, s := range p.Steps {
		steps.add(s.Step, fmt.Sprintf("%.1f%%", 100*s.Share), fmt.Sprintf("%.0f", s.Share*p.CPUMicros))
	}
	return steps.write(out, "  ")
}

// latencies is the table of what replies took.
func (p *phase) latencies() *table {
	t := &table{columns: []column{{title: "latency"}, {title: "mean", right: true}, {title: "p50", right: true},
		{title: "p99", right: true}, {title: "p99.9", right: true}, {title: "max", right: true}}}
	millis := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }
	add := func(name string, l bench.Latencies) {
		t.add(name, millis(l.Mean), millis(l.P50), millis(l.P99), millis(l.P999), millis(l.Max))
	}
	relays, alone := p.Load.Answers, p.Direct.Answers
	add("relays", relays)
	add("service alone", alone)
	t.add("added", millis(relays.Mean-alone.Mean), millis(relays.P50-alone.P50),
		millis(relays.P99-alone.P99), millis(relays.P999-alone.P999), none)
	if p.Load.Refusals.Count > 0 {
		add("refusals", p.Load.Refusals)
	}
	if p.Load.Late.Count > 0 {
		add("load generator late", p.Load.Late)
	}
	return t
}

func printCounts(out io.Writer, what string, counts map[string]int) {
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "  %s %d: %s\n", what, counts[reason], reason)
	}
}
