package cli

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/auth"
	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
)

// registerFront registers what proxy and authenticator count.
func registerFront(registry *prometheus.Registry, front relayer.RelayerProxy, verified func() auth.Stats) {
	for _, c := range []struct {
		name, help string
		value      func(auth.Stats) uint64
	}{
		{"session_queries_total", "Times that the chain was asked for a session for a relay.",
			func(s auth.Stats) uint64 { return s.SessionQueries }},
		{"sessions_refused_from_memory_total", "Relays of sessions that the chain had just said do not exist.",
			func(s auth.Stats) uint64 { return s.SessionsRefusedFromMemory }},
		{"sessions_rate_limited_total", "Relays refused since caller or application asked for too many unknown sessions.",
			func(s auth.Stats) uint64 { return s.SessionsRateLimited }},
		{"verifications_total", "Ring signatures verified.",
			func(s auth.Stats) uint64 { return s.Verifications }},
		{"verifications_refused_total", "Relays refused since too many waited to be verified.",
			func(s auth.Stats) uint64 { return s.VerificationsRefused }},
	} {
		counter(registry, c.name, c.help, func() uint64 { return c.value(verified()) })
	}
	gauge(registry, "verifications_waiting", "Ring signatures that are verified or wait for it.",
		func() float64 { return float64(verified().VerificationsWaiting) })
	if counted, ok := front.(interface{ Stats() proxy.Stats }); ok {
		registry.MustRegister(&frontCollector{stats: counted.Stats})
	}
}

// frontCollector reads the counts of the proxy once for all its metrics.
type frontCollector struct {
	stats func() proxy.Stats
}

// frontDesc describes a metric of the proxy.
func frontDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(metricsPrefix+name, help, labels, nil)
}

// Describe implements prometheus.Collector. It describes nothing, which says that
// the metrics are known when they are collected.
func (c *frontCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *frontCollector) Collect(metrics chan<- prometheus.Metric) {
	s := c.stats()
	counted := func(name, help string, value uint64) {
		metrics <- prometheus.MustNewConstMetric(frontDesc(name, help), prometheus.CounterValue, float64(value))
	}
	level := func(name, help string, value float64) {
		metrics <- prometheus.MustNewConstMetric(frontDesc(name, help), prometheus.GaugeValue, value)
	}
	counted("relays_served_total", "Relays answered with a signed response.", s.Served)
	counted("connections_refused_total", "Connections that were one too many.", s.ConnectionsRefused)
	level("connections", "Open connections of gateways.", float64(s.Connections))
	level("relays_in_flight", "Relays that are being answered.", float64(s.InFlight))
	level("relay_bytes", "Bytes of requests and answers that are held.", float64(s.BodyBytes))
}
