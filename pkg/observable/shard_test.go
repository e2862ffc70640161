package observable_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed52205347/relayminer/pkg/observable"
)

type keyed struct {
	key uint64
	seq int
}

func keyOf(v *keyed) uint64 { return v.key }

func TestShard_KeepsTheOrderOfEachKeyAndTheKeyInItsShard(t *testing.T) {
	leavesNothing(t)
	const keys, each, k = 37, 300, 4
	stats := new(observable.Stats)
	source := observable.NewSource[*keyed]()
	shards := observable.Shard(source, k, keyOf, observable.WithStats(stats))
	if len(shards) != k {
		t.Fatalf("%d shards, want %d", len(shards), k)
	}
	lists := make([]*list[*keyed], k)
	dones := make([]<-chan struct{}, k)
	for i, shard := range shards {
		lists[i], dones[i] = sink(shard)
	}
	for seq := range each {
		for key := range keys {
			publish(t, source, &keyed{uint64(key), seq})
		}
	}
	source.Close()
	home, next := make(map[uint64]int), make(map[uint64]int)
	for i := range shards {
		for _, v := range drained(t, lists[i], dones[i]) {
			if at, known := home[v.key]; known && at != i {
				t.Fatalf("key %d is in shards %d and %d", v.key, at, i)
			}
			if v.seq != next[v.key] {
				t.Fatalf("key %d: item %d, want %d", v.key, v.seq, next[v.key])
			}
			home[v.key] = i
			next[v.key]++
		}
	}
	for key := range uint64(keys) {
		if next[key] != each {
			t.Errorf("key %d: %d items, want %d", key, next[key], each)
		}
	}
	if s := stats.Snapshot(); s.In != keys*each || s.Out != keys*each || s.Queue != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestShard_WorksOnDifferentKeysAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var working atomic.Int64
		release := make(chan struct{})
		source := observable.NewSource[*keyed]()
		var dones []<-chan struct{}
		for _, shard := range observable.Shard(source, 3, keyOf) {
			dones = append(dones, observable.ForEach(shard, func(context.Context, *keyed) error {
				working.Add(1)
				<-release
				return nil
			}))
		}
		for key := range uint64(6) {
			publish(t, source, &keyed{key: key})
		}
		source.Close()
		synctest.Wait()
		if n := working.Load(); n != 3 {
			t.Errorf("%d shards work, want 3", n)
		}
		close(release)
		for _, done := range dones {
			<-done
		}
	})
}

func TestShard_AKeyThatPanicsCostsItsItem(t *testing.T) {
	leavesNothing(t)
	reported, handle := reports()
	source := observable.NewSource[*keyed]()
	shards := observable.Shard(source, 0, keyOf, handle) // nil has no key
	if len(shards) != 1 {
		t.Fatalf("%d shards, want 1", len(shards))
	}
	got, done := sink(shards[0])
	publish(t, source, &keyed{seq: 1}, nil, &keyed{seq: 2})
	source.Close()
	if vs := drained(t, got, done); len(vs) != 2 || vs[0].seq != 1 || vs[1].seq != 2 {
		t.Errorf("got %v", vs)
	}
	if all := reported.all(); len(all) != 1 || all[0].name != "shard" {
		t.Errorf("reported %v, want the item without a key", all)
	}
}

func TestMerge_CarriesAllInputsEachInItsOrder(t *testing.T) {
	leavesNothing(t)
	const inputs, each = 5, 500
	stats := new(observable.Stats)
	sources := make([]*observable.Source[int], inputs)
	ins := make([]observable.Observable[int], inputs)
	for i := range sources {
		sources[i] = observable.NewSource[int](observable.WithBuffer(each))
		ins[i] = sources[i]
		publish(t, sources[i], numbers(i*each, (i+1)*each)...)
	}
	got, done := sink(observable.Merge(ins, observable.WithStats(stats)))
	for _, source := range sources {
		select {
		case <-done:
			t.Fatal("completed while a source is open")
		default:
		}
		source.Close()
	}
	vs := drained(t, got, done)
	for i := range inputs {
		own := slices.DeleteFunc(slices.Clone(vs), func(v int) bool { return v/each != i })
		if !slices.Equal(own, numbers(i*each, (i+1)*each)) {
			t.Errorf("input %d: %d values arrived, or not in order", i, len(own))
		}
	}
	if s := stats.Snapshot(); s.In != inputs*each || s.Out != inputs*each {
		t.Errorf("stats %+v", s)
	}
}

func TestMerge_OfNothingCompletes(t *testing.T) {
	leavesNothing(t)
	got, done := sink(observable.Merge[int](nil))
	if vs := drained(t, got, done); len(vs) != 0 {
		t.Errorf("got %v", vs)
	}
}
