package golden_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/binary"
	"encoding/hex"
	"math/rand"
	"slices"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	ring "github.com/pokt-network/ring-go"
	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"

	"github.com/seed52205347/relayminer/testutil/golden"
)

func TestVectors_SessionID(t *testing.T) {
	preimage := bytes.Join([][]byte{
		golden.SessionBlockHash.Bytes(),
		[]byte(golden.SessionServiceID),
		[]byte(golden.SessionApplication),
		binary.LittleEndian.AppendUint64(nil, uint64(golden.SessionStartHeight)),
	}, []byte("."))
	sum := sha3.Sum256(preimage)
	if got := hex.EncodeToString(sum[:]); got != golden.SessionID {
		t.Errorf("got %s, want %s", got, golden.SessionID)
	}
}

func TestVectors_ProofPath(t *testing.T) {
	got := sha256.Sum256(slices.Concat(golden.SessionBlockHash.Bytes(), []byte(golden.SessionID)))
	if !bytes.Equal(got[:], golden.ProofPath.Bytes()) {
		t.Errorf("got %x, want %s", got, golden.ProofPath)
	}
}

func TestVectors_SeededFloats(t *testing.T) {
	for _, v := range golden.SeededFloats() {
		sum := sha256.Sum256(v.Seed)
		seed, _ := binary.Varint(sum[:])
		if got := rand.New(rand.NewSource(seed)).Float64(); got != v.Float {
			t.Errorf("seed %x: got %v, want %v", v.Seed, got, v.Float)
		}
	}
}

func TestVectors_PlaceholderKey(t *testing.T) {
	key := secp256k1.GenPrivKeyFromSecret([]byte(golden.PlaceholderSecret))
	if !bytes.Equal(key.Key, golden.PlaceholderPrivateKey.Bytes()) {
		t.Errorf("private key %x, want %s", key.Key, golden.PlaceholderPrivateKey)
	}
	if got := key.PubKey().Bytes(); !bytes.Equal(got, golden.PlaceholderPublicKey.Bytes()) {
		t.Errorf("public key %x, want %s", got, golden.PlaceholderPublicKey)
	}
}

func TestVectors_TrieRootsAndProof(t *testing.T) {
	trie := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	for _, leaf := range golden.TrieLeaves() {
		key := sha256.Sum256([]byte(leaf.Value))
		if err := trie.Update(key[:], slices.Clip([]byte(leaf.Value)), golden.TrieWeight); err != nil {
			t.Fatal(err)
		}
		if got := trie.Root(); !bytes.Equal(got, leaf.Root.Bytes()) {
			t.Errorf("root with %s is %x, want %s", leaf.Value, got, leaf.Root)
		}
	}

	proof, err := trie.ProveClosest(golden.ProofPath.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(proof.ClosestPath, golden.TrieClosestPath.Bytes()) {
		t.Errorf("closest leaf is at %x, want %s", proof.ClosestPath, golden.TrieClosestPath)
	}
	if !bytes.HasPrefix(proof.ClosestValueHash, []byte(golden.TrieClosestValue)) {
		t.Errorf("closest leaf is %q, want %q", proof.ClosestValueHash, golden.TrieClosestValue)
	}
	compact, err := smt.CompactClosestProof(proof, trie.Spec())
	if err != nil {
		t.Fatal(err)
	}
	bz, err := compact.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if len(bz) != golden.TrieProofSize {
		t.Errorf("proof has %d bytes, want %d", len(bz), golden.TrieProofSize)
	}
}

func TestVectors_RingSignature(t *testing.T) {
	curve := ring.Secp256k1()
	for factor, key := range map[uint32]golden.Hex{7: golden.RingKeyA, 9: golden.RingKeyB} {
		if got := curve.ScalarBaseMul(curve.ScalarFromInt(factor)).Encode(); !bytes.Equal(got, key.Bytes()) {
			t.Errorf("%d·G is %x, want %s", factor, got, key)
		}
	}

	var sig ring.RingSig
	if err := sig.Deserialize(curve, golden.RingSignature.Bytes()); err != nil {
		t.Fatal(err)
	}
	for i, key := range []golden.Hex{golden.RingKeyA, golden.RingKeyB} {
		if got := sig.PublicKeys()[i].Encode(); !bytes.Equal(got, key.Bytes()) {
			t.Errorf("member %d is %x, want %s", i, got, key)
		}
	}
	if !sig.Verify(sha256.Sum256([]byte(golden.RingMessage))) {
		t.Error("the signature is not valid")
	}
	if sig.Verify(sha256.Sum256([]byte("another"))) {
		t.Error("the signature is valid for another message too")
	}
}

func TestHex_OfOtherTextIsNil(t *testing.T) {
	for _, h := range []golden.Hex{"0", "zz", "relay-0"} {
		if got := h.Bytes(); got != nil {
			t.Errorf("%q is %x", h, got)
		}
	}
}
