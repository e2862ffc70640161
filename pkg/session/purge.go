package session

import (
	"errors"
	"fmt"
	"iter"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// keeperStore is what a Keeper does to the store.
type keeperStore interface {
	Records() iter.Seq2[store.Record, error]
	RecordsAfter(key store.SessionKey) iter.Seq2[store.Record, error]
	DeleteLeaves(records ...store.Record) error
	DeleteSessions(keys ...store.SessionKey) error
}

// A pass looks at this many records, or at those that have this many bytes.
const (
	passRecords = 512
	passBytes   = 4 << 20
)

// pruneEvery is the number of blocks after which old files are looked for.
const pruneEvery = 100

// purgeWalk is how far a keeper has come.
type purgeWalk struct {
	after  store.SessionKey // the last one that was dealt with; zero at the beginning
	again  bool             // all records were seen once
	pruned int64            // height at which old files were last looked for, 0 for never
}

// purge is what a pass has found to be done.
type purge struct {
	relays  []store.Record     // the records of sessions whose relays go, as they are to be
	changed []*Record          // what is in relays
	records []store.SessionKey // of sessions that go
	last    store.SessionKey
	end     bool // there are no more records
}

// pass deals with the next records at a height. How far it has come it notes only
// when all of that is done: what fails is done again in the next pass.
func (k *Keeper) pass(height int64) error {
	err := errors.Join(k.purge(height), k.prune(height))
	if err != nil {
		k.failed.Add(1)
	}
	return err
}

func (k *Keeper) purge(height int64) error {
	// A session that is dropped meanwhile must not come back with its new record.
	k.deleting.Lock()
	defer k.deleting.Unlock()
	found, err := k.find(height)
	if err != nil {
		return fmt.Errorf("look for sessions to be purged: %w", err)
	}
	if err := k.store.DeleteSessions(found.records...); err != nil {
		return fmt.Errorf("purge records: %w", err)
	}
	if err := k.store.DeleteLeaves(found.relays...); err != nil {
		return fmt.Errorf("purge relays: %w", err)
	}
	k.recordsPurged.Add(uint64(len(found.records)))
	k.relaysPurged.Add(uint64(len(found.relays)))
	for _, record := range found.changed {
		k.putFile(record)
	}
	if n := len(found.records) + len(found.relays); n > 0 {
		k.log.Info("sessions purged", "height", height, "relays_of", len(found.relays), "records", len(found.records))
	}
	k.walk.after = found.last
	if found.end {
		k.walk.after, k.walk.again = store.SessionKey{}, true
	}
	return nil
}

// find reads the next records and decides what becomes of them.
func (k *Keeper) find(height int64) (*purge, error) {
	records := k.store.Records()
	if k.walk.after != (store.SessionKey{}) {
		records = k.store.RecordsAfter(k.walk.after)
	}
	found := &purge{last: k.walk.after, end: true}
	n, size := 0, 0
	for stored, err := range records {
		if err != nil {
			return nil, err
		}
		if n, size = n+1, size+len(stored.Value); n > passRecords || size > passBytes && n > 1 {
			found.end = false
			break
		}
		found.last = stored.Key
		if err := k.consider(found, stored, height); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// consider decides what becomes of one session. Those whose record cannot be read
// are left alone.
func (k *Keeper) consider(found *purge, stored store.Record, height int64) error {
	s := decodeStored(stored.Key, stored.Value)
	if s.record == nil {
		return nil
	}
	switch k.opts.due(s.record, height) {
	case dueRecord:
		found.records = append(found.records, stored.Key)
		return nil
	case dueRelays:
		s.record.RelaysPurged = height
		s.record.withoutTxBytes() // nobody sends them again
		bz, err := encodeRecord(s.record)
		if err != nil {
			return err
		}
		found.relays = append(found.relays, store.Record{Key: stored.Key, Value: bz})
		found.changed = append(found.changed, s.record)
	default:
		if !k.walk.again {
			k.healFile(s.record)
		}
	}
	return nil
}

// withoutTxBytes leaves the bytes of transactions out. The record must share its
// attempts with no other.
func (r *Record) withoutTxBytes() {
	for _, attempts := range [][]relayer.TxAttempt{r.ClaimAttempts, r.ProofAttempts} {
		for n := range attempts {
			attempts[n].TxBytes = nil
		}
	}
}

// due is what is to be deleted of a session.
type due int

const (
	dueNothing due = iota
	dueRelays
	dueRecord
)

// due decides what is to be deleted of a session at a height. A session without an
// outcome keeps everything, however old it is.
func (o *KeeperOptions) due(record *Record, height int64) due {
	outcome, final := record.OutcomeHeight()
	relays := o.Relays
	if record.State.bad() {
		relays = o.UnpaidRelays
	}
	switch {
	case !final:
		return dueNothing
	case o.Records > 0 && height >= outcome+o.Records:
		return dueRecord
	case relays > 0 && record.RelaysPurged == 0 && height >= outcome+relays:
		return dueRelays
	}
	return dueNothing
}

// prune removes the files of sessions whose record's time is over.
func (k *Keeper) prune(height int64) error {
	if k.files == nil || k.opts.Records == 0 || k.walk.pruned > 0 && height < k.walk.pruned+pruneEvery {
		return nil
	}
	if err := k.files.prune(height - k.opts.Records); err != nil {
		return err
	}
	k.walk.pruned = height
	return nil
}

func (k *Keeper) putFile(record *Record) {
	if k.files != nil {
		k.files.put(record)
	}
}

// healFile has a file written that was not, or not since the record has changed:
// the process may have ended before.
func (k *Keeper) healFile(record *Record) {
	if k.files != nil && k.files.stale(record) {
		k.files.put(record)
	}
}
