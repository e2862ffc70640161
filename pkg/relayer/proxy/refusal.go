package proxy

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
)

const (
	// maxRefusalText bounds the bytes of the text in a refusal, which can repeat
	// parts of the request. It is in the reply twice.
	maxRefusalText = 512
	// unknownService stands for a service that a refused request does not name.
	unknownService = "unknown_service_id"
)

// refusal returns the reply to a relay that is not served: no signature, and the
// reason both as a RelayMinerError and as the payload. It is short, whatever the
// request was.
func refusal(request *servicetypes.RelayRequest, err error) *servicetypes.RelayResponse {
	header := request.Meta.SessionHeader
	if header == nil || header.Size() > maxSessionHeader {
		header = &sessiontypes.SessionHeader{ServiceId: unknownService}
	}
	minerError := relayer.RelayMinerError(err)
	if private(err) {
		minerError.Message = minerError.Description
	}
	if len(minerError.Message) > maxRefusalText {
		minerError.Message = strings.ToValidUTF8(minerError.Message[:maxRefusalText], "")
	}
	return &servicetypes.RelayResponse{
		Meta:            servicetypes.RelayResponseMetadata{SessionHeader: header},
		Payload:         []byte(minerError.Message),
		RelayMinerError: minerError,
	}
}

// statusOf returns the HTTP status of a refusal. Gateways read the reason in the
// body of a reply with status 200; one that is told 429 stops asking for relays
// that will not be served either, and 503 tells all software on the way that there
// is too much to do.
func statusOf(err error) int {
	switch reasonOf(err) {
	case relayer.ErrRateLimited:
		return http.StatusTooManyRequests
	case relayer.ErrRequestLimit:
		return http.StatusServiceUnavailable
	default:
		return http.StatusOK
	}
}

// private says whether the text of err can name addresses and paths of the relay
// miner's inside, because its reason lies there and not with the request.
func private(err error) bool {
	var hidden *backend.PrivateError
	if errors.As(err, &hidden) {
		return false // its text leaves the cause out
	}
	return slices.Contains([]*relayer.Error{
		relayer.ErrInternal, relayer.ErrStoreRelay, relayer.ErrStoreBusy, relayer.ErrStoreClosed,
	}, reasonOf(err))
}

// reasonOf returns the reason that err carries, or nil.
func reasonOf(err error) *relayer.Error {
	var reason *relayer.Error
	if errors.As(err, &reason) {
		return reason
	}
	return nil
}

// causeOf is what a log line about a refused relay says: the cause for the
// operator if there is one that the caller is not told.
func causeOf(err error) slog.Attr {
	var hidden *backend.PrivateError
	if errors.As(err, &hidden) {
		return slog.Any("cause", hidden.Cause)
	}
	return slog.Attr{} // handlers leave it out
}
