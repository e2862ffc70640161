package buffer_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer/buffer"
)

func TestPool_BuffersAreEmptyAndNobodyElses(t *testing.T) {
	var pool buffer.Pool
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			want := strings.Repeat(fmt.Sprint(i), 100)
			for range 1000 {
				b := pool.Get()
				if b.Len() != 0 {
					t.Errorf("a buffer with %d bytes was lent", b.Len())
				}
				b.WriteString(want)
				if b.String() != want {
					t.Errorf("%q was written by another", b.String())
				}
				pool.Put(b)
			}
		})
	}
	all.Wait()
}

func TestPool_LargeBuffersAreNotKept(t *testing.T) {
	var pool buffer.Pool
	for range 100 {
		b := pool.Get()
		if b.Cap() > buffer.MaxKept {
			t.Fatalf("a buffer of %d bytes was kept", b.Cap())
		}
		b.Grow(buffer.MaxKept + 1)
		pool.Put(b)
	}
}

func ExamplePool() {
	var pool buffer.Pool
	b := pool.Get()
	defer pool.Put(b)
	b.WriteString("a relay")
	fmt.Println(b)
	// Output: a relay
}
