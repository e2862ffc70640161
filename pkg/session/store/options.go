package store

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Durability says when a leaf is acknowledged.
type Durability int

const (
	// Reply acknowledges a leaf when it is synced to the disk: it survives the
	// loss of power.
	Reply Durability = iota
	// Interval acknowledges a leaf when the operating system has it: it
	// survives the end of the process, however violent. The loss of power can
	// take the leaves of the last Options.Interval. Records, cursors and
	// deletions are synced all the same.
	Interval
)

// String returns the name of the durability.
func (d Durability) String() string {
	switch d {
	case Reply:
		return "reply"
	case Interval:
		return "interval"
	}
	return fmt.Sprintf("Durability(%d)", int(d))
}

// Options change a Store while it is opened. The zero value of every field
// stands for its default.
type Options struct {
	// FS is the file system that holds the store, by default the operating
	// system's.
	FS vfs.FS
	// Logger receives what the store has to say, by default nothing.
	Logger *slog.Logger
	// ReadOnly opens a store for inspection. Everything that writes returns
	// ErrReadOnly. The store must exist and not be in use.
	ReadOnly bool

	// Durability says when a leaf is acknowledged, by default Reply.
	Durability Durability
	// Interval is the longest time for which an acknowledged leaf is not
	// synced when Durability is Interval, by default 10 ms. The time a sync
	// takes comes on top.
	Interval time.Duration

	// QueueLen bounds the leaves that are not acknowledged yet, by default
	// 16384.
	QueueLen int
	// MaxQueueBytes bounds their bytes, by default 16 MiB. A leaf that is alone
	// can exceed it.
	MaxQueueBytes int
	// MaxRelayBytes bounds the bytes of one relay, by default 64 MiB.
	MaxRelayBytes int
	// MemTableBytes is the size in which leaves are sorted in memory before
	// they are written to a table, by default 16 MiB. Three of them can exist
	// at a time, and as much log is replayed after a crash.
	MemTableBytes int
	// CacheBytes bounds the cache of table blocks, by default 16 MiB.
	CacheBytes int64
	// MaxOpenFiles bounds the open table files. Pebble does not go below 74,
	// which is the default.
	MaxOpenFiles int

	// MinFreeBytes is the free disk space below which intake stops, by default
	// 256 MiB; negative for no such limit. Intake begins again when there is an
	// eighth more.
	MinFreeBytes int64
	// ProbeEvery is the time between two looks at the disk space, between two
	// attempts to write a table, and the longest between two attempts to recover
	// from a failure; by default 1 s.
	ProbeEvery time.Duration
	// StallAfter is the age of an unfinished commit from which the store
	// counts as unavailable, by default 2 s.
	StallAfter time.Duration
	// ReclaimDelay is the time for which deleted sessions are collected before
	// the disk space that they took is reclaimed, by default 30 s.
	ReclaimDelay time.Duration
}

const (
	kib = 1 << 10
	mib = 1 << 20

	minOpenFiles = 74

	// minMemTableBytes leaves room for a batch of several full-size relays.
	minMemTableBytes = 64 * kib
)

// withDefaults returns the options with every field set, or an error that names
// the field that makes no sense.
func (o Options) withDefaults() (Options, error) {
	if o.Durability != Reply && o.Durability != Interval {
		return o, fmt.Errorf("unknown durability %d", o.Durability)
	}
	for name, v := range map[string]int64{
		"Interval": int64(o.Interval), "QueueLen": int64(o.QueueLen), "MaxQueueBytes": int64(o.MaxQueueBytes),
		"MaxRelayBytes": int64(o.MaxRelayBytes),
		"MemTableBytes": int64(o.MemTableBytes), "CacheBytes": o.CacheBytes, "MaxOpenFiles": int64(o.MaxOpenFiles),
		"ProbeEvery": int64(o.ProbeEvery), "StallAfter": int64(o.StallAfter), "ReclaimDelay": int64(o.ReclaimDelay),
	} {
		if v < 0 {
			return o, fmt.Errorf("option %s is negative: %d", name, v)
		}
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.Interval, 10*time.Millisecond)
	setDefault(&o.QueueLen, 16384)
	setDefault(&o.MaxQueueBytes, 16*mib)
	setDefault(&o.MaxRelayBytes, 64*mib)
	setDefault(&o.MemTableBytes, 16*mib)
	setDefault(&o.CacheBytes, 16*mib)
	setDefault(&o.MaxOpenFiles, minOpenFiles)
	setDefault(&o.MinFreeBytes, 256*mib)
	setDefault(&o.ProbeEvery, time.Second)
	setDefault(&o.StallAfter, 2*time.Second)
	setDefault(&o.ReclaimDelay, 30*time.Second)
	if o.MemTableBytes < minMemTableBytes {
		return o, fmt.Errorf("option MemTableBytes is %d, at least %d is needed", o.MemTableBytes, minMemTableBytes)
	}
	return o, nil
}

// setDefault sets *v to the default if it is zero.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}
