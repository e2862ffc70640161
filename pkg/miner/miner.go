package miner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"

	"cosmossdk.io/depinject"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// minedRelaysBuffer is the number of mined relays that may wait for the store.
const minedRelaysBuffer = 1024

// miner implements relayer.Miner.
type miner struct {
	services relayer.ServiceQuerier
	receipts *relayer.Receipts
	log      *slog.Logger
}

var _ relayer.Miner = (*miner)(nil)

// NewMiner returns a miner.
//
// Required dependencies:
//   - relayer.ServiceQuerier
//   - *relayer.Receipts
//   - *slog.Logger
func NewMiner(deps depinject.Config, opts ...relayer.MinerOption) (relayer.Miner, error) {
	m := &miner{}
	if err := depinject.Inject(deps, &m.services, &m.receipts, &m.log); err != nil {
		return nil, fmt.Errorf("miner: %w", err)
	}
	for _, opt := range opts {
		opt(m)
	}
	return m, nil
}

// MinedRelays implements relayer.Miner.
func (m *miner) MinedRelays(ctx context.Context, servedRelays relayer.RelaysObservable) relayer.MinedRelaysObservable {
	return observable.MapExpand(servedRelays, m.mine,
		observable.WithName("mine"),
		observable.WithContext(ctx),
		observable.WithBuffer(minedRelaysBuffer),
		observable.WithErrorHandler(m.refuse),
	)
}

// mine returns the mined relay, or none if the relay does not meet the difficulty.
func (m *miner) mine(ctx context.Context, relay *servicetypes.Relay) ([]*relayer.MinedRelay, error) {
	mined, err := Encode(relay)
	if err != nil {
		return nil, err
	}
	header := relay.Req.Meta.SessionHeader
	target, err := m.services.DifficultyTargetAt(ctx, header.ServiceId, header.SessionStartBlockHeight)
	if err != nil {
		return nil, fmt.Errorf("relay mining difficulty: %w", err)
	}
	if !MeetsTarget(mined.Hash, target) {
		m.receipts.Resolve(relay, nil)
		return nil, nil
	}
	mined.ComputeUnits, err = m.services.ComputeUnitsPerRelayAt(ctx, header.ServiceId, header.SessionStartBlockHeight)
	if err != nil {
		return nil, fmt.Errorf("compute units per relay: %w", err)
	}
	return []*relayer.MinedRelay{mined}, nil
}

// refuse reports a relay that could not be mined.
func (m *miner) refuse(_ string, item any, err error) {
	relay, ok := item.(*servicetypes.Relay)
	meta := relay.GetReq().GetMeta()
	m.log.Error("relay could not be mined",
		"session_id", meta.SessionHeader.GetSessionId(),
		"supplier", meta.SupplierOperatorAddress,
		"error", err)
	if ok {
		m.receipts.Resolve(relay, relayer.ErrStoreRelay.Wrapf("%w", err))
	}
}

// Encode returns the relay in the form in which it is mined: encoded without the
// response's payload, and hashed. The relay itself is not changed. Its compute
// units are left zero. The error has the reason ErrInvalidRequest or
// ErrInvalidResponse if the relay lacks what a proof needs.
func Encode(relay *servicetypes.Relay) (*relayer.MinedRelay, error) {
	if relay.GetReq().GetMeta().SessionHeader == nil || relay.GetRes() == nil {
		return nil, relayer.ErrInvalidRequest.Wrapf("relay without session header or response")
	}
	if len(relay.Res.PayloadHash) == 0 {
		// Its signature covers the payload itself (x/service), and would not
		// verify without it.
		return nil, relayer.ErrInvalidResponse.Wrapf("relay without payload hash")
	}
	response := *relay.Res
	response.Payload = nil
	encoded, err := (&servicetypes.Relay{Req: relay.Req, Res: &response}).Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode relay: %w", err)
	}
	hash := sha256.Sum256(encoded)
	return &relayer.MinedRelay{Served: relay, Bytes: encoded, Hash: hash[:]}, nil
}

// MeetsTarget reports whether a relay of that hash is applicable to its session's
// volume. Both are 32 bytes, read as big-endian numbers.
func MeetsTarget(hash, target []byte) bool { return bytes.Compare(hash, target) < 0 }
