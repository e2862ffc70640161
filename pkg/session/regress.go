package session

// regressing is implemented by a source of blocks that knows when the chain that it
// follows has gone back, because a node was set back or exchanged.
type regressing interface {
	// Regressions returns how often that has happened.
	Regressions() uint64
}

// noteRegression begins anew when the chain has gone back since the last block: what
// was found out from it before may not be true any more. Steps under way end without
// effect on the queue, and every session is asked about again, from what its record
// and the chain say now. Transactions need no such thing: they are judged by the
// chain's state at each block.
func (m *sessionsManager) noteRegression(height int64) {
	source, ok := m.blocks.(regressing)
	if !ok {
		return
	}
	n := source.Regressions()
	if n == m.regressions {
		return
	}
	m.regressions = n
	generation := m.queue.Reset()
	m.mu.Lock()
	for _, tree := range m.trees {
		tree.workedAt = 0
	}
	m.mu.Unlock()
	m.log.Warn("the chain went back: every session is looked at anew", "height", height, "generation", generation)
}
