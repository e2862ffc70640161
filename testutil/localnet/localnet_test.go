package localnet_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	suppliertypes "github.com/pokt-network/poktroll/x/supplier/types"
	"google.golang.org/grpc"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/testutil/localnet"
)

// start runs a network of many short blocks for the length of the test.
func start(t *testing.T, ctx context.Context, c localnet.Config) *localnet.Network {
	t.Helper()
	if c.Home == "" {
		c.Home = t.TempDir()
	}
	if c.BlockTime == 0 {
		c.BlockTime = 50 * time.Millisecond
	}
	network, err := localnet.Start(ctx, c)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := network.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return network
}

// deadline bounds what a test waits for.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, network *localnet.Network) *grpc.ClientConn {
	t.Helper()
	conn, err := network.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func TestStart_ChainKnowsAllThatTheNetworkLists(t *testing.T) {
	ctx := deadline(t)
	network := start(t, ctx, localnet.Config{
		Suppliers: 3, Applications: 2, Gateways: 2,
		Services: []localnet.ServiceConfig{{ID: "anvil"}, {ID: "llm", ComputeUnitsPerRelay: 7}},
	})
	if err := network.WaitForHeight(ctx, 2); err != nil {
		t.Fatal(err)
	}
	conn := dial(t, network)

	t.Run("applications are staked and delegate to all gateways", func(t *testing.T) {
		for i, application := range network.Applications {
			res, err := apptypes.NewQueryClient(conn).Application(ctx, &apptypes.QueryGetApplicationRequest{Address: application.Address})
			if err != nil {
				t.Fatal(err)
			}
			if want := network.Services[i].ID; application.ServiceID != want || res.Application.ServiceConfigs[0].ServiceId != want {
				t.Errorf("application %d: listed for %s, staked for %s, want %s",
					i, application.ServiceID, res.Application.ServiceConfigs[0].ServiceId, want)
			}
			if got := res.Application.DelegateeGatewayAddresses; !slices.Equal(got, application.Gateways) || len(got) != 2 {
				t.Errorf("application %d delegates to %v, listed %v, want both gateways", i, got, application.Gateways)
			}
		}
	})
	t.Run("suppliers are staked for every service", func(t *testing.T) {
		for _, supplier := range network.Suppliers {
			res, err := suppliertypes.NewQueryClient(conn).Supplier(ctx, &suppliertypes.QueryGetSupplierRequest{OperatorAddress: supplier.OperatorAddress})
			if err != nil {
				t.Fatal(err)
			}
			staked := make(map[string]string)
			for _, service := range res.Supplier.Services {
				staked[service.ServiceId] = service.Endpoints[0].Url
			}
			for _, service := range network.Services {
				if staked[service.ID] != service.ListenURL {
					t.Errorf("%s is staked for %s at %q, want %q", supplier.KeyName, service.ID, staked[service.ID], service.ListenURL)
				}
			}
		}
	})
	t.Run("all suppliers are in a session", func(t *testing.T) {
		session := getSession(t, ctx, conn, network.Applications[1])
		var inSession []string
		for _, supplier := range session.Suppliers {
			inSession = append(inSession, supplier.OperatorAddress)
		}
		if len(inSession) != len(network.Suppliers) {
			t.Fatalf("session has suppliers %v, want all %d", inSession, len(network.Suppliers))
		}
		for _, supplier := range network.Suppliers {
			if !slices.Contains(inSession, supplier.OperatorAddress) {
				t.Errorf("%s is not in the session", supplier.KeyName)
			}
		}
	})
	t.Run("accounts have public keys and balances", func(t *testing.T) {
		for _, address := range addresses(network) {
			if pubKey := getAccount(t, ctx, conn, address).GetPubKey(); pubKey == nil {
				t.Errorf("account %s has no public key", address)
			}
			res, err := banktypes.NewQueryClient(conn).SpendableBalances(ctx, &banktypes.QuerySpendableBalancesRequest{Address: address})
			if err != nil {
				t.Fatal(err)
			}
			if !res.Balances.AmountOf("upokt").IsPositive() {
				t.Errorf("account %s cannot pay a fee", address)
			}
		}
	})
	t.Run("node reports the version of the chain", func(t *testing.T) {
		info, err := network.RPC().ABCIInfo(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Response.Version; got != "0.1.35" {
			t.Errorf("version is %q, want 0.1.35", got)
		}
	})
	t.Run("keyring holds the suppliers' keys", func(t *testing.T) {
		ring := openKeyring(t, network)
		for _, supplier := range network.Suppliers {
			record, err := ring.Key(supplier.KeyName)
			if err != nil {
				t.Fatal(err)
			}
			if address, err := record.GetAddress(); err != nil || address.String() != supplier.OperatorAddress {
				t.Errorf("key %s is of %s (%v), want %s", supplier.KeyName, address, err, supplier.OperatorAddress)
			}
		}
	})
}

func TestStart_RelayMinerUnderstandsItsConfiguration(t *testing.T) {
	network := start(t, deadline(t), localnet.Config{Suppliers: 2, Services: []localnet.ServiceConfig{{ID: "anvil"}, {ID: "llm"}}})
	if _, err := config.Load(network.ConfigPath); err != nil {
		t.Fatalf("%s: %v", network.ConfigPath, err)
	}
}

func TestStart_DescriptionSaysWhatTheNetworkIs(t *testing.T) {
	network := start(t, deadline(t), localnet.Config{Gateways: 2})
	content, err := os.ReadFile(network.DescriptionPath)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		ChainID    string `json:"chain_id"`
		RPCURL     string `json:"rpc_url"`
		GRPCURL    string `json:"grpc_url"`
		KeyringDir string `json:"keyring_dir"`
		Services   []struct {
			ID         string `json:"id"`
			BackendURL string `json:"backend_url"`
			ListenURL  string `json:"listen_url"`
		} `json:"services"`
		Applications []struct {
			Address       string   `json:"address"`
			PrivateKeyHex string   `json:"private_key_hex"`
			ServiceID     string   `json:"service_id"`
			Gateways      []string `json:"gateways"`
		} `json:"applications"`
		Gateways []struct {
			Address       string `json:"address"`
			PrivateKeyHex string `json:"private_key_hex"`
		} `json:"gateways"`
		Suppliers []struct {
			OperatorAddress string `json:"operator_address"`
			KeyName         string `json:"key_name"`
		} `json:"suppliers"`
	}
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	if got.ChainID != network.ChainID || got.RPCURL != network.RPCURL || got.GRPCURL != network.GRPCURL || got.KeyringDir != network.KeyringDir {
		t.Errorf("addresses are %+v, want those of %+v", got, network)
	}
	if len(got.Services) != 1 || got.Services[0].BackendURL != network.Services[0].BackendURL || got.Services[0].ListenURL != network.Services[0].ListenURL {
		t.Errorf("services are %+v, want %+v", got.Services, network.Services)
	}
	if len(got.Applications) != 1 || got.Applications[0].PrivateKeyHex != network.Applications[0].PrivateKeyHex || len(got.Applications[0].Gateways) != 2 {
		t.Errorf("applications are %+v, want %+v", got.Applications, network.Applications)
	}
	if len(got.Gateways) != 2 || got.Gateways[1].PrivateKeyHex != network.Gateways[1].PrivateKeyHex {
		t.Errorf("gateways are %+v, want %+v", got.Gateways, network.Gateways)
	}
	if len(got.Suppliers) != 1 || got.Suppliers[0].KeyName != "supplier1" || got.Suppliers[0].OperatorAddress != network.Suppliers[0].OperatorAddress {
		t.Errorf("suppliers are %+v, want %+v", got.Suppliers, network.Suppliers)
	}
}

func TestStart_KeysAreTheSameInEveryRun(t *testing.T) {
	ctx := deadline(t)
	// The addresses are written down in scripts and documents.
	const (
		supplier1 = "pokt17q4d6a4c9r542t94l76zkj4hntcn3ylpe2f7us"
		app1      = "pokt1vg6mq0dy2ge9sdtatpp6td02wxlnav6ddwj425"
		gateway1  = "pokt13j3jk0y0epwsgk8ty5kt00083ckfrgq8lm6swv"
	)
	for range 2 { // one network after another in the same process
		network := start(t, ctx, localnet.Config{})
		if got := network.Suppliers[0].OperatorAddress; got != supplier1 {
			t.Errorf("supplier1 is %s, want %s", got, supplier1)
		}
		if got := network.Applications[0].Address; got != app1 {
			t.Errorf("app1 is %s, want %s", got, app1)
		}
		if got := network.Gateways[0].Address; got != gateway1 {
			t.Errorf("gateway1 is %s, want %s", got, gateway1)
		}
		if err := network.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStopNode_NodeGoesOnWhereItWasStopped(t *testing.T) {
	for _, test := range []struct {
		name       string
		persistent bool
	}{{"in memory", false}, {"on disk", true}} {
		t.Run(test.name, func(t *testing.T) {
			ctx := deadline(t)
			network := start(t, ctx, localnet.Config{Persistent: test.persistent})
			if err := network.WaitForHeight(ctx, 3); err != nil {
				t.Fatal(err)
			}
			before, err := network.RPC().Block(ctx, new(int64(2)))
			if err != nil {
				t.Fatal(err)
			}
			if err := network.StopNode(); err != nil {
				t.Fatal(err)
			}
			stopped := network.Height()
			for _, addr := range []string{network.RPCAddr, network.GRPCURL} {
				if conn, err := net.Dial("tcp", addr); err == nil {
					conn.Close()
					t.Errorf("%s accepts connections while the node is stopped", addr)
				}
			}
			if err := network.StartNode(); err != nil {
				t.Fatal(err)
			}
			if got := network.Height(); got < stopped {
				t.Errorf("height is %d after the restart, was %d", got, stopped)
			}
			if err := network.WaitForHeight(ctx, stopped+2); err != nil {
				t.Fatal(err)
			}
			after, err := network.RPC().Block(ctx, new(int64(2)))
			if err != nil {
				t.Fatal(err)
			}
			if before.BlockID.Hash.String() != after.BlockID.Hash.String() {
				t.Errorf("block 2 is %s after the restart, was %s", after.BlockID.Hash, before.BlockID.Hash)
			}
			// The application's state has to be there as well.
			getSession(t, ctx, dial(t, network), network.Applications[0])
		})
	}
}

func TestStop_EndsTheNetworkForGood(t *testing.T) {
	ctx := deadline(t)
	network := start(t, ctx, localnet.Config{})
	if err := network.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := network.Stop(); err != nil {
		t.Errorf("second stop: %v", err)
	}
	if err := network.WaitForHeight(ctx, network.Height()+1); !errors.Is(err, localnet.ErrStopped) {
		t.Errorf("waiting after the stop returned %v, want ErrStopped", err)
	}
	if err := network.StartNode(); !errors.Is(err, localnet.ErrStopped) {
		t.Errorf("starting the node after the stop returned %v, want ErrStopped", err)
	}
}

func TestStop_AwaitsTheGoroutinesOfTheNetwork(t *testing.T) {
	ctx := deadline(t)
	network := start(t, ctx, localnet.Config{})
	getSession(t, ctx, dial(t, network), network.Applications[0]) // through a gate
	if err := network.StopNode(); err != nil {
		t.Fatal(err)
	}
	if err := network.StartNode(); err != nil {
		t.Fatal(err)
	}
	if err := network.Stop(); err != nil {
		t.Fatal(err)
	}
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		// Methods of the package; CometBFT's own goroutines do not pass here.
		if strings.Contains(stack, "/testutil/localnet.(*") {
			t.Errorf("still there after the stop:\n%s", stack)
		}
	}
}

func TestWaitForHeight_EndsWithTheContext(t *testing.T) {
	network := start(t, deadline(t), localnet.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := network.WaitForHeight(ctx, 1_000_000); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestStart_HooksShapeTheGenesis(t *testing.T) {
	ctx := deadline(t)
	network := start(t, ctx, localnet.Config{
		BlocksPerSession: 6,
		Genesis: localnet.GenesisHooks{
			Shared: func(params *sharedtypes.Params) {
				params.ClaimWindowCloseOffsetBlocks = 9
			},
			State: func(cdc codec.JSONCodec, state map[string]json.RawMessage) error {
				var session sessiontypes.GenesisState
				if err := cdc.UnmarshalJSON(state[sessiontypes.ModuleName], &session); err != nil {
					return err
				}
				session.Params.NumSuppliersPerSession = 42
				state[sessiontypes.ModuleName] = cdc.MustMarshalJSON(&session)
				return nil
			},
		},
	})
	conn := dial(t, network)
	shared, err := sharedtypes.NewQueryClient(conn).Params(ctx, &sharedtypes.QueryParamsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := shared.Params; got.NumBlocksPerSession != 6 || got.ClaimWindowCloseOffsetBlocks != 9 {
		t.Errorf("shared params are %+v, want 6 blocks per session and a claim window of 9", got)
	}
	session, err := sessiontypes.NewQueryClient(conn).Params(ctx, &sessiontypes.QueryParamsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if got := session.Params.NumSuppliersPerSession; got != 42 {
		t.Errorf("suppliers per session are %d, want 42", got)
	}
}

func TestStart_UnusableConfigNamesTheField(t *testing.T) {
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer occupied.Close()
	used := t.TempDir()
	if err := os.MkdirAll(filepath.Join(used, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(used, "config", "genesis.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		field  string
		config localnet.Config
	}{
		{"Suppliers", localnet.Config{Suppliers: -1}},
		{"Applications", localnet.Config{Applications: 1 << 20}},
		{"Gateways", localnet.Config{Gateways: -1}},
		{"BlockTime", localnet.Config{BlockTime: -1}},
		{"BackendDelay", localnet.Config{BackendDelay: -1}},
		{"BlocksPerSession", localnet.Config{BlocksPerSession: 1}},
		{"ProofProbability", localnet.Config{ProofProbability: new(1.5)}},
		{"ProofThreshold", localnet.Config{ProofThreshold: -1}},
		{"MaxTxBytes", localnet.Config{MaxTxBytes: 1 << 30}},
		{"MinGasPrices", localnet.Config{MinGasPrices: "cheap"}},
		{"Services", localnet.Config{Services: []localnet.ServiceConfig{{ID: "not an id"}}}},
		{"Services", localnet.Config{Services: []localnet.ServiceConfig{{ID: "twice"}, {ID: "twice"}}}},
		{"RPCAddr", localnet.Config{RPCAddr: "nowhere"}},
		{"RPCAddr", localnet.Config{RPCAddr: occupied.Addr().String()}},
		{"GRPCAddr", localnet.Config{GRPCAddr: occupied.Addr().String()}},
		{"Home", localnet.Config{Home: used}},
		{"Home", localnet.Config{Home: filepath.Join(used, "config", "genesis.json")}},
		{"Genesis", localnet.Config{Genesis: localnet.GenesisHooks{
			Shared: func(params *sharedtypes.Params) { params.GracePeriodEndOffsetBlocks = 50 },
		}}},
		{"Genesis.State", localnet.Config{Genesis: localnet.GenesisHooks{
			State: func(codec.JSONCodec, map[string]json.RawMessage) error { return errors.New("no") },
		}}},
	} {
		t.Run(test.field, func(t *testing.T) {
			if test.config.Home == "" {
				test.config.Home = t.TempDir()
			}
			_, err := localnet.Start(deadline(t), test.config)
			var configErr *localnet.ConfigError
			if !errors.As(err, &configErr) {
				t.Fatalf("got %v, want a ConfigError", err)
			}
			if configErr.Field != test.field {
				t.Errorf("field is %s (%v), want %s", configErr.Field, err, test.field)
			}
		})
	}
}

// addresses returns those of all applications, gateways and suppliers.
func addresses(network *localnet.Network) []string {
	var all []string
	for _, application := range network.Applications {
		all = append(all, application.Address)
	}
	for _, gateway := range network.Gateways {
		all = append(all, gateway.Address)
	}
	for _, supplier := range network.Suppliers {
		all = append(all, supplier.OperatorAddress)
	}
	return all
}

func getSession(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface, application localnet.Application) *sessiontypes.Session {
	t.Helper()
	res, err := sessiontypes.NewQueryClient(conn).GetSession(ctx, &sessiontypes.QueryGetSessionRequest{
		ApplicationAddress: application.Address, ServiceId: application.ServiceID,
	})
	if err != nil {
		t.Fatalf("session of %s: %v", application.Address, err)
	}
	return res.Session
}

func newCodec() *codec.ProtoCodec {
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	authtypes.RegisterInterfaces(registry)
	return codec.NewProtoCodec(registry)
}

func getAccount(t *testing.T, ctx context.Context, conn grpc.ClientConnInterface, address string) cosmostypes.AccountI {
	t.Helper()
	res, err := authtypes.NewQueryClient(conn).Account(ctx, &authtypes.QueryAccountRequest{Address: address})
	if err != nil {
		t.Fatalf("account %s: %v", address, err)
	}
	var account cosmostypes.AccountI
	if err := newCodec().UnpackAny(res.Account, &account); err != nil {
		t.Fatal(err)
	}
	return account
}

func openKeyring(t *testing.T, network *localnet.Network) keyring.Keyring {
	t.Helper()
	ring, err := keyring.New("pocket", keyring.BackendTest, network.KeyringDir, nil, newCodec())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}
