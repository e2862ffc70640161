package auth

import (
	"context"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// VerifyEvidence checks a stored relay as the chain checks the relay in a proof
// (x/proof): that request and response are complete and of one session, the
// members of the ring as of now, the ring signature, and the supplier's signature
// of the response. The ring rule is the chain's, in no point narrower, and the
// reference implementation verifies, whatever verified when the relay was served.
//
// Its errors carry the reasons of VerifyRelayRequest: ErrInternal says that the
// chain could not be asked, and nothing about the relay.
func (a *Authenticator) VerifyEvidence(ctx context.Context, relay *servicetypes.Relay) error {
	if err := checkComplete(relay); err != nil {
		return err
	}
	signature, err := ring.Parse(relay.Req.Meta.Signature)
	if err != nil {
		return relayer.ErrInvalidRing.Wrapf("%w", err)
	}
	chain := a.rings.chains()
	if err := chain.checkMembers(ctx, relay.Req.Meta.SessionHeader, signature); err != nil {
		return err
	}
	if err := chain.checkSignature(relay.Req, signature); err != nil {
		return err
	}
	key, ours := a.keys.Signer(relay.Req.Meta.SupplierOperatorAddress)
	if !ours {
		return relayer.ErrUndefinedSigner.Wrapf("supplier %q", relay.Req.Meta.SupplierOperatorAddress)
	}
	if err := relay.Res.VerifySupplierOperatorSignature(key.PubKey()); err != nil {
		return relayer.ErrInvalidResponse.Wrapf("%w", err)
	}
	return nil
}

// checkComplete checks what of a relay can be checked without keys.
func checkComplete(relay *servicetypes.Relay) error {
	if relay.GetReq() == nil || relay.GetRes() == nil {
		return relayer.ErrInvalidRequest.Wrapf("relay without request or response")
	}
	if err := relay.Req.ValidateBasic(); err != nil {
		return relayer.ErrInvalidRequest.Wrapf("%w", err)
	}
	if err := relay.Res.ValidateBasic(); err != nil {
		return relayer.ErrInvalidResponse.Wrapf("%w", err)
	}
	if *relay.Res.Meta.SessionHeader != *relay.Req.Meta.SessionHeader {
		return relayer.ErrInvalidResponse.Wrapf("response is of session %s, request of %s",
			relay.Res.Meta.SessionHeader.SessionId, relay.Req.Meta.SessionHeader.SessionId)
	}
	return nil
}
