package tx

import (
	"context"
	"fmt"
	"log/slog"
)

// A message is submitted with its deadline and with how to see whether it is in
// force; the outcome arrives once.
func ExampleSubmitter_Submit() {
	node := newFakeChain() // stands for a *chain.Node and its *chain.BlockDriver
	submitter, err := NewSubmitter(node, node, testKey, Options{
		GasPrices: "0.001upokt",
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer submitter.Stop(context.Background())

	submission, ledger := node.submission(1, 10)
	outcome, err := submitter.Submit(context.Background(), submission)
	if err != nil {
		fmt.Println(err)
		return
	}
	node.untilSent() // and then the next block comes, and includes it
	node.next()
	fmt.Println((<-outcome).State)
	for _, attempt := range ledger.all() {
		fmt.Println(attempt.Messages, "message,", attempt.FeeUpokt, "upokt, until height", attempt.TimeoutHeight)
	}
	// Output:
	// in_force
	// 1 message, 2 upokt, until height 8
}
