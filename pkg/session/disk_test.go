package session

import (
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/seed52205347/relayminer/pkg/session/store"
)

// brittle returns options of a store on a disk that takes no write while broken.
func brittle(broken *atomic.Bool) store.Options {
	return store.Options{
		FS: errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpRename, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData:
				if broken.Load() {
					return syscall.ENOSPC
				}
			}
			return nil
		})),
		MinFreeBytes: -1, ProbeEvery: 5 * time.Millisecond,
	}
}

// breakDisk breaks the disk and waits until the store has found out.
func (b *bench) breakDisk(broken *atomic.Bool) {
	b.t.Helper()
	broken.Store(true)
	if err := b.store.SetCursor("any", 1); err == nil {
		b.t.Fatal("the disk works")
	}
	eventually(b.t, "the store takes nothing", func() bool { return b.store.WritableErr() != nil })
}

func (b *bench) mendDisk(broken *atomic.Bool) {
	b.t.Helper()
	broken.Store(false)
	eventually(b.t, "the store recovers", func() bool { return b.store.WritableErr() == nil })
}

// inMemory returns the session's record as the manager has it.
func (b *bench) inMemory(key store.SessionKey) *Record {
	b.t.Helper()
	tree := b.manager.tree(key)
	if tree == nil {
		b.t.Fatal("the session is forgotten")
	}
	return tree.snapshot()
}

// At whatever point the disk breaks once a root is written: the claim and the
// required proof are made, and the outcome is written down when that is possible.
func TestDisk_ThatBreaksAfterTheSealCostsNeitherClaimNorProof(t *testing.T) {
	for _, at := range []State{StateSealed, StateClaiming, StateClaimed, StateProving, StateProven} {
		t.Run(string(at), func(t *testing.T) {
			var broken atomic.Bool
			chain := newFakeChain(t)
			chain.params.ClaimWindowCloseOffsetBlocks, chain.params.ProofWindowCloseOffsetBlocks = 6, 6
			b := newBenchOn(t, chain, brittle(&broken))
			b.sendAll(0, 3)
			w := chain.windows(4)
			for b.state() != at {
				height := chain.Latest().Height + 1
				if at == StateSealed && height == w.ClaimOpen {
					chain.refuseLookups(true) // the session stays sealed
				}
				b.run(height)
			}
			chain.refuseLookups(false)
			b.breakDisk(&broken)
			b.run(w.ProofClose + 1)
			key := newRecord(header(), testSupplier, 1, now()).Key()
			if record := b.inMemory(key); record.State != StateProven {
				t.Fatalf("the session is %s: %+v", record.State, record.Timeline)
			}
			if claims, proofs := chain.count("claim/"), chain.count("proof/"); claims != 1 || proofs != 1 {
				t.Errorf("%d claims and %d proofs were made", claims, proofs)
			}
			b.mendDisk(&broken)
			b.run(w.ProofClose + 2)
			if record := b.record(); record.State != StateSettled || len(record.ProofAttempts) != 1 {
				t.Errorf("the session is %s on disk: %+v", record.State, record)
			}
		})
	}
}

// A session whose root cannot be written is not claimed, and loses nothing when the
// disk works again within the window.
func TestDisk_ThatIsBrokenAtTheSealHoldsTheClaimUntilItWorks(t *testing.T) {
	var broken atomic.Bool
	chain := newFakeChain(t)
	chain.params.ClaimWindowCloseOffsetBlocks = 6
	b := newBenchOn(t, chain, brittle(&broken))
	b.sendAll(0, 3)
	w := chain.windows(4)
	b.breakDisk(&broken)
	b.run(w.ClaimClose - 2)
	if n := chain.count("claim/"); n != 0 {
		t.Fatalf("%d claims were made of a root that is not written", n)
	}
	b.mendDisk(&broken)
	b.run(w.ProofClose)
	if record := b.record(); record.State != StateSettled || record.Relays != 3 {
		t.Errorf("the session is %s with %d relays: %+v", record.State, record.Relays, record.Timeline)
	}
}

// Relays fill the disk up to a reserve, which is there for claims.
func TestDisk_ThatIsNearlyFullDoesNotHoldClaims(t *testing.T) {
	mem := vfs.NewMem()
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 40})
	chain := newFakeChain(t)
	chain.params.ClaimWindowCloseOffsetBlocks = 20
	b := newBenchOn(t, chain, store.Options{FS: mem, MinFreeBytes: 1 << 20, ProbeEvery: time.Millisecond})
	b.sendAll(0, 3)
	mem.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1, TotalBytes: 1 << 40})
	eventually(t, "the store takes no relay", func() bool { return b.store.AcceptingErr() != nil })
	b.run(chain.windows(4).ClaimOpen)
	if n := chain.count("claim/"); n != 1 {
		t.Errorf("%d claims were made at the window's beginning: %+v", n, b.manager.QueueStatus())
	}
}
