package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// Plan says for what requests are signed. They go to sessions and suppliers in turn.
type Plan struct {
	// Key is the private key of a member of every session's ring.
	Key []byte
	// Sessions are those whose relays are sent.
	Sessions []PlannedSession
	// Suppliers are in every session.
	Suppliers []PlannedSupplier
}

// PlannedSession is a session and the ring of its application.
type PlannedSession struct {
	Header *sessiontypes.SessionHeader
	Ring   [][]byte // compressed public keys
}

// PlannedSupplier is a supplier whose replies are checked.
type PlannedSupplier struct {
	Address string
	Key     []byte // compressed public key
}

// corpus makes requests.
type corpus struct {
	plan    Plan
	signers []*ring.LoadSigner // of the sessions
}

func newCorpus(plan Plan) (*corpus, error) {
	c := &corpus{plan: plan}
	for _, session := range plan.Sessions {
		signer, err := ring.NewLoadSigner(plan.Key, session.Ring)
		if err != nil {
			return nil, err
		}
		c.signers = append(c.signers, signer)
	}
	return c, nil
}

// session and supplier tell what the n-th request is for.
func (c *corpus) session(n int) PlannedSession { return c.plan.Sessions[n%len(c.plan.Sessions)] }

func (c *corpus) supplier(n int) PlannedSupplier {
	return c.plan.Suppliers[n/len(c.plan.Sessions)%len(c.plan.Suppliers)]
}

// sign returns the requests from number first on, with their HTTP heads, signing on all
// cores. It calls progress now and then, with how many there are.
func (c *corpus) sign(ctx context.Context, first, number int, progress func(int)) ([][]byte, error) {
	requests := make([][]byte, number)
	var next, done atomic.Int64
	err := parallel(ctx, async.Cores(), func(ctx context.Context, _ int) error {
		for n := int(next.Add(1)) - 1; n < number; n = int(next.Add(1)) - 1 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			request, err := c.request(first + n)
			if err != nil {
				return err
			}
			requests[n] = request
			if signed := int(done.Add(1)); signed%progressEvery == 0 {
				progress(signed)
			}
		}
		return nil
	})
	return requests, err
}

// progressEvery is after how many requests progress is told of.
const progressEvery = 1000

// parallel runs fn on n goroutines, waits for all and returns the first error.
func parallel(ctx context.Context, n int, fn func(ctx context.Context, worker int) error) error {
	group := async.NewGroup(ctx)
	unended := context.WithoutCancel(ctx)
	for worker := range n {
		err := group.Go(fmt.Sprintf("worker %d", worker), func(ctx context.Context) error { return fn(ctx, worker) })
		if err != nil {
			return errors.Join(err, group.Stop(unended))
		}
	}
	if err := group.Wait(unended); err != nil {
		return err
	}
	if err := errors.Join(ctx.Err(), group.Err()); err != nil {
		return err
	}
	return group.Stop(unended)
}

// request returns the n-th request.
func (c *corpus) request(n int) ([]byte, error) {
	body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"eth_blockNumber","params":[]}`, n)
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(client.JSONRPC(body))
	if err != nil {
		return nil, fmt.Errorf("encode payload: %w", err)
	}
	relay := &servicetypes.RelayRequest{Payload: payload}
	relay.Meta.SessionHeader = c.session(n).Header
	relay.Meta.SupplierOperatorAddress = c.supplier(n).Address
	message, err := relay.GetSignableBytesHash()
	if err != nil {
		return nil, fmt.Errorf("signable bytes: %w", err)
	}
	if relay.Meta.Signature, err = c.signers[n%len(c.signers)].Sign(message); err != nil {
		return nil, err
	}
	encoded, err := relay.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encode relay request: %w", err)
	}
	return post(encoded), nil
}

// post returns an HTTP request with the body.
func post(body []byte) []byte {
	request := fmt.Appendf(nil, "%s / HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		http.MethodPost, len(body))
	return append(request, body...)
}
