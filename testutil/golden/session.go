package golden

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
)

//go:embed testdata/session-*.json
var files embed.FS

// RootSize is the size in bytes of a claimed root: a hash of 32 bytes, then sum
// and count as 8 bytes each, big endian.
const RootSize = 48

// Session is one recorded session.
type Session struct {
	// Name is the name of the recording, such as "session-57".
	Name string
	// Header is the session's header, as in every relay.
	Header *sessiontypes.SessionHeader

	// Application and Gateway are the members of the ring of each request.
	Application, Gateway *secp256k1.PubKey
	// Supplier signed each response. Its address is SupplierOperatorAddress.
	Supplier                *secp256k1.PubKey
	SupplierOperatorAddress string

	// Relays are the session's relays, in no particular order.
	Relays []Relay
	// ComputeUnitsPerRelay is the weight of each leaf in compute units.
	ComputeUnitsPerRelay uint64

	// ClaimRoot is the root as claimed, RootSize bytes.
	ClaimRoot []byte
	// ClaimHeight is the block that included the claim, ClaimTimeoutHeight the
	// last one that could have.
	ClaimHeight, ClaimTimeoutHeight int64

	// ProofSeedHeight is the height, and ProofSeedBlockHash the hash (32 bytes),
	// of the block that decided which leaf was to be proven.
	ProofSeedHeight    int64
	ProofSeedBlockHash []byte
	// Proof is the proof as submitted: smt's compact closest proof in Go's gob
	// encoding.
	Proof []byte
	// ProofHeight is the block that included the proof.
	ProofHeight int64
	// ProofVerdict is what the chain found the proof to be: "valid".
	ProofVerdict string
}

// Relay is one recorded relay.
type Relay struct {
	// RequestBytes and ResponseBytes went over the wire.
	RequestBytes, ResponseBytes []byte
	// Request and Response are what they decode to. The response has both its
	// payload and the payload's hash.
	Request  *servicetypes.RelayRequest
	Response *servicetypes.RelayResponse
}

// Sessions returns all recorded sessions, those with fewer relays first. An
// error names the recording that cannot be decoded.
func Sessions() ([]*Session, error) {
	entries, err := files.ReadDir("testdata")
	if err != nil {
		return nil, fmt.Errorf("golden sessions: %w", err)
	}
	var sessions []*Session
	for _, entry := range entries {
		data, err := files.ReadFile(path.Join("testdata", entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("golden sessions: %w", err)
		}
		name := strings.TrimSuffix(entry.Name(), path.Ext(entry.Name()))
		s, err := decode(name, data)
		if err != nil {
			return nil, fmt.Errorf("golden sessions: %s: %w", name, err)
		}
		sessions = append(sessions, s)
	}
	slices.SortFunc(sessions, func(a, b *Session) int { return len(a.Relays) - len(b.Relays) })
	return sessions, nil
}

// ProofPath returns the path (32 bytes) whose closest leaf had to be proven: the
// SHA-256 of seed block hash and session id.
func (s *Session) ProofPath() []byte {
	sum := sha256.Sum256(slices.Concat(s.ProofSeedBlockHash, []byte(s.Header.SessionId)))
	return sum[:]
}

// Leaf returns the relay as it becomes a leaf: key is the SHA-256 of value, and
// value the canonical encoding of the relay without its response payload. The
// leaf's path in the trie is the SHA-256 of key.
func (r *Relay) Leaf() (key, value []byte, err error) {
	response := *r.Response
	response.Payload = nil
	value, err = (&servicetypes.Relay{Req: r.Request, Res: &response}).Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("encode relay: %w", err)
	}
	sum := sha256.Sum256(value)
	// smt appends to the values that it is given: leave no room for that.
	return sum[:], slices.Clip(value), nil
}

// recording is the form of a file.
type recording struct {
	SessionHeader struct {
		ApplicationAddress      string `json:"application_address"`
		ServiceID               string `json:"service_id"`
		SessionID               string `json:"session_id"`
		SessionStartBlockHeight int64  `json:"session_start_block_height"`
		SessionEndBlockHeight   int64  `json:"session_end_block_height"`
	} `json:"session_header"`
	AppPubKey               hexBytes `json:"app_pubkey_hex"`
	GatewayPubKey           hexBytes `json:"gateway_pubkey_hex"`
	SupplierPubKey          hexBytes `json:"supplier_pubkey_hex"`
	SupplierOperatorAddress string   `json:"supplier_operator_address"`
	ComputeUnitsPerRelay    uint64   `json:"compute_units_per_relay"`
	ClaimRoot               hexBytes `json:"claim_root_hex"`
	ClaimHeight             int64    `json:"claim_height"`
	TimeoutHeight           int64    `json:"timeout_height"`
	ProofSeedHeight         int64    `json:"proof_seed_height"`
	ProofSeedBlockHash      hexBytes `json:"proof_seed_block_hash_hex"`
	ProofGob                hexBytes `json:"proof_gob_hex"`
	ProofHeight             int64    `json:"proof_height"`
	ProofVerdict            string   `json:"proof_verdict"`
	Relays                  []struct {
		Request  hexBytes `json:"request"`
		Response hexBytes `json:"response"`
	} `json:"relays"`
}

// hexBytes is written as hexadecimal in JSON.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	bz, err := hex.DecodeString(string(text))
	*h = bz
	return err
}

// decode returns the session in data, or why it is not one.
func decode(name string, data []byte) (*Session, error) {
	var r recording
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return nil, err
	}
	if err := r.checkSizes(); err != nil {
		return nil, err
	}
	s := &Session{
		Name: name,
		Header: &sessiontypes.SessionHeader{
			ApplicationAddress:      r.SessionHeader.ApplicationAddress,
			ServiceId:               r.SessionHeader.ServiceID,
			SessionId:               r.SessionHeader.SessionID,
			SessionStartBlockHeight: r.SessionHeader.SessionStartBlockHeight,
			SessionEndBlockHeight:   r.SessionHeader.SessionEndBlockHeight,
		},
		Application:             &secp256k1.PubKey{Key: r.AppPubKey},
		Gateway:                 &secp256k1.PubKey{Key: r.GatewayPubKey},
		Supplier:                &secp256k1.PubKey{Key: r.SupplierPubKey},
		SupplierOperatorAddress: r.SupplierOperatorAddress,
		ComputeUnitsPerRelay:    r.ComputeUnitsPerRelay,
		ClaimRoot:               r.ClaimRoot,
		ClaimHeight:             r.ClaimHeight,
		ClaimTimeoutHeight:      r.TimeoutHeight,
		ProofSeedHeight:         r.ProofSeedHeight,
		ProofSeedBlockHash:      r.ProofSeedBlockHash,
		Proof:                   r.ProofGob,
		ProofHeight:             r.ProofHeight,
		ProofVerdict:            r.ProofVerdict,
	}
	for i, raw := range r.Relays {
		relay := Relay{
			RequestBytes:  raw.Request,
			ResponseBytes: raw.Response,
			Request:       &servicetypes.RelayRequest{},
			Response:      &servicetypes.RelayResponse{},
		}
		if err := relay.Request.Unmarshal(raw.Request); err != nil {
			return nil, fmt.Errorf("request of relay %d: %w", i, err)
		}
		if err := relay.Response.Unmarshal(raw.Response); err != nil {
			return nil, fmt.Errorf("response of relay %d: %w", i, err)
		}
		s.Relays = append(s.Relays, relay)
	}
	return s, nil
}

// checkSizes reports the first field that has not the size of what it holds.
func (r *recording) checkSizes() error {
	for _, field := range []struct {
		name  string
		value []byte
		size  int
	}{
		{"app_pubkey_hex", r.AppPubKey, secp256k1.PubKeySize},
		{"gateway_pubkey_hex", r.GatewayPubKey, secp256k1.PubKeySize},
		{"supplier_pubkey_hex", r.SupplierPubKey, secp256k1.PubKeySize},
		{"claim_root_hex", r.ClaimRoot, RootSize},
		{"proof_seed_block_hash_hex", r.ProofSeedBlockHash, sha256.Size},
	} {
		if len(field.value) != field.size {
			return fmt.Errorf("%s has %d bytes, want %d", field.name, len(field.value), field.size)
		}
	}
	return nil
}
