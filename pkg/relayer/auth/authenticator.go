package auth

import (
	"context"
	"fmt"
	"slices"

	"cosmossdk.io/depinject"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

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
	shared   relayer.SharedQuerier
	keys     SigningKeys
	sessions *sessionTable
	rings    *rings
	gate     *gate
	signers  signers

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

// WithPlaceholderRings accepts the placeholder key in the rings of applications
// without gateways, as the chain does. Its private half is public, so that anybody
// can then be served at the cost of such an application, and a relay that was
// signed with it cannot be proven once the application has delegated to a gateway.
// The default is to refuse it.
func WithPlaceholderRings() Option { return func(a *Authenticator) { a.rings.placeholders = true } }

// NewAuthenticator returns an authenticator.
//
// Required dependencies:
//   - relayer.BlockSource
//   - relayer.SessionQuerier, relayer.SharedQuerier
//   - relayer.ApplicationQuerier, relayer.AccountQuerier
//   - SigningKeys
//   - RingVerifier
func NewAuthenticator(deps depinject.Config, opts ...Option) (*Authenticator, error) {
	a := &Authenticator{
		sessions:    &sessionTable{},
		rings:       &rings{},
		gate:        newGate(),
		suppliersOf: make(map[string][]string),
	}
	if err := depinject.Inject(deps,
		&a.blocks, &a.sessions.querier, &a.shared, &a.keys,
		&a.rings.apps, &a.rings.accounts, &a.rings.verifier,
	); err != nil {
		return nil, fmt.Errorf("relay authenticator: %w", err)
	}
	if err := a.sessions.init(); err != nil {
		return nil, fmt.Errorf("relay authenticator: %w", err)
	}
	a.sessions.blocks, a.sessions.keys = a.blocks, a.keys
	a.rings.shared, a.signers.keys = a.shared, a.keys
	for _, opt := range opts {
		opt(a)
	}
	return a, nil
}

// VerifyRelayRequest returns nil if the request may be served for serviceID. Its
// errors carry a reason of package relayer. Three of them say nothing about the
// request: ErrInternal that the chain could not be asked, ErrRateLimited that the
// caller (see WithCaller) or the application asked for too many sessions that are
// not known here, and ErrRequestLimit that too many requests wait to be verified.
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
	session, err := a.sessions.check(ctx, meta.SessionHeader, meta.SupplierOperatorAddress)
	if err != nil {
		return err
	}
	if err := a.rings.checkMembers(ctx, meta.SessionHeader, signature); err != nil {
		return err
	}
	if err := a.verify(ctx, request, signature); err != nil {
		return err
	}
	session.serve()
	return nil
}

// verify checks the signature itself when its turn has come.
func (a *Authenticator) verify(ctx context.Context, request *servicetypes.RelayRequest, signature ring.Signature) error {
	if err := a.gate.enter(ctx); err != nil {
		return err
	}
	defer a.gate.leave()
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

// Stats are counts since the start.
type Stats struct {
	// SessionQueries is how often the chain was asked for a session that a request
	// named.
	SessionQueries uint64
	// SessionsRefusedFromMemory is how many requests named a session of which
	// the chain had just said that it does not exist.
	SessionsRefusedFromMemory uint64
	// SessionsRateLimited is how many requests were refused because their caller
	// or application asked for too many sessions that are not known here.
	SessionsRateLimited uint64
	// Verifications is how many ring signatures were verified.
	Verifications uint64
	// VerificationsRefused is how many requests were refused because too many
	// waited to be verified.
	VerificationsRefused uint64
	// VerificationsWaiting is how many are being verified or wait now.
	VerificationsWaiting int64
}

// Stats returns the counts.
func (a *Authenticator) Stats() Stats {
	return Stats{
		SessionQueries:            a.sessions.queries.Load(),
		SessionsRefusedFromMemory: a.sessions.remembered.Load(),
		SessionsRateLimited:       a.sessions.limited.Load(),
		Verifications:             a.gate.entered.Load(),
		VerificationsRefused:      a.gate.refused.Load(),
		VerificationsWaiting:      a.gate.inside.Load(),
	}
}
