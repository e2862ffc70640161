package chain

import (
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

func TestQueries_NodeThatIsBehindTheAnswersBeforeIsNotBelieved(t *testing.T) {
	a, b := startFake(t), startFake(t)
	a.at(12)
	a.knowing(nil)
	b.knowing(status.Error(codes.NotFound, "not yet"))
	node := dialFakes(t, a, b)
	q := NewQueries(node)
	if _, err := q.askApplication(testContext(t), "app"); err != nil {
		t.Fatal(err)
	}
	a.knowing(errUnavailable)
	if _, err := q.askApplication(testContext(t), "app"); !errors.Is(err, ErrUnreachable) || errors.Is(err, relayer.ErrNotFound) {
		t.Errorf("two blocks behind: %v", err)
	}
	b.at(12)
	if _, err := q.askApplication(testContext(t), "app"); !errors.Is(err, relayer.ErrNotFound) {
		t.Errorf("level: %v", err)
	}
}

// One address can have several nodes behind it that are not level.
func TestQueries_AbsenceFromAnOlderStateIsNotBelievedOfASingleAddressEither(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	absent := status.Error(codes.NotFound, "not yet")
	for _, test := range []struct {
		height int64
		says   error
		want   error
	}{
		{12, nil, nil}, {11, absent, ErrUnreachable}, {11, nil, nil}, {12, absent, relayer.ErrNotFound}, {13, absent, relayer.ErrNotFound},
	} {
		f.at(test.height)
		f.knowing(test.says)
		_, err := q.askApplication(testContext(t), "app")
		if !errors.Is(err, test.want) || errors.Is(err, relayer.ErrNotFound) != (test.want == relayer.ErrNotFound) {
			t.Errorf("at %d, which says %v: got %v", test.height, test.says, err)
		}
	}
}
