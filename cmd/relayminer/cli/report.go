package cli

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed52205347/relayminer/pkg/admin"
	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/session"
)

// openFunds makes what watches the suppliers' funds.
func (i *Instance) openFunds(opts Options, keys *chain.Keys) (err error) {
	i.funds, err = session.NewFundsMonitor(i.parts.manager, keys.Addresses(), chain.NewQueries(i.node), opts.Log)
	return err
}

// adminOptions returns what the socket answers beside questions about sessions.
func (i *Instance) adminOptions(inspector *session.Inspector) []admin.Option {
	opts := []admin.Option{admin.WithStatus(func(ctx context.Context) (*admin.Status, error) { return i.status(ctx, inspector) })}
	if controller, ok := i.parts.manager.(admin.Controller); ok {
		opts = append(opts, admin.WithController(controller))
	}
	return opts
}

// status returns how the relay miner does.
func (i *Instance) status(ctx context.Context, inspector *session.Inspector) (*admin.Status, error) {
	overview, err := inspector.Overview(ctx)
	if err != nil {
		return nil, err
	}
	s := &admin.Status{
		Version: version(), Started: i.began, Now: time.Now(),
		Chain:    admin.Chain{ID: i.node.ChainID(), Source: i.blocks.Source()},
		Nodes:    nodesOf(i.node.Servers(), i.node.SeenHeight()),
		Stages:   i.stages(),
		Sessions: overview,
		Funds:    i.funds.Funds(),
	}
	if block := i.blocks.Latest(); block != nil {
		s.Chain.Height, s.Chain.Time = block.Height, block.Time
	}
	if queue, ok := i.parts.manager.(session.QueueReporter); ok {
		status := queue.QueueStatus()
		s.Queue = &status
	}
	if provers, ok := i.parts.manager.(session.ProverReporter); ok {
		status := provers.ProverStatus()
		s.Provers = &status
	}
	if risks, ok := i.parts.manager.(session.RiskReporter); ok {
		s.AtRisk = risks.AtRisk()
	}
	s.Alerts = alertsOf(s)
	return s, nil
}

// nodesOf tells of each address how far it is behind the highest height known.
func nodesOf(servers []chain.ServerStatus, seen int64) []admin.Node {
	nodes := make([]admin.Node, len(servers))
	for n, s := range servers {
		nodes[n] = admin.Node{Kind: s.Kind, Address: s.Endpoint, InUse: s.InUse, Usable: s.Usable}
		if s.Height > 0 {
			lag := max(seen-s.Height, 0)
			nodes[n].Lag = &lag
		}
		if s.Err != nil {
			nodes[n].Problem = s.Err.Error()
		}
	}
	return nodes
}

// stages returns the parts of the relay miner.
func (i *Instance) stages() []admin.Stage {
	blocks := admin.Stage{Name: "blocks"}
	if err := i.blocks.Err(); err != nil {
		blocks.Problem = err.Error()
	}
	store := admin.Stage{Name: "store"}
	if err := i.store.AcceptingErr(); err != nil {
		store.Problem = err.Error()
	}
	signers := i.txs.Stats().Signers
	sessions := admin.Stage{Name: "sessions"}
	if work, ok := i.parts.manager.(session.WorkReporter); ok && i.started.Load() {
		goroutines := work.Goroutines()
		sessions.Goroutines = &goroutines
	}
	if !i.started.Load() {
		sessions.Problem = "not started yet"
	}
	return []admin.Stage{blocks, store, sessions, {Name: "transactions", Goroutines: &signers}}
}

// fundsCollector tells what the configured suppliers have, by their address.
type fundsCollector struct {
	funds func() []session.Funds
}

var (
	balanceDesc = prometheus.NewDesc(metricsPrefix+"balance_upokt",
		"What the operator account of a supplier can spend.", []string{"supplier"}, nil)
	penaltiesDesc = prometheus.NewDesc(metricsPrefix+"penalties_covered",
		"Missing proofs that the stake of a supplier covers before it is unbonded.", []string{"supplier"}, nil)
)

// Describe implements prometheus.Collector.
func (c *fundsCollector) Describe(descs chan<- *prometheus.Desc) {
	descs <- balanceDesc
	descs <- penaltiesDesc
}

// Collect implements prometheus.Collector. What is not known yet is left out.
func (c *fundsCollector) Collect(metrics chan<- prometheus.Metric) {
	for _, f := range c.funds() {
		if f.Height == 0 {
			continue
		}
		metrics <- prometheus.MustNewConstMetric(balanceDesc, prometheus.GaugeValue, float64(f.BalanceUpokt), f.Supplier)
		if f.PenaltiesCovered != nil {
			metrics <- prometheus.MustNewConstMetric(penaltiesDesc, prometheus.GaugeValue, float64(*f.PenaltiesCovered), f.Supplier)
		}
	}
}
