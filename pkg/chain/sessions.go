package chain

import (
	"context"
	"errors"
	"fmt"

	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// sessionKey names a session: id and suppliers are a function of it.
type sessionKey struct {
	application, service string
	start                int64
}

// aheadTolerance is how far above the highest block seen a height may be and
// still be asked for. What is further away is refused without a question, since
// strangers choose these heights.
const aheadTolerance = 1

// Session implements relayer.SessionQuerier. Header and suppliers of the session
// are fixed for its duration; the application in it is as it was when the session
// was first asked for, so its delegations are to be taken from Application.
//
// The error wraps relayer.ErrNotFound when the application does not exist, is
// not active or not staked for the service then, and ErrHeightAhead when the
// node has not reached the height.
func (q *Queries) Session(ctx context.Context, application, serviceID string, height int64) (*sessiontypes.Session, error) {
	what := fmt.Sprintf("session of application %q for service %q at height %d", application, serviceID, height)
	if err := positive(what, height); err != nil {
		return nil, err
	}
	if seen := q.node.seen.Load(); seen > 0 && height > seen+aheadTolerance {
		return nil, fmt.Errorf("%s: %w: newest seen is %d", what, ErrHeightAhead, seen)
	}
	params, err := q.SharedParamsAt(ctx, height)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	key := sessionKey{application, serviceID, sharedtypes.GetSessionStartHeight(params, height)}
	return q.sessions.get(ctx, q.node, key, func(ctx context.Context) (answer[*sessiontypes.Session], error) {
		response, answeredAt, err := ask(ctx, q.node, what, func(ctx context.Context, opts ...grpc.CallOption) (*sessiontypes.QueryGetSessionResponse, error) {
			request := sessiontypes.NewQueryGetSessionRequest(application, serviceID, height)
			return sessiontypes.NewQueryClient(q.node.conn).GetSession(ctx, request, opts...)
		})
		if err != nil {
			return answer[*sessiontypes.Session]{height: answeredAt}, q.whyNoSession(ctx, key, height, answeredAt, params, err)
		}
		session := response.GetSession()
		if err := checkSession(session, key); err != nil {
			return answer[*sessiontypes.Session]{}, fmt.Errorf("%s: %w", what, err)
		}
		return answer[*sessiontypes.Session]{value: session, height: answeredAt, final: true}, nil
	})
}

func checkSession(session *sessiontypes.Session, key sessionKey) error {
	header := session.GetHeader()
	switch {
	case header == nil || session.GetSessionId() == "":
		return fmt.Errorf("%w: session without header", ErrMalformed)
	case header.ApplicationAddress != key.application, header.ServiceId != key.service,
		header.SessionStartBlockHeight != key.start, header.SessionId != session.SessionId:
		return fmt.Errorf("%w: session %s is of application %q, service %q, start %d", ErrMalformed,
			session.SessionId, header.ApplicationAddress, header.ServiceId, header.SessionStartBlockHeight)
	}
	return nil
}

// whyNoSession finds out what lies behind a failed session query. The chain
// answers all failures, also those that mean absence, with the status Internal
// and prose (x/session: GetSession), so the facts are asked for one by one.
func (q *Queries) whyNoSession(
	ctx context.Context, key sessionKey, height, answeredAt int64, params *sharedtypes.Params, err error,
) error {
	if status.Code(err) != codes.Internal {
		return err
	}
	if answeredAt > 0 && height > answeredAt {
		return fmt.Errorf("%w: node is at %d: %w", ErrHeightAhead, answeredAt, err)
	}
	application, appErr := q.Application(ctx, key.application)
	if errors.Is(appErr, relayer.ErrNotFound) {
		return fmt.Errorf("%w: %w", appErr, err)
	}
	if appErr != nil {
		return err
	}
	if !entitled(application, key.service, height, sharedtypes.GetSessionEndHeight(params, height)) {
		return fmt.Errorf("%w: application is not active or not staked for the service: %w", relayer.ErrNotFound, err)
	}
	return err
}

// entitled reports whether an application has sessions of a service (x/session:
// hydrateSessionApplication).
func entitled(application *apptypes.Application, service string, height, end int64) bool {
	if !application.IsActive(end) {
		return false
	}
	for _, config := range application.GetActiveServiceConfigs(height) {
		if config.GetServiceId() == service {
			return true
		}
	}
	return false
}
