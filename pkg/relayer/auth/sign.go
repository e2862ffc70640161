package auth

import (
	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

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
