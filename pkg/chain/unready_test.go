package chain

import (
	"errors"
	"sync/atomic"
	"testing"

	errorsmod "cosmossdk.io/errors"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

const methodSimulate = "/cosmos.tx.v1beta1.Service/Simulate"

// stateless are the errors with which a node says that it has no state to answer
// from (cosmos-sdk, baseapp: CreateQueryContext).
func stateless() map[string]error {
	return map[string]error{
		"before the first block": errorsmod.Wrapf(sdkerrors.ErrInvalidHeight, "%s is not ready; please wait for first block", "pocket"),
		"in a commit": errorsmod.Wrapf(sdkerrors.ErrInvalidHeight,
			"context did not contain latest block height in either check state or finalize block state (%d)", 7),
		"height not there": errorsmod.Wrapf(sdkerrors.ErrNotFound,
			"failed to load state at height %d; %s (latest height: %d)", 7, "version does not exist", 7),
	}
}

// failFirst makes a node fail the first questions about an application.
func (f *fakeNode) failFirst(questions int64, failure error) {
	var asked atomic.Int64
	f.set(func(f *fakeNode) {
		f.answers[methodApplication] = func() (any, error) {
			if asked.Add(1) > questions {
				return application(1), nil
			}
			return nil, failure
		}
	})
}

func TestQueries_NodeWithoutAStateIsAskedAgain(t *testing.T) {
	for name, failure := range stateless() {
		t.Run(name, func(t *testing.T) {
			f, node := newFakeNode(t)
			f.failFirst(2, failure)
			if app, err := NewQueries(node).Application(testContext(t), "app"); err != nil || app.Address != "app" {
				t.Errorf("got %v, %v", app, err)
			}
			if n := f.count(methodApplication); n != 3 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestQueries_NodeThatStaysWithoutAStateSaysNothingAndNothingIsRemembered(t *testing.T) {
	for name, failure := range stateless() {
		t.Run(name, func(t *testing.T) {
			f, node := newFakeNode(t)
			f.failFirst(maxAttempts, failure)
			q := NewQueries(node)
			if _, err := q.Application(testContext(t), "app"); !errors.Is(err, ErrUnreachable) || errors.Is(err, relayer.ErrNotFound) {
				t.Errorf("got %v", err)
			}
			if _, err := q.Application(testContext(t), "app"); err != nil {
				t.Errorf("in the same block, with a state: %v", err)
			}
		})
	}
}

func TestQueries_CommitIsNoReasonToChangeNodesAndARestartIs(t *testing.T) {
	failure := stateless()["in a commit"]
	for _, test := range []struct {
		name      string
		questions int64 // that fail
		failovers uint64
	}{
		{"commit", 1, 0},
		{"restart", 1000, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, b := startFake(t), startFake(t)
			a.failFirst(test.questions, failure)
			b.failFirst(0, nil)
			node := dialFakes(t, a, b)
			if _, err := NewQueries(node).Application(testContext(t), "app"); err != nil {
				t.Error(err)
			}
			if stats := node.Stats().QueryGRPC; stats.Failovers != test.failovers {
				t.Errorf("stats are %+v", stats)
			}
			if n := a.count(methodApplication); n != 2 {
				t.Errorf("the first was asked %d times", n)
			}
		})
	}
}

func TestNode_LookInTheMomentOfACommitFindsTheNodeUp(t *testing.T) {
	a, b := startFake(t), startFake(t)
	node := dialFakes(t, a, b)
	var failed atomic.Bool
	a.set(func(f *fakeNode) {
		info := f.answers[methodNodeInfo]
		f.answers[methodNodeInfo] = func() (any, error) {
			if !failed.Swap(true) {
				return nil, stateless()["in a commit"]
			}
			return info()
		}
	})
	until(t, func() bool { return a.count(methodNodeInfo) > 3 })
	if stats := node.Stats().QueryGRPC; stats.Failovers != 0 || stats.Usable != 2 {
		t.Errorf("stats are %+v", stats)
	}
}

func TestSimulate_RefusalThatSpeaksOfAHeightIsARefusalAtOnce(t *testing.T) {
	f, node := newFakeNode(t)
	for _, refused := range []error{
		errorsmod.Wrap(sdkerrors.ErrInvalidHeight, "session is over"),
		errorsmod.Wrap(sdkerrors.ErrNotFound, "no such claim"),
	} {
		// As x/auth/tx answers.
		f.set(func(f *fakeNode) {
			f.calls[methodSimulate] = 0
			f.answers[methodSimulate] = func() (any, error) {
				return nil, status.Errorf(codes.Unknown, "%v with gas used: '%d'", refused, 1000)
			}
		})
		var refusal *Refusal
		if _, err := node.Simulate(testContext(t), []byte("tx")); !errors.As(err, &refusal) {
			t.Errorf("got %v", err)
		}
		if n := f.count(methodSimulate); n != 1 {
			t.Errorf("simulated %d times", n)
		}
	}
}
