package auth

import (
	"context"
	"errors"

	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// placeholderKey is the compressed public key that the chain puts into the ring of
// an application without gateways (x/application: PlaceholderRingAddress). Its
// private half can be computed by anybody.
const placeholderKey = "\x02\x10\x66\xf2\x93\x70\x93\x56\xa3\x3e\x9c\x13\x01\x78\x67\x58" +
	"\x6b\xaf\x52\x51\x3e\x84\x5b\xc4\x33\x52\x33\xa1\x5e\xd1\xe0\x0b\xaf"

// rings checks ring signatures against the keys that may sign for an application.
type rings struct {
	placeholders bool // the placeholder key is accepted where the chain accepts it
	anySize      bool // rings may have more members than an honest signer gives them

	apps     relayer.ApplicationQuerier
	accounts relayer.AccountQuerier
	shared   relayer.SharedQuerier
	verifier RingVerifier
}

// chains returns the rule of the chain itself, by which proofs are judged.
func (r *rings) chains() *rings {
	rule := *r
	rule.placeholders, rule.anySize, rule.verifier = true, true, ring.Reference{}
	return &rule
}

// checkMembers checks that every key in the signature may sign for the session's
// application.
func (r *rings) checkMembers(ctx context.Context, header *sessiontypes.SessionHeader, signature ring.Signature) error {
	allowed, most, err := r.allowedKeys(ctx, header)
	if err != nil {
		return err
	}
	if signature.Size() > most && !r.anySize {
		return relayer.ErrInvalidRing.Wrapf("ring of %d members, application %q can have %d",
			signature.Size(), header.ApplicationAddress, most)
	}
	for i := range signature.Size() {
		member := signature.Member(i)
		_, ok := allowed[string(member)]
		placeholder := string(member) == placeholderKey
		switch {
		case placeholder && !r.placeholders:
			return relayer.ErrInvalidRing.Wrapf("placeholder key, with which anybody can sign: application %q must sign with its own key",
				header.ApplicationAddress)
		case ok:
		case placeholder:
			return relayer.ErrInvalidRing.Wrapf("placeholder key, but application %q has gateways",
				header.ApplicationAddress)
		default:
			return relayer.ErrInvalidRing.Wrapf("key %x is neither application %q nor a gateway of it",
				member, header.ApplicationAddress)
		}
	}
	return nil
}

// checkSignature checks the signature itself.
func (r *rings) checkSignature(request *servicetypes.RelayRequest, signature ring.Signature) error {
	message, err := request.GetSignableBytesHash()
	if err != nil {
		return relayer.ErrInvalidRequest.Wrapf("signable bytes: %w", err)
	}
	if err := r.verifier.Verify(message, signature); err != nil {
		return relayer.ErrInvalidRingSignature.Wrapf("%w", err)
	}
	return nil
}

// allowedKeys returns the compressed public keys, as map keys, that may sign for
// the session, and the number of members of the largest ring that an honest
// signer makes of them. As on chain, a single member without a public key, or
// with one that is not on secp256k1, makes the whole ring unusable: the chain
// could not verify a proof with it either.
func (r *rings) allowedKeys(ctx context.Context, header *sessiontypes.SessionHeader) (map[string]struct{}, int, error) {
	app, err := r.apps.Application(ctx, header.ApplicationAddress)
	if err != nil {
		return nil, 0, lookupError(err, "application", header.ApplicationAddress)
	}
	live, err := r.shared.SharedParams(ctx)
	if err != nil {
		return nil, 0, relayer.ErrInternal.Wrapf("shared params: %w", err)
	}
	target := sharedtypes.GetSessionEndHeight(live, header.SessionEndBlockHeight)
	addresses := ringAddresses(app, target)
	keys := make(map[string]struct{}, len(addresses))
	for _, address := range addresses {
		key, err := r.accounts.PubKey(ctx, address)
		if err != nil {
			return nil, 0, lookupError(err, "public key of", address)
		}
		if _, ok := key.(*secp256k1.PubKey); !ok {
			return nil, 0, relayer.ErrInvalidRing.Wrapf("public key of %q is a %T, not a secp256k1 key", address, key)
		}
		keys[string(key.Bytes())] = struct{}{}
	}
	if r.placeholders && len(addresses) == 1 {
		keys[placeholderKey] = struct{}{}
	}
	// An honest ring has one member for each address, also where an address
	// occurs twice, or a lone application's key twice.
	return keys, max(2, len(addresses)), nil
}

// ringAddresses returns the application and its gateways as of the session that
// ends at target (x/application: a gateway that is being undelegated from still
// counts until the session in which that happened is over).
func ringAddresses(app *apptypes.Application, target int64) []string {
	addresses := make([]string, 0, 1+len(app.DelegateeGatewayAddresses))
	addresses = append(addresses, app.Address)
	addresses = append(addresses, app.DelegateeGatewayAddresses...)
	for sessionEnd, gateways := range app.PendingUndelegations {
		if sessionEnd >= uint64(target) {
			addresses = append(addresses, gateways.GatewayAddresses...)
		}
	}
	return addresses
}

// lookupError tells what the chain says is absent from what could not be asked.
func lookupError(err error, what, address string) error {
	if errors.Is(err, relayer.ErrNotFound) {
		return relayer.ErrInvalidRing.Wrapf("%s %q: %w", what, address, err)
	}
	return relayer.ErrInternal.Wrapf("%s %q: %w", what, address, err)
}
