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

// aheadTolerance is how many blocks a height may be above the highest block seen
// and still be asked for: others may have seen a block that this process has not.
const aheadTolerance = 1

// Session implements relayer.SessionQuerier. The session is as it is claimed, that
// is, as the chain shows it for its start height (x/proof:
// queryAndValidateSessionHeader). Header and suppliers are fixed for its duration;
// the application in it is as it was when the session was first asked for, so its
// delegations are to be taken from Application.
//
// The error wraps relayer.ErrNotFound when the application does not exist, is
// not active or not staked for the service then, and ErrHeightAhead when the
// node has not reached the height, but for one block.
func (q *Queries) Session(ctx context.Context, application, serviceID string, height int64) (*sessiontypes.Session, error) {
	if height < 1 {
		return nil, noHeight("session", height)
	}
	if err := q.reached(ctx, height); err != nil {
		return nil, err
	}
	params, err := q.SharedParamsAt(ctx, height)
	if err != nil {
		return nil, fmt.Errorf("session of application %q for service %q: %w", application, serviceID, err)
	}
	return q.sessions.get(ctx, sessionKey{application, serviceID, sharedtypes.GetSessionStartHeight(params, height)})
}

// reached refuses a height that the chain has not reached. While blocks are
// followed that takes no question, since strangers choose these heights.
func (q *Queries) reached(ctx context.Context, height int64) error {
	newest := q.node.seen.Load()
	if height > newest+aheadTolerance && q.node.followed.Load() == 0 {
		var err error
		if newest, err = q.node.StateHeight(ctx); err != nil {
			return err
		}
	}
	if height > newest+aheadTolerance {
		return fmt.Errorf("session at height %d: %w: newest block is %d", height, ErrHeightAhead, newest)
	}
	return nil
}

func (q *Queries) askSession(ctx context.Context, key sessionKey) (answer[*sessiontypes.Session], error) {
	what := fmt.Sprintf("session of application %q for service %q from height %d", key.application, key.service, key.start)
	response, answeredAt, err := ask(ctx, q.node, what, func(ctx context.Context, conn grpc.ClientConnInterface, opts ...grpc.CallOption) (*sessiontypes.QueryGetSessionResponse, error) {
		request := sessiontypes.NewQueryGetSessionRequest(key.application, key.service, key.start)
		return sessiontypes.NewQueryClient(conn).GetSession(ctx, request, opts...)
	})
	if err != nil {
		return answer[*sessiontypes.Session]{height: answeredAt}, q.whyNoSession(ctx, key, answeredAt, err)
	}
	session := response.GetSession()
	if err := checkSession(session, key); err != nil {
		return answer[*sessiontypes.Session]{}, fmt.Errorf("%s: %w", what, err)
	}
	return answer[*sessiontypes.Session]{value: session, height: answeredAt, final: true}, nil
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
func (q *Queries) whyNoSession(ctx context.Context, key sessionKey, answeredAt int64, err error) error {
	if status.Code(err) != codes.Internal {
		return err
	}
	if answeredAt > 0 && key.start > answeredAt {
		return fmt.Errorf("%w: node is at %d: %w", ErrHeightAhead, answeredAt, err)
	}
	application, appErr := q.Application(ctx, key.application)
	if errors.Is(appErr, relayer.ErrNotFound) {
		return fmt.Errorf("%w: %w", appErr, err)
	}
	if appErr != nil {
		return err
	}
	params, paramsErr := q.SharedParamsAt(ctx, key.start)
	if paramsErr != nil {
		return err
	}
	if !entitled(application, key.service, key.start, sharedtypes.GetSessionEndHeight(params, key.start)) {
		return fmt.Errorf("%w: application is not active or not staked for the service: %w", relayer.ErrNotFound, err)
	}
	return err
}

// entitled reports whether an application has sessions of a service (x/session:
// hydrateSessionApplication).
func entitled(application *apptypes.Application, service string, start, end int64) bool {
	if !application.IsActive(end) {
		return false
	}
	for _, config := range application.GetActiveServiceConfigs(start) {
		if config.GetServiceId() == service {
			return true
		}
	}
	return false
}
