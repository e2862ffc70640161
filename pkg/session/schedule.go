package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/queue"
)

const (
	// blocksBuffer is the number of blocks that may wait to be worked on. Only
	// the newest matters: what was due before is still due.
	blocksBuffer = 8
	// stepWorkers is the number of sessions for which steps are taken at once.
	// Steps mostly wait, for the disk or the node, and share the waiting: many
	// sessions end at the same height, and a window has few blocks. With 256, 500
	// sessions are with the submitter in the time of some three calls to the node.
	stepWorkers = 256
	// queueBound is the number of sessions that wait in line for a worker. The
	// others are found again among the sessions without an outcome.
	queueBound = 1024
)

// startDriving puts the sessions for which something is due in the queue whenever
// a block arrives, and starts the workers.
func (m *sessionsManager) startDriving() {
	for n := range stepWorkers {
		// Fails only for a group that was stopped; this one is new.
		_ = m.group.Supervise(fmt.Sprintf("session worker %d", n), async.Restart{}, func(ctx context.Context) error {
			return m.queue.Work(ctx, m.workOn, func(err error) { m.log.Error("session work failed", "error", err) })
		})
	}
	blocks, leave := m.blocks.Blocks().Subscribe(
		observable.WithName("session_blocks"),
		observable.WithBuffer(blocksBuffer),
		observable.WithOverflow(observable.DropOldest),
	)
	m.leave = leave
	m.driven = observable.ForEach(blocks, m.drive, observable.WithName("drive_sessions"))
}

// drive queues what is due at a block.
func (m *sessionsManager) drive(_ context.Context, block *relayer.Block) error {
	defer m.worked.Store(block.Height)
	m.noteRegression(block.Height)
	m.queue.Advance(block.Height)
	m.noteDisk()
	for _, item := range m.due(block.Height) {
		m.queue.Add(item)
	}
	m.watch(block.Height)
	return nil
}

// noteDisk pauses the queue as long as nothing can be written down. Urgent claims
// and required proofs are tried all the same. A store that takes no relays, for
// want of room or because too many come at once, still takes records.
func (m *sessionsManager) noteDisk() {
	if err := m.store.WritableErr(); err != nil {
		m.queue.Pause(queue.Disk, err.Error())
		return
	}
	m.queue.Resume(queue.Disk)
}

// due returns the items of all sessions for which a step is due at the height and
// was not taken, the most urgent first.
func (m *sessionsManager) due(height int64) []queue.Item[*liveTree] {
	m.mu.Lock()
	idle := make([]*liveTree, 0, len(m.trees))
	for _, tree := range m.trees {
		if !tree.busy && tree.workedAt < height {
			idle = append(idle, tree)
		}
	}
	m.mu.Unlock()
	var items []queue.Item[*liveTree]
	for _, tree := range idle {
		if item, ok := tree.item(height); ok {
			items = append(items, item)
		}
	}
	slices.SortFunc(items, func(a, b queue.Item[*liveTree]) int {
		switch {
		case queue.Less(a.Priority, b.Priority):
			return -1
		case queue.Less(b.Priority, a.Priority):
			return 1
		default:
			return 0
		}
	})
	return items
}

// item returns the session's place in the queue, and whether it has one at the
// height.
func (t *liveTree) item(height int64) (item queue.Item[*liveTree], due bool) {
	record := t.snapshot()
	if record.State.Final() || height <= record.EndHeight {
		return item, false
	}
	item = queue.Item[*liveTree]{Key: t.key.String(), Payload: t}
	item.Reward = cmp.Or(record.EstimatedUpokt, t.worth.Load())
	w := t.windows()
	if w == nil { // what is due follows from the windows, which are learned first
		item.Duty, item.Deadline = queue.RequiredProof, record.EndHeight+1
		return item, true
	}
	next := nextStep(record.State, record.Requirement, *w, height)
	item.Duty, item.Deadline = urgency(next, record.State, *w, height)
	return item, next != stepNone
}

// urgency says what follows if a step is not taken in time, and the height from
// which it is of no use, 0 if there is none.
func urgency(next step, state State, w windows, height int64) (duty queue.Duty, deadline int64) {
	switch {
	case next == stepProve:
		return queue.RequiredProof, w.ProofClose
	case next == stepMiss && state == StateClaiming && height < w.ProofClose:
		// The claim that was sent may be on chain after all, and want a proof.
		return queue.RequiredProof, w.ProofClose
	case next == stepSettle, height >= w.ClaimClose:
		return queue.Other, 0 // what is too late must not hold up what is not
	case height >= w.ClaimClose-watchMargin:
		return queue.UrgentClaim, w.ClaimClose
	default:
		return queue.Claim, w.ClaimClose
	}
}

// waitingTrees is the queue's backlog: the sessions without an outcome, which are
// in the store too.
type waitingTrees struct{ m *sessionsManager }

// Waiting implements queue.Backlog.
func (w waitingTrees) Waiting(_ context.Context, n int, known func(string) bool) ([]queue.Item[*liveTree], error) {
	items := slices.DeleteFunc(w.m.due(w.m.height()), func(item queue.Item[*liveTree]) bool { return known(item.Key) })
	return items[:min(n, len(items))], nil
}

// workOn takes the step that is due for a session. A step that waits for the chain
// frees its worker while it waits.
func (m *sessionsManager) workOn(ctx context.Context, item queue.Item[*liveTree]) (retryAt int64) {
	tree, height := item.Payload, m.height()
	if tree.windows() == nil {
		return m.learnWindows(ctx, tree, height)
	}
	stepCtx, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)
	if !m.take(tree, height, interrupt) {
		return 0
	}
	waits := false
	defer func() {
		if !waits {
			m.release(tree)
		}
	}()
	wait, err := m.begin(stepCtx, tree, height)
	m.uninterrupted(tree)
	if err != nil {
		if m.queue.Valid(item) { // else nobody takes it again
			m.stepFailed(ctx, tree, height, err)
		}
		return height + 1
	}
	if wait == nil {
		return 0
	}
	err = m.waits.Go("session "+item.Key, func(ctx context.Context) error {
		defer m.release(tree)
		if err := wait(ctx); err != nil {
			m.stepFailed(ctx, tree, height, err)
		}
		return nil
	})
	waits = err == nil // or the waits are being stopped
	return 0
}

func (m *sessionsManager) stepFailed(ctx context.Context, tree *liveTree, height int64, err error) {
	if ctx.Err() != nil {
		return
	}
	m.log.Error("session step failed, to be taken again at the next block",
		"session", tree.key.String(), "state", tree.snapshot().State, "height", height, "error", err)
}

// learnWindows finds the windows of a session out, and queues it by them and by what
// its claim is worth.
func (m *sessionsManager) learnWindows(ctx context.Context, tree *liveTree, height int64) (retryAt int64) {
	end := tree.key.SessionEnd
	params, err := m.shared.SharedParamsAt(ctx, end)
	if err != nil {
		m.stepFailed(ctx, tree, height, fmt.Errorf("shared params at %d: %w", end, err))
		return height + 1
	}
	w := windowsOf(params, end)
	m.appraise(ctx, tree)
	tree.known.Store(&w)
	if item, due := tree.item(height); due && m.tree(tree.key) == tree {
		m.queue.Add(item)
	}
	return 0
}

// appraise estimates what the claim of a session would be worth, of which nothing but
// its place in line follows. What it asks for is going to be asked for again at the
// claim, and is known then.
func (m *sessionsManager) appraise(ctx context.Context, tree *liveTree) {
	record, sums := tree.snapshot(), tree.sums()
	if record.EstimatedUpokt != 0 || sums.Leaves == 0 {
		return
	}
	worth, err := m.estimate(ctx, record, sums.Leaves, sums.ComputeUnits)
	if err != nil {
		m.log.Debug("value of a session is not known", "session", tree.key.String(), "error", err)
		return
	}
	tree.worth.Store(worth)
}

// take marks the tree as being worked on at a height, if it is not, was not at
// that height, and was not dropped. interrupt ends the step.
func (m *sessionsManager) take(tree *liveTree, height int64, interrupt context.CancelCauseFunc) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trees[tree.key] != tree || tree.busy || tree.workedAt >= height {
		return false
	}
	tree.busy, tree.workedAt, tree.began, tree.interrupt = true, height, time.Now(), interrupt
	return true
}

// uninterrupted notes that a step is over, but for what it waits for.
func (m *sessionsManager) uninterrupted(tree *liveTree) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tree.interrupt = nil
}

// release ends the work on the tree, and queues it again if blocks have come
// meanwhile. A session that has an outcome is forgotten; its record stays in the
// store. One that was dropped meanwhile is not queued: another of the same key may
// have begun.
func (m *sessionsManager) release(tree *liveTree) {
	if tree.snapshot().State.Final() {
		m.forget(tree)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	tree.busy, tree.interrupt = false, nil
	if height := m.height(); m.trees[tree.key] == tree && height > tree.workedAt {
		if item, due := tree.item(height); due {
			m.queue.Add(item)
		}
	}
}

// forget takes a session out of those that are worked on.
func (m *sessionsManager) forget(tree *liveTree) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.trees[tree.key] == tree {
		delete(m.trees, tree.key)
		m.queue.Remove(tree.key.String())
	}
}
