package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// storeTime is what a relay has beyond its service's timeout to become safe: the
// service may use up its time without the answer being lost.
const storeTime = 2 * time.Second

// answer is what a transport got from the service for a relay's payload.
type answer struct {
	// payload becomes the payload of the relay response.
	payload []byte
	// mined is false for answers that a supplier is not paid for: the service
	// failed. They are signed and returned all the same.
	mined bool
}

// forwarder gets a relay's payload answered by the service. It is what differs
// between transports.
type forwarder func(ctx context.Context) (*answer, error)

// pipeline is the way of every relay, whatever the transport.
type pipeline struct {
	auth     relayer.RelayAuthenticator
	services relayer.ServiceQuerier
	intake   relayer.RelayIntake
	meter    relayer.RelayMeter
	receipts *relayer.Receipts
	replays  replays
	strain   strain
	inFlight atomic.Int64 // relays that are being answered, by whatever server
	served   *observable.Source[*servicetypes.Relay]
	refused  func(supplier, serviceID string, reason error) // is told of each relay that is refused
	failed   func(error)                                    // is told of a server that has ended by itself
}

// maxUnstored is the number of answered relays that may wait to be durable. The store
// makes thousands durable in a second: when more wait, what is between has too much to
// do, and whoever comes now would wait long.
const maxUnstored = 1024

// congested returns an error if there is too much to do to begin with another relay
// beside those in flight.
func (p *pipeline) congested() error {
	if wait, tooMuch := p.strain.tooMuch(int(p.inFlight.Load())); tooMuch {
		return relayer.ErrRequestLimit.Wrapf("what arrives waits %s to be read", wait.Round(time.Millisecond))
	}
	if n := p.receipts.Pending(); n >= maxUnstored {
		return relayer.ErrRequestLimit.Wrapf("%d relays wait to be stored", n)
	}
	return nil
}

// serve takes one relay through the pipeline and returns the signed response,
// whose relay is then safe in the store unless the service failed, or the
// application can not pay for it and it is served all the same. The response
// must be made by the deadline, and its relay be stored within storeTime after;
// the end of ctx, which is the caller's, ends both. Errors carry a reason of
// package relayer unless a part of the relay miner fails to name one.
func (p *pipeline) serve(
	ctx context.Context,
	deadline time.Time,
	service *config.Service,
	request *servicetypes.RelayRequest,
	forward forwarder,
) (*servicetypes.RelayResponse, error) {
	making, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	reservation, err := p.admit(making, service, request)
	if err != nil {
		return nil, late(making, err)
	}
	defer reservation.Refund() // of a relay that fails from here on
	response, mined, err := p.respond(making, request, forward)
	if err != nil {
		return nil, err
	}
	if !mined {
		return response, nil
	}
	if reservation.OverServiced() {
		reservation.Commit()
		return response, nil
	}
	ctx, cancel = context.WithDeadline(ctx, deadline.Add(storeTime))
	defer cancel()
	if err := p.store(ctx, &servicetypes.Relay{Req: request, Res: response}, reservation); err != nil {
		return nil, err
	}
	return response, nil
}

// admit decides whether the service is asked. The relay's compute units are
// reserved then.
func (p *pipeline) admit(
	ctx context.Context,
	service *config.Service,
	request *servicetypes.RelayRequest,
) (relayer.RelayReservation, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := p.auth.VerifyRelayRequest(ctx, request, service.ID); err != nil {
		return nil, err
	}
	computeUnits, err := p.checkMinable(ctx, request)
	if err != nil {
		return nil, err
	}
	return p.meter.Reserve(ctx, request.Meta.SessionHeader, request.Meta.SupplierOperatorAddress, computeUnits)
}

// respond returns the signed response, and whether its relay is to be mined.
func (p *pipeline) respond(
	ctx context.Context,
	request *servicetypes.RelayRequest,
	forward forwarder,
) (*servicetypes.RelayResponse, bool, error) {
	got, err := forward(ctx)
	if err != nil {
		return nil, false, late(ctx, err)
	}
	response := &servicetypes.RelayResponse{
		Meta:    servicetypes.RelayResponseMetadata{SessionHeader: request.Meta.SessionHeader},
		Payload: got.payload,
	}
	if err := p.auth.SignRelayResponse(response, request.Meta.SupplierOperatorAddress); err != nil {
		return nil, false, err
	}
	return response, got.mined, nil
}

// late returns err as a timeout if it is because the time of ctx was over, and
// does not say so itself.
func late(ctx context.Context, err error) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return err
	}
	if reason := reasonOf(err); reason != nil && reason != relayer.ErrInternal {
		return err
	}
	return &backend.PrivateError{Reason: relayer.ErrTimeout.Wrapf("the service's time was over"), Cause: err}
}

// checkMinable makes sure that the relay could be mined and stored, before the
// service is asked: a relay that fails afterwards has been served for nothing. It
// returns the relay's compute units.
func (p *pipeline) checkMinable(ctx context.Context, request *servicetypes.RelayRequest) (uint64, error) {
	if err := p.intake.AcceptingErr(); err != nil {
		return 0, relayer.ErrStoreBusy.Wrapf("%w", err)
	}
	header := request.Meta.SessionHeader
	// Both answers are pinned to the session's start and are cached for the miner by this.
	computeUnits, err := p.services.ComputeUnitsPerRelayAt(ctx, header.ServiceId, header.SessionStartBlockHeight)
	if err != nil {
		return 0, relayer.ErrInternal.Wrapf("compute units per relay: %w", err)
	}
	if _, err := p.services.DifficultyTargetAt(ctx, header.ServiceId, header.SessionStartBlockHeight); err != nil {
		return 0, relayer.ErrInternal.Wrapf("relay mining difficulty: %w", err)
	}
	return computeUnits, nil
}

// store publishes the relay and waits until it is safe. The reservation is
// committed unless the relay is certain not to be claimed: one that is published
// may be stored after the wait has ended.
func (p *pipeline) store(ctx context.Context, relay *servicetypes.Relay, reservation relayer.RelayReservation) error {
	receipt := p.receipts.Expect(relay)
	unpublished := p.served.Publish(ctx, relay)
	if unpublished != nil {
		p.receipts.Resolve(relay, unpublished)
	}
	err := receipt.Wait(ctx)
	if err == nil || unpublished == nil && ctx.Err() != nil {
		reservation.Commit()
	}
	switch {
	case err == nil, reasonOf(err) != nil:
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return relayer.ErrTimeout.Wrapf("the relay was not stored in time")
	case errors.Is(err, context.Canceled):
		return relayer.ErrInternal.Wrapf("the caller left before the relay was stored: %w", err)
	default:
		return relayer.ErrStoreRelay.Wrapf("%w", err)
	}
}
