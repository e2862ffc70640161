package store

import "sync/atomic"

// counters are what Metrics reports of the store's own work.
type counters struct {
	commits, leaves, bytes, recoveries atomic.Uint64
}

// Metrics are numbers for the operator.
type Metrics struct {
	QueueLen   int64 // leaves not acknowledged
	QueueBytes int64 // and their bytes; Options has the bounds of both

	Commits    uint64 // batches since Open
	Leaves     uint64 // leaves in them
	Bytes      uint64 // and bytes of their relays
	Recoveries uint64 // times that the store recovered from a failure of the disk

	// The rest is zero while the store has no engine, see ErrUnavailable.
	DiskBytes   uint64 // that the store takes
	OpenTables  int64  // table files held open
	MemoryBytes uint64 // of tables in memory
	Tables      int64  // table files
}

// Metrics returns the numbers as of now.
func (s *Store) Metrics() Metrics {
	m := Metrics{
		QueueLen:   s.queue.len.Load(),
		QueueBytes: s.queue.bytes.Load(),
		Commits:    s.stats.commits.Load(),
		Leaves:     s.stats.leaves.Load(),
		Bytes:      s.stats.bytes.Load(),
		Recoveries: s.stats.recoveries.Load(),
	}
	e, err := s.acquire()
	if err != nil {
		return m
	}
	defer s.release(e)
	pm := e.db.Metrics()
	m.DiskBytes = pm.DiskSpaceUsage()
	m.OpenTables = pm.FileCache.TableCount
	m.MemoryBytes = pm.MemTable.Size
	total := pm.Total()
	m.Tables = total.TablesCount
	return m
}
