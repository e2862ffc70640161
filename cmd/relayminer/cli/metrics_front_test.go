package cli

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
)

// countedProxy is a proxy with counts.
type countedProxy struct{ relayer.RelayerProxy }

func (countedProxy) Stats() proxy.Stats {
	return proxy.Stats{
		Served: 7, ConnectionsRefused: 2, Connections: 3, InFlight: 4, BodyBytes: 5,
	}
}

func TestMetrics_ShowWhatTheFrontCounts(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registerFront(registry, countedProxy{}, func() auth.Stats {
		return auth.Stats{SessionQueries: 11, SessionsRateLimited: 12, Verifications: 13, VerificationsRefused: 14, VerificationsWaiting: 15, SessionsRefusedFromMemory: 16}
	})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.Metric {
			name := family.GetName()
			for _, label := range metric.Label {
				name += " " + label.GetValue()
			}
			got[name] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"relayminer_relays_served_total":                7,
		"relayminer_connections_refused_total":          2,
		"relayminer_connections":                        3,
		"relayminer_relays_in_flight":                   4,
		"relayminer_relay_bytes":                        5,
		"relayminer_session_queries_total":              11,
		"relayminer_sessions_rate_limited_total":        12,
		"relayminer_verifications_total":                13,
		"relayminer_verifications_refused_total":        14,
		"relayminer_verifications_waiting":              15,
		"relayminer_sessions_refused_from_memory_total": 16,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}
