package golden_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"reflect"
	"slices"
	"testing"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/bech32"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	ring "github.com/pokt-network/ring-go"
	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"

	"github.com/seed52205347/relayminer/testutil/golden"
)

// TestMain sets the chain's address prefixes, by which the types of the chain
// tell a valid address.
func TestMain(m *testing.M) {
	cosmostypes.GetConfig().SetBech32PrefixForAccount("pokt", "poktpub")
	os.Exit(m.Run())
}

// eachSession runs check for every recording.
func eachSession(t *testing.T, check func(t *testing.T, s *golden.Session)) {
	t.Helper()
	sessions, err := golden.Sessions()
	if err != nil {
		t.Fatal(err)
	}
	if len(sessions) != 4 {
		t.Fatalf("there are %d recordings, want 4", len(sessions))
	}
	for _, s := range sessions {
		t.Run(s.Name, func(t *testing.T) { check(t, s) })
	}
}

func TestSessions_AreOrderedByRelays(t *testing.T) {
	var relays []int
	eachSession(t, func(_ *testing.T, s *golden.Session) { relays = append(relays, len(s.Relays)) })
	if !slices.Equal(relays, []int{1, 2, 3, 57}) {
		t.Errorf("got %v", relays)
	}
}

func TestSessions_EveryFieldIsSet(t *testing.T) {
	eachSession(t, func(t *testing.T, s *golden.Session) {
		for _, v := range []any{*s, *s.Header} {
			fields := reflect.ValueOf(v)
			for i := range fields.NumField() {
				if fields.Field(i).IsZero() {
					t.Errorf("%s of %T is not set", fields.Type().Field(i).Name, v)
				}
			}
		}
		if err := s.Header.ValidateBasic(); err != nil {
			t.Error(err)
		}
		if s.ProofVerdict != "valid" {
			t.Errorf("proof was judged %q", s.ProofVerdict)
		}
		heights := []int64{
			s.Header.SessionStartBlockHeight, s.Header.SessionEndBlockHeight, s.ClaimHeight,
			s.ProofSeedHeight, s.ClaimTimeoutHeight, s.ProofHeight,
		}
		if !slices.IsSorted(heights) {
			t.Errorf("heights are not in the order of a session's life: %v", heights)
		}
	})
}

func TestSessions_AddressesAreThoseOfTheKeys(t *testing.T) {
	eachSession(t, func(t *testing.T, s *golden.Session) {
		for address, key := range map[string]interface{ Bytes() []byte }{
			s.Header.ApplicationAddress: s.Application.Address(),
			s.SupplierOperatorAddress:   s.Supplier.Address(),
		} {
			want, err := bech32.ConvertAndEncode("pokt", key.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if address != want {
				t.Errorf("address %s, want %s", address, want)
			}
		}
	})
}

func TestSessions_RelaysBelongToTheSession(t *testing.T) {
	eachSession(t, func(t *testing.T, s *golden.Session) {
		for i, r := range s.Relays {
			if err := r.Request.ValidateBasic(); err != nil {
				t.Errorf("request %d: %v", i, err)
			}
			if err := r.Response.ValidateBasic(); err != nil {
				t.Errorf("response %d: %v", i, err)
			}
			for _, h := range []*sessiontypes.SessionHeader{r.Request.Meta.SessionHeader, r.Response.Meta.SessionHeader} {
				if !reflect.DeepEqual(h, s.Header) {
					t.Errorf("relay %d is of session %v, want %v", i, h, s.Header)
				}
			}
			if got := r.Request.Meta.SupplierOperatorAddress; got != s.SupplierOperatorAddress {
				t.Errorf("request %d is to supplier %s, want %s", i, got, s.SupplierOperatorAddress)
			}
			if sum := sha256.Sum256(r.Response.Payload); !bytes.Equal(sum[:], r.Response.PayloadHash) {
				t.Errorf("response %d has not the payload hash of its payload", i)
			}
		}
	})
}

// All hashing is over a message encoded again, so the bytes on the wire must be
// the canonical ones.
func TestSessions_WireBytesAreCanonical(t *testing.T) {
	eachSession(t, func(t *testing.T, s *golden.Session) {
		for i, r := range s.Relays {
			request, err := r.Request.Marshal()
			if err != nil || !bytes.Equal(request, r.RequestBytes) {
				t.Errorf("request %d encodes to other bytes, error %v", i, err)
			}
			response, err := r.Response.Marshal()
			if err != nil || !bytes.Equal(response, r.ResponseBytes) {
				t.Errorf("response %d encodes to other bytes, error %v", i, err)
			}
		}
	})
}

func TestSessions_RequestsAreSignedByTheRing(t *testing.T) {
	eachSession(t, func(t *testing.T, s *golden.Session) {
		members := [][]byte{s.Application.Key, s.Gateway.Key}
		for i, r := range s.Relays {
			m, err := r.Request.GetSignableBytesHash()
			if err != nil {
				t.Fatal(err)
			}
			var sig ring.RingSig
			if err := sig.Deserialize(ring.Secp256k1(), r.Request.Meta.Signature); err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
			if !sig.Verify(m) {
				t.Errorf("the signature of request %d is not valid", i)
			}
			if n := len(sig.PublicKeys()); n != 2 {
				t.Errorf("the ring of request %d has %d members, want 2", i, n)
			}
			for _, key := range sig.PublicKeys() {
				if !slices.ContainsFunc(members, func(k []byte) bool { return bytes.Equal(k, key.Encode()) }) {
					t.Errorf("request %d is signed by a ring with the stranger %x", i, key.Encode())
				}
			}
			m[0] ^= 1
			if i == 0 && sig.Verify(m) {
				t.Error("the signature is valid for another message too")
			}
		}
	})
}

func TestSessions_ResponsesAreSignedByTheSupplier(t *testing.T) {
	eachSession(t, func(t *testing.T, s *golden.Session) {
		for i, r := range s.Relays {
			if err := r.Response.VerifySupplierOperatorSignature(s.Supplier); err != nil {
				t.Errorf("response %d: %v", i, err)
			}
			if r.Response.VerifySupplierOperatorSignature(s.Gateway) == nil {
				t.Errorf("response %d is signed by the gateway too", i)
			}
		}
	})
}

// buildTrie returns the trie of the session's relays, built by the chain's
// library.
func buildTrie(t *testing.T, s *golden.Session) *smt.SMST {
	t.Helper()
	trie := smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	for _, r := range s.Relays {
		key, value, err := r.Leaf()
		if err != nil {
			t.Fatal(err)
		}
		if err := trie.Update(key, value, s.ComputeUnitsPerRelay); err != nil {
			t.Fatal(err)
		}
	}
	return trie
}

func TestSessions_RelaysHaveTheClaimedRoot(t *testing.T) {
	eachSession(t, func(t *testing.T, s *golden.Session) {
		if root := buildTrie(t, s).Root(); !bytes.Equal(root, s.ClaimRoot) {
			t.Errorf("root %x, claimed %x", root, s.ClaimRoot)
		}
		if count := binary.BigEndian.Uint64(s.ClaimRoot[40:]); count != uint64(len(s.Relays)) {
			t.Errorf("root counts %d relays of %d", count, len(s.Relays))
		}
	})
}

func TestSessions_ProofOpensTheClaimedRoot(t *testing.T) {
	eachSession(t, func(t *testing.T, s *golden.Session) {
		proof := unmarshalProof(t, s.Proof)
		if !bytes.Equal(proof.Path, s.ProofPath()) {
			t.Errorf("proof is for path %x, want %x", proof.Path, s.ProofPath())
		}
		if !verifies(t, proof, s.ClaimRoot) {
			t.Error("the proof does not open the claimed root")
		}
		other := slices.Clone(s.ClaimRoot)
		other[0] ^= 1
		if verifies(t, proof, other) {
			t.Error("the proof opens another root too")
		}
	})
}

// The recorded proof is the one that the library makes of the relays.
func TestSessions_ProofIsOfTheClosestLeaf(t *testing.T) {
	eachSession(t, func(t *testing.T, s *golden.Session) {
		proof := unmarshalProof(t, s.Proof)
		closest, err := buildTrie(t, s).ProveClosest(s.ProofPath())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(proof.ClosestPath, closest.ClosestPath) {
			t.Errorf("proof names leaf %x, want %x", proof.ClosestPath, closest.ClosestPath)
		}
	})
}

func unmarshalProof(t *testing.T, bz []byte) *smt.SparseCompactMerkleClosestProof {
	t.Helper()
	proof := &smt.SparseCompactMerkleClosestProof{}
	if err := proof.Unmarshal(bz); err != nil {
		t.Fatal(err)
	}
	return proof
}

func verifies(t *testing.T, proof *smt.SparseCompactMerkleClosestProof, root []byte) bool {
	t.Helper()
	spec := smt.NewTrieSpec(sha256.New(), true, smt.WithValueHasher(nil))
	ok, err := smt.VerifyCompactClosestProof(proof, root, &spec)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}
