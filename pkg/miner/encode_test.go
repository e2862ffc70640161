package miner_test

import (
	"bytes"
	"errors"
	"math/big"
	"testing"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/miner"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// hashOf returns the hash of the relay in the form in which it is mined.
func hashOf(tb testing.TB, relay *servicetypes.Relay) []byte {
	tb.Helper()
	mined, err := miner.Encode(relay)
	if err != nil {
		tb.Fatal(err)
	}
	return mined.Hash
}

// plus returns the 32 byte number that is hash + n.
func plus(hash []byte, n int64) []byte {
	sum := new(big.Int).Add(new(big.Int).SetBytes(hash), big.NewInt(n))
	return sum.FillBytes(make([]byte, 32))
}

func TestEncode_IsTheRecordedLeafAndLeavesTheRelayAlone(t *testing.T) {
	for _, s := range sessions(t) {
		for i, recorded := range s.Relays {
			relay := &servicetypes.Relay{Req: recorded.Request, Res: recorded.Response}
			before, err := relay.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			mined, err := miner.Encode(relay)
			if err != nil {
				t.Fatal(err)
			}
			key, value, err := recorded.Leaf()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(mined.Hash, key) || !bytes.Equal(mined.Bytes, value) {
				t.Errorf("%s, relay %d: leaf is not the recorded one", s.Name, i)
			}
			if mined.Served != relay || mined.ComputeUnits != 0 {
				t.Errorf("%s, relay %d: served %p, units %d", s.Name, i, mined.Served, mined.ComputeUnits)
			}
			after, err := relay.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) || len(relay.Res.Payload) == 0 {
				t.Errorf("%s, relay %d was changed", s.Name, i)
			}
		}
	}
}

// The payload of the response has no part in the hash; its hash does, and so does
// the payload of the request.
func TestEncode_DropsTheResponsePayloadOnly(t *testing.T) {
	hash := hashOf(t, aRelay(t))
	for _, c := range []struct {
		name   string
		change func(*servicetypes.Relay)
		same   bool
	}{
		{"response payload", func(r *servicetypes.Relay) { r.Res.Payload = []byte("another") }, true},
		{"no response payload", func(r *servicetypes.Relay) { r.Res.Payload = nil }, true},
		{"response payload hash", func(r *servicetypes.Relay) { r.Res.PayloadHash[0] ^= 1 }, false},
		{"response signature", func(r *servicetypes.Relay) { r.Res.Meta.SupplierOperatorSignature[0] ^= 1 }, false},
		{"request payload", func(r *servicetypes.Relay) { r.Req.Payload[0] ^= 1 }, false},
		{"request signature", func(r *servicetypes.Relay) { r.Req.Meta.Signature[4] ^= 1 }, false},
	} {
		relay := aRelay(t)
		c.change(relay)
		if same := bytes.Equal(hashOf(t, relay), hash); same != c.same {
			t.Errorf("%s changed: same hash is %v, want %v", c.name, same, c.same)
		}
	}
}

func TestEncode_RefusesWhatNoProofCouldShow(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*servicetypes.Relay)
		want  *relayer.Error
	}{
		{"empty", func(r *servicetypes.Relay) { *r = servicetypes.Relay{} }, relayer.ErrInvalidRequest},
		{"no request", func(r *servicetypes.Relay) { r.Req = nil }, relayer.ErrInvalidRequest},
		{"no response", func(r *servicetypes.Relay) { r.Res = nil }, relayer.ErrInvalidRequest},
		{"no session header", func(r *servicetypes.Relay) { r.Req.Meta.SessionHeader = nil }, relayer.ErrInvalidRequest},
		// Its signature covers the payload that would be dropped.
		{"no payload hash", func(r *servicetypes.Relay) { r.Res.PayloadHash = nil }, relayer.ErrInvalidResponse},
	} {
		relay := aRelay(t)
		c.spoil(relay)
		if mined, err := miner.Encode(relay); !errors.Is(err, c.want) || mined != nil {
			t.Errorf("%s: got %v and error %v, want %v", c.name, mined, err, c.want)
		}
	}
	if mined, err := miner.Encode(nil); !errors.Is(err, relayer.ErrInvalidRequest) || mined != nil {
		t.Errorf("nil: got %v and error %v", mined, err)
	}
}

func TestMeetsTarget_IsStrictAndBigEndian(t *testing.T) {
	zero, one, full := make([]byte, 32), plus(nil, 1), baseTarget()
	low := append([]byte{0x00}, full[1:]...)  // large at the end
	high := append([]byte{0x01}, zero[1:]...) // small at the end
	for _, c := range []struct {
		name         string
		hash, target []byte
		want         bool
	}{
		{"below", zero, one, true},
		{"equal", one, one, false},
		{"above", one, zero, false},
		{"nothing is below zero", zero, zero, false},
		{"base target", low, full, true},
		{"the one hash above the base target", full, full, false},
		{"first byte decides", low, high, true},
		{"first byte decides, the other way", high, low, false},
	} {
		if got := miner.MeetsTarget(c.hash, c.target); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	relay := aRelay(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := miner.Encode(relay); err != nil {
			b.Fatal(err)
		}
	}
}
