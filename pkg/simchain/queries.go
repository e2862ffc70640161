package simchain

import (
	"context"
	"crypto/sha256"
	"fmt"

	"cosmossdk.io/math"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/ring"
)

var (
	_ relayer.BlockSource        = (*Chain)(nil)
	_ relayer.SessionQuerier     = (*Chain)(nil)
	_ relayer.SharedQuerier      = (*Chain)(nil)
	_ relayer.ApplicationQuerier = (*Chain)(nil)
	_ relayer.AccountQuerier     = (*Chain)(nil)
	_ relayer.ServiceQuerier     = (*Chain)(nil)
	_ relayer.ProofQuerier       = (*Chain)(nil)
	_ relayer.TokenomicsQuerier  = (*Chain)(nil)
	_ relayer.SupplierQuerier    = (*Chain)(nil)
	_ relayer.BalanceQuerier     = (*Chain)(nil)
	_ relayer.BlockQuerier       = (*Chain)(nil)
	_ relayer.TxSubmitter        = (*Chain)(nil)
)

// Blocks implements relayer.BlockSource.
func (c *Chain) Blocks() relayer.BlocksObservable { return c.blocks }

// Latest implements relayer.BlockSource.
func (c *Chain) Latest() *relayer.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest
}

// Header returns the header of the application's session at the height.
func (c *Chain) Header(application string, height int64) *sessiontypes.SessionHeader {
	start := sharedtypes.GetSessionStartHeight(c.params, height)
	id := sha256.Sum256(fmt.Appendf(nil, "%s/%s/%d", application, Service, start))
	return &sessiontypes.SessionHeader{
		ApplicationAddress: application, ServiceId: Service, SessionId: fmt.Sprintf("%x", id),
		SessionStartBlockHeight: start, SessionEndBlockHeight: sharedtypes.GetSessionEndHeight(c.params, height),
	}
}

// Ring returns the compressed public keys of those who may sign for the n-th
// application: its own, and those of the gateways.
func (c *Chain) Ring(n int) [][]byte {
	members := [][]byte{c.Applications[n].Key.PubKey().Bytes()}
	for _, gateway := range c.Gateways {
		members = append(members, gateway.Key.PubKey().Bytes())
	}
	return members
}

// Signer signs requests as the first gateway, for the n-th application.
func (c *Chain) Signer(n int) (*ring.Signer, error) {
	return ring.NewSigner(c.Gateways[0].Key.Bytes(), c.Ring(n))
}

// Session implements relayer.SessionQuerier. All suppliers are in every session. As with
// a node's answers that are remembered, the same session is returned until the
// next block, and must not be changed.
func (c *Chain) Session(ctx context.Context, application, serviceID string, height int64) (*sessiontypes.Session, error) {
	app, err := c.Application(ctx, application)
	if err != nil {
		return nil, err
	}
	if serviceID != Service || height < 1 {
		return nil, fmt.Errorf("session of service %q: %w", serviceID, relayer.ErrNotFound)
	}
	key := sessionKey{application, sharedtypes.GetSessionStartHeight(c.params, height)}
	c.mu.Lock()
	defer c.mu.Unlock()
	session := c.sessions[key]
	if session == nil {
		session = c.newSession(app, height)
		c.sessions[key] = session
	}
	return session, nil
}

func (c *Chain) newSession(app *apptypes.Application, height int64) *sessiontypes.Session {
	header := c.Header(app.Address, height)
	session := &sessiontypes.Session{
		Header: header, SessionId: header.SessionId, Application: app,
		NumBlocksPerSession: int64(c.params.NumBlocksPerSession),
		SessionNumber:       sharedtypes.GetSessionNumber(c.params, height),
	}
	for _, supplier := range c.Suppliers {
		session.Suppliers = append(session.Suppliers, c.staked.suppliers[supplier.Address])
	}
	return session
}

// SharedParams implements relayer.SharedQuerier.
func (c *Chain) SharedParams(context.Context) (*sharedtypes.Params, error) { return c.params, nil }

// SharedParamsAt implements relayer.SharedQuerier.
func (c *Chain) SharedParamsAt(context.Context, int64) (*sharedtypes.Params, error) {
	return c.params, nil
}

// Application implements relayer.ApplicationQuerier. The answer must not be changed.
func (c *Chain) Application(_ context.Context, address string) (*apptypes.Application, error) {
	if app := c.staked.applications[address]; app != nil {
		return app, nil
	}
	return nil, fmt.Errorf("application %q: %w", address, relayer.ErrNotFound)
}

// PubKey implements relayer.AccountQuerier.
func (c *Chain) PubKey(_ context.Context, address string) (cryptotypes.PubKey, error) {
	if key := c.staked.keys[address]; key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("public key of %q: %w", address, relayer.ErrNotFound)
}

// ComputeUnitsPerRelayAt implements relayer.ServiceQuerier.
func (c *Chain) ComputeUnitsPerRelayAt(context.Context, string, int64) (uint64, error) {
	return ComputeUnitsPerRelay, nil
}

// DifficultyTargetAt implements relayer.ServiceQuerier: every relay is mined.
func (c *Chain) DifficultyTargetAt(context.Context, string, int64) ([]byte, error) {
	return c.staked.target, nil
}

// ProofParams implements relayer.ProofQuerier.
func (c *Chain) ProofParams(context.Context) (*prooftypes.Params, error) { return c.proof, nil }

// Claim implements relayer.ProofQuerier.
func (c *Chain) Claim(_ context.Context, sessionID, supplier string) (*prooftypes.Claim, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	claim := c.claims[claimKey{supplier, sessionID}]
	if claim == nil {
		return nil, fmt.Errorf("claim: %w", relayer.ErrNotFound)
	}
	copied := *claim
	return &copied, nil
}

// TokenomicsParams implements relayer.TokenomicsQuerier.
func (c *Chain) TokenomicsParams(context.Context) (*tokenomicstypes.Params, error) {
	params := tokenomicstypes.DefaultParams()
	return &params, nil
}

// Supplier implements relayer.SupplierQuerier. The answer must not be changed.
func (c *Chain) Supplier(_ context.Context, operatorAddress string) (*sharedtypes.Supplier, error) {
	if supplier := c.staked.suppliers[operatorAddress]; supplier != nil {
		return supplier, nil
	}
	return nil, fmt.Errorf("supplier %q: %w", operatorAddress, relayer.ErrNotFound)
}

// Balance implements relayer.BalanceQuerier.
func (c *Chain) Balance(context.Context, string) (math.Int, error) { return math.NewInt(stake), nil }

// BlockAt implements relayer.BlockQuerier.
func (c *Chain) BlockAt(_ context.Context, height int64) (*relayer.Block, error) {
	return block(height), nil
}

// Events implements relayer.BlockQuerier.
func (c *Chain) Events(_ context.Context, height int64) (*relayer.BlockEvents, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if events := c.events[height]; events != nil {
		return events, nil
	}
	return nil, fmt.Errorf("block %d: %w", height, relayer.ErrNotFound)
}
