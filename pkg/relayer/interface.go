package relayer

//go:generate go tool mockgen -source=interface.go -destination=../../testutil/mockrelayer/relayer_mock.go -package=mockrelayer

import (
	"context"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	"github.com/pokt-network/smt"

	"github.com/seed52205347/relayminer/pkg/observable"
)

// RelaysObservable is a stream of served relays.
//
// It is a defined type, not an alias, because generated mocks and the
// dependency injection container both need a name for it.
type RelaysObservable observable.Observable[*servicetypes.Relay]

// MinedRelaysObservable is a stream of mined relays. It is a defined type for
// the reason given at RelaysObservable.
type MinedRelaysObservable observable.Observable[*MinedRelay]

// Miner turns served relays into mined relays: those whose hash meets the
// difficulty of their session and that therefore count for its volume.
type Miner interface {
	// MinedRelays consumes servedRelayObs and returns the relays among them
	// that are applicable to their session's volume. The returned observable
	// completes once servedRelayObs has completed and been drained. Work for a
	// relay is bounded by ctx; cancelling it makes lookups fail, it does not
	// end the stream.
	MinedRelays(
		ctx context.Context,
		servedRelayObs RelaysObservable,
	) (minedRelaysObs MinedRelaysObservable)
}

// MinerOption changes a Miner while it is constructed.
type MinerOption func(Miner)

// RelayServer answers relay requests on one listen address.
type RelayServer interface {
	// Start binds the listen address and begins to serve. It returns as soon as
	// the address is bound, or with an error that names it.
	Start(ctx context.Context) error

	// Stop refuses new relays, waits for those in flight as long as ctx allows
	// and releases the address.
	Stop(ctx context.Context) error
}

// RelayerProxy is the relay miner's front: it runs the relay servers and
// publishes the relays that they have served.
type RelayerProxy interface {
	// Start starts every relay server. If one of them fails to start, those
	// already started are stopped and the error is returned.
	Start(ctx context.Context) error

	// Stop stops every relay server and completes ServedRelays once the relays
	// in flight are done. Errors of several servers are joined.
	Stop(ctx context.Context) error

	// ServedRelays returns the stream of served relays: the request's ring
	// signature and session have been verified and the response is signed and
	// exactly what the client is sent.
	ServedRelays() RelaysObservable

	// VerifyRelayRequest checks that relayRequest is for serviceId, belongs to
	// a session in which its supplier (one of ours) takes part and that is not
	// over, and is signed by the session's application or one of its gateways.
	VerifyRelayRequest(
		ctx context.Context,
		relayRequest *servicetypes.RelayRequest,
		serviceId string,
	) error

	// SignRelayResponse sets the payload hash of relayResponse and the
	// signature of the supplier with the given operator address.
	SignRelayResponse(relayResponse *servicetypes.RelayResponse, supplierOperatorAddr string) error
}

// RelayAuthenticator decides whose relays are served and signs the answers. It
// is what the methods of the same names of a RelayerProxy use.
type RelayAuthenticator interface {
	// VerifyRelayRequest: see RelayerProxy.
	VerifyRelayRequest(
		ctx context.Context,
		relayRequest *servicetypes.RelayRequest,
		serviceId string,
	) error

	// SignRelayResponse: see RelayerProxy.
	SignRelayResponse(relayResponse *servicetypes.RelayResponse, supplierOperatorAddr string) error
}

// RelayIntake says whether relays can be stored, so that a relay that could not
// be is refused before the service is asked.
type RelayIntake interface {
	// AcceptingErr returns nil if relays can be stored now, else the reason. It
	// is called for every relay and does not block.
	AcceptingErr() error
}

// RelayMeter says whether the application of a session can still pay a supplier
// for a relay.
type RelayMeter interface {
	// Reserve sets the compute units of one relay aside from what the chain will
	// settle for the supplier's claim of the session. The request for the relay
	// must be verified. The caller calls Commit or Refund of the reservation when
	// the relay's fate is known.
	//
	// The error wraps ErrRateLimited if the application can not pay for the relay.
	// Any other error says nothing about that: ErrRequestLimit that too many
	// sessions are metered, ErrInternal that the chain or the store could not be
	// asked.
	Reserve(
		ctx context.Context,
		session *sessiontypes.SessionHeader,
		supplierOperatorAddr string,
		computeUnits uint64,
	) (RelayReservation, error)
}

// RelayReservation is the place of one relay in what an application can pay.
// Whichever of Commit and Refund is called first decides; later calls have no
// effect. Both may be called after the session is over.
type RelayReservation interface {
	// OverServiced says that the application can not pay for the relay and that
	// it is served for nothing. Such a relay is not to be mined.
	OverServiced() bool
	// Commit says that the relay was served, and is in the claim unless it is
	// over-serviced or does not meet the difficulty.
	Commit()
	// Refund says that the relay will not be in the claim.
	Refund()
}

// SessionUsage remembers across restarts what was served in a session.
type SessionUsage interface {
	// StoredComputeUnits returns the sum of the compute units of the relays that
	// are stored for the session and supplier: of those that met the difficulty.
	StoredComputeUnits(
		ctx context.Context,
		session *sessiontypes.SessionHeader,
		supplierOperatorAddr string,
	) (uint64, error)
}

// RelayerProxyOption changes a RelayerProxy while it is constructed.
type RelayerProxyOption func(RelayerProxy)

// RelayerSessionsManager owns the sessions of all suppliers: it inserts mined
// relays into their session's tree, and takes each session through claim,
// proof and settlement as blocks arrive.
type RelayerSessionsManager interface {
	// InsertRelays sets the stream of relays to be inserted into the trees of
	// their sessions. It is called once, before Start.
	InsertRelays(minedRelaysObs MinedRelaysObservable)

	// Start begins to insert relays and to work on the sessions on disk, old
	// and new, as blocks arrive. It does not block.
	Start(ctx context.Context)

	// Stop waits until the relays that were handed over are durable and stops
	// the work on claims and proofs at a point from which a later Start resumes
	// it. The stream given to InsertRelays must complete, or Stop waits.
	Stop()
}

// RelayerSessionsManagerOption changes a RelayerSessionsManager while it is
// constructed.
type RelayerSessionsManagerOption func(RelayerSessionsManager)

// SessionTree is the sparse Merkle sum trie of one session and supplier. Its
// leaves are the session's mined relays.
type SessionTree interface {
	// GetSessionHeader returns the header of the tree's session.
	GetSessionHeader() *sessiontypes.SessionHeader

	// Update sets the leaf of key, a relay's hash, to value, the relay's
	// marshalled bytes, with the given weight in compute units. Setting a key
	// twice keeps the last value only. It fails once the tree is flushed.
	Update(key, value []byte, weight uint64) error

	// ProveClosest returns the proof for the leaf that is closest to path, the
	// 32 bytes that the chain derives from a block hash. The tree must be
	// flushed. Asking again for the same path returns the same proof; asking for another path is an
	// error, since a session is proven once.
	ProveClosest(path []byte) (proof *smt.SparseCompactMerkleClosestProof, err error)

	// GetClaimRoot returns the 48 bytes (hash, sum, count) that are claimed, or
	// nil while the tree is not flushed.
	GetClaimRoot() []byte

	// GetProofBz returns the encoding of the proof made by ProveClosest, or nil
	// while there is none.
	GetProofBz() []byte

	// Flush seals the tree, makes its root durable and returns it. Flushing
	// again returns the same root.
	Flush() (SMSTRoot []byte, err error)

	// Delete removes the tree and its leaves from the disk. It is for trees
	// whose outcome is final: a claim that cannot be proven any more is slashed.
	Delete() error

	// StartClaiming marks the tree as being claimed. It fails if it is marked
	// already, so that one claim is made by one caller.
	StartClaiming() error

	// GetSupplierOperatorAddress returns the address of the supplier that
	// served the tree's relays.
	GetSupplierOperatorAddress() *cosmostypes.AccAddress

	// GetTrieSpec returns the specification by which the tree's proofs are
	// verified.
	GetTrieSpec() smt.TrieSpec
}
