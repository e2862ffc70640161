package e2e

import (
	"slices"
	"sync"
	"testing"
)

// Each scenario is a relay miner of its own, on a chain that they share, whose
// node is troubled. They run at the same time: they wait most of it.
func TestFaults_ClaimsAndProofsLandOnceAllTheSame(t *testing.T) {
	t.Parallel()
	scenarios := slices.Concat(
		broadcastScenarios(), refusalScenarios(), simulationScenarios(),
		streamScenarios(), queryScenarios(), outageScenarios(), hopelessScenarios(),
	)
	w := newFaultWorld(t, scenarios)
	var running sync.WaitGroup
	for i, s := range scenarios {
		running.Go(func() {
			t.Run(s.name, func(t *testing.T) { newTrial(t, w, i, s).run() })
		})
	}
	running.Wait()
}
