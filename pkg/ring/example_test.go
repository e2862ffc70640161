package ring_test

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/seed52205347/relayminer/pkg/ring"
)

// A gateway signs for an application that delegates to it.
func Example() {
	application, gateway := publicKey(7), publicKey(9)
	signer, err := ring.NewSigner(privateKey(9), [][]byte{application, gateway})
	if err != nil {
		fmt.Println(err)
		return
	}
	message := sha256.Sum256([]byte("a relay request"))
	bz, err := signer.Sign(message)
	if err != nil {
		fmt.Println(err)
		return
	}

	signature, err := ring.Parse(bz)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(bz), "bytes, ring of", signature.Size())
	fmt.Println(ring.Reference{}.Verify(message, signature))
	fmt.Println(ring.Reference{}.Verify(sha256.Sum256([]byte("another")), signature))
	// Output:
	// 199 bytes, ring of 2
	// <nil>
	// ring signature does not verify
}

// A relay miner verifies requests whose members it has looked up on chain.
func ExampleVerifier() {
	verifier, err := ring.NewVerifier(
		ring.WithListedMembers(),
		ring.OnDisagreement(func(d ring.Disagreement) { fmt.Println("ring-go says", d.Reference) }),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer verifier.Close(context.Background())

	signer, err := ring.NewSigner(privateKey(9), [][]byte{publicKey(7), publicKey(9)})
	if err != nil {
		fmt.Println(err)
		return
	}
	message := sha256.Sum256([]byte("a relay request"))
	bz, err := signer.Sign(message)
	if err != nil {
		fmt.Println(err)
		return
	}
	signature, err := ring.Parse(bz)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(verifier.Verify(message, signature))
	fmt.Println(verifier.Verify(sha256.Sum256([]byte("another")), signature))
	fmt.Println("kept:", verifier.Stats().CachedKeys)
	// Output:
	// <nil>
	// ring signature does not verify
	// kept: 3
}
