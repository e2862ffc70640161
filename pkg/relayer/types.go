package relayer

import (
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/observable"
)

// MinedRelay is a served relay in the form in which it becomes a leaf.
type MinedRelay struct {
	// Served is the relay as it was published by the RelayerProxy, with its
	// response payload. It is the handle by which the proxy learns what became
	// of the relay and must not be changed.
	Served *servicetypes.Relay

	// Bytes is the canonical encoding of the relay without its response
	// payload: the value of the leaf.
	Bytes []byte

	// Hash is the SHA-256 of Bytes: the key of the leaf. The leaf's path in the
	// trie is the SHA-256 of Hash.
	Hash []byte

	// ComputeUnits is the weight of the leaf: the service's compute units per
	// relay at the session's start height.
	ComputeUnits uint64
}

// Block is a committed block of the chain. It is shared between observers and
// must not be changed.
type Block struct {
	// Height is the block's height; the first block of a chain has height 1.
	Height int64
	// Hash is the 32 byte hash of the block's header.
	Hash []byte
	// Time is the time in the block's header.
	Time time.Time
}

// BlocksObservable is the stream of committed blocks: each height once, in
// order, without gaps. It is a defined type for the reason given at
// RelaysObservable.
type BlocksObservable observable.ReplayObservable[*Block]
