package tx

import (
	"errors"
	"time"

	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/seed52205347/relayminer/pkg/chain"
)

// fakeTx is a transaction as the chain reads it.
type fakeTx struct {
	hash          string
	recipients    []string
	timeoutHeight int64
	timeout       time.Time // of an unordered transaction
	ordered       bool
	sequence      uint64
	gas           uint64
	fee           int64
	size          int
	delivered     bool // was in a mempool
	included      int64
	code          uint32
}

func readTx(txBytes []byte) (*fakeTx, error) {
	var raw txtypes.TxRaw
	var body txtypes.TxBody
	var auth txtypes.AuthInfo
	if err := errors.Join(raw.Unmarshal(txBytes), body.Unmarshal(raw.BodyBytes), auth.Unmarshal(raw.AuthInfoBytes)); err != nil {
		return nil, err
	}
	if len(auth.SignerInfos) != 1 || len(raw.Signatures) != 1 {
		return nil, errors.New("not a transaction of one signer")
	}
	tx := &fakeTx{
		hash: hashOf(txBytes), timeoutHeight: int64(body.TimeoutHeight), ordered: !body.Unordered, sequence: auth.SignerInfos[0].Sequence,
		gas: auth.Fee.GasLimit, fee: auth.Fee.Amount.AmountOf(chain.Denom).Int64(), size: len(txBytes),
	}
	switch {
	case tx.ordered != (body.TimeoutTimestamp == nil), !tx.ordered && tx.sequence > 0:
		return nil, errors.New("sequence and timeout timestamp do not go together")
	case !tx.ordered:
		tx.timeout = *body.TimeoutTimestamp
	}
	for _, message := range body.Messages {
		var send banktypes.MsgSend
		if err := send.Unmarshal(message.Value); err != nil {
			return nil, err
		}
		tx.recipients = append(tx.recipients, send.ToAddress)
	}
	return tx, nil
}
