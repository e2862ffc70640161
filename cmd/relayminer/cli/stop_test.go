package cli

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// states returns how many sessions are in which state, in the store of a relay miner
// that was stopped.
func (c *cycle) states() map[session.State]int {
	c.t.Helper()
	st, err := store.Open(c.dir, store.Options{})
	if err != nil {
		c.t.Fatal(err)
	}
	defer st.Close(context.Background())
	records, err := session.Records(st)
	if err != nil {
		c.t.Fatal(err)
	}
	states := make(map[session.State]int)
	for _, record := range records {
		states[record.State]++
	}
	return states
}

// claiming reports whether claims wait for the next block.
func (c *cycle) claiming() bool {
	records, err := session.Records(c.miner.store)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, record := range records {
		if record.State == session.StateClaiming {
			return true
		}
	}
	return false
}

// A claim that is included while the relay miner stops is claimed in the store that is
// left behind.
func TestInstance_StopWritesDownWhatComesOfTransactionsUnderWay(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{}`))
	}))
	defer backend.Close()
	c := newCycle(t, backend.URL)
	defer c.chain.Close()
	defer c.http.CloseIdleConnections()
	included := 0
	c.parting = func() { c.chain.Advance(included) }
	c.start()
	c.load(func() {})
	for c.rest(); !c.claiming(); c.rest() {
		c.chain.Advance(1)
	}
	included = 1
	c.stop()
	states := c.states()
	if states[session.StateClaimed] == 0 || states[session.StateClaiming] > 0 {
		t.Errorf("sessions by state: %v", states)
	}
}
