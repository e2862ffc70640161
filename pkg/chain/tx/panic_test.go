package tx

import (
	"context"
	"testing"
	"time"

	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// held is a submission whose InForce waits until the test lets it go, so that others
// arrive while its signer is busy.
func held(c *fakeChain) (sub *relayer.Submission, asked <-chan struct{}, release chan<- struct{}) {
	sub, _ = c.submission(1, 1000)
	began, gate := make(chan struct{}, 1), make(chan struct{})
	inForce := sub.InForce
	sub.InForce = func(ctx context.Context) (bool, error) {
		select {
		case began <- struct{}{}:
		default:
		}
		<-gate
		return inForce(ctx)
	}
	return sub, began, gate
}

// unsound is a message that cannot be checked.
type unsound struct{ *banktypes.MsgSend }

func (unsound) ValidateBasic() error { panic("broken") }

// parkedAfter submits messages while their signer is busy, the first of which is broken,
// and expects that all are given back.
func parkedAfter(t *testing.T, c *fakeChain, broken *relayer.Submission) {
	t.Helper()
	s := newTestSubmitter(t, c, Options{Linger: time.Millisecond})
	defer produce(t, c, 5*time.Millisecond)()
	first, asked, release := held(c)
	other, _ := c.submission(3, 1000)
	var outs []<-chan relayer.Outcome
	submit := func(sub *relayer.Submission) {
		out, err := s.Submit(t.Context(), sub)
		if err != nil {
			t.Fatal(err)
		}
		outs = append(outs, out)
	}
	submit(first)
	<-asked
	submit(broken)
	submit(other)
	close(release)
	for n, out := range outs[1:] {
		if o, ok := await(t, out); ok {
			t.Errorf("submission %d ended with %+v", n+1, o)
		}
	}
	again, _ := c.submission(3, 1000) // with the same key
	submit(again)
	if o, _ := await(t, outs[len(outs)-1]); o.State != relayer.InForce {
		t.Errorf("submitted again: outcome %+v", o)
	}
}

func TestSubmitter_PanicWhileMessagesAreAskedForTogetherIsThatOfTheSigner(t *testing.T) {
	c := newFakeChain()
	broken, _ := c.submission(2, 1000)
	broken.InForce = func(context.Context) (bool, error) { panic("broken") }
	parkedAfter(t, c, broken)
}

func TestSubmitter_PanicWhileMessagesAreTakenInHandGivesAllOfThemBack(t *testing.T) {
	c := newFakeChain()
	broken, _ := c.submission(2, 1000)
	broken.Msg = unsound{broken.Msg.(*banktypes.MsgSend)}
	parkedAfter(t, c, broken)
}
