package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/ring"
)

// benchFlags are the flags of the bench command.
type benchFlags struct {
	verify, relay, overload bool

	ring         []int
	applications int
	suppliers    int
	connections  int
	relays       int
	duration     time.Duration
	rate         string
	held         float64 // what rate says, if it is a number
	direct       int     // connections to the service alone
	answerBytes  int
	store        string
	durability   string
	cpuProfile   string
	json         bool
}

func newBenchCommand() *cobra.Command {
	var flags benchFlags
	cmd := &cobra.Command{
		Use:   "bench --verify | --relay | --overload",
		Short: "Measure what relays cost on this machine",
		Long: `Measure what relays cost on this machine. Nothing is needed: the chain is in memory,
the keys are made up, and the relay store is a directory that is removed afterwards.

--verify compares the verification of ring signatures with ring-go's, the chain's own: the
CPU time and the allocations to parse and verify one, for one signature over and over (hot),
without anything precomputed (cold), and for many applications in random order (mixed). Both
work in turns of some milliseconds; medians are compared.

--relay takes relays all the way: proxy, authenticator, meter, service, signature, miner,
sessions and the store on disk. The load generator and the service run in a process of
their own, so that the CPU time that is printed is the relay miner's. First as many relays
are answered as can be, then half as many per second on a fixed schedule: latencies count
from when a relay was due, unless it is the load generator that is late. The service alone
is measured with the same load, and before all that how long the machine stands still by
itself. At the end the sessions are claimed, proven and settled, and what was paid for is
compared with what was answered.

--overload does the same with 10,000 connections that all want an answer at once, and
try again after a while when they are told to.

What is printed goes by the machine and by what else it does. Ratios to ring-go, which is
measured in the same run, say more. An interrupt ends the measurement, and what was measured
until then is printed.`,
		Example: `  relayminer bench --verify
  relayminer bench --relay --connections 64 --duration 30s --store /var/lib/relayminer
  relayminer bench --relay --rate 1500 --duration 1m --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	f := cmd.Flags()
	f.BoolVar(&flags.verify, "verify", false, "measure the verification of ring signatures")
	f.BoolVar(&flags.relay, "relay", false, "measure whole relays")
	f.BoolVar(&flags.overload, "overload", false, "measure whole relays with far too many at once")
	f.IntSliceVar(&flags.ring, "ring", nil, "members of each ring (default 2; with --verify 2,3,4,5)")
	f.IntVar(&flags.applications, "applications", 0, "number of applications (default 20; with --verify 1000)")
	f.IntVar(&flags.suppliers, "suppliers", 1, "number of suppliers")
	f.IntVar(&flags.connections, "connections", 0, "connections that relays come on (default 32; with --overload 10000)")
	f.IntVar(&flags.relays, "relays", 0, "number of relays to send at most, in place of --duration")
	f.DurationVar(&flags.duration, "duration", 0, "time for each part of the measurement (default 10s; with --verify 1s for each line)")
	f.StringVar(&flags.rate, "rate", "half", "relays per second: max, half for max and then half of that, or a number")
	f.IntVar(&flags.answerBytes, "answer-bytes", 200, "size of the service's answers")
	f.StringVar(&flags.store, "store", "", "directory to make the relay store in (default that for temporary files)")
	f.StringVar(&flags.durability, "durability", "reply", "when a reply may leave, as in the configuration: reply or interval")
	f.StringVar(&flags.cpuProfile, "cpuprofile", "", "file to write a CPU profile of the relay miner at full load to")
	f.BoolVar(&flags.json, "json", false, "print one JSON object")
	cmd.MarkFlagsOneRequired("verify", "relay", "overload")
	cmd.MarkFlagsMutuallyExclusive("verify", "relay", "overload")
	cmd.MarkFlagsMutuallyExclusive("relays", "duration")
	cmd.AddCommand(newLoadCommand())
	return cmd
}

// setDefaults sets what was not said, and checks what was.
func (f *benchFlags) setDefaults() error {
	rings, applications, connections, duration := []int{2}, 20, 32, 10*time.Second
	switch {
	case f.verify:
		rings, applications, duration = []int{2, 3, 4, 5}, 1000, time.Second
	case f.overload:
		connections = 10_000
	}
	if len(f.ring) == 0 {
		f.ring = rings
	}
	f.applications = cmp.Or(f.applications, applications)
	f.connections = cmp.Or(f.connections, connections)
	f.duration = cmp.Or(f.duration, duration)
	switch {
	case slices.Min(f.ring) < 1 || slices.Max(f.ring) > ring.MaxMembers:
		return fmt.Errorf("--ring: rings have 1 to %d members", ring.MaxMembers)
	case !f.verify && (len(f.ring) != 1 || f.ring[0] < 2):
		return errors.New("--ring: name one size of 2 or more: the application and its gateways")
	case min(f.applications, f.suppliers, f.connections) < 1, f.relays < 0, f.duration < 0, f.answerBytes < 2:
		return errors.New("--applications, --suppliers, --connections, --relays, --duration and --answer-bytes must be positive")
	case f.rate == "max", f.rate == "half":
		return nil
	}
	var err error
	if f.held, err = strconv.ParseFloat(f.rate, 64); err != nil || !(f.held > 0) {
		return fmt.Errorf("--rate: %q is not max, half or a number of relays per second", f.rate)
	}
	return nil
}

func (f *benchFlags) run(cmd *cobra.Command) error {
	if err := f.setDefaults(); err != nil {
		return err
	}
	if f.verify {
		return f.runVerify(cmd.Context(), cmd.OutOrStdout())
	}
	return f.runRelay(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
}
