package config_test

import (
	"fmt"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

func ExampleParse() {
	c, err := config.Parse("relayminer.yaml", []byte(`
default_signing_key_names: [supplier1]
smt_store_path: /var/lib/relayminer
pocket_node:
  query_node_grpc_url: tcp://127.0.0.1:9090
  tx_node_rpc_url: tcp://127.0.0.1:26657
suppliers:
  - service_id: eth
    listen_url: http://0.0.0.0:8545
    service_config:
      backend_url: http://geth:8545
    rpc_type_service_configs:
      websocket:
        backend_url: ws://geth:8546
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	eth := c.Services[0]
	calls, _ := eth.Backend(sharedtypes.RPCType_JSON_RPC)
	events, _ := eth.Backend(sharedtypes.RPCType_WEBSOCKET)
	fmt.Println(eth.ListenAddr, eth.SigningKeyNames, eth.RequestTimeout)
	fmt.Println(calls, events)
	// Output:
	// 0.0.0.0:8545 [supplier1] 10s
	// http://geth:8545 ws://geth:8546
}

func ExampleParse_problems() {
	_, err := config.Parse("relayminer.yaml", []byte(`
default_signing_key_names: [supplier1]
smt_store_path: /var/lib/relayminer
pocket_node:
  query_node_grpc_url: tcp://127.0.0.1:9090
suppliers:
  - service_id: eth
    listen_url: 0.0.0.0:8545
    service_confg:
      backend_url: http://geth:8545
`))
	fmt.Println(err)
	// Output:
	// relayminer.yaml:4: pocket_node.tx_node_rpc_url: is required; name the node's CometBFT endpoint, such as tcp://127.0.0.1:26657
	// relayminer.yaml:8: suppliers[0].listen_url: has no scheme; write http://host:port, such as http://0.0.0.0:8080
	// relayminer.yaml:9: suppliers[0].service_confg: there is no such key here; did you mean service_config?
}
