package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

// leastWindow is the shortest claim and proof window, in blocks, in which a
// relay miner has time for anything between faults.
const leastWindow = 10

// chaosOptions are the flags of the chaos command.
type chaosOptions struct {
	start    startOptions
	sessions int
	duration time.Duration
	window   uint64 // blocks
	rate     int
	seed     uint64
	json     bool
}

func newChaosCommand() *cobra.Command {
	var options chaosOptions
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Let everything go wrong around a relay miner and see that nothing is lost",
		Long: `Run a chain, and a relay miner in a process of its own that reaches the node
through a proxy. Send signed relays all the time, and meanwhile, in an order that
follows from the seed, kill the relay miner with SIGKILL, restart the node, refuse
and freeze connections to it, lose, swallow, fail and delay calls, and slow disk
and service down. When as many sessions as wanted have answered relays (a session
counts once for each supplier), wait until all claims are settled.

What is promised holds for trouble that leaves time: a fault that can keep a claim
or proof from the chain lasts at most a fifth of a claim or proof window, the
start after a kill comes on top, and is followed by as much calm. A relay miner
that is down for a whole window loses by rights.

The table at the end counts sessions and relays by the states that they have been
in. The exit status is 0 only if every relay that a client was answered was
claimed, every proof that the chain asked for was judged valid, every claim was
settled, and none expired or was slashed. The schedule of the same seed is the
same; where it meets the relay miner depends on the machine.`,
		Example: `  localnet chaos --sessions 200 --suppliers 5
  localnet chaos --sessions 0 --duration 1h --seed 7 --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return options.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	options.start.register(cmd)
	flags := cmd.Flags()
	for name, value := range map[string]string{
		"suppliers": "5", "applications": "4", "block-time": "1s", "blocks-per-session": "8",
		"log-level": "off", // the node complains of connections that break
	} {
		preset(flags, name, value)
	}
	flags.IntVar(&options.sessions, "sessions", 200, "number of sessions in which relays are to be answered; 0 for as many as --duration allows")
	flags.DurationVar(&options.duration, "duration", 15*time.Minute, "time for which relays are sent at most; 0 for no limit")
	flags.Uint64Var(&options.window, "window", 16, "length of claim and proof window in blocks")
	flags.IntVar(&options.rate, "rate", 40, "number of relays sent in a second")
	flags.Uint64Var(&options.seed, "seed", 0, "seed of the schedule of faults (default a random one)")
	flags.BoolVar(&options.json, "json", false, "print one JSON object at the end instead of a table")
	return cmd
}

// check returns an error that names the flag whose value cannot be had.
func (o *chaosOptions) check() error {
	switch {
	case o.sessions < 0:
		return fmt.Errorf("--sessions: %d is negative", o.sessions)
	case o.duration < 0:
		return fmt.Errorf("--duration: %s is negative", o.duration)
	case o.sessions == 0 && o.duration == 0:
		return errors.New("--sessions: without a number there must be a --duration")
	case o.window < leastWindow || o.window > 1000:
		return fmt.Errorf("--window: %d is not between %d and 1000", o.window, leastWindow)
	case o.rate < 1 || o.rate > 1000:
		return fmt.Errorf("--rate: %d is not between 1 and 1000", o.rate)
	}
	return nil
}

func (o *chaosOptions) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	config, err := o.start.complete(stderr)
	if err != nil {
		return err
	}
	config.Genesis.Shared = func(params *sharedtypes.Params) {
		params.ClaimWindowCloseOffsetBlocks = o.window
		params.ProofWindowCloseOffsetBlocks = o.window
	}
	temporary := config.Home == ""
	network, err := localnet.Start(ctx, config)
	if err != nil {
		return nameFlag(err)
	}
	defer func() {
		stopErr := network.Stop()
		if err = errors.Join(err, stopErr); err == nil && temporary {
			err = os.RemoveAll(network.Home)
		}
	}()
	c, err := o.newChaos(ctx, network, stderr)
	if err != nil {
		return err
	}
	c.say("seed %d", c.seed)
	runErr := c.run(ctx)
	report := c.report()
	if err := o.print(stdout, report); err != nil {
		return err
	}
	if err := errors.Join(runErr, report.verdict()); err != nil {
		c.say("what the relay miner logged and stored stays in %s", network.Home)
		return err
	}
	return nil
}

// newChaos prepares a run on the network.
func (o *chaosOptions) newChaos(ctx context.Context, network *localnet.Network, progress io.Writer) (*chaos, error) {
	lifetime, err := sessionLifetime(ctx, network)
	if err != nil {
		return nil, err
	}
	seed := o.seed
	if seed == 0 {
		seed = uint64(rand.Uint32())
	}
	return &chaos{
		seed:         seed,
		sessions:     o.sessions,
		duration:     o.duration,
		rate:         o.rate,
		window:       time.Duration(o.window) * o.start.config.BlockTime,
		backendDelay: o.start.config.BackendDelay,
		network:      network,
		tally:        newTally(io.Discard, o.sessions, lifetime),
		began:        time.Now(),
		progress:     progress,
		faults:       make(map[faultKind]int),
		refusals:     make(map[string]int),
		problems:     []string{}, // in JSON an empty list
	}, nil
}

func (o *chaosOptions) print(out io.Writer, r *chaosReport) error {
	if o.json {
		return json.NewEncoder(out).Encode(r)
	}
	return r.writeTable(out)
}
