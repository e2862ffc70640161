package prover

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

func TestJob_TravelsUnchanged(t *testing.T) {
	for _, n := range []int{0, 1, 500} {
		sent := newJob(t, "supplier/session", n)
		var stream bytes.Buffer
		if err := writeJob(&stream, sent); err != nil {
			t.Fatal(err)
		}
		got, err := readJob(&stream, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		root, err := trie.ComputeRoot(got.Leaves)
		if err != nil || root != sent.Root || got.Root != sent.Root || got.Path != sent.Path || got.Session != sent.Session {
			t.Errorf("%d leaves: %v, root %s, got %+v", n, err, root, got)
		}
	}
}

func TestJob_CutAnywhereIsNoticed(t *testing.T) {
	job := newJob(t, "s", 3)
	var stream bytes.Buffer
	if err := writeJob(&stream, job); err != nil {
		t.Fatal(err)
	}
	for n := range stream.Len() {
		got, err := readJob(bytes.NewReader(stream.Bytes()[:n]), 1<<20)
		if err != nil {
			continue
		}
		if root, err := trie.ComputeRoot(got.Leaves); err == nil && root == job.Root {
			t.Fatalf("%d bytes of %d are taken for all", n, stream.Len())
		}
	}
}

// Memory grows with what a client sends, not with what it announces.
func TestJob_AnnouncedBytesCostNothing(t *testing.T) {
	job := newJob(t, "s", 0)
	var stream bytes.Buffer
	if err := writeJob(&stream, job); err != nil {
		t.Fatal(err)
	}
	stream.Write(bytes.Repeat([]byte{0x3f}, leafHeadSize+10)) // a leaf of a gigabyte
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := readJob(&stream, 2<<30)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trie.ComputeRoot(got.Leaves); err == nil {
		t.Error("the leaf is taken for a whole one")
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("%d bytes allocated", grown)
	}
}

func FuzzReadJob(f *testing.F) {
	var stream bytes.Buffer
	if err := writeJob(&stream, newJob(f, "s", 3)); err != nil {
		f.Fatal(err)
	}
	f.Add(stream.Bytes())
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Fuzz(func(t *testing.T, bz []byte) {
		job, err := readJob(bytes.NewReader(bz), 1<<10)
		if err != nil {
			return
		}
		for leaf, err := range job.Leaves {
			if err == nil && len(leaf.Value) > 1<<10 {
				t.Fatalf("a leaf of %d bytes", len(leaf.Value))
			}
		}
	})
}
