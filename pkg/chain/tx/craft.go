package tx

import (
	"crypto/sha256"
	"fmt"
	"time"

	"cosmossdk.io/math"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	"github.com/cosmos/cosmos-sdk/types/tx/signing"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// draft is everything that a transaction says.
type draft struct {
	messages      []*codectypes.Any
	timeoutHeight int64
	timeout       int64 // Unix nanoseconds, of an unordered transaction
	ordered       bool
	sequence      uint64 // of an ordered transaction
	gas           uint64
	fee           math.Int // upokt
}

// envelopeBytes bounds what a transaction has besides its messages: fee, public
// key, signature, timeouts.
const envelopeBytes = 320

// encode returns body and auth info in the encoding that is signed.
func (d draft) encode(pub cryptotypes.PubKey) (body, auth []byte, err error) {
	content := &txtypes.TxBody{Messages: d.messages, TimeoutHeight: uint64(d.timeoutHeight)}
	if !d.ordered {
		timeout := time.Unix(0, d.timeout).UTC()
		content.Unordered, content.TimeoutTimestamp = true, &timeout
	}
	body, err = content.Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("encode transaction body: %w", err)
	}
	key, err := codectypes.NewAnyWithValue(pub)
	if err != nil {
		return nil, nil, fmt.Errorf("encode public key: %w", err)
	}
	fee := cosmostypes.Coins{}
	if !d.fee.IsNil() && d.fee.IsPositive() {
		fee = cosmostypes.NewCoins(cosmostypes.NewCoin(chain.Denom, d.fee))
	}
	direct := &txtypes.ModeInfo_Single{Mode: signing.SignMode_SIGN_MODE_DIRECT}
	auth, err = (&txtypes.AuthInfo{
		// The sequence of an unordered transaction is zero (x/auth/ante:
		// SigVerificationDecorator).
		SignerInfos: []*txtypes.SignerInfo{{
			PublicKey: key,
			ModeInfo:  &txtypes.ModeInfo{Sum: &txtypes.ModeInfo_Single_{Single: direct}},
			Sequence:  d.sequence,
		}},
		Fee: &txtypes.Fee{Amount: fee, GasLimit: d.gas},
	}).Marshal()
	if err != nil {
		return nil, nil, fmt.Errorf("encode fee and signer: %w", err)
	}
	return body, auth, nil
}

// signatureBytes is the length of a secp256k1 signature.
const signatureBytes = 64

// unsigned returns the transaction with room for a signature, as a simulation
// wants it: gas is also charged per byte.
func (d draft) unsigned(pub cryptotypes.PubKey) ([]byte, error) {
	body, auth, err := d.encode(pub)
	if err != nil {
		return nil, err
	}
	return assemble(body, auth, make([]byte, signatureBytes))
}

// sign returns the transaction in SIGN_MODE_DIRECT.
func (d draft) sign(priv cryptotypes.PrivKey, chainID string, account uint64) ([]byte, error) {
	body, auth, err := d.encode(priv.PubKey())
	if err != nil {
		return nil, err
	}
	document, err := (&txtypes.SignDoc{
		BodyBytes: body, AuthInfoBytes: auth, ChainId: chainID, AccountNumber: account,
	}).Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode sign document: %w", err)
	}
	signature, err := priv.Sign(document)
	if err != nil {
		return nil, fmt.Errorf("sign transaction: %w", err)
	}
	return assemble(body, auth, signature)
}

func assemble(body, auth, signature []byte) ([]byte, error) {
	bz, err := (&txtypes.TxRaw{BodyBytes: body, AuthInfoBytes: auth, Signatures: [][]byte{signature}}).Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode transaction: %w", err)
	}
	return bz, nil
}

// hashOf returns the name of a transaction on chain, in upper-case hex.
func hashOf(txBytes []byte) string {
	sum := sha256.Sum256(txBytes)
	return fmt.Sprintf("%X", sum[:])
}
