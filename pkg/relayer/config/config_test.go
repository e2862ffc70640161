package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// minimal is the least that a file must have.
const minimal = `
default_signing_key_names: [alice]
smt_store_path: evidence
pocket_node:
  query_node_grpc_url: tcp://node:9090
  tx_node_rpc_url: tcp://node:26657
suppliers:
  - service_id: eth
    listen_url: http://0.0.0.0:8545
    service_config:
      backend_url: http://geth:8545
`

func parse(t testing.TB, text string) *Config {
	t.Helper()
	c, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%v", got), fmt.Sprintf("%v", want); g != w {
		t.Errorf("%s is %s, want %s", what, g, w)
	}
}

func TestParse_MinimalFileGetsTheOfficialDefaults(t *testing.T) {
	c := parse(t, minimal)
	s := c.Services[0]
	equal(t, "timeout", s.RequestTimeout, 10*time.Second)
	equal(t, "body size", s.MaxBodySize, 20*1024*1024)
	equal(t, "keys", s.SigningKeyNames, []string{"alice"})
	equal(t, "query RPC", c.PocketNode.QueryNodeRPCURLs, []string{"tcp://node:26657"})
	equal(t, "durability", c.Durability, SyncBeforeReply)
	equal(t, "interval", c.DurabilityInterval, 10*time.Millisecond)
	equal(t, "records", c.RecordsDir, "")
	equal(t, "keep", c.Keep, Keep{Relays: 100, UnpaidRelays: 20160, Records: 86400})
	equal(t, "metrics", c.Metrics, Endpoint{})
	equal(t, "warnings", c.Warnings, nil)
	if b, ok := s.Backend(sharedtypes.RPCType_REST); !ok || b != s.DefaultBackend {
		t.Errorf("relays without an RPC type of their own go to %v", b)
	}
	if b := s.DefaultBackend; b.Authentication != nil || b.Headers != nil || b.ForwardPocketHeaders {
		t.Errorf("backend has what the file does not say: %v %v %v", b.Authentication, b.Headers, b.ForwardPocketHeaders)
	}
}

func TestParse_FullFileKeepsEveryTopLevelValue(t *testing.T) {
	c := loadFull(t)
	equal(t, "default keys", c.DefaultSigningKeyNames, []string{"alice", "bob"})
	equal(t, "default timeout", c.DefaultRequestTimeout, 20*time.Second)
	equal(t, "default size", c.DefaultMaxBodySize, 3<<19)
	equal(t, "store", c.SMTStorePath, "~/evidence")
	equal(t, "durability", c.Durability, SyncAtIntervals)
	equal(t, "interval", c.DurabilityInterval, 25*time.Millisecond)
	equal(t, "records", c.RecordsDir, "~/records")
	equal(t, "keep", c.Keep, Keep{Relays: 50, UnpaidRelays: 200, Records: 3000})
	if len(c.Provers) != 2 || *c.Provers[0] != (Prover{"https://prover-1:8443", "hunter2"}) ||
		*c.Provers[1] != (Prover{"http://10.0.0.2:8444/proofs", ""}) {
		t.Errorf("provers are %+v", c.Provers)
	}
	equal(t, "disable_smt_persistence", c.DisableSMTPersistence, true)
	equal(t, "enable_over_servicing", c.EnableOverServicing, true)
	equal(t, "eager validation", c.EnableEagerRelayRequestValidation, false)
	equal(t, "served relays buffer", c.ServedRelaysBufferSize, 1000)
	equal(t, "mining pipeline buffer", c.MiningPipelineBufferSize, 50)
	equal(t, "mining workers", c.MiningWorkers, 0)
	equal(t, "metrics", c.Metrics, Endpoint{true, ":9090"})
	equal(t, "pprof", c.Pprof, Endpoint{true, "0.0.0.0:6060"})
	equal(t, "ping", c.Ping, Endpoint{false, ":8081"})
	equal(t, "query RPC", c.PocketNode.QueryNodeRPCURLs,
		[]string{"tcp://node-1:26657", "https://user:hunter2@rpc.example.com/key-hunter2"})
	equal(t, "query gRPC", c.PocketNode.QueryNodeGRPCURLs, []string{"tcp://node-1:9090"})
	equal(t, "tx RPC", c.PocketNode.TxNodeRPCURLs, []string{"tcp://node-1:26657"})
	equal(t, "keys to load", c.SigningKeyNames(), []string{"carol", "alice", "bob"})
}

func TestParse_FullFileKeepsEveryValueOfAService(t *testing.T) {
	c := loadFull(t)
	eth, plain, llm := c.Services[0], c.Services[1], c.Services[2]
	equal(t, "id", eth.ID, "eth")
	equal(t, "keys", eth.SigningKeyNames, []string{"carol"})
	equal(t, "timeout", eth.RequestTimeout, 45*time.Second)
	equal(t, "size", eth.MaxBodySize, 2<<30)
	equal(t, "x_forwarded_host_lookup", eth.XForwardedHostLookup, true)

	b := eth.DefaultBackend
	equal(t, "backend", b.URL.String(), "https://archive.example.com:8443/v1/key-hunter2?token=hunter2")
	equal(t, "user", b.Authentication.Username, "operator")
	equal(t, "password", b.Authentication.Password.Reveal(), "hunter2")
	equal(t, "header", b.Headers["X-Api-Key"].Reveal(), "hunter2")
	equal(t, "forwarding", b.ForwardPocketHeaders, true)

	equal(t, "id that looks like a number", plain.ID, "0021")
	equal(t, "timeout by default", plain.RequestTimeout, 20*time.Second)
	equal(t, "size by default", plain.MaxBodySize, 3<<19)

	equal(t, "id beside merged keys", llm.ID, "ollama:mistral:7b")
	equal(t, "address beside merged keys", llm.ListenAddr, "[::1]:8546")
	equal(t, "merged backend", llm.DefaultBackend.URL, plain.DefaultBackend.URL)
	equal(t, "forwarding beside merged backend", llm.DefaultBackend.ForwardPocketHeaders, true)
	equal(t, "forwarding of the original", plain.DefaultBackend.ForwardPocketHeaders, false)
}

func TestService_BackendIsThatOfTheRPCTypeElseTheDefault(t *testing.T) {
	eth := loadFull(t).Services[0]
	for rpcType, host := range map[sharedtypes.RPCType]string{
		sharedtypes.RPCType_UNKNOWN_RPC: "archive.example.com:8443",
		sharedtypes.RPCType_JSON_RPC:    "geth:8545",
		sharedtypes.RPCType_WEBSOCKET:   "geth:8546",
		sharedtypes.RPCType_REST:        "geth:8547",
		sharedtypes.RPCType_COMET_BFT:   "geth:26657",
		sharedtypes.RPCType_GRPC:        "geth:9090",
		sharedtypes.RPCType(17):         "archive.example.com:8443",
	} {
		b, ok := eth.Backend(rpcType)
		if !ok || b.URL.Host != host {
			t.Errorf("%s relays go to %v, %v, want %s", rpcType, b, ok, host)
		}
	}
	if b, ok := new(Service).Backend(sharedtypes.RPCType_REST); ok {
		t.Errorf("a service without backends has %v", b)
	}
}

func TestParse_UserInBackendURLBecomesAuthentication(t *testing.T) {
	b := loadFull(t).Services[0].Backends[sharedtypes.RPCType_REST]
	equal(t, "URL", b.URL.String(), "http://geth:8547/")
	equal(t, "user", b.Authentication.Username, "rest-user")
	equal(t, "password", b.Authentication.Password.Reveal(), "hunter2")
}

func TestConfig_ServicesOfOneAddressShareAListener(t *testing.T) {
	var got []string
	for _, l := range loadFull(t).Listeners() {
		line := l.Addr
		for _, s := range l.Services {
			line += " " + s.ID
		}
		got = append(got, line)
	}
	equal(t, "listeners", got, []string{"0.0.0.0:8545 eth 0021", "[::1]:8546 ollama:mistral:7b"})
}

func TestConfig_PathsAreResolved(t *testing.T) {
	for _, c := range []struct{ store, storePath string }{
		{"/var/lib/miner", "/var/lib/miner"},
		{"smt_stores/", "smt_stores"},
		{"~", "/home/op"},
		{"~/smt", "/home/op/smt"},
		{"~other/smt", "~other/smt"},
		{":memory:", "/home/op/.pocket/smt"},
		{":memory_pebble:", "/home/op/.pocket/smt"},
	} {
		config := &Config{SMTStorePath: c.store}
		equal(t, c.store, config.StorePath("/home/op"), c.storePath)
	}
}

func TestConfig_RecordsHaveADirectoryOnlyIfItIsNamed(t *testing.T) {
	for given, path := range map[string]string{"": "", "/var/records": "/var/records", "~/records": "/home/op/records", "x/": "x"} {
		config := &Config{RecordsDir: given}
		equal(t, given, config.RecordsPath("/home/op"), path)
	}
}

func TestParse_KeepsNoRelaysLongerThanTheirRecords(t *testing.T) {
	for text, want := range map[string]Keep{
		"keep: {records: 40}":                             {Relays: 40, UnpaidRelays: 40, Records: 40},
		"keep: {records: 0, relays: 0}":                   {UnpaidRelays: 20160},
		"keep: {relays: 7}":                               {Relays: 7, UnpaidRelays: 20160, Records: 86400},
		"keep: {relays: 1, unpaid_relays: 2, records: 2}": {Relays: 1, UnpaidRelays: 2, Records: 2},
	} {
		equal(t, text, parse(t, minimal+text+"\n").Keep, want)
	}
}

// What the official relay miner takes for "not set" is so here, and what it
// takes in another form too.
func TestParse_OfficialSpellingsAreAccepted(t *testing.T) {
	for name, c := range map[string]struct{ old, new string }{
		"zero timeout":     {"smt_store_path", "default_request_timeout_seconds: 0\nsmt_store_path"},
		"empty size":       {"smt_store_path", "default_max_body_size: \"\"\nsmt_store_path"},
		"null section":     {"smt_store_path", "metrics:\nsmt_store_path"},
		"empty query URL":  {"  tx_node", "  query_node_rpc_url: ''\n  tx_node"},
		"empty keys":       {"    listen_url", "    signing_key_names: []\n    listen_url"},
		"empty types":      {"    listen_url", "    rpc_type_service_configs: {}\n    listen_url"},
		"empty auth":       {"      backend_url", "      authentication: {}\n      backend_url"},
		"document markers": {"\ndefault", "---\ndefault"},
		"CRLF":             {"\n", "\r\n"},
		"byte order mark":  {"\ndefault", "\ufeffdefault"},
		"many zero counts": {"smt_store_path", "mining_workers: 0\nserved_relays_buffer_size: 0\nsmt_store_path"},
	} {
		t.Run(name, func(t *testing.T) {
			got := parse(t, strings.ReplaceAll(minimal, c.old, c.new))
			equal(t, "store", got.SMTStorePath, "evidence")
			equal(t, "timeout", got.Services[0].RequestTimeout, DefaultRequestTimeout)
			equal(t, "size", got.Services[0].MaxBodySize, DefaultMaxBodySize)
			equal(t, "keys", got.Services[0].SigningKeyNames, []string{"alice"})
			equal(t, "query RPC", got.PocketNode.QueryNodeRPCURLs, []string{"tcp://node:26657"})
			if got.Services[0].DefaultBackend.Authentication != nil {
				t.Error("an empty authentication is one")
			}
		})
	}
}

func TestParse_Warnings(t *testing.T) {
	for name, c := range map[string]struct{ old, new, warning string }{
		"in-memory store": {"evidence", "':memory:'",
			`test.yaml:3: smt_store_path: ":memory:" is no longer kept in memory; the directory is $HOME/.pocket/smt; name a directory`},
		"idle interval": {"smt_store_path", "durability_interval: 5ms\nsmt_store_path",
			"test.yaml:3: durability_interval: has no effect: relays are synced before each reply; write durability: interval, or remove the key"},
		"key named twice": {"[alice]", "[alice, alice]",
			`test.yaml:2: default_signing_key_names[1]: "alice" is in the list twice; remove one of them`},
		"node named twice": {"tcp://node:9090", "[node:9090, tcp://node:9090]",
			"test.yaml:5: pocket_node.query_node_grpc_url[1]: is in the list twice; remove one of them"},
		"open profiles": {"smt_store_path", "pprof: {enabled: true, addr: 6060}\nsmt_store_path",
			"test.yaml:3: pprof.addr: :6060 can be reached from other machines, without a password; write 127.0.0.1 as its host unless that is meant"},
		"two users": {"http://geth:8545", "http://a:b@geth:8545\n      authentication: {username: c, password: d}",
			"test.yaml:11: suppliers[0].service_config.backend_url: the user in the URL has no effect beside authentication; remove the user from the URL"},
		"two authorizations": {"http://geth:8545", "http://geth:8545\n      authentication: {username: c}\n      headers: {AUTHORIZATION: x}",
			"test.yaml:12: suppliers[0].service_config.authentication: has no effect: the header Authorization replaces it; remove one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			got := parse(t, strings.ReplaceAll(minimal, c.old, c.new)).Warnings
			if !slices.Equal(got, []string{c.warning}) {
				t.Errorf("got %q, want %q", got, c.warning)
			}
		})
	}
}

func TestParseSize(t *testing.T) {
	for text, bytes := range map[string]int64{
		"0": 0, "1": 1, "1024b": 1024, "20MB": 20 << 20, "20mb": 20 << 20, "20 MB": 20 << 20, "20MiB": 20 << 20,
		"20m": 20 << 20, "1kB": 1 << 10, "1.5GB": 3 << 29, "2T": 2 << 40, "1PiB": 1 << 50, "0.5k": 512,
	} {
		if got, ok := parseSize(text); !ok || got != bytes {
			t.Errorf("%q is %d, %v, want %d", text, got, ok, bytes)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1e3", "20XB", "20 M B", "20  MB", "0x10", "9999999999PB", "1EB", ".5MB", "1_000", "NaN"} {
		if got, ok := parseSize(text); ok {
			t.Errorf("%q is accepted as %d", text, got)
		}
	}
}

func TestOverlap(t *testing.T) {
	for pair, expected := range map[[2]string]bool{
		{"0.0.0.0:80", "0.0.0.0:80"}:               true,
		{"0.0.0.0:80", "127.0.0.1:80"}:             true,
		{":80", "[::1]:80"}:                        true,
		{"[::]:80", "10.0.0.1:80"}:                 true,
		{"localhost:80", "127.0.0.1:80"}:           true,
		{"LOCALHOST:80", "localhost:080"}:          true,
		{"[::ffff:127.0.0.1]:80", "127.0.0.1:80"}:  true,
		{"0.0.0.0:80", "0.0.0.0:81"}:               false,
		{"127.0.0.1:80", "127.0.0.2:80"}:           false,
		{"[::1]:80", "127.0.0.1:80"}:               false,
		{"a.example.com:80", "b.example.com:80"}:   false,
		{"a.example.com:80", "A.example.com:80"}:   true,
		{"a.example.com:80", "a.example.com:8080"}: false,
	} {
		if overlap(pair[0], pair[1]) != expected || overlap(pair[1], pair[0]) != expected {
			t.Errorf("%s and %s overlap: want %v both ways", pair[0], pair[1], expected)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []key{{name: "service_id"}, {name: "service_config"}, {name: "listen_url"}, {name: "default_signing_key_names"}}
	for name, expected := range map[string]string{
		"service_confg":     "service_config",
		"serviceConfig":     "service_config",
		"Listen-URL":        "listen_url",
		"listne_url":        "listen_url",
		"signing_key_name":  "default_signing_key_names",
		"service":           "service_id",
		"serv":              "", // two contain it
		"id":                "",
		"backend":           "",
		"":                  "",
		"service_id_legacy": "service_id",
	} {
		if got := nearest(name, keys); got != expected {
			t.Errorf("%q: got %q, want %q", name, got, expected)
		}
	}
	if got := nearest(strings.Repeat("listen_url", 10), keys); got != "" {
		t.Errorf("an overlong key is taken for %q", got)
	}
}

// FuzzParse checks that no input makes Parse panic, and that what it returns
// keeps the promises of Config.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	for _, pattern := range []string{"testdata/*.yaml", "testdata/bad/*.yaml"} {
		addFiles(f, pattern)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("fuzz.yaml", data)
		if err != nil {
			checkErrors(t, err)
			return
		}
		checkComplete(t, c)
	})
}

// checkComplete checks what every configuration that Parse returns must have.
func checkComplete(t *testing.T, c *Config) {
	t.Helper()
	n := c.PocketNode
	if len(c.Services) == 0 || c.SMTStorePath == "" ||
		len(n.QueryNodeRPCURLs) == 0 || len(n.QueryNodeGRPCURLs) == 0 || len(n.TxNodeRPCURLs) == 0 {
		t.Errorf("something required is missing: %+v", c)
	}
	for _, s := range c.Services {
		if s.ID == "" || s.ListenAddr == "" || len(s.SigningKeyNames) == 0 || s.RequestTimeout <= 0 || s.MaxBodySize <= 0 {
			t.Errorf("service is incomplete: %+v", s)
		}
		backends := append(slices.Collect(maps.Values(s.Backends)), s.DefaultBackend)
		for _, b := range backends {
			if b == nil || b.URL == nil || b.URL.Host == "" || b.URL.User != nil {
				t.Errorf("backend of %s is incomplete: %+v", s.ID, b)
			}
		}
	}
	for _, line := range c.Warnings {
		if strings.ContainsAny(line, "\r\n") {
			t.Errorf("warning is not one line: %q", line)
		}
	}
}
