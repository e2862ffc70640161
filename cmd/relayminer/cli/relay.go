package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/chain"
	"github.com/seed52205347/relayminer/pkg/relayer/client"
	"github.com/seed52205347/relayminer/pkg/ring"
)

// relayFlags are the flags of the relay command.
type relayFlags struct {
	app      string
	gateway  string
	supplier string
	endpoint string
	payload  string
	count    int
	timeout  time.Duration
	keyring  keyringFlags
	node     nodeFlags
}

func newRelayCommand() *cobra.Command {
	var flags relayFlags
	cmd := &cobra.Command{
		Use:   "relay --app ADDRESS --payload JSON --chain-id ID",
		Short: "Send signed relays and check the replies",
		Long: `Send relays to a supplier of the application's current session, signed with the
application's key, or with a gateway's that the application delegates to, and
check the supplier's signature of each reply. The answers of the service are
printed, one to a line.`,
		Example: `  relayminer relay --app pokt1… --payload '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}' \
    --chain-id pocket --node tcp://127.0.0.1:26657 --grpc-addr 127.0.0.1:9090 --keyring-backend test`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.app, "app", "", "address of the application that pays (required)")
	f.StringVar(&flags.gateway, "gateway", "", "address of the gateway that signs (default the application itself)")
	f.StringVar(&flags.supplier, "supplier", "", "operator address of the supplier to ask (default the first of the session)")
	f.StringVar(&flags.endpoint, "supplier-public-endpoint-override", "", "URL to send to in place of the supplier's endpoint on chain")
	f.StringVar(&flags.payload, "payload", "", "body of the JSON-RPC request (required)")
	f.IntVar(&flags.count, "count", 1, "number of relays to send")
	f.DurationVar(&flags.timeout, "timeout", 30*time.Second, "time that one relay may take")
	flags.keyring.register(f)
	flags.node.register(f, "")
	return cmd
}

func (f *relayFlags) run(cmd *cobra.Command) (err error) {
	switch {
	case f.app == "":
		return errors.New("--app is not set: name the application's address")
	case f.payload == "":
		return errors.New("--payload is not set: give the JSON-RPC request")
	case f.node.chainID == "":
		return errors.New("--chain-id is not set: name the chain, for example pocket")
	case f.count < 1:
		return fmt.Errorf("--count: %d is too few", f.count)
	}
	ctx := cmd.Context()
	at := chain.Config{
		QueryGRPCURLs: []string{f.node.grpcAddr},
		QueryRPCURLs:  []string{f.node.node},
		Logger:        slog.New(slog.DiscardHandler),
	}
	f.node.apply(cmd.Flags(), &at)
	node, err := chain.Dial(ctx, at)
	switch {
	case errors.Is(err, chain.ErrWrongChainID):
		return fmt.Errorf("--chain-id: %w (set --chain-id to the node's, or --node and --grpc-addr to a node of that chain)", err)
	case err != nil:
		return fmt.Errorf("--node, --grpc-addr: %w (start the node, or correct the address)", err)
	}
	defer func() { err = errors.Join(err, node.Close()) }()

	relay, err := f.prepare(ctx, node)
	if err != nil {
		return err
	}
	signer, err := f.signer(ctx, cmd.InOrStdin(), chain.NewQueries(node))
	if err != nil {
		return err
	}
	sender := &client.Client{Signer: signer, HTTP: &http.Client{Timeout: f.timeout}}
	return f.send(ctx, cmd.OutOrStdout(), cmd.ErrOrStderr(), sender, relay)
}

// prepare finds session, supplier and endpoint.
func (f *relayFlags) prepare(ctx context.Context, node *chain.Node) (*client.Relay, error) {
	queries := chain.NewQueries(node)
	app, err := queries.Application(ctx, f.app)
	if err != nil {
		return nil, fmt.Errorf("--app: %w", err)
	}
	if len(app.ServiceConfigs) != 1 {
		return nil, fmt.Errorf("--app: application %s is staked for %d services, want one", f.app, len(app.ServiceConfigs))
	}
	height, err := node.StateHeight(ctx)
	if err != nil {
		return nil, err
	}
	session, err := queries.Session(ctx, f.app, app.ServiceConfigs[0].ServiceId, height)
	if err != nil {
		return nil, fmt.Errorf("session of the application: %w", err)
	}
	supplier, err := f.choose(session)
	if err != nil {
		return nil, err
	}
	endpoint := f.endpoint
	if endpoint == "" {
		if endpoint, err = endpointOf(supplier, session.Header.ServiceId); err != nil {
			return nil, err
		}
	}
	key, err := queries.PubKey(ctx, supplier.OperatorAddress)
	if err != nil {
		return nil, fmt.Errorf("public key of supplier %s: %w", supplier.OperatorAddress, err)
	}
	return &client.Relay{
		Session:     session.Header,
		Supplier:    supplier.OperatorAddress,
		SupplierKey: key,
		Endpoint:    endpoint,
		RPCType:     sharedtypes.RPCType_JSON_RPC,
		Request:     client.JSONRPC([]byte(f.payload)),
	}, nil
}

// choose returns the supplier that was asked for, or the first of the session.
func (f *relayFlags) choose(session *sessiontypes.Session) (*sharedtypes.Supplier, error) {
	for _, supplier := range session.Suppliers {
		if f.supplier == "" || supplier.OperatorAddress == f.supplier {
			return supplier, nil
		}
	}
	return nil, fmt.Errorf("--supplier: %q is not among the %d suppliers of session %s",
		f.supplier, len(session.Suppliers), session.SessionId)
}

// endpointOf returns the supplier's endpoint for JSON-RPC, or its first one.
func endpointOf(supplier *sharedtypes.Supplier, serviceID string) (string, error) {
	first := ""
	for _, service := range supplier.Services {
		if service.ServiceId != serviceID {
			continue
		}
		for _, endpoint := range service.Endpoints {
			if endpoint.RpcType == sharedtypes.RPCType_JSON_RPC {
				return endpoint.Url, nil
			}
			if first == "" {
				first = endpoint.Url
			}
		}
	}
	if first == "" {
		return "", fmt.Errorf("supplier %s has no endpoint for service %s: set --supplier-public-endpoint-override",
			supplier.OperatorAddress, serviceID)
	}
	return first, nil
}

// signer loads the signing key and builds the application's ring.
func (f *relayFlags) signer(ctx context.Context, stdin io.Reader, queries *chain.Queries) (*ring.Signer, error) {
	address, flag := f.app, "--app"
	if f.gateway != "" {
		address, flag = f.gateway, "--gateway"
	}
	kr, err := openKeyring(f.keyring.backend, f.keyring.keyringDir(), stdin)
	if err != nil {
		return nil, err
	}
	key, err := f.privateKey(kr, address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	app, err := queries.Application(ctx, f.app)
	if err != nil {
		return nil, fmt.Errorf("--app: %w", err)
	}
	var members [][]byte
	for _, member := range append([]string{f.app}, app.DelegateeGatewayAddresses...) {
		public, err := queries.PubKey(ctx, member)
		if err != nil {
			return nil, fmt.Errorf("public key of %s: %w", member, err)
		}
		members = append(members, public.Bytes())
	}
	signer, err := ring.NewSigner(key, members)
	if errors.Is(err, ring.ErrNotMember) {
		return nil, fmt.Errorf("--gateway: application %s does not delegate to %s: %w", f.app, f.gateway, err)
	}
	return signer, err
}

// privateKey returns the private key of the account from the keyring.
func (f *relayFlags) privateKey(kr keyring.Keyring, address string) ([]byte, error) {
	account, err := cosmostypes.AccAddressFromBech32(address)
	if err != nil {
		return nil, fmt.Errorf("%q is not an address: %w", address, err)
	}
	record, err := kr.KeyByAddress(account)
	if errors.Is(err, sdkerrors.ErrKeyNotFound) {
		return nil, fmt.Errorf("no key for %s in keyring %s of %s (correct --keyring-backend and --keyring-dir)",
			address, f.keyring.backend, f.keyring.keyringDir())
	}
	if err != nil {
		return nil, fmt.Errorf("key for %s in keyring %s of %s: %w",
			address, f.keyring.backend, f.keyring.keyringDir(), err)
	}
	keys, err := chain.LoadKeys(kr, []string{record.Name})
	if err != nil {
		return nil, err
	}
	key, _ := keys.Signer(address)
	return key.Bytes(), nil
}

// send sends the relays one after the other and prints the answers. A relay that
// fails does not keep the others from being sent.
func (f *relayFlags) send(ctx context.Context, out, progress io.Writer, c *client.Client, relay *client.Relay) error {
	failed := 0
	var last error
	for n := 1; n <= f.count && ctx.Err() == nil; n++ {
		began := time.Now()
		answer, err := c.Send(ctx, relay)
		if err != nil {
			failed, last = failed+1, err
			fmt.Fprintf(progress, "relay %d of %d: %v\n", n, f.count, err)
			continue
		}
		fmt.Fprintf(progress, "relay %d of %d: status %d, signature of %s verified, %s\n",
			n, f.count, answer.StatusCode, relay.Supplier, time.Since(began).Round(time.Millisecond))
		if _, err := fmt.Fprintf(out, "%s\n", bytes.TrimRight(answer.BodyBz, "\n")); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d relays failed: %w", failed, f.count, last)
	}
	return ctx.Err()
}
