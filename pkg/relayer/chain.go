package relayer

import (
	"context"
	"errors"

	"cosmossdk.io/math"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
)

//go:generate go tool mockgen -source=chain.go -destination=../../testutil/mockrelayer/chain_mock.go -package=mockrelayer

// ErrNotFound is wrapped by the errors of queries when the chain has answered
// that what was asked for does not exist. Any other error says nothing about
// existence.
var ErrNotFound = errors.New("not found on chain")

// BlockSource follows the chain.
type BlockSource interface {
	// Blocks returns the stream of committed blocks.
	Blocks() BlocksObservable

	// Latest returns the newest block seen, or nil before the first one.
	Latest() *Block
}

// Queries that are pinned to a height return the same answer for ever, so
// implementations cache them. The values returned are shared and must not be
// changed.
type (
	// SessionQuerier looks sessions up.
	SessionQuerier interface {
		// Session returns the session of application and service at height. A
		// height above the node's own is an error.
		Session(ctx context.Context, application, serviceID string, height int64) (*sessiontypes.Session, error)
	}

	// SharedQuerier looks the parameters of x/shared up.
	SharedQuerier interface {
		// SharedParams returns the parameters in force now.
		SharedParams(ctx context.Context) (*sharedtypes.Params, error)
		// SharedParamsAt returns the parameters that were in force at height.
		SharedParamsAt(ctx context.Context, height int64) (*sharedtypes.Params, error)
	}

	// ApplicationQuerier looks applications up.
	ApplicationQuerier interface {
		// Application returns the application as of the newest block.
		Application(ctx context.Context, address string) (*apptypes.Application, error)
	}

	// AccountQuerier looks public keys up.
	AccountQuerier interface {
		// PubKey returns the public key of the account. An account that never
		// signed has none, which is ErrNotFound.
		PubKey(ctx context.Context, address string) (cryptotypes.PubKey, error)
	}

	// ServiceQuerier looks the price and difficulty of services up.
	ServiceQuerier interface {
		// ComputeUnitsPerRelayAt returns the compute units that a relay of the
		// service counted at height.
		ComputeUnitsPerRelayAt(ctx context.Context, serviceID string, height int64) (uint64, error)
		// DifficultyTargetAt returns the 32 byte hash below which a relay's
		// hash had to be at height for the relay to be mined.
		DifficultyTargetAt(ctx context.Context, serviceID string, height int64) ([]byte, error)
	}

	// ProofQuerier looks claims and the parameters of x/proof up.
	ProofQuerier interface {
		// ProofParams returns the parameters in force now.
		ProofParams(ctx context.Context) (*prooftypes.Params, error)
		// Claim returns the claim as of the newest block. Claims disappear when
		// they are settled.
		Claim(ctx context.Context, sessionID, supplier string) (*prooftypes.Claim, error)
	}

	// TokenomicsQuerier looks the parameters of x/tokenomics up.
	TokenomicsQuerier interface {
		// TokenomicsParams returns the parameters in force now.
		TokenomicsParams(ctx context.Context) (*tokenomicstypes.Params, error)
	}

	// SupplierQuerier looks suppliers up.
	SupplierQuerier interface {
		// Supplier returns the supplier as of the newest block.
		Supplier(ctx context.Context, operatorAddress string) (*sharedtypes.Supplier, error)
	}

	// BalanceQuerier looks balances up.
	BalanceQuerier interface {
		// Balance returns the spendable upokt of the account as of the newest block.
		Balance(ctx context.Context, address string) (math.Int, error)
	}

	// BlockQuerier looks past blocks up.
	BlockQuerier interface {
		// BlockAt returns the committed block of exactly that height.
		BlockAt(ctx context.Context, height int64) (*Block, error)
		// Events returns what the chain decided about claims in the block of
		// exactly that height.
		Events(ctx context.Context, height int64) (*BlockEvents, error)
	}
)

// BlockEvents are the events of one block that concern claims and proofs, in
// the order in which the chain emitted them.
type BlockEvents struct {
	Height int64
	Events []ClaimEvent
}

// ClaimEventKind says what happened to a claim.
type ClaimEventKind string

// Each kind is named after the event of the chain that it stands for.
const (
	ClaimCreated     ClaimEventKind = "claim_created"      // EventClaimCreated
	ClaimUpdated     ClaimEventKind = "claim_updated"      // EventClaimUpdated
	ProofSubmitted   ClaimEventKind = "proof_submitted"    // EventProofSubmitted, EventProofUpdated
	ProofChecked     ClaimEventKind = "proof_checked"      // EventProofValidityChecked
	ClaimSettled     ClaimEventKind = "claim_settled"      // EventClaimSettled
	ClaimExpired     ClaimEventKind = "claim_expired"      // EventClaimExpired
	ClaimDiscarded   ClaimEventKind = "claim_discarded"    // EventClaimDiscarded
	SupplierSlashed  ClaimEventKind = "supplier_slashed"   // EventSupplierSlashed
	AppOverserviced  ClaimEventKind = "app_overserviced"   // EventApplicationOverserviced
	SupplierUnbonded ClaimEventKind = "supplier_unbonding" // EventSupplierUnbondingBegin
)

// ClaimEvent is one thing that happened to a claim on chain. Fields that the
// chain's event does not carry are zero.
type ClaimEvent struct {
	Kind        ClaimEventKind
	Supplier    string // operator address
	Application string
	ServiceID   string
	SessionID   string // not carried by all events: match by the fields around it then
	SessionEnd  int64  // height

	NumRelays    uint64 // leaves of the claimed tree
	ComputeUnits uint64 // claimed compute units
	ClaimedUpokt string // amount with denomination, as the chain writes it
	SettledUpokt string // what the application was charged, with denomination
	// PaidUpokt is the part of SettledUpokt, and of what the chain mints beside it,
	// that the supplier's owner and shareholders have got, with denomination.
	PaidUpokt    string
	SlashedUpokt string // what the supplier's stake has lost, with denomination
	Reason       string // why a proof was invalid or a claim expired or was discarded; empty when all is well
}

// Submission is one message that must be in force on chain by a height.
type Submission struct {
	// Key identifies the submission among those of all signers, for example
	// "claim/<supplier>/<session id>". A second submission with the key of one
	// in progress is refused.
	Key string
	// Signer is the operator address that signs and pays.
	Signer string
	// Msg is the message.
	Msg cosmostypes.Msg
	// Deadline is the last height at which the message can be included.
	Deadline int64
	// WorthUpokt is the most that the message can earn. One that is not mandatory and
	// whose share of its transaction's fee is more is held, and ends as Unprofitable
	// if that goes on until its deadline. 0 says that it is sent whatever the fee.
	WorthUpokt int64
	// Mandatory says that not sending costs more than sending, up to PenaltyUpokt.
	Mandatory bool
	// PenaltyUpokt is what is lost when a mandatory message is not in force by its
	// deadline (x/proof: proof_missing_penalty). Its transaction costs no more than the
	// penalties of its messages together. 0 says that it is not known: no fee is too much.
	PenaltyUpokt int64
	// InForce asks the chain's state whether the message has taken effect. An
	// error means that the chain could not be asked. It may be called at the
	// same time as those of other submissions, and so may Record.
	InForce func(ctx context.Context) (bool, error)
	// Prior holds the attempts that were recorded before a restart.
	Prior []TxAttempt
	// Record makes an attempt durable. It is called before the attempt is sent
	// and again when something about it is learned; an attempt whose first record fails
	// is not sent.
	Record func(TxAttempt) error
}

// TxAttempt is one signed transaction that carried a submission's message.
type TxAttempt struct {
	Hash          string `json:"hash"`               // upper-case hex
	FeeUpokt      int64  `json:"fee_upokt"`          // of the whole transaction
	GasWanted     uint64 `json:"gas_wanted"`         // of the whole transaction
	Messages      int    `json:"messages"`           // messages in the transaction
	SentHeight    int64  `json:"sent_height"`        // newest block when it was first sent
	TimeoutHeight int64  `json:"timeout_height"`     // it cannot be included after this height
	TimeoutUnixNs int64  `json:"timeout_unix_ns"`    // nor after this block time; unique per signer, 0 if Ordered
	Ordered       bool   `json:"ordered,omitempty"`  // it has a sequence number and no time of its own
	Sequence      uint64 `json:"sequence,omitempty"` // of the signer's account, if Ordered
	Included      int64  `json:"included,omitempty"` // height, 0 while not seen in a block
	Code          uint32 `json:"code,omitempty"`
	Codespace     string `json:"codespace,omitempty"`
	Error         string `json:"error,omitempty"` // the node's words, when it refused or failed the transaction
	TxBytes       []byte `json:"tx_bytes,omitempty"`
}

// OutcomeState says how a submission ended.
type OutcomeState string

// The ways in which a submission can end.
const (
	InForce      OutcomeState = "in_force"     // the chain's state shows the effect
	Failed       OutcomeState = "failed"       // the chain refuses the message itself
	NotIncluded  OutcomeState = "not_included" // the deadline passed
	Unprofitable OutcomeState = "unprofitable" // it was never sent, for it costs more than it is worth
)

// Outcome is the end of a submission.
type Outcome struct {
	State  OutcomeState
	Height int64 // at which the state was established
	Err    error // the reason, nil when in force
}

// TxSubmitter brings messages on chain.
type TxSubmitter interface {
	// Submit takes charge of the message and returns at once. Exactly one
	// outcome arrives on the channel, which is then closed; it is closed
	// without one if the submitter is stopped first, and the submission is then
	// to be made again after a restart with its recorded attempts.
	Submit(ctx context.Context, submission *Submission) (<-chan Outcome, error)
}
