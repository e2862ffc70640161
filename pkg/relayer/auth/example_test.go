package auth_test

import (
	"context"
	"errors"
	"fmt"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/ring"
)

func ExampleAuthenticator_VerifyRelayRequest() {
	w := newWorld()
	authenticator, err := auth.NewAuthenticator(
		depinject.Supply(w.chain, w.keys, ring.Reference{}),
		auth.WithServiceSuppliers("anvil", addressOf("supplier")),
	)
	if err != nil {
		fmt.Println(err)
		return
	}

	err = authenticator.VerifyRelayRequest(context.Background(), unsigned(), "anvil")
	fmt.Println(err)
	fmt.Println(errors.Is(err, relayer.ErrInvalidRequest))
	sent := relayer.RelayMinerError(err)
	fmt.Println(sent.Codespace, sent.Code)
	// Output:
	// invalid relay request: no signature
	// true
	// relay_authenticator 4
}
