package e2e

import (
	"slices"
	"sync"
	"testing"
)

// Each scenario is a relay miner of its own, on a chain that they share, whose
// node is troubled. They run at the same time: they wait most of it. So that not
// all of them are settled in one block, whose results are then too much to read
// for as many relay miners, they have their sessions in turn.
func TestFaults_ClaimsAndProofsLandOnceAllTheSame(t *testing.T) {
	t.Parallel()
	turns := 3
	scenarios := slices.Concat(
		broadcastScenarios(), refusalScenarios(), simulationScenarios(),
		streamScenarios(), queryScenarios(), outageScenarios(), hopelessScenarios(),
	)
	if !allFaults() {
		turns = 1
		scenarios = slices.DeleteFunc(scenarios, func(s scenario) bool { return !s.core })
	}
	w := newFaultWorld(t, scenarios)
	var running, starting sync.WaitGroup
	starting.Add(len(scenarios))
	first := sync.OnceValue(func() int64 { // session whose trials are first, counted from 0
		starting.Wait()
		return w.net.Height()/faultSession + 1
	})
	for i, s := range scenarios {
		running.Go(func() {
			started := sync.OnceFunc(starting.Done)
			defer started() // if it fails before, or is not to be run
			t.Run(s.name, func(t *testing.T) {
				tr := newTrial(t, w, i, s)
				tr.run(func() {
					started()
					tr.at((first()+int64(i%turns))*faultSession + 1)
				})
			})
		})
	}
	running.Wait()
}
