package faultnode_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/seed52205347/relayminer/testutil/faultnode"
)

// A node that refuses the first transaction because its mempool is full.
func Example() {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"jsonrpc":"2.0","id":1,"result":{"code":0}}`)
	}))
	defer node.Close()
	addr := node.Listener.Addr().String()
	proxy, err := faultnode.Start(faultnode.Config{RPCAddr: addr, GRPCAddr: addr})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer proxy.Close()
	full, err := proxy.Add(faultnode.Rule{
		Methods: []string{"broadcast_tx_sync"},
		First:   1,
		Fault:   faultnode.RejectRPC(-32603, "Internal error", "mempool is full"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 {
		request := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"broadcast_tx_sync","params":{"tx":"Cg=="}}`)
		response, err := http.Post(strings.Replace(proxy.RPCURL, "tcp", "http", 1), "application/json", request)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		fmt.Println(string(body), err)
	}
	fmt.Println(full.Hits(), "refused,", proxy.Forwarded("broadcast_tx_sync"), "handed on")
	// Output:
	// {"error":{"code":-32603,"data":"mempool is full","message":"Internal error"},"id":1,"jsonrpc":"2.0"} <nil>
	// {"jsonrpc":"2.0","id":1,"result":{"code":0}} <nil>
	// 1 refused, 1 handed on
}
