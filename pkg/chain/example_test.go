package chain_test

import (
	"errors"
	"fmt"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// Loaded keys show names and addresses; what signs stays inside.
func ExampleLoadKeys() {
	chain.SetBech32Prefixes()
	keyring, err := chain.OpenKeyring("memory", "", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	const mnemonic = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
	if _, err := keyring.NewAccount("supplier1", mnemonic, "", "m/44'/118'/0'/0/0", hd.Secp256k1); err != nil {
		fmt.Println(err)
		return
	}
	keys, err := chain.LoadKeys(keyring, []string{"supplier1"})
	fmt.Println(keys, err)
	_, err = chain.LoadKeys(keyring, []string{"supplier2"})
	fmt.Println(err)
	// Output:
	// keys[supplier1=pokt19rl4cm2hmr8afy4kldpxz3fka4jguq0apxjfrd] <nil>
	// keyring backend "memory" in "" has the keys "supplier1": key not found in keyring: "supplier2"
}

// A refusal is told by its code, whatever words come with it.
func ExampleRefusal() {
	var err error = &chain.Refusal{Codespace: "sdk", Code: 13, Log: "got: 1upokt required: 20upokt"}
	fmt.Println(errors.Is(err, sdkerrors.ErrInsufficientFee))
	fmt.Println(err)
	// Output:
	// true
	// refused with sdk/13: got: 1upokt required: 20upokt
}
