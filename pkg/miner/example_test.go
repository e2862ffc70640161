package miner_test

import (
	"context"
	"fmt"
	"log/slog"

	"cosmossdk.io/depinject"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/miner"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/testutil/golden"
)

func ExampleNewMiner() {
	chain := &services{target: baseTarget(), units: 42}
	m, err := miner.NewMiner(depinject.Supply(chain, &relayer.Receipts{}, slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	served := observable.NewSource[*servicetypes.Relay]()
	done := observable.ForEach(m.MinedRelays(context.Background(), served),
		func(_ context.Context, mined *relayer.MinedRelay) error {
			fmt.Printf("leaf of %d bytes, %d compute units\n", len(mined.Bytes), mined.ComputeUnits)
			return nil
		})

	sessions, err := golden.Sessions()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, relay := range sessions[1].Relays {
		if err := served.Publish(context.Background(), &servicetypes.Relay{Req: relay.Request, Res: relay.Response}); err != nil {
			fmt.Println(err)
		}
	}
	served.Close()
	<-done
	// Output:
	// leaf of 801 bytes, 42 compute units
	// leaf of 801 bytes, 42 compute units
}
