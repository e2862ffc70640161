package config

import (
	"fmt"
	"strings"
)

// suggest says what to do about an unknown key, given the one that was probably
// meant, or "".
func suggest(name, near string) string {
	if near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	if place := placeOf(name); place != "" {
		return "it belongs " + place + "; check the indentation"
	}
	return "remove it"
}

// placeOf says where a key stands that occurs in one kind of place only.
func placeOf(name string) string {
	switch name {
	case "backend_url", "authentication", "headers", "forward_pocket_headers":
		return "in service_config"
	case "username", "password":
		return "in authentication"
	case "service_id", "listen_url", "signing_key_names", "request_timeout_seconds", "max_body_size",
		"x_forwarded_host_lookup", "service_config", "rpc_type_service_configs":
		return "in an item of suppliers"
	case "query_node_rpc_url", "query_node_grpc_url", "tx_node_rpc_url":
		return "in pocket_node"
	case "json_rpc", "rest", "comet_bft", "websocket", "grpc":
		return "in rpc_type_service_configs"
	case "default_signing_key_names", "default_request_timeout_seconds", "default_max_body_size",
		"metrics", "pocket_node", "pprof", "smt_store_path", "disable_smt_persistence", "suppliers", "ping",
		"enable_over_servicing", "enable_eager_relay_request_validation", "served_relays_buffer_size",
		"mining_pipeline_buffer_size", "mining_workers", "durability", "durability_interval",
		"records_dir", "keep":
		return "at the top level"
	}
	return ""
}

// nearest returns the key that was probably meant by name, or "" if none is
// near: one that differs in at most a third of its letters, else the only one
// that contains the name or is contained in it.
func nearest(name string, keys []key) string {
	const longest = 64 // no key is half as long; keeps the distance cheap
	if len(name) > longest {
		return ""
	}
	plain := plainKey(name)
	best, bestDistance := "", len(plain)
	var containing []string
	for _, k := range keys {
		candidate := plainKey(k.name)
		limit := max(len(plain), len(candidate)) / 3
		if d := distance(plain, candidate); d <= limit && d < bestDistance {
			best, bestDistance = k.name, d
		}
		if len(plain) >= 4 && (strings.Contains(candidate, plain) || strings.Contains(plain, candidate)) {
			containing = append(containing, k.name)
		}
	}
	if best == "" && len(containing) == 1 {
		return containing[0]
	}
	return best
}

// plainKey removes what is often spelt differently.
func plainKey(name string) string {
	return strings.NewReplacer("_", "", "-", "", " ", "", ".", "").Replace(strings.ToLower(name))
}

// distance returns the number of bytes to insert, remove or replace to get from
// a to b (Levenshtein), a swap of neighbours counting as two.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
