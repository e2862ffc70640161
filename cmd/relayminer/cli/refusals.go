package cli

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed52205347/relayminer/pkg/session"
)

// refusalsCollector tells how many relays were refused, by service and reason.
// Both have few values: what is not configured is counted without a name.
type refusalsCollector struct {
	counts func() []session.Refusal
}

var refusalsDesc = prometheus.NewDesc(metricsPrefix+"relays_refused_total", "Relays refused, by service and reason.",
	[]string{"service", "codespace", "code"}, nil)

// Describe implements prometheus.Collector.
func (c *refusalsCollector) Describe(descs chan<- *prometheus.Desc) { descs <- refusalsDesc }

// Collect implements prometheus.Collector.
func (c *refusalsCollector) Collect(metrics chan<- prometheus.Metric) {
	type labels struct{ service, codespace, code string }
	sums := make(map[labels]uint64)
	for _, r := range c.counts() {
		sums[labels{r.ServiceID, r.Codespace, fmt.Sprint(r.Code)}] += r.Relays
	}
	for of, n := range sums {
		metrics <- prometheus.MustNewConstMetric(refusalsDesc, prometheus.CounterValue, float64(n), of.service, of.codespace, of.code)
	}
}
