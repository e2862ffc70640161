package meter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// The chain is that of the tests here: a stake of 1000 upokt, a relay costs 300.
func ExampleMeter_Reserve() {
	chain := newWorld(nil)
	meter, err := NewRelayMeter(depinject.Supply(&config.Config{}, chain, slog.New(slog.DiscardHandler)))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	for range 4 {
		reservation, err := meter.Reserve(ctx, headerAt(1), supplier, 300)
		if errors.Is(err, relayer.ErrRateLimited) {
			fmt.Println("refused")
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println("reserved") // the service is asked here
		reservation.Commit()
	}
	fmt.Println("stopped", meter.Stop(ctx))
	// Output:
	// reserved
	// reserved
	// reserved
	// refused
	// stopped <nil>
}
