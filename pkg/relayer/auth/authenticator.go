package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cosmossdk.io/depinject"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// RingVerifier verifies the signature of a ring whose members were checked.
type RingVerifier interface {
	// Verify returns nil if signature is a valid one of message by one of its
	// members. It must not panic, whatever the bytes.
	Verify(message [32]byte, signature ring.Signature) error
}

// SigningKeys holds the keys of the suppliers that are served for.
type SigningKeys interface {
	// Signer returns the private key of the supplier with the given operator
	// address.
	Signer(operatorAddress string) (cryptotypes.PrivKey, bool)
}

// Authenticator is the relay miner's RelayAuthenticator. It may be used
// concurrently.
type Authenticator struct {
	blocks   relayer.BlockSource
	sessions relayer.SessionQuerier
	shared   relayer.SharedQuerier
	keys     SigningKeys
	rings    *rings

	// suppliersOf limits which suppliers answer for a service; a service that
	// is not in it is answered for by all.
	suppliersOf map[string][]string
}

var _ relayer.RelayAuthenticator = (*Authenticator)(nil)

// Option changes an Authenticator while it is constructed.
type Option func(*Authenticator)

// WithServiceSuppliers limits the suppliers that answer for the service to those
// with the given operator addresses. The default is all whose keys are held.
func WithServiceSuppliers(serviceID string, operatorAddresses ...string) Option {
	allowed := slices.Clone(operatorAddresses)
	return func(a *Authenticator) { a.suppliersOf[serviceID] = allowed }
}

// NewAuthenticator returns an authenticator.
//
// Required dependencies:
//   - relayer.BlockSource
//   - relayer.SessionQuerier, relayer.SharedQuerier
//   - relayer.ApplicationQuerier, relayer.AccountQuerier
//   - SigningKeys
//   - RingVerifier
func NewAuthenticator(deps depinject.Config, opts ...Option) (*Authenticator, error) {
	a := &Authenticator{rings: &rings{}, suppliersOf: make(map[string][]string)}
	if err := depinject.Inject(deps,
		&a.blocks, &a.sessions, &a.shared, &a.keys,
		&a.rings.apps, &a.rings.accounts, &a.rings.verifier,
	); err != nil {
		return nil, fmt.Errorf("relay authenticator: %w", err)
	}
	a.rings.shared = a.shared
	for _, opt := range opts {
		opt(a)
	}
	return a, nil
}

// VerifyRelayRequest returns nil if the request may be served for serviceID. Its
// errors carry a reason of package relayer, except when the chain could not be asked:
// then the request is neither good nor bad, and the reason is ErrInternal.
func (a *Authenticator) VerifyRelayRequest(
	ctx context.Context,
	request *servicetypes.RelayRequest,
	serviceID string,
) error {
	signature, err := a.checkStructure(request, serviceID)
	if err != nil {
		return err
	}
	meta := &request.Meta
	if err := a.checkHeights(ctx, meta.SessionHeader); err != nil {
		return err
	}
	if err := a.checkSession(ctx, meta.SessionHeader, meta.SupplierOperatorAddress); err != nil {
		return err
	}
	if err := a.rings.checkMembers(ctx, meta.SessionHeader, signature); err != nil {
		return err
	}
	return a.rings.checkSignature(request, signature)
}

// checkStructure checks what can be checked without asking anybody.
func (a *Authenticator) checkStructure(
	request *servicetypes.RelayRequest,
	serviceID string,
) (ring.Signature, error) {
	var none ring.Signature
	if request == nil || request.Meta.SessionHeader == nil {
		return none, relayer.ErrInvalidRequest.Wrapf("no session header")
	}
	meta := &request.Meta
	if meta.SupplierOperatorAddress == "" {
		return none, relayer.ErrMissingSupplier.Wrapf("supplier_operator_address is empty")
	}
	if len(meta.Signature) == 0 {
		return none, relayer.ErrInvalidRequest.Wrapf("no signature")
	}
	if err := meta.SessionHeader.ValidateBasic(); err != nil {
		return none, relayer.ErrInvalidRequest.Wrapf("session header: %w", err)
	}
	if meta.SessionHeader.ServiceId != serviceID {
		return none, relayer.ErrInvalidSession.Wrapf("session is for service %q, not %q",
			meta.SessionHeader.ServiceId, serviceID)
	}
	if err := a.checkSupplier(meta.SupplierOperatorAddress, serviceID); err != nil {
		return none, err
	}
	signature, err := ring.Parse(meta.Signature)
	if err != nil {
		return none, relayer.ErrInvalidRing.Wrapf("%w", err)
	}
	return signature, nil
}

// checkSupplier checks that the supplier is one of ours and answers for the service.
func (a *Authenticator) checkSupplier(operatorAddress, serviceID string) error {
	if _, ours := a.keys.Signer(operatorAddress); !ours {
		return relayer.ErrSupplierUnreachable.Wrapf("no key for supplier %q", operatorAddress)
	}
	allowed, limited := a.suppliersOf[serviceID]
	if limited && !slices.Contains(allowed, operatorAddress) {
		return relayer.ErrSupplierUnreachable.Wrapf("supplier %q does not answer for service %q",
			operatorAddress, serviceID)
	}
	return nil
}

// checkHeights checks that the session has begun, or does in the next block, and
// that its grace period is not over. It leaves only heights near the newest block, so that a stranger
// cannot have the chain asked about a different past session each time.
func (a *Authenticator) checkHeights(ctx context.Context, header *sessiontypes.SessionHeader) error {
	latest := a.blocks.Latest()
	if latest == nil {
		return relayer.ErrInternal.Wrapf("no block seen yet")
	}
	start, end := header.SessionStartBlockHeight, header.SessionEndBlockHeight
	if start > latest.Height+1 {
		return future(start, latest.Height)
	}
	live, err := a.shared.SharedParams(ctx)
	if err != nil {
		return relayer.ErrInternal.Wrapf("shared params: %w", err)
	}
	length := int64(live.NumBlocksPerSession)
	if end >= latest.Height {
		// A new session length begins with a session (x/shared), so the one in
		// force now is that of the session that the newest block belongs to.
		if start+length <= latest.Height {
			return relayer.ErrInvalidSession.Wrapf("sessions have %d blocks, the one from height %d cannot last until %d",
				length, start, end)
		}
		return nil
	}
	// Loose, since the grace period may have changed after the session.
	if end+int64(live.GracePeriodEndOffsetBlocks)+length < latest.Height {
		return expired(end, latest.Height)
	}
	params, err := a.shared.SharedParamsAt(ctx, end)
	if err != nil {
		return relayer.ErrInternal.Wrapf("shared params at %d: %w", end, err)
	}
	if sharedtypes.IsGracePeriodElapsed(params, end, latest.Height) {
		return expired(end, latest.Height)
	}
	if start != sharedtypes.GetSessionStartHeight(params, end) {
		return relayer.ErrInvalidSession.Wrapf("no session lasts from height %d to %d", start, end)
	}
	return nil
}

func future(start, latest int64) error {
	return relayer.ErrInvalidSession.Wrapf("session starts at height %d, the chain is at %d", start, latest)
}

func expired(end, latest int64) error {
	return relayer.ErrInvalidSession.Wrapf("session expired: it ended at height %d, the chain is at %d", end, latest)
}

// checkSession checks that the session is the chain's, in every field, and that
// the supplier takes part in it.
func (a *Authenticator) checkSession(
	ctx context.Context,
	header *sessiontypes.SessionHeader,
	supplier string,
) error {
	session, err := a.sessions.Session(ctx, header.ApplicationAddress, header.ServiceId, header.SessionStartBlockHeight)
	switch {
	case errors.Is(err, relayer.ErrNotFound):
		return relayer.ErrUnknownSession.Wrapf("application %q has no session for service %q at height %d: %w",
			header.ApplicationAddress, header.ServiceId, header.SessionStartBlockHeight, err)
	case err != nil:
		// A gateway that follows another node can be one block ahead of this one.
		if latest := a.blocks.Latest(); latest != nil && header.SessionStartBlockHeight > latest.Height {
			return future(header.SessionStartBlockHeight, latest.Height)
		}
		return relayer.ErrInternal.Wrapf("session: %w", err)
	case session.Header == nil || *session.Header != *header:
		return relayer.ErrInvalidSession.Wrapf("header differs from the chain's session %s", session.SessionId)
	}
	for _, candidate := range session.Suppliers {
		if candidate.OperatorAddress == supplier {
			return nil
		}
	}
	return relayer.ErrSupplierNotInSession.Wrapf("supplier %q, session %s", supplier, session.SessionId)
}

// SignRelayResponse sets the response's payload hash and the signature of the
// supplier. The payload must not be empty (x/service: a response without a
// payload has no payload hash and cannot be proven).
func (a *Authenticator) SignRelayResponse(response *servicetypes.RelayResponse, operatorAddress string) error {
	key, ours := a.keys.Signer(operatorAddress)
	if !ours {
		return relayer.ErrUndefinedSigner.Wrapf("supplier %q", operatorAddress)
	}
	if err := response.UpdatePayloadHash(); err != nil {
		return relayer.ErrInvalidResponse.Wrapf("%w", err)
	}
	digest, err := response.GetSignableBytesHash()
	if err != nil {
		return relayer.ErrInvalidResponse.Wrapf("%w", err)
	}
	signature, err := key.Sign(digest[:])
	if err != nil {
		return relayer.ErrInternal.Wrapf("sign as %q: %w", operatorAddress, err)
	}
	response.Meta.SupplierOperatorSignature = signature
	return nil
}
