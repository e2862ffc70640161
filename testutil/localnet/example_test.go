package localnet_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

// A network of two suppliers whose claims never need a proof.
func ExampleStart() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	network, err := localnet.Start(ctx, localnet.Config{
		BlockTime:        50 * time.Millisecond,
		Suppliers:        2,
		ProofProbability: new(0.0),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(network.Home) // a temporary directory
	defer network.Stop()
	if err := network.WaitForHeight(ctx, 3); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(network.ChainID, network.Services[0].ID)
	for _, supplier := range network.Suppliers {
		fmt.Println(supplier.KeyName, supplier.OperatorAddress)
	}
	// Output:
	// pocket-localnet anvil
	// supplier1 pokt17q4d6a4c9r542t94l76zkj4hntcn3ylpe2f7us
	// supplier2 pokt1stzr4rn4p2erjq5yycgq93l3lv3rf2lg4gv0v6
}
