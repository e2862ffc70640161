package meter

import (
	"context"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// BenchmarkReserve is what metering adds to a relay.
func BenchmarkReserve(b *testing.B) {
	w := newWorld(b)
	w.stake = 1 << 60
	m := w.meter(config.Config{})
	header := headerAt(1)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r, err := m.Reserve(context.Background(), header, supplier, 1)
			if err != nil {
				b.Fatal(err)
			}
			r.Commit()
		}
	})
}
