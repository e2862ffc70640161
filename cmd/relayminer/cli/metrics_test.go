package cli

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/seed52205347/relayminer/pkg/chain/tx"
)

func TestMetrics_TellHowLongMessagesTakeAndWhyTransactionsFail(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&txsCollector{stats: func() tx.Stats {
		stats := tx.Stats{Failures: map[tx.Failure]uint64{{Codespace: "sdk", Code: 13}: 2, {Codespace: tx.OtherFailures}: 1}}
		stats.Delay = tx.Histogram{Counts: [...]uint64{3, 4, 4, 4, 4, 4, 4, 4, 4}, Count: 5, Sum: 45}
		return stats
	}})
	want := `
# HELP relayminer_message_inclusion_blocks Blocks from the first broadcast of a claim or proof until it is in force.
# TYPE relayminer_message_inclusion_blocks histogram
relayminer_message_inclusion_blocks_bucket{le="1"} 3
relayminer_message_inclusion_blocks_bucket{le="2"} 4
relayminer_message_inclusion_blocks_bucket{le="3"} 4
relayminer_message_inclusion_blocks_bucket{le="4"} 4
relayminer_message_inclusion_blocks_bucket{le="6"} 4
relayminer_message_inclusion_blocks_bucket{le="8"} 4
relayminer_message_inclusion_blocks_bucket{le="12"} 4
relayminer_message_inclusion_blocks_bucket{le="16"} 4
relayminer_message_inclusion_blocks_bucket{le="32"} 4
relayminer_message_inclusion_blocks_bucket{le="+Inf"} 5
relayminer_message_inclusion_blocks_sum 45
relayminer_message_inclusion_blocks_count 5
# HELP relayminer_tx_failures_total Refusals by simulation, by the node and in blocks.
# TYPE relayminer_tx_failures_total counter
relayminer_tx_failures_total{code="0",codespace="other"} 1
relayminer_tx_failures_total{code="13",codespace="sdk"} 2
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
