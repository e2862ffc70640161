package localnet

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"gopkg.in/yaml.v3"
)

// description is the content of localnet.json.
type description struct {
	ChainID      string                 `json:"chain_id"`
	RPCURL       string                 `json:"rpc_url"`
	GRPCURL      string                 `json:"grpc_url"`
	KeyringDir   string                 `json:"keyring_dir"`
	Services     []describedService     `json:"services"`
	Applications []describedApplication `json:"applications"`
	Gateways     []describedGateway     `json:"gateways"`
	Suppliers    []describedSupplier    `json:"suppliers"`
}

type describedService struct {
	ID         string `json:"id"`
	BackendURL string `json:"backend_url"`
	ListenURL  string `json:"listen_url"`
}

type describedApplication struct {
	Address       string   `json:"address"`
	PrivateKeyHex string   `json:"private_key_hex"`
	ServiceID     string   `json:"service_id"`
	Gateways      []string `json:"gateways"`
}

type describedGateway struct {
	Address       string `json:"address"`
	PrivateKeyHex string `json:"private_key_hex"`
}

type describedSupplier struct {
	OperatorAddress string `json:"operator_address"`
	KeyName         string `json:"key_name"`
}

// writeFiles writes localnet.json and relayminer.yaml.
func (n *Network) writeFiles() error {
	described, err := json.MarshalIndent(n.description(), "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", n.DescriptionPath, err)
	}
	configured, err := yaml.Marshal(n.relayMinerConfig())
	if err != nil {
		return fmt.Errorf("encode %s: %w", n.ConfigPath, err)
	}
	for path, content := range map[string][]byte{
		n.DescriptionPath: append(described, '\n'),
		n.ConfigPath:      configured,
	} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return fmt.Errorf("describe the network: %w", err)
		}
	}
	return nil
}

func (n *Network) description() description {
	d := description{ChainID: n.ChainID, RPCURL: n.RPCURL, GRPCURL: n.GRPCURL, KeyringDir: n.KeyringDir}
	for _, s := range n.Services {
		d.Services = append(d.Services, describedService{ID: s.ID, BackendURL: s.BackendURL, ListenURL: s.ListenURL})
	}
	for _, a := range n.Applications {
		d.Applications = append(d.Applications, describedApplication(a))
	}
	for _, g := range n.Gateways {
		d.Gateways = append(d.Gateways, describedGateway(g))
	}
	for _, s := range n.Suppliers {
		d.Suppliers = append(d.Suppliers, describedSupplier(s))
	}
	return d
}

// relayMinerConfig is the content of relayminer.yaml, with the keys of the
// official relay miner.
type relayMinerConfig struct {
	DefaultSigningKeyNames []string              `yaml:"default_signing_key_names"`
	SmtStorePath           string                `yaml:"smt_store_path"`
	Metrics                endpointConfig        `yaml:"metrics"`
	Pprof                  endpointConfig        `yaml:"pprof"`
	Ping                   endpointConfig        `yaml:"ping"`
	PocketNode             pocketNodeConfig      `yaml:"pocket_node"`
	Suppliers              []relaySupplierConfig `yaml:"suppliers"`
}

type endpointConfig struct {
	Enabled bool `yaml:"enabled"`
}

type pocketNodeConfig struct {
	QueryNodeRPCURL  string `yaml:"query_node_rpc_url"`
	QueryNodeGRPCURL string `yaml:"query_node_grpc_url"`
	TxNodeRPCURL     string `yaml:"tx_node_rpc_url"`
}

type relaySupplierConfig struct {
	ServiceID     string             `yaml:"service_id"`
	ListenURL     string             `yaml:"listen_url"`
	ServiceConfig relayServiceConfig `yaml:"service_config"`
}

type relayServiceConfig struct {
	BackendURL string `yaml:"backend_url"`
}

func (n *Network) relayMinerConfig() relayMinerConfig {
	c := relayMinerConfig{
		SmtStorePath: filepath.Join(n.relayMinerHome(), "smt"),
		PocketNode: pocketNodeConfig{
			QueryNodeRPCURL:  n.RPCURL,
			QueryNodeGRPCURL: "tcp://" + n.GRPCURL,
			TxNodeRPCURL:     n.RPCURL,
		},
	}
	for _, supplier := range n.Suppliers {
		c.DefaultSigningKeyNames = append(c.DefaultSigningKeyNames, supplier.KeyName)
	}
	for _, service := range n.Services {
		c.Suppliers = append(c.Suppliers, relaySupplierConfig{
			ServiceID:     service.ID,
			ListenURL:     service.ListenURL,
			ServiceConfig: relayServiceConfig{BackendURL: service.BackendURL},
		})
	}
	return c
}

func (n *Network) relayMinerHome() string { return filepath.Join(n.Home, "relayminer") }

// RelayMinerArgs returns the arguments with which a relay miner serves all
// suppliers and services of the network.
func (n *Network) RelayMinerArgs() []string {
	return []string{
		"start",
		"--config", n.ConfigPath,
		"--keyring-backend", "test",
		"--keyring-dir", n.KeyringDir,
		"--chain-id", n.ChainID,
		"--home", n.relayMinerHome(),
	}
}
