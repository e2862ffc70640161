package relayer

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/depinject"
)

// relayMiner joins the three parts of the contract.
type relayMiner struct {
	proxy    RelayerProxy
	miner    Miner
	sessions RelayerSessionsManager
}

// NewRelayMiner joins the parts found in deps into a relay miner: served relays
// flow from the proxy to the miner, mined relays from there to the sessions
// manager. Nothing runs before Start.
//
// Required dependencies:
//   - RelayerProxy
//   - Miner
//   - RelayerSessionsManager
//
// The error of a missing dependency names its type. Lookups made for relays are
// bounded by ctx, which must therefore outlive Stop.
func NewRelayMiner(ctx context.Context, deps depinject.Config) (*relayMiner, error) {
	rm := &relayMiner{}
	if err := depinject.Inject(deps, &rm.proxy, &rm.miner, &rm.sessions); err != nil {
		return nil, fmt.Errorf("relay miner: %w", err)
	}
	mined := rm.miner.MinedRelays(ctx, rm.proxy.ServedRelays())
	rm.sessions.InsertRelays(mined)
	return rm, nil
}

// Start resumes the sessions on disk and then begins to serve relays, in that
// order, so that no relay is served that could not be stored. It returns when
// every listen address is bound, or with the first error.
func (rm *relayMiner) Start(ctx context.Context) error {
	rm.sessions.Start(ctx)
	if err := rm.proxy.Start(ctx); err != nil {
		// The proxy has stopped what it had started; completing its stream is
		// what lets the sessions manager stop.
		stopErr := rm.proxy.Stop(ctx)
		rm.sessions.Stop()
		return errors.Join(err, stopErr)
	}
	return nil
}

// Stop refuses new relays, lets those in flight finish as long as ctx allows,
// waits until all of them are durable and parks the sessions for the next Start.
func (rm *relayMiner) Stop(ctx context.Context) error {
	err := rm.proxy.Stop(ctx)
	rm.sessions.Stop()
	return err
}
