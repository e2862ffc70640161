package relayer_test

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/depinject"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// exampleProxy serves one relay when it is started.
type exampleProxy struct {
	relayer.RelayerProxy // the rest of the contract is not used here

	served *observable.Source[*servicetypes.Relay]
}

func (p exampleProxy) ServedRelays() relayer.RelaysObservable { return p.served }

func (p exampleProxy) Start(ctx context.Context) error {
	return p.served.Publish(ctx, &servicetypes.Relay{Req: &servicetypes.RelayRequest{Payload: []byte("eth_blockNumber")}})
}

func (p exampleProxy) Stop(context.Context) error {
	p.served.Close()
	return nil
}

// exampleMiner takes every relay.
type exampleMiner struct{}

func (exampleMiner) MinedRelays(ctx context.Context, served relayer.RelaysObservable) relayer.MinedRelaysObservable {
	return observable.Map(served, func(_ context.Context, relay *servicetypes.Relay) (*relayer.MinedRelay, error) {
		return &relayer.MinedRelay{Served: relay}, nil
	}, observable.WithContext(ctx))
}

// exampleSessions prints what it is to insert.
type exampleSessions struct{ done <-chan struct{} }

func (s *exampleSessions) InsertRelays(mined relayer.MinedRelaysObservable) {
	s.done = observable.ForEach(mined, func(_ context.Context, m *relayer.MinedRelay) error {
		fmt.Printf("insert %s\n", m.Served.Req.Payload)
		return nil
	})
}

func (s *exampleSessions) Start(context.Context) { fmt.Println("sessions are resumed") }

func (s *exampleSessions) Stop() {
	<-s.done
	fmt.Println("sessions are parked")
}

func ExampleNewRelayMiner() {
	ctx := context.Background()
	proxy := exampleProxy{served: observable.NewSource[*servicetypes.Relay]()}
	relayMiner, err := relayer.NewRelayMiner(ctx, depinject.Supply(proxy, exampleMiner{}, &exampleSessions{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := relayMiner.Start(ctx); err != nil {
		fmt.Println(err)
	}
	if err := relayMiner.Stop(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// sessions are resumed
	// insert eth_blockNumber
	// sessions are parked
}

func ExampleRelayMinerError() {
	refusal := relayer.ErrRateLimited.Wrapf("application %s", "pokt1app")
	fmt.Println(errors.Is(refusal, relayer.ErrRateLimited))
	fmt.Println(relayer.RelayMinerError(refusal).Message)
	fmt.Println(relayer.RelayMinerError(errors.New("open /var/lib/store: permission denied")).Message)
	// Output:
	// true
	// rate limited: application pokt1app
	// internal error
}
