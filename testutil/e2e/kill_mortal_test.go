package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"

	"cosmossdk.io/depinject"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/seed52205347/relayminer/cmd/relayminer/cli"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
)

// point is a place in a session's life at which a relay miner kills itself.
type point string

// The points. Each is between two things that the relay miner does, the first of
// which the next process finds done and the second not.
const (
	relayStored point = "relay/stored" // its reply is not written

	claimDue    point = "claim/due"    // the root is written down, nothing is signed
	claimSigned point = "claim/signed" // the attempt is written down and not sent
	claimSent   point = "claim/sent"   // nobody has looked whether it is included
	claimSeen   point = "claim/seen"   // it is in force, which is not written down

	proofDue    point = "proof/due"
	proofSigned point = "proof/signed"
	proofSent   point = "proof/sent"
	proofSeen   point = "proof/seen"
)

// answersBeforeDeath is how many relays are answered before the one that is
// stored and not answered.
const answersBeforeDeath = 5

// runUntilDeath serves relays as `relayminer start` does, until it comes to the
// point. The arguments are configuration, home, keyring and chain id.
func runUntilDeath(at point, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("%d arguments", len(args))
	}
	chain.SetBech32Prefixes()
	instance, err := cli.New(context.Background(), cli.Options{
		ConfigPath:     args[0],
		Home:           args[1],
		KeyringBackend: "test",
		KeyringDir:     args[2],
		ChainID:        args[3],
		Log:            slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Decorate: cli.Decorators{
			Miner:       at.aroundMiner,
			TxSubmitter: at.aroundSubmitter,
		},
	})
	if err != nil {
		return err
	}
	if err := instance.Start(context.Background()); err != nil {
		return err
	}
	fmt.Println("ready")
	<-testEnded()
	return fmt.Errorf("the test is over, and the relay miner did not get to %s", at)
}

// die ends the process as kill -9 does.
func die() {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // nothing more is done
}

// aroundMiner dies when a relay is stored whose reply is not written.
func (p point) aroundMiner(deps depinject.Config, miner relayer.Miner) (relayer.Miner, error) {
	if p != relayStored {
		return miner, nil
	}
	dying := &dyingMiner{Miner: miner}
	return dying, depinject.Inject(deps, &dying.receipts)
}

// dyingMiner holds back what becomes of a relay.
type dyingMiner struct {
	relayer.Miner
	receipts *relayer.Receipts
	count    atomic.Int64
}

// MinedRelays implements relayer.Miner.
func (m *dyingMiner) MinedRelays(ctx context.Context, served relayer.RelaysObservable) relayer.MinedRelaysObservable {
	return observable.Map(m.Miner.MinedRelays(ctx, served),
		func(ctx context.Context, mined *relayer.MinedRelay) (*relayer.MinedRelay, error) {
			if m.count.Add(1) <= answersBeforeDeath {
				return mined, nil
			}
			// Another handle for the same relay: the proxy, which waits for the
			// first, is not told.
			withheld, handle := *mined, *mined.Served
			withheld.Served = &handle
			receipt := m.receipts.Expect(&handle)
			go func() { // ends with the process
				if err := receipt.Wait(context.WithoutCancel(ctx)); err == nil {
					die()
				}
			}()
			return &withheld, nil
		})
}

// aroundSubmitter dies while a message is brought on chain.
func (p point) aroundSubmitter(_ depinject.Config, txs relayer.TxSubmitter) (relayer.TxSubmitter, error) {
	return &dyingSubmitter{TxSubmitter: txs, at: p}, nil
}

type dyingSubmitter struct {
	relayer.TxSubmitter
	at point
}

// Submit implements relayer.TxSubmitter.
func (s *dyingSubmitter) Submit(ctx context.Context, submission *relayer.Submission) (<-chan relayer.Outcome, error) {
	message := "claim"
	if _, ok := submission.Msg.(*prooftypes.MsgSubmitProof); ok {
		message = "proof"
	}
	moment, mine := strings.CutPrefix(string(s.at), message+"/")
	if !mine {
		return s.TxSubmitter.Submit(ctx, submission)
	}
	if moment == "due" {
		die()
	}
	outcomes, err := s.TxSubmitter.Submit(ctx, watched(submission, moment))
	if err != nil || moment != "seen" {
		return outcomes, err
	}
	go func() { // ends with the process
		if outcome := <-outcomes; outcome.State == relayer.InForce {
			die()
		}
	}()
	return make(chan relayer.Outcome), nil
}

// watched returns the submission with functions that die at the moment.
func watched(submission *relayer.Submission, moment string) *relayer.Submission {
	var signed atomic.Bool
	dying := *submission
	dying.Record = func(attempt relayer.TxAttempt) error {
		err := submission.Record(attempt)
		if moment == "signed" {
			die()
		}
		signed.Store(true)
		return err
	}
	dying.InForce = func(ctx context.Context) (bool, error) {
		if moment == "sent" && signed.Load() {
			die()
		}
		return submission.InForce(ctx)
	}
	return &dying
}
