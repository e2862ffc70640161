package session

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	"github.com/cosmos/cosmos-sdk/types/bech32"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/pkg/session/store"
	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// maxCheckers is the number of goroutines that verify signatures of a store at
// rest: nobody else needs the processors.
func maxCheckers() int { return async.Cores() }

// checkPath checks that a leaf lies where its relay belongs: at the SHA-256 of
// the SHA-256 of the relay's bytes.
func checkPath(leaf store.Leaf) error {
	hash := sha256.Sum256(leaf.Relay)
	if want := trie.PathOf(hash[:]); leaf.Path != want {
		return fmt.Errorf("the relay belongs at path %x", want)
	}
	return nil
}

// relayChecks are the deep checks of a session's relays. They may be used
// concurrently, except for weight.
type relayChecks struct {
	record *Record
	each   uint64 // the weight of every leaf, 0 until it is known

	mu       sync.Mutex
	supplier *secp256k1.PubKey // nil until it is known
}

// newRelayChecks returns the checks for a session. All relays of a session have
// the weight of its service at its start (x/service: compute units per relay).
func newRelayChecks(record *Record) *relayChecks {
	c := &relayChecks{record: record}
	if record.Relays > 0 && record.ComputeUnits%record.Relays == 0 {
		c.each = record.ComputeUnits / record.Relays
	}
	return c
}

// weight checks that a leaf weighs what the others do.
func (c *relayChecks) weight(leaf store.Leaf) error {
	if c.each == 0 {
		c.each = leaf.Weight
	}
	if leaf.Weight != c.each {
		return fmt.Errorf("weighs %d compute units, the relays of this session weigh %d", leaf.Weight, c.each)
	}
	return nil
}

// relay checks that the relay of a leaf is complete, of this session and signed
// by both sides.
func (c *relayChecks) relay(leaf store.Leaf) (err error) {
	// Whatever the bytes do to a decoder, a relay miner that is running goes on.
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("cannot be verified: %w", async.NewPanicError(cause))
		}
	}()
	relay := &servicetypes.Relay{}
	if err := relay.Unmarshal(leaf.Relay); err != nil {
		return fmt.Errorf("is not a relay: %w", err)
	}
	if again, err := relay.Marshal(); err != nil || !bytes.Equal(again, leaf.Relay) {
		return errors.New("the relay is not encoded canonically")
	}
	if err := c.belongs(relay); err != nil {
		return err
	}
	if err := checkRing(relay.Req); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if err := c.checkResponse(relay.Res); err != nil {
		return fmt.Errorf("response: %w", err)
	}
	return nil
}

// belongs checks that both halves of a relay are complete and of this session.
func (c *relayChecks) belongs(relay *servicetypes.Relay) error {
	if relay.Req == nil || relay.Res == nil {
		return errors.New("the relay has no request or no response")
	}
	if err := relay.Req.ValidateBasic(); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if err := relay.Res.ValidateBasic(); err != nil {
		return fmt.Errorf("response: %w", err)
	}
	header := c.record.Header()
	switch {
	case *relay.Req.Meta.SessionHeader != *header:
		return fmt.Errorf("the request is of session %s", relay.Req.Meta.SessionHeader.SessionId)
	case *relay.Res.Meta.SessionHeader != *header:
		return fmt.Errorf("the response is of session %s", relay.Res.Meta.SessionHeader.SessionId)
	case relay.Req.Meta.SupplierOperatorAddress != c.record.Supplier:
		return fmt.Errorf("the request is to supplier %s", relay.Req.Meta.SupplierOperatorAddress)
	case len(relay.Res.Payload) > 0:
		return fmt.Errorf("the response has kept its payload of %d bytes", len(relay.Res.Payload))
	}
	return nil
}

// checkRing verifies the ring signature of a request, with the reference
// implementation.
func checkRing(request *servicetypes.RelayRequest) error {
	signature, err := ring.Parse(request.Meta.Signature)
	if err != nil {
		return err
	}
	message, err := request.GetSignableBytesHash()
	if err != nil {
		return fmt.Errorf("signable bytes: %w", err)
	}
	return ring.Reference{}.Verify(message, signature)
}

// checkResponse verifies the supplier's signature of a response.
func (c *relayChecks) checkResponse(response *servicetypes.RelayResponse) error {
	digest, err := response.GetSignableBytesHash()
	if err != nil {
		return fmt.Errorf("signable bytes: %w", err)
	}
	signature := response.Meta.SupplierOperatorSignature
	c.mu.Lock()
	key := c.supplier
	c.mu.Unlock()
	if key == nil {
		if key, err = recoverKey(digest, signature, c.record.Supplier); err != nil {
			return err
		}
		c.mu.Lock()
		c.supplier = key
		c.mu.Unlock()
	}
	if !key.VerifySignature(digest[:], signature) {
		return fmt.Errorf("is not signed by supplier %s", c.record.Supplier)
	}
	return nil
}

// The first byte of a signature from which a compressed key is recovered, and
// the number of candidates that it can name.
const (
	compactCompressed = 27 + 4
	compactCandidates = 4
)

// recoverKey finds the public key of a supplier in a signature of it. An address
// is a hash of the key, so the one key that has the supplier's address and that
// the signature can be of is the supplier's. Neither keyring nor chain is needed
// to know it.
func recoverKey(digest [sha256.Size]byte, signature []byte, supplier string) (*secp256k1.PubKey, error) {
	_, address, err := bech32.DecodeAndConvert(supplier)
	if err != nil {
		return nil, fmt.Errorf("supplier %q: %w", supplier, err)
	}
	// Keys of the Cosmos SDK sign the hash of what they are given.
	hash := sha256.Sum256(digest[:])
	compact := append([]byte{0}, signature...)
	for candidate := range byte(compactCandidates) {
		compact[0] = compactCompressed + candidate
		point, _, err := ecdsa.RecoverCompact(compact, hash[:])
		if err != nil {
			continue // this one is of no key at all
		}
		key := &secp256k1.PubKey{Key: point.SerializeCompressed()}
		if bytes.Equal(key.Address(), address) {
			return key, nil
		}
	}
	return nil, fmt.Errorf("is not signed by supplier %s", supplier)
}
