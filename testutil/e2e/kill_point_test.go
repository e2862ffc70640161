package e2e

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

func TestKill_AtEveryPointOfASessionLosesNoAnsweredRelay(t *testing.T) {
	t.Parallel()
	points := []point{
		relayStored,
		claimDue, claimSigned, claimSent, claimSeen,
		proofDue, proofSigned, proofSent, proofSeen,
	}
	services := make([]localnet.ServiceConfig, len(points))
	for i, at := range points {
		services[i].ID = strings.ReplaceAll(string(at), "/", "-")
	}
	newLanes(t, services).sideBySide(t, func(t *testing.T, i int, l *lane) { l.survive(t, points[i]) })
}

// survive kills a relay miner at a point, starts another in its place and makes
// sure that everything is paid.
func (l *lane) survive(t *testing.T, at point) {
	mortal := l.mortal(t, at).start(t)
	mortal.awaitReady(l.w.ctx, t)
	session := l.fresh(l.w.ctx, t)
	l.serve(t, session, answersBeforeDeath)
	stored := uint64(answersBeforeDeath)
	if at == relayStored {
		err := l.send(l.w.ctx, session, l.supplier)
		var refused *client.RefusedError
		if err == nil || errors.As(err, &refused) {
			t.Fatalf("the relay was answered: %v", err)
		}
		stored++
	}
	mortal.checkKilled(l.w.ctx, t)

	next := l.miner(t).start(t)
	next.awaitReady(l.w.ctx, t)
	l.checkPaid(t, stored)
	next.stop(l.w.ctx, t, syscall.SIGTERM)
}
