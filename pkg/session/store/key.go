package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// SessionKey names one session of one supplier.
type SessionKey struct {
	// Supplier is the operator address, 1 to 255 bytes.
	Supplier string
	// SessionEnd is the height of the session's last block, not negative.
	SessionEnd int64
	// SessionID is the chain's id of the session, 1 to 255 bytes.
	SessionID string
}

// String returns supplier/end height/session id.
func (k SessionKey) String() string {
	return fmt.Sprintf("%s/%d/%s", k.Supplier, k.SessionEnd, k.SessionID)
}

// Validate returns an error wrapping ErrKey if the key can not be encoded.
func (k SessionKey) Validate() error {
	switch {
	case len(k.Supplier) == 0 || len(k.Supplier) > math.MaxUint8:
		return fmt.Errorf("%w: supplier of %d bytes in session %q", ErrKey, len(k.Supplier), k.SessionID)
	case len(k.SessionID) == 0 || len(k.SessionID) > math.MaxUint8:
		return fmt.Errorf("%w: session id of %d bytes of supplier %s", ErrKey, len(k.SessionID), k.Supplier)
	case k.SessionEnd < 0:
		return fmt.Errorf("%w: end height %d of session %s", ErrKey, k.SessionEnd, k.SessionID)
	}
	return nil
}

// PathLen is the length of a leaf's path in the trie, in bytes: a SHA-256.
const PathLen = 32

// The first byte of every key says what the key is for.
const (
	spaceMeta   = 0x01
	spaceRecord = 0x02
	spaceLeaf   = 0x03
)

// keyLen returns the length of the session's key in a space.
func (k SessionKey) keyLen() int { return 1 + 1 + len(k.Supplier) + 8 + 1 + len(k.SessionID) }

// appendKey appends the session's key in the given space, which is also the
// prefix of the keys of its leaves. The session key must be valid.
func (k SessionKey) appendKey(dst []byte, space byte) []byte {
	dst = append(dst, space, byte(len(k.Supplier)))
	dst = append(dst, k.Supplier...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(k.SessionEnd))
	dst = append(dst, byte(len(k.SessionID)))
	return append(dst, k.SessionID...)
}

// key returns the session's key in the given space.
func (k SessionKey) key(space byte) []byte {
	return k.appendKey(make([]byte, 0, k.keyLen()+PathLen), space)
}

// bounds returns the half-open range that holds the session's leaves and
// nothing else.
func (k SessionKey) bounds() (lower, upper []byte) {
	lower = k.key(spaceLeaf)
	return lower, successor(lower)
}

// successor returns the smallest key that is greater than all keys that begin
// with prefix. A prefix begins with its space, which is never 0xff, so there
// always is one.
func successor(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; ; i-- {
		if end[i] != math.MaxUint8 {
			end[i]++
			return end[:i+1]
		}
	}
}

// parseSession splits a key into the session it begins with and what follows.
func parseSession(key []byte, space byte) (session SessionKey, rest []byte, err error) {
	bad := func() (SessionKey, []byte, error) {
		return SessionKey{}, nil, fmt.Errorf("%w: %x", ErrKey, key)
	}
	if len(key) < 2 || key[0] != space {
		return bad()
	}
	n, rest := int(key[1]), key[2:]
	if n == 0 || len(rest) < n+8+1 {
		return bad()
	}
	supplier, rest := rest[:n], rest[n:]
	height, rest := binary.BigEndian.Uint64(rest), rest[8:]
	n, rest = int(rest[0]), rest[1:]
	if n == 0 || len(rest) < n || height > math.MaxInt64 {
		return bad()
	}
	session = SessionKey{
		Supplier:   string(supplier),
		SessionEnd: int64(height),
		SessionID:  string(rest[:n]),
	}
	return session, rest[n:], nil
}

// metaKey returns the key of a named value.
func metaKey(name string) []byte { return append([]byte{spaceMeta}, name...) }
