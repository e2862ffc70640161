//go:build ethereum_secp256k1

package ring

// The build tag ethereum_secp256k1 selects a signature scheme that differs from
// the chain's. Build without it.
var _ = buildingWithTheTagEthereumSecp256k1IsNotSupported
