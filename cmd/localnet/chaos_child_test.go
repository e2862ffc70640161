package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestDisk_IsAsSlowAsOrdered(t *testing.T) {
	var waits []time.Duration
	slow := &disk{wait: func(d time.Duration) { waits = append(waits, d) }}
	file, err := slow.below(vfs.NewMem()).Create("log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	write := func() {
		t.Helper()
		if _, err := file.Write([]byte("relay")); err != nil {
			t.Fatal(err)
		}
		if err := file.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := file.SyncData(); err != nil {
			t.Fatal(err)
		}
	}
	for _, orders := range []string{"", "disk 70ms\n", "disk slow\nunknown\n", "disk 1s\ndisk 0s\n"} {
		slow.obey(strings.NewReader(orders))
		write()
	}
	const slowed = 70 * time.Millisecond
	if want := []time.Duration{0, 0, slowed, slowed, slowed, slowed, 0, 0}; !slices.Equal(waits, want) {
		t.Errorf("the disk was slow by %v, want %v", waits, want)
	}
}
