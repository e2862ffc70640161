package cli

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/session"
)

// metrics returns a registry with what the parts count. Values are read when they
// are asked for, so that nothing is counted twice. Labels have few values: there is none
// for sessions or addresses.
func (i *Instance) metrics() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	i.registerChain(registry)
	i.registerStore(registry)
	i.registerKeeper(registry)
	i.registerMeter(registry)
	i.registerRings(registry)
	registry.MustRegister(&sessionsCollector{records: i.Sessions})
	return registry
}

func (i *Instance) registerChain(registry *prometheus.Registry) {
	gauge(registry, "block_height_current", "Height of the newest block seen.", func() float64 {
		if block := i.blocks.Latest(); block != nil {
			return float64(block.Height)
		}
		return 0
	})
	gauge(registry, "block_source_polling", "1 while blocks are polled for because the subscription is silent.", func() float64 {
		if i.blocks.Source() == "polling" {
			return 1
		}
		return 0
	})
	for kind, pool := range map[string]func(chain.NodeStats) chain.PoolStats{
		"query_grpc": func(s chain.NodeStats) chain.PoolStats { return s.QueryGRPC },
		"query_rpc":  func(s chain.NodeStats) chain.PoolStats { return s.QueryRPC },
		"tx_rpc":     func(s chain.NodeStats) chain.PoolStats { return s.TxRPC },
	} {
		labels := prometheus.Labels{"kind": kind}
		registry.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: metricsPrefix + "nodes_usable", Help: "Configured nodes that can be used.", ConstLabels: labels,
			}, func() float64 { return float64(pool(i.node.Stats()).Usable) }),
			prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name: metricsPrefix + "node_failovers_total", Help: "Times that another node was taken.", ConstLabels: labels,
			}, func() float64 { return float64(pool(i.node.Stats()).Failovers) }),
		)
	}
	stats := i.txs.Stats
	for _, c := range []struct {
		name, help string
		value      func() uint64
	}{
		{"tx_attempts_total", "Transactions signed.", func() uint64 { return stats().Attempts }},
		{"tx_rebroadcasts_total", "Transactions sent again, the same bytes.", func() uint64 { return stats().Rebroadcasts }},
		{"tx_refused_total", "Broadcasts that the node refused.", func() uint64 { return stats().Refused }},
		{"tx_included_total", "Transactions seen in a block.", func() uint64 { return stats().Included }},
		{"tx_included_failed_total", "Transactions seen in a block that failed.", func() uint64 { return stats().IncludedFailed }},
		{"tx_fees_upokt_total", "Fees of transactions seen in a block.", func() uint64 { return stats().FeesUpokt }},
		{"tx_node_unreachable_total", "Times that the node could not be asked.", func() uint64 { return stats().Unreachable }},
		{"messages_in_force_total", "Claims and proofs that are in force.", func() uint64 { return stats().InForce }},
		{"messages_failed_total", "Claims and proofs that the chain refused for good.", func() uint64 { return stats().Failed }},
		{"messages_not_included_total", "Claims and proofs whose window closed.", func() uint64 { return stats().NotIncluded }},
	} {
		counter(registry, c.name, c.help, c.value)
	}
}

func (i *Instance) registerStore(registry *prometheus.Registry) {
	metrics := i.store.Metrics
	gauge(registry, "store_queue_relays", "Relays that wait to be durable.", func() float64 { return float64(metrics().QueueLen) })
	gauge(registry, "store_disk_bytes", "Disk space that the relay store takes.", func() float64 { return float64(metrics().DiskBytes) })
	gauge(registry, "store_accepting", "1 while relays can be stored.", func() float64 {
		if i.store.AcceptingErr() == nil {
			return 1
		}
		return 0
	})
	counter(registry, "store_relays_total", "Relays made durable.", func() uint64 { return metrics().Leaves })
	counter(registry, "store_commits_total", "Writes that made relays durable.", func() uint64 { return metrics().Commits })
	counter(registry, "store_recoveries_total", "Times that the store recovered from a failure of the disk.", func() uint64 { return metrics().Recoveries })
}

func (i *Instance) registerMeter(registry *prometheus.Registry) {
	stats := i.parts.meter.Stats
	gauge(registry, "meter_accounts", "Sessions, of each supplier, that are metered.", func() float64 { return float64(stats().Accounts) })
	gauge(registry, "meter_applications", "Applications that are metered.", func() float64 { return float64(stats().Applications) })
	for _, c := range []struct {
		name, help string
		value      func() uint64
	}{
		{"meter_relays_served_total", "Relays that applications can pay for.", func() uint64 { return stats().Served }},
		{"meter_relays_over_serviced_total", "Relays served that applications can not pay for.", func() uint64 { return stats().OverServiced }},
		{"meter_relays_refused_total", "Relays refused because applications can not pay for them.", func() uint64 { return stats().Refused }},
		{"meter_relays_refunded_total", "Relays reserved for that failed.", func() uint64 { return stats().Refunded }},
		{"meter_lookups_failed_total", "Lookups of what applications can pay that failed.", func() uint64 { return stats().RefreshFailures }},
	} {
		counter(registry, c.name, c.help, c.value)
	}
}

func (i *Instance) registerRings(registry *prometheus.Registry) {
	stats := i.rings.Stats
	counter(registry, "rings_valid_total", "Ring signatures that were valid.", func() uint64 { return stats().Valid })
	counter(registry, "rings_refused_total", "Ring signatures that were not valid.", func() uint64 { return stats().Refused })
	counter(registry, "rings_audited_total", "Ring signatures that ring-go verified too.", func() uint64 { return stats().Audited })
	counter(registry, "rings_disagreements_total", "Ring signatures on which ring-go did not agree.", func() uint64 { return stats().Disagreements })
	counter(registry, "rings_evicted_total", "Keys that made room for others.", func() uint64 { return stats().Evicted })
	gauge(registry, "rings_cached_bytes", "Memory for what depends on keys alone.", func() float64 { return float64(stats().CachedBytes) })
	gauge(registry, "rings_ring_go_only", "1 after a disagreement: ring-go verifies everything.", func() float64 {
		if stats().ReferenceOnly {
			return 1
		}
		return 0
	})
}

const metricsPrefix = "relayminer_"

func gauge(registry *prometheus.Registry, name, help string, value func() float64) {
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metricsPrefix + name, Help: help}, value))
}

func counter(registry *prometheus.Registry, name, help string, value func() uint64) {
	registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: metricsPrefix + name, Help: help},
		func() float64 { return float64(value()) }))
}

// sessionsCollector counts the sessions in the store by state.
type sessionsCollector struct {
	records func() ([]*session.Record, error)
}

var sessionsDesc = prometheus.NewDesc(metricsPrefix+"sessions", "Sessions in the store, by state.", []string{"state"}, nil)

// Describe implements prometheus.Collector.
func (c *sessionsCollector) Describe(descs chan<- *prometheus.Desc) { descs <- sessionsDesc }

// Collect implements prometheus.Collector.
func (c *sessionsCollector) Collect(metrics chan<- prometheus.Metric) {
	records, err := c.records()
	if err != nil {
		metrics <- prometheus.NewInvalidMetric(sessionsDesc, err)
		return
	}
	count := make(map[session.State]int)
	for _, record := range records {
		count[record.State]++
	}
	for state, n := range count {
		metrics <- prometheus.MustNewConstMetric(sessionsDesc, prometheus.GaugeValue, float64(n), string(state))
	}
}
