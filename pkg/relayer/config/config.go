package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What holds when the file does not say otherwise.
const (
	// DefaultRequestTimeout is the official relay miner's.
	DefaultRequestTimeout = 10 * time.Second
	// DefaultMaxBodySize is the official relay miner's 20MB, in bytes.
	DefaultMaxBodySize = 20 << 20
	// DefaultMaxConnections is the limit of open connections to one listener.
	DefaultMaxConnections = 16384
	// DefaultDurabilityInterval bounds what a power failure can cost under
	// SyncAtIntervals.
	DefaultDurabilityInterval = 10 * time.Millisecond
	// DefaultKeepRelays leaves an hour or so for a look at what was paid, in blocks.
	DefaultKeepRelays = 100
	// DefaultKeepUnpaidRelays is a week of blocks of 30 seconds.
	DefaultKeepUnpaidRelays = 7 * 24 * 60 * 2
	// DefaultKeepRecords is 30 days of blocks of 30 seconds.
	DefaultKeepRecords = 30 * 24 * 60 * 2
)

// maxFileSize is the size in bytes above which a file is not taken for a
// configuration. A thousand services need a tenth of it.
const maxFileSize = 4 << 20

// Config is the content of a configuration file with all defaults filled in.
// The comment of each field begins with its key.
type Config struct {
	// File is the name under which the configuration was read.
	File string

	// DefaultSigningKeyNames (default_signing_key_names) are the names, in the
	// key ring, of the keys of the suppliers that serve those services that
	// name none of their own.
	DefaultSigningKeyNames []string
	// DefaultRequestTimeout (default_request_timeout_seconds) is the time that
	// a backend has for its answer, for services without their own.
	DefaultRequestTimeout time.Duration
	// DefaultMaxBodySize (default_max_body_size) is the limit in bytes of a
	// relay request and of a relay response, for services without their own.
	DefaultMaxBodySize int64

	// MaxConnections (max_connections) is the limit of open connections to one
	// listener, and of relays that it answers at a time. Half of them can be of one
	// network of callers. The official relay miner does not have this key.
	MaxConnections int
	// AcceptPlaceholderRings (accept_placeholder_rings) serves applications
	// without gateways whose relays are signed with the key that anybody has. The
	// official relay miner does not have this key, and always does so.
	AcceptPlaceholderRings bool

	// SMTStorePath (smt_store_path) is where evidence is kept, as written in
	// the file. StorePath resolves it.
	SMTStorePath string
	// RecordsDir (records_dir) is where each session's record is kept as a JSON
	// file, as written in the file; empty for nowhere. RecordsPath resolves it. The
	// official relay miner does not have this key.
	RecordsDir string
	// Provers (provers) are other machines that build proofs, in the order in which
	// they are used; this machine builds what they do not. The official relay miner does
	// not have this key.
	Provers []*Prover
	// Keep (keep) says how long what is stored of sessions is kept after their
	// outcome. The official relay miner does not have this key.
	Keep Keep
	// Durability (durability) says when a relay counts as stored. The official
	// relay miner does not have this key. DurabilityReply unless set.
	Durability Durability
	// DurabilityInterval (durability_interval) is the longest time between two
	// syncs of the disk under SyncAtIntervals. The official relay miner
	// does not have this key.
	DurabilityInterval time.Duration
	// DisableSMTPersistence (disable_smt_persistence) has no effect: evidence
	// is always kept on disk.
	DisableSMTPersistence bool

	// EnableOverServicing (enable_over_servicing) serves relays beyond what the
	// application can pay for. They earn nothing.
	EnableOverServicing bool
	// EnableEagerRelayRequestValidation (enable_eager_relay_request_validation)
	// has no effect: every request is verified before it is served.
	EnableEagerRelayRequestValidation bool

	// ServedRelaysBufferSize (served_relays_buffer_size) has no effect: served
	// relays are not dropped when a buffer is full. 0 if the file does not say.
	ServedRelaysBufferSize uint64
	// MiningPipelineBufferSize (mining_pipeline_buffer_size) has no effect, for
	// the same reason. 0 if the file does not say.
	MiningPipelineBufferSize uint64
	// MiningWorkers (mining_workers) has no effect: hashing a relay costs a
	// small part of verifying it and needs no workers of its own.
	MiningWorkers uint64

	// Metrics (metrics) is where Prometheus finds the metrics.
	Metrics Endpoint
	// Pprof (pprof) is where Go's profiles are served.
	Pprof Endpoint
	// Ping (ping) is where the health of the backends is answered.
	Ping Endpoint

	// PocketNode (pocket_node) is how the chain is reached.
	PocketNode PocketNode

	// Services (suppliers) are the services on offer, in the order of the file.
	// There is at least one.
	Services []*Service

	// Warnings say which keys have no effect and which values are dangerous,
	// one line each, with file, line and key, in the order of the file.
	Warnings []string
}

// Prover is another machine that builds proofs: one that runs `relayminer prover`.
type Prover struct {
	// URL (url) has the scheme http or https, a host, and no user or query.
	URL string
	// Token (token) is what the prover asks for, empty for none.
	Token Secret
}

// String returns the URL.
func (p Prover) String() string { return p.URL }

// GoString is String, for %#v.
func (p Prover) GoString() string { return p.String() }

// LogValue is String, for slog.
func (p Prover) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText is String, for encoders.
func (p Prover) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Keep says for how many blocks after a session's outcome something of it is
// kept. 0 keeps it for ever.
type Keep struct {
	// Relays (relays) is for the relays of sessions that were paid, or had nothing
	// to be paid for.
	Relays uint64
	// UnpaidRelays (unpaid_relays) is for the relays of sessions that should have
	// been paid: missed, rejected, in conflict or expired.
	UnpaidRelays uint64
	// Records (records) is for records, and the files in RecordsDir. It is not less
	// than the others, unless it is 0.
	Records uint64
}

// Durability says when a relay counts as stored. Whichever it is, a relay that
// counts as stored survives the death of the process.
type Durability string

const (
	// SyncBeforeReply sends a reply only after its relay has been synced to the
	// disk: relays that were replied to survive a power failure.
	SyncBeforeReply Durability = "reply"
	// SyncAtIntervals syncs at least once per interval: a power failure
	// costs the relays of the last interval.
	SyncAtIntervals Durability = "interval"
)

// Endpoint is an HTTP server that can be switched on.
type Endpoint struct {
	Enabled bool
	// Addr is "host:port" or ":port". It is set if the endpoint is enabled.
	Addr string
}

// PocketNode is how the chain is reached. Each list names the preferred node
// first and those to fall back to after it; each has at least one entry. The
// official relay miner takes exactly one of each. All are URLs with the scheme
// tcp, http or https and a host; what the file writes as host:port has become
// tcp://host:port, and those with the scheme tcp have a port.
type PocketNode struct {
	// QueryNodeRPCURLs (query_node_rpc_url) are CometBFT endpoints for blocks
	// and events, the ones of TxNodeRPCURLs unless set.
	QueryNodeRPCURLs []string
	// QueryNodeGRPCURLs (query_node_grpc_url) are gRPC endpoints for queries.
	QueryNodeGRPCURLs []string
	// TxNodeRPCURLs (tx_node_rpc_url) are CometBFT endpoints for transactions.
	TxNodeRPCURLs []string
}

// String names the nodes without the passwords that their URLs may hold.
func (p PocketNode) String() string {
	return fmt.Sprintf("{rpc %s, grpc %s, tx %s}",
		redactURLs(p.QueryNodeRPCURLs), redactURLs(p.QueryNodeGRPCURLs), redactURLs(p.TxNodeRPCURLs))
}

// GoString is String, for %#v.
func (p PocketNode) GoString() string { return p.String() }

// LogValue is String, for slog.
func (p PocketNode) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText is String, for encoders.
func (p PocketNode) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func redactURLs(raw []string) []string {
	shown := make([]string, len(raw))
	for i, r := range raw {
		shown[i] = redactURL(r)
	}
	return shown
}

// redactURL returns a URL as far as it may be shown: scheme and host. Providers
// put their keys into paths and queries too.
func redactURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return redacted
	}
	return u.Scheme + "://" + u.Host
}

// Load reads the configuration from the file at path. It fails with an error
// that wraps the file system's if the file cannot be read, else as Parse does.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	// One byte more than Parse accepts, so that it sees when there is too much.
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse reads the configuration from data. The name stands for the file in
// errors and warnings. If anything is wrong the error joins one *Error for each
// problem, in the order of the file; its text has one line for each.
func Parse(name string, data []byte) (*Config, error) {
	p := &parser{file: name, lines: make(map[string]int), given: make(map[string]bool), broken: make(map[string]bool)}
	root := p.document(data)
	if root == nil {
		return nil, p.err()
	}
	c := &Config{
		File:                  name,
		DefaultRequestTimeout: DefaultRequestTimeout,
		DefaultMaxBodySize:    DefaultMaxBodySize,
		MaxConnections:        DefaultMaxConnections,
		Durability:            SyncBeforeReply,
		DurabilityInterval:    DefaultDurabilityInterval,
		Keep: Keep{
			Relays: DefaultKeepRelays, UnpaidRelays: DefaultKeepUnpaidRelays, Records: DefaultKeepRecords,
		},
	}
	p.root(root, c)
	p.check(c)
	c.resolve()
	if err := p.err(); err != nil {
		return nil, err
	}
	c.Warnings = p.warnings()
	return c, nil
}

// The values of smt_store_path that once kept evidence in memory. The official
// relay miner maps them to a directory, and so does StorePath.
const (
	storeInMemory       = ":memory:"
	storeInMemoryPebble = ":memory_pebble:"
)

// StorePath returns the directory of the evidence. The argument is the home
// directory of the user ($HOME), not the relay miner's own: "~" stands for it,
// and the in-memory values of older files stand for its .pocket/smt. Other
// relative paths stay relative to the working directory, as they are for the
// official relay miner.
func (c *Config) StorePath(home string) string {
	switch c.SMTStorePath {
	case storeInMemory, storeInMemoryPebble:
		return filepath.Join(home, ".pocket", "smt")
	}
	return expandHome(c.SMTStorePath, home)
}

// RecordsPath returns the directory of the records' files, or "" if there is to be
// none. The argument is that of StorePath.
func (c *Config) RecordsPath(home string) string {
	if c.RecordsDir == "" {
		return ""
	}
	return expandHome(c.RecordsDir, home)
}

func expandHome(path, home string) string {
	if path == "~" {
		return filepath.Clean(home)
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(home, rest)
	}
	return filepath.Clean(path)
}
