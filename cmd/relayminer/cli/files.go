package cli

import (
	"log/slog"

	"github.com/seed52205347/relayminer/pkg/bench"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

const (
	// filesBeside are the open files that the relay miner needs beside those of
	// connections: those of the store, and to the chain.
	filesBeside = 500
	// leastConnections is the least max_connections.
	leastConnections = 2
)

// limitConnections makes room for the open files that the listeners may need, or
// has them accept as many connections as there is room for: strangers could otherwise
// keep the store from opening its files, and services from being asked.
func limitConnections(cfg *config.Config, log *slog.Logger) {
	listeners := len(cfg.Listeners())
	wanted := filesFor(listeners * cfg.MaxConnections)
	allowed, err := bench.AllowFiles(wanted)
	if err != nil {
		log.Warn("max_connections is not compared with the limit of open files", "error", err)
		return
	}
	possible := connectionsWith(allowed, listeners)
	if possible >= cfg.MaxConnections {
		return
	}
	log.Warn("fewer connections are accepted than max_connections: raise the limit of open files, as with ulimit -n",
		"connections", possible, "max_connections", cfg.MaxConnections, "listeners", listeners,
		"open_files", allowed, "wanted", wanted)
	cfg.MaxConnections = possible
}

// filesFor returns how many files must be allowed to be open for that many connections.
func filesFor(connections int) uint64 { return filesBeside + uint64(connections/3+1)*4 }

// connectionsWith returns how many connections each listener can accept where that
// many files can be open: they have three quarters of what the relay miner does not need
// itself. The rest is for connections to services, of which only relays that are being
// answered have one.
func connectionsWith(allowed uint64, listeners int) int {
	files := allowed / 2 // where there are hardly enough for the relay miner itself
	if allowed > 2*filesBeside {
		files = (allowed - filesBeside) / 4 * 3
	}
	return max(leastConnections, int(min(files/uint64(listeners), 1<<30)))
}
