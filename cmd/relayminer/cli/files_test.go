package cli

import (
	"log/slog"
	"math"
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

func TestLimitConnections_LeavesOpenFilesForTheStoreAndTheServices(t *testing.T) {
	for _, c := range []struct {
		allowed   uint64
		listeners int
		want      int
	}{
		{65536, 1, (65536 - filesBeside) / 4 * 3},
		{65536, 4, (65536 - filesBeside) / 4 * 3 / 4},
		{1024, 1, (1024 - filesBeside) / 4 * 3},
		{800, 1, 400},
		{1024, 1000, leastConnections},
		{math.MaxUint64, 1, 1 << 30},
	} {
		if got := connectionsWith(c.allowed, c.listeners); got != c.want {
			t.Errorf("%d open files, %d listeners: %d connections, want %d", c.allowed, c.listeners, got, c.want)
		}
	}
}

func TestLimitConnections_EnoughFilesLimitNothing(t *testing.T) {
	for _, connections := range []int{2, 100, 1000, 16384, 16385, 16386, 1 << 20} {
		if got := connectionsWith(filesFor(connections), 1); got < connections {
			t.Errorf("%d connections with the files for %d", got, connections)
		}
	}
}

func TestLimitConnections_AcceptsNoMoreThanThereIsRoomFor(t *testing.T) {
	var log strings.Builder
	cfg := &config.Config{MaxConnections: 1 << 30, Services: []*config.Service{{ListenAddr: "127.0.0.1:1"}}}
	limitConnections(cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if cfg.MaxConnections >= 1<<30 || !strings.Contains(log.String(), "max_connections") {
		t.Errorf("%d connections, log: %s", cfg.MaxConnections, log.String())
	}
}
