package chaintest

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/chain/tx"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// root is what a claim commits to: 32 bytes of hash, sum and count.
func root(computeUnits, relays uint64) []byte {
	root := append(make([]byte, 31), 1)
	root = binary.BigEndian.AppendUint64(root, computeUnits)
	return binary.BigEndian.AppendUint64(root, relays)
}

// claim prepares the claim of three relays.
func (b *bench) claim(supplier string, start int64) *relayer.Submission {
	b.t.Helper()
	session, err := b.queries.Session(b.ctx, b.network.Applications[0].Address, b.network.Services[0].ID, start)
	if err != nil {
		b.t.Fatal(err)
	}
	params, err := b.queries.SharedParamsAt(b.ctx, session.Header.SessionEndBlockHeight)
	if err != nil {
		b.t.Fatal(err)
	}
	return &relayer.Submission{
		Key: "claim/" + supplier + "/" + session.SessionId, Signer: supplier,
		Deadline: sharedtypes.GetClaimWindowCloseHeight(params, session.Header.SessionEndBlockHeight),
		Msg:      prooftypes.NewMsgCreateClaim(supplier, session.Header, root(3*b.network.Services[0].ComputeUnitsPerRelay, 3)),
		InForce: func(ctx context.Context) (bool, error) {
			_, err := b.queries.Claim(ctx, session.SessionId, supplier)
			if errors.Is(err, relayer.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		},
		Record: func(relayer.TxAttempt) error { return nil },
	}
}

// The claims are submitted before their window is open: what the chain refuses
// for now is tried until it passes.
func TestClaims_LandInTheirWindowAndTheirEventsTellHowTheyEnd(t *testing.T) {
	for _, test := range []struct {
		name        string
		probability float64
		kinds       []relayer.ClaimEventKind
	}{
		{"settled", 0, []relayer.ClaimEventKind{relayer.ClaimCreated, relayer.ClaimSettled}},
		{"expired", 1, []relayer.ClaimEventKind{relayer.ClaimCreated, relayer.ClaimExpired, relayer.SupplierSlashed}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, localnet.Config{
				Suppliers: 2, BlocksPerSession: 4, BlockTime: 200 * time.Millisecond, ProofProbability: &test.probability,
			})
			s := b.submitter(tx.Options{})
			start := b.blocks.Latest().Height
			var outs []<-chan relayer.Outcome
			for _, supplier := range b.network.Suppliers {
				out, err := s.Submit(b.ctx, b.claim(supplier.OperatorAddress, start))
				if err != nil {
					t.Fatal(err)
				}
				outs = append(outs, out)
			}
			for _, out := range outs {
				if o := b.outcome(out); o.State != relayer.InForce {
					t.Fatalf("outcome %+v", o)
				}
			}
			b.checkEvents(start, test.kinds)
		})
	}
}

// checkEvents reads the events of a session's life, and expects one of each kind
// per supplier.
func (b *bench) checkEvents(start int64, kinds []relayer.ClaimEventKind) {
	b.t.Helper()
	header := b.header(start)
	params, err := b.queries.SharedParamsAt(b.ctx, header.end)
	if err != nil {
		b.t.Fatal(err)
	}
	settled := sharedtypes.GetProofWindowCloseHeight(params, header.end)
	b.passes(settled - b.blocks.Latest().Height + 1)
	count := make(map[relayer.ClaimEventKind]int)
	for height := start; height <= settled; height++ {
		events, err := b.queries.Events(b.ctx, height)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range events.Events {
			count[e.Kind]++
			b.checkEvent(e, header)
		}
	}
	for _, kind := range kinds {
		if count[kind] != len(b.network.Suppliers) {
			b.t.Errorf("%d events of kind %s", count[kind], kind)
		}
		delete(count, kind)
	}
	if len(count) > 0 {
		b.t.Errorf("more events than expected: %v", count)
	}
}

type sessionOf struct {
	id  string
	end int64
}

func (b *bench) header(height int64) sessionOf {
	b.t.Helper()
	session, err := b.queries.Session(b.ctx, b.network.Applications[0].Address, b.network.Services[0].ID, height)
	if err != nil {
		b.t.Fatal(err)
	}
	return sessionOf{session.SessionId, session.Header.SessionEndBlockHeight}
}

func (b *bench) checkEvent(e relayer.ClaimEvent, session sessionOf) {
	b.t.Helper()
	if e.Application != b.network.Applications[0].Address || e.ServiceID != b.network.Services[0].ID || e.SessionEnd != session.end {
		b.t.Errorf("event %+v is not of the session that ends at %d", e, session.end)
	}
	if _, ok := b.keys.Signer(e.Supplier); !ok {
		b.t.Errorf("event %+v is of an unknown supplier", e)
	}
	switch e.Kind {
	case relayer.ClaimCreated, relayer.ClaimSettled:
		if e.NumRelays != 3 || e.ComputeUnits != 300 || e.ClaimedUpokt == "" {
			b.t.Errorf("event %+v does not tell what was claimed", e)
		}
		if e.Kind == relayer.ClaimSettled && (e.SessionID != session.id || e.SettledUpokt != e.ClaimedUpokt) {
			b.t.Errorf("event %+v does not tell what was paid", e)
		}
	case relayer.ClaimExpired, relayer.SupplierSlashed:
		if e.Reason == "" {
			b.t.Errorf("event %+v has no reason", e)
		}
	}
}
