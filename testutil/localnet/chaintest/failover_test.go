package chaintest

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/chain/tx"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/testutil/faultnode"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// startDoor returns addresses of their own for the network's node.
func startDoor(t *testing.T, network *localnet.Network) *faultnode.Proxy {
	t.Helper()
	proxy, err := faultnode.Start(faultnode.Config{
		RPCAddr: network.RPCAddr, GRPCAddr: network.GRPCURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := proxy.Close(); err != nil {
			t.Error(err)
		}
	})
	return proxy
}

// afflict makes all that passes the proxy meet a fault.
func afflict(t *testing.T, proxy *faultnode.Proxy, fault faultnode.Fault) {
	t.Helper()
	if _, err := proxy.Add(faultnode.Rule{Fault: fault}); err != nil {
		t.Fatal(err)
	}
}

// dialDoors names the node by several addresses, the preferred first. Blocks and
// transactions have separate lists.
func dialDoors(t *testing.T, network *localnet.Network, doors ...*faultnode.Proxy) *chain.Node {
	t.Helper()
	config := chain.Config{ChainID: network.ChainID, Timeout: time.Second, ProbeInterval: 200 * time.Millisecond}
	for _, door := range doors {
		config.QueryGRPCURLs = append(config.QueryGRPCURLs, door.GRPCURL)
		config.QueryRPCURLs = append(config.QueryRPCURLs, door.RPCURL)
		config.TxRPCURLs = append(config.TxRPCURLs, door.RPCURL)
	}
	return dialTo(t, config)
}

// leadsTo reports whether all that is asked goes through the proxy.
func leadsTo(node *chain.Node, door *faultnode.Proxy) bool {
	stats := node.Stats()
	return strings.HasSuffix(stats.QueryGRPC.Endpoint, door.GRPCURL) && followsAt(node, door)
}

func followsAt(node *chain.Node, door *faultnode.Proxy) bool {
	return strings.HasSuffix(node.Stats().QueryRPC.Endpoint, strings.TrimPrefix(door.RPCURL, "tcp://"))
}

func usable(node *chain.Node, n int) bool {
	stats := node.Stats()
	return stats.QueryGRPC.Usable == n && stats.QueryRPC.Usable == n && stats.TxRPC.Usable == n
}

func TestFailover_DeathOfTheNodeInUseCostsNoBlockNoQueryAndNoTransaction(t *testing.T) {
	for _, test := range []struct {
		name      string
		kill, aid func(*faultnode.Door)
	}{
		{"its process ends", (*faultnode.Door).Refuse, func(d *faultnode.Door) {
			if err := d.Admit(); err != nil {
				t.Error(err)
			}
		}},
		{"its process is halted", (*faultnode.Door).Freeze, (*faultnode.Door).Thaw},
	} {
		t.Run(test.name, func(t *testing.T) {
			network := start(t, localnet.Config{})
			a, b := startDoor(t, network), startDoor(t, network)
			node := dialDoors(t, network, a, b)
			bench := newBenchOn(t, network, node)
			submitter := bench.submitter(tx.Options{})
			blocks := record(t, bench.blocks)
			last := continues(t, bench.ctx, blocks, nil, 5)
			if !leadsTo(node, a) {
				t.Errorf("the first is not preferred: %+v", node.Stats())
			}
			dead, alive := a, b
			for range 2 {
				test.kill(dead.RPC)
				test.kill(dead.GRPC)
				transfer := bench.transfer(network.Suppliers[0].OperatorAddress, 100, 200)
				if o := bench.outcome(bench.submit(submitter, transfer)); o.State != relayer.InForce {
					t.Errorf("the transaction: %+v", o)
				}
				bench.tookEffect(transfer, 1)
				last = continues(t, bench.ctx, blocks, last, 30)
				if !leadsTo(node, alive) {
					t.Errorf("the other is not used: %+v", node.Stats())
				}
				test.aid(dead.RPC)
				test.aid(dead.GRPC)
				await(t, bench.ctx, "the one that was dead is well", func() bool { return usable(node, 2) })
				if !leadsTo(node, alive) {
					t.Error("left without a reason")
				}
				dead, alive = alive, dead
			}
			await(t, bench.ctx, "the subscription speaks", func() bool { return bench.blocks.Source() == "subscription" })
			continues(t, bench.ctx, blocks, last, 10)
			if stats := node.Stats(); stats.QueryGRPC.Failovers != 2 || stats.QueryRPC.Failovers != 2 {
				t.Errorf("stats are %+v", stats)
			}
		})
	}
}

func TestFailover_NodeThatLagsIsNotUsed(t *testing.T) {
	ctx := deadline(t)
	network := start(t, localnet.Config{})
	if err := network.WaitForHeight(ctx, 15); err != nil {
		t.Fatal(err)
	}
	a, b := startDoor(t, network), startDoor(t, network)
	afflict(t, a, a.Lag(8))
	node := dialDoors(t, network, a, b)
	if !leadsTo(node, b) {
		t.Errorf("the one that lags is preferred: %+v", node.Stats())
	}
	blocks := record(t, follow(t, node))
	last := continues(t, ctx, blocks, nil, 10)
	a.Clear()
	await(t, ctx, "the first has caught up", func() bool { return usable(node, 2) })
	afflict(t, b, b.Lag(8))
	await(t, ctx, "the one that lags now is left", func() bool { return leadsTo(node, a) })
	continues(t, ctx, blocks, last, 40)
}

func TestFailover_NodeOfAnotherChainIsAskedForNothing(t *testing.T) {
	ctx := deadline(t)
	network := start(t, localnet.Config{})
	wrong, right := startDoor(t, network), startDoor(t, network)
	afflict(t, wrong, faultnode.ChainID(network.ChainID, "elsewhere"))
	node := dialDoors(t, network, wrong, right)
	bench := newBenchOn(t, network, node)
	blocks := record(t, bench.blocks)
	last := continues(t, ctx, blocks, nil, 5)
	right.RPC.Refuse()
	if err := wrong.AwaitCalls(ctx, "status", wrong.Calls("status")+3); err != nil {
		t.Fatal(err)
	}
	if followsAt(node, wrong) {
		t.Error("the node of another chain is used for want of another")
	}
	if err := right.RPC.Admit(); err != nil {
		t.Fatal(err)
	}
	transfer := bench.transfer(network.Suppliers[0].OperatorAddress, 100, 200)
	if o := bench.outcome(bench.submit(bench.submitter(tx.Options{}), transfer)); o.State != relayer.InForce {
		t.Errorf("the transaction: %+v", o)
	}
	continues(t, ctx, blocks, last, 20)
	for _, method := range []string{"abci_info", "blockchain", "subscribe", "broadcast_tx_sync"} {
		if n := wrong.Calls(method); n != 0 {
			t.Errorf("the node of another chain was asked for %s %d times", method, n)
		}
	}
}

// parentHash is where a header names the block before it.
var parentHash = regexp.MustCompile(`("last_block_id":\s*\{\s*"hash":\s*")[0-9A-F]{64}`)

// otherHistory makes a node show blocks that do not follow those of the others.
func otherHistory() faultnode.Fault {
	forge := func(body []byte) []byte {
		return parentHash.ReplaceAll(body, []byte("${1}"+strings.Repeat("AB", 32)))
	}
	return faultnode.FaultFunc(func(ctx context.Context, call *faultnode.Call, next faultnode.Handler) *faultnode.Answer {
		if call.Method == faultnode.Event {
			forged := *call
			forged.Body = forge(call.Body)
			return next(ctx, &forged)
		}
		answer := next(ctx, call)
		if answer != nil && call.Protocol != faultnode.GRPC {
			answer.Body = forge(answer.Body)
		}
		return answer
	})
}

func TestFailover_NodeOfAnotherHistoryIsNotFollowed(t *testing.T) {
	ctx := deadline(t)
	network := start(t, localnet.Config{})
	right, wrong := startDoor(t, network), startDoor(t, network)
	afflict(t, wrong, otherHistory())
	node := dialDoors(t, network, right, wrong)
	driver := follow(t, node, chain.WithMinSilence(300*time.Millisecond), chain.WithPollInterval(100*time.Millisecond))
	blocks := record(t, driver)
	last := continues(t, ctx, blocks, nil, 5)
	right.RPC.Refuse()
	await(t, ctx, "the other history is seen", func() bool { return errors.Is(driver.Err(), chain.ErrChainRegressed) })
	if err := right.RPC.Admit(); err != nil {
		t.Fatal(err)
	}
	last = continues(t, ctx, blocks, last, 30)
	commit, err := network.RPC().Commit(ctx, &last.Height)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(commit.Commit.BlockID.Hash, last.Hash) {
		t.Errorf("hash of block %d is %X, validators have signed %X", last.Height, last.Hash, commit.Commit.BlockID.Hash)
	}
	if stats := node.Stats().QueryRPC; !followsAt(node, right) || stats.Usable != 1 {
		t.Errorf("the node of another history is in use again: %+v", stats)
	}
}
