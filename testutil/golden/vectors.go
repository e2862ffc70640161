package golden

import "encoding/hex"

// Hex is bytes with a known value, written as hexadecimal so that it can be a
// constant.
type Hex string

// Bytes returns a fresh copy of the bytes, nil if h is not hexadecimal.
func (h Hex) Bytes() []byte {
	bz, err := hex.DecodeString(string(h))
	if err != nil {
		return nil
	}
	return bz
}

// The id of a session: the lower-case hexadecimal SHA3-256 of the hash of the
// session's first block, service id, application address and start height (8
// bytes, little endian), joined by dots. x/session: GetSessionId.
const (
	SessionBlockHash   Hex   = "abababababababababababababababababababababababababababababababab"
	SessionServiceID         = "anvil"
	SessionApplication       = "pokt1mrqt5f7qh8uxs27cjm9t7v9e74a9vvdnq5jva4"
	SessionStartHeight int64 = 1
	SessionID                = "c1112e5a51ba0e68aa066173a1844e0433c4c57884e59cf1cdfaa6aecc8137d8"
)

// ProofPath is the path to be proven for a session of id SessionID when
// SessionBlockHash is the hash of the seed block: the SHA-256 of both.
const ProofPath Hex = "d4f59ec6e5438a116a63877657c72e5db264943275472ab907a9b33a40bec681"

// SeededFloat is a seed and the number from 0 to 1 that the chain derives from
// it, to be compared with x/proof's proof_request_probability.
type SeededFloat struct {
	// Seed is the concatenation of what the chain hashes.
	Seed []byte
	// Float is the first number of Go's math/rand generator whose seed is the
	// signed varint at the beginning of the SHA-256 of Seed.
	Float float64
}

// SeededFloats returns seeds with their numbers.
func SeededFloats() []SeededFloat {
	return []SeededFloat{
		{append(make([]byte, 32), SessionBlockHash.Bytes()...), 0.011662472074449145},
		{[]byte("helloworld"), 0.977636967519428},
	}
}

// The key that stands in the ring for the gateways of an application that has
// none: cosmos' secp256k1 key made from PlaceholderSecret. Its private half is
// known to everyone.
const (
	PlaceholderSecret         = "placeholder_ring_key_for_apps_without_gateways"
	PlaceholderPrivateKey Hex = "60c6cbe6b5011807d6486f351cbde6f964356df1d0bc1b04f8589cead5ab5206"
	PlaceholderPublicKey  Hex = "021066f293709356a33e9c13017867586baf52513e845bc4335233a15ed1e00baf"
)

// TrieWeight is the weight of each leaf of TrieLeaves.
const TrieWeight uint64 = 100

// TrieLeaf is a leaf of a sparse Merkle sum trie and the root after it.
type TrieLeaf struct {
	// Value is the leaf's value; its key is the SHA-256 of Value.
	Value string
	// Root is the trie's root once this leaf and those before it are in.
	Root Hex
}

// TrieLeaves returns leaves in the order of their insertion.
func TrieLeaves() []TrieLeaf {
	return []TrieLeaf{
		{"relay-0", "f56b96f291ee6cf96bcfbe62af9570972c16ac048cc134cfab0534721476fdb600000000000000640000000000000001"},
		{"relay-1", "635e00824a902d71454d2907765aef1a42279a85c220a440221e5a4b9c16bbfb00000000000000c80000000000000002"},
		{"relay-2", "e3a0bdc646fa235930608083409c8e4fb5f315d2cfd35096fd836095aba34de8000000000000012c0000000000000003"},
	}
}

// What the trie of all TrieLeaves proves for ProofPath: the leaf of
// TrieClosestValue, at TrieClosestPath. TrieProofSize is the size in bytes of
// the compact proof's encoding.
const (
	TrieClosestValue     = "relay-0"
	TrieClosestPath  Hex = "a7098ae6903dd7330f37323d99043fa485ea9bbe126d99bbffa0e5caa061277f"
	TrieProofSize        = 547
)

// A ring signature: RingSignature is valid for the SHA-256 of RingMessage and
// the ring of RingKeyA (the point 7·G) and RingKeyB (9·G), which signed.
const (
	RingMessage       = "msg"
	RingKeyA      Hex = "025cbdf0646e5db4eaa398f365f2ea7a0e3d419b7e0330e39ce92bddedcac4f9bc"
	RingKeyB      Hex = "03acd484e2f0c7f65309ad178a9f559abde09796974c57e714c35f110dfc27ccbe"
	RingSignature Hex = "00000002" +
		"8014615a3db40e23c3c7bf476f0c98d84076a45ecac5164b32140c93b735d0b9" +
		"03254321f5c6b45b97e92b642ab8043d7d514501fbc617858b4f07296b82305aa7" +
		"e14593ebcb9d2753019813d0d13eb07ea05f3b23cf230af1fa465c4e22265092" +
		"025cbdf0646e5db4eaa398f365f2ea7a0e3d419b7e0330e39ce92bddedcac4f9bc" +
		"b70b9dc01bf162f472853f89def3cde0a9f7de192e4beca8691dd5b30c9dec3b" +
		"03acd484e2f0c7f65309ad178a9f559abde09796974c57e714c35f110dfc27ccbe"
)
