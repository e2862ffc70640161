package cli

import (
	"context"
	"errors"
	"strings"
	"testing"

	"cosmossdk.io/depinject"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// namedSubmitter is a part with a name, around another one.
type namedSubmitter struct {
	name  string
	inner relayer.TxSubmitter
}

func (s *namedSubmitter) Submit(context.Context, *relayer.Submission) (<-chan relayer.Outcome, error) {
	return nil, errors.New(s.name)
}

func TestDecorator_ReturnsWhatIsUsedInThePlaceOfThePart(t *testing.T) {
	built := &namedSubmitter{name: "built"}
	receipts := &relayer.Receipts{}
	deps := depinject.Supply(receipts)
	refusal := errors.New("not this one")

	for _, tc := range []struct {
		name      string
		decorator Decorator[relayer.TxSubmitter]
		check     func(t *testing.T, got relayer.TxSubmitter, err error)
	}{
		{"none", nil, func(t *testing.T, got relayer.TxSubmitter, err error) {
			if got != built || err != nil {
				t.Errorf("got %v, %v", got, err)
			}
		}},
		{"one that wraps", func(deps depinject.Config, part relayer.TxSubmitter) (relayer.TxSubmitter, error) {
			var given *relayer.Receipts
			if err := depinject.Inject(deps, &given); err != nil {
				return nil, err
			}
			if given != receipts {
				return nil, errors.New("the receipts are others")
			}
			return &namedSubmitter{name: "around", inner: part}, nil
		}, func(t *testing.T, got relayer.TxSubmitter, err error) {
			around, ok := got.(*namedSubmitter)
			if err != nil || !ok || around.inner != built {
				t.Errorf("got %v, %v", got, err)
			}
		}},
		{"one that fails", func(depinject.Config, relayer.TxSubmitter) (relayer.TxSubmitter, error) {
			return nil, refusal
		}, func(t *testing.T, _ relayer.TxSubmitter, err error) {
			if !errors.Is(err, refusal) || !strings.Contains(err.Error(), "namedSubmitter") {
				t.Errorf("the error is %v", err)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.decorator.around(deps, built)
			tc.check(t, got, err)
		})
	}
}
