package faultnode

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	grpctypes "github.com/cosmos/cosmos-sdk/types/grpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The fake node is at height 10, so that a node that lags by 3 blocks is at 7.
func TestLag_AnswersAsOfAnOlderBlock(t *testing.T) {
	w := newWorld(t)
	w.add(Rule{Fault: w.Lag(3)})
	height := func(h int64) *int64 { return &h }

	t.Run("status", func(t *testing.T) {
		result, err := w.rpc.Status(w.ctx)
		check(t, err)
		sync := result.SyncInfo
		if sync.LatestBlockHeight != 7 || !slices.Equal(sync.LatestBlockHash, header(7).Hash()) ||
			!slices.Equal(sync.LatestAppHash, header(7).AppHash) || !sync.LatestBlockTime.Equal(header(7).Time) {
			t.Errorf("got %+v", sync)
		}
	})
	t.Run("abci info", func(t *testing.T) {
		result, err := w.rpc.ABCIInfo(w.ctx)
		check(t, err)
		if info := result.Response; info.LastBlockHeight != 7 || string(info.LastBlockAppHash) != "app hash in block 8" {
			t.Errorf("got %+v", info)
		}
	})
	t.Run("block in reach", func(t *testing.T) {
		result, err := w.rpc.Block(w.ctx, height(7))
		if err != nil || result.Block.Height != 7 {
			t.Errorf("got %+v, %v", result, err)
		}
	})
	t.Run("block out of reach", func(t *testing.T) {
		_, err := w.rpc.Block(w.ctx, height(8))
		if err == nil || !strings.Contains(err.Error(), "height 8 must be less than or equal to the current blockchain height 7") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("newest block", func(t *testing.T) {
		result, err := w.rpc.Header(w.ctx, nil)
		if err != nil || result.Header.Height != 7 {
			t.Errorf("got %+v, %v", result, err)
		}
	})
	t.Run("newest block by uri", func(t *testing.T) {
		body, _, err := w.get("/header")
		if err != nil || !strings.Contains(body, `"height":"7"`) {
			t.Errorf("got %s, %v", body, err)
		}
	})
	t.Run("headers", func(t *testing.T) {
		result, err := w.rpc.BlockchainInfo(w.ctx, 5, 9)
		if err != nil || result.LastHeight != 7 || result.BlockMetas[0].Header.Height != 7 {
			t.Errorf("got %+v, %v", result, err)
		}
		if _, err := w.rpc.BlockchainInfo(w.ctx, 8, 9); err == nil {
			t.Error("headers out of reach were answered")
		}
	})
	t.Run("transaction out of reach", func(t *testing.T) {
		if _, err := w.rpc.Tx(w.ctx, []byte("hash"), false); err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("grpc", func(t *testing.T) {
		for asked, want := range map[string]string{"": "7", "4": "4", "8": ""} {
			ctx := w.ctx
			if asked != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, grpctypes.GRPCBlockHeightHeader, asked)
			}
			var header metadata.MD
			_, err := w.info(ctx, grpc.Header(&header))
			if got := strings.Join(header.Get(grpctypes.GRPCBlockHeightHeader), " "); got != want || (want == "") != (status.Code(err) == codes.InvalidArgument) {
				t.Errorf("asked for height %q: answered at %q, %v", asked, got, err)
			}
		}
	})
}

func TestLag_HoldsEventsBackAndLetsThemGoAtItsEnd(t *testing.T) {
	w := newWorld(t)
	s := w.subscribe()
	rule := w.add(Rule{Methods: []string{Event}, Fault: w.Lag(2)})
	for n := range 4 {
		w.node.push(1)
		check(t, rule.Await(w.ctx, n+1))
		check(t, w.changes.await(w.ctx, func() bool { return w.Forwarded(Event) >= n-1 }))
	}
	if got := s.heights(2); !slices.Equal(got, []int64{11, 12}) {
		t.Errorf("got blocks %d", got)
	}
	rule.Remove()
	got := s.heights(2)
	if slices.Sort(got); !slices.Equal(got, []int64{13, 14}) {
		t.Errorf("got blocks %d at the end", got)
	}
}

func TestChainID_IsAnotherEverywhere(t *testing.T) {
	w := newWorld(t)
	s := w.subscribe()
	w.add(Rule{Fault: ChainID(chainID, "other")})
	if result, err := w.rpc.Status(w.ctx); err != nil || result.NodeInfo.Network != "other" {
		t.Errorf("status: %+v, %v", result, err)
	}
	if network, err := w.info(w.ctx); err != nil || network != "other" {
		t.Errorf("grpc: %q, %v", network, err)
	}
	w.node.push(1)
	var event struct {
		Result struct {
			Data struct {
				Value struct {
					Header struct {
						ChainID string `json:"chain_id"`
					}
				}
			}
		}
	}
	check(t, json.Unmarshal(s.read(), &event))
	if got := event.Result.Data.Value.Header.ChainID; got != "other" {
		t.Errorf("event: %q", got)
	}
	if got := fmt.Sprint(w.node.receipts("status")); got != "1" {
		t.Errorf("the node received %s calls", got)
	}
}
