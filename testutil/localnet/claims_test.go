package localnet_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"cosmossdk.io/x/tx/signing"
	"github.com/cosmos/cosmos-sdk/client/tx"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	signingtypes "github.com/cosmos/cosmos-sdk/types/tx/signing"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	"github.com/cosmos/gogoproto/proto"
	ringtypes "github.com/pokt-network/go-dleq/types"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"
	"github.com/pokt-network/ring-go"
	"github.com/pokt-network/smt"
	"github.com/pokt-network/smt/kvstore/simplemap"
	"google.golang.org/grpc"

	"github.com/seed52205347/relayminer/testutil/localnet"
)

// The windows of the default genesis in blocks after a session's end
// (x/shared: session.go).
const (
	claimOpens = 2
	proofOpens = claimOpens + 4 + 1
	settled    = proofOpens + 4
)

// One relay of the default service costs 100 compute units of 42 upokt each.
const relayPrice = "4200upokt"

func TestNetwork_ClaimsAreJudgedAsOnTheLiveNetwork(t *testing.T) {
	for _, test := range []struct {
		name             string
		proofProbability float64
		prove            bool
		settles          bool
	}{
		{"no proof required", 0, false, true},
		{"required proof is valid", 1, true, true},
		{"required proof is missing", 1, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := deadline(t)
			network := start(t, ctx, localnet.Config{
				BlockTime:        localnet.DefaultBlockTime, // a window is wide enough for a busy machine
				BlocksPerSession: 4,
				ProofProbability: &test.proofProbability,
			})
			supplier := newClaimant(t, ctx, network)
			end := supplier.claim()
			if test.prove {
				supplier.prove()
			}
			if err := network.WaitForHeight(ctx, end+settled); err != nil {
				t.Fatal(err)
			}
			events, err := network.Events(ctx, 1, end+settled)
			if err != nil {
				t.Fatal(err)
			}
			created := localnet.Select[*prooftypes.EventClaimCreated](events)
			if len(created) != 1 || created[0].Msg.ClaimedUpokt != relayPrice || created[0].Msg.NumRelays != 1 {
				t.Fatalf("claims created: %v, want one of one relay for %s", created, relayPrice)
			}
			if test.prove {
				checkValidProof(t, events)
			}
			if test.settles {
				checkSettled(t, events, supplier.session.SessionId)
			} else {
				checkSlashed(t, events)
			}
		})
	}
}

func checkValidProof(t *testing.T, events []localnet.Event) {
	t.Helper()
	checked := localnet.Select[*prooftypes.EventProofValidityChecked](events)
	if len(checked) != 1 || checked[0].Msg.FailureReason != "" {
		t.Errorf("proofs checked: %v, want one valid", checked)
	}
}

func checkSettled(t *testing.T, events []localnet.Event, sessionID string) {
	t.Helper()
	paid := localnet.Select[*tokenomicstypes.EventClaimSettled](events)
	if len(paid) != 1 || paid[0].Msg.SessionId != sessionID || paid[0].Msg.SettledUpokt != relayPrice {
		t.Errorf("claims settled: %v, want that of session %s for %s", paid, sessionID, relayPrice)
	}
	if slashed := localnet.Select[*tokenomicstypes.EventSupplierSlashed](events); len(slashed) != 0 {
		t.Errorf("slashed: %v", slashed)
	}
}

func checkSlashed(t *testing.T, events []localnet.Event) {
	t.Helper()
	expired := localnet.Select[*tokenomicstypes.EventClaimExpired](events)
	if len(expired) != 1 || expired[0].Msg.ExpirationReason != tokenomicstypes.ClaimExpirationReason_PROOF_MISSING {
		t.Errorf("claims expired: %v, want one for its missing proof", expired)
	}
	slashed := localnet.Select[*tokenomicstypes.EventSupplierSlashed](events)
	if len(slashed) != 1 || slashed[0].Msg.ProofMissingPenalty != prooftypes.DefaultProofMissingPenalty.String() {
		t.Errorf("slashed: %v, want one by %s", slashed, prooftypes.DefaultProofMissingPenalty)
	}
	if paid := localnet.Select[*tokenomicstypes.EventClaimSettled](events); len(paid) != 0 {
		t.Errorf("settled: %v", paid)
	}
}

func TestAwaitEvent_ReturnsTheFirstThatMatches(t *testing.T) {
	t.Parallel()
	ctx := deadline(t)
	network := start(t, ctx, localnet.Config{
		BlockTime: localnet.DefaultBlockTime, BlocksPerSession: 4, ProofProbability: new(0.0),
	})
	end := newClaimant(t, ctx, network).claim()
	event, err := localnet.AwaitEvent(ctx, network, 1, func(e *tokenomicstypes.EventClaimSettled) bool {
		return e.SessionEndBlockHeight == end
	})
	if err != nil {
		t.Fatal(err)
	}
	if event.Height != end+settled {
		t.Errorf("settled at %d, want %d", event.Height, end+settled)
	}
}

// claimant is a supplier that has served one relay of the session in which it
// was made.
type claimant struct {
	t       *testing.T
	ctx     context.Context
	network *localnet.Network
	conn    *grpc.ClientConn
	ring    keyring.Keyring
	session *sessiontypes.SessionHeader
	trie    smt.SparseMerkleSumTrie
}

func newClaimant(t *testing.T, ctx context.Context, network *localnet.Network) *claimant {
	t.Helper()
	c := &claimant{t: t, ctx: ctx, network: network, conn: dial(t, network), ring: openKeyring(t, network)}
	c.session = getSession(t, ctx, c.conn, network.Applications[0]).Header
	relay := c.relay()
	key := sha256.Sum256(relay)
	c.trie = smt.NewSparseMerkleSumTrie(simplemap.NewSimpleMap(), sha256.New(), smt.WithValueHasher(nil))
	if err := c.trie.Update(key[:], relay, network.Services[0].ComputeUnitsPerRelay); err != nil {
		t.Fatal(err)
	}
	return c
}

// relay returns a relay that the application has signed in a ring with its
// gateways and the supplier has answered.
func (c *claimant) relay() []byte {
	c.t.Helper()
	request := servicetypes.RelayRequest{
		Meta: servicetypes.RelayRequestMetadata{
			SessionHeader: c.session, SupplierOperatorAddress: c.network.Suppliers[0].OperatorAddress,
		},
		Payload: []byte("question"),
	}
	message, err := request.GetSignableBytesHash()
	c.check(err)
	request.Meta.Signature = c.ringSignature(message)

	response := servicetypes.RelayResponse{
		Meta:    servicetypes.RelayResponseMetadata{SessionHeader: c.session},
		Payload: []byte("answer"),
	}
	c.check(response.UpdatePayloadHash())
	signable, err := response.GetSignableBytesHash()
	c.check(err)
	response.Meta.SupplierOperatorSignature, _, err = c.ring.Sign(
		c.network.Suppliers[0].KeyName, signable[:], signingtypes.SignMode_SIGN_MODE_DIRECT)
	c.check(err)
	response.Payload = nil
	relay, err := (&servicetypes.Relay{Req: &request, Res: &response}).Marshal()
	c.check(err)
	return relay
}

// ringSignature signs as the application, in the ring of it and its gateways.
func (c *claimant) ringSignature(message [32]byte) []byte {
	c.t.Helper()
	curve := ring.Secp256k1()
	private, err := hex.DecodeString(c.network.Applications[0].PrivateKeyHex)
	c.check(err)
	scalar, err := curve.DecodeToScalar(private)
	c.check(err)
	points := []ringtypes.Point{curve.ScalarBaseMul(scalar)}
	for _, gateway := range c.network.Applications[0].Gateways {
		pubKey := getAccount(c.t, c.ctx, c.conn, gateway).GetPubKey()
		point, err := curve.DecodeToPoint(pubKey.Bytes())
		c.check(err)
		points = append(points, point)
	}
	members, err := ring.NewFixedKeyRingFromPublicKeys(curve, points)
	c.check(err)
	signed, err := members.Sign(message, scalar)
	c.check(err)
	signature, err := signed.Serialize()
	c.check(err)
	return signature
}

func (c *claimant) check(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// claim returns the height of the claimed session's end when the claim is in
// a block.
func (c *claimant) claim() int64 {
	c.t.Helper()
	end := c.session.SessionEndBlockHeight
	c.check(c.network.WaitForHeight(c.ctx, end+claimOpens))
	c.send(&prooftypes.MsgCreateClaim{
		SupplierOperatorAddress: c.network.Suppliers[0].OperatorAddress,
		SessionHeader:           c.session,
		RootHash:                c.trie.Root(),
	})
	_, err := localnet.AwaitEvent[*prooftypes.EventClaimCreated](c.ctx, c.network, end+claimOpens, nil)
	c.check(err)
	return end
}

// prove returns when the proof of the claim is in a block.
func (c *claimant) prove() {
	c.t.Helper()
	opens := c.session.SessionEndBlockHeight + proofOpens
	c.check(c.network.WaitForHeight(c.ctx, opens))
	seed, err := c.network.RPC().Block(c.ctx, new(opens-1))
	c.check(err)
	path := sha256.Sum256(append(seed.BlockID.Hash, c.session.SessionId...))
	closest, err := c.trie.ProveClosest(path[:])
	c.check(err)
	compact, err := smt.CompactClosestProof(closest, c.trie.Spec())
	c.check(err)
	proofBytes, err := compact.Marshal()
	c.check(err)
	c.send(&prooftypes.MsgSubmitProof{
		SupplierOperatorAddress: c.network.Suppliers[0].OperatorAddress,
		SessionHeader:           c.session,
		Proof:                   proofBytes,
	})
	_, err = localnet.AwaitEvent[*prooftypes.EventProofSubmitted](c.ctx, c.network, opens, nil)
	c.check(err)
}

// send hands the message, signed by the first supplier, to the node's mempool.
func (c *claimant) send(msg cosmostypes.Msg) {
	c.t.Helper()
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: proto.HybridResolver,
		SigningOptions: signing.Options{
			AddressCodec:          address.NewBech32Codec("pokt"),
			ValidatorAddressCodec: address.NewBech32Codec("poktvaloper"),
		},
	})
	c.check(err)
	prooftypes.RegisterInterfaces(registry)
	cryptocodec.RegisterInterfaces(registry)
	config := authtx.NewTxConfig(codec.NewProtoCodec(registry), authtx.DefaultSignModes)
	account := getAccount(c.t, c.ctx, c.conn, c.network.Suppliers[0].OperatorAddress)
	factory := tx.Factory{}.
		WithTxConfig(config).
		WithKeybase(c.ring).
		WithChainID(c.network.ChainID).
		WithAccountNumber(account.GetAccountNumber()).
		WithSequence(account.GetSequence()).
		WithSignMode(signingtypes.SignMode_SIGN_MODE_DIRECT).
		WithGas(1_000_000)
	builder, err := factory.BuildUnsignedTx(msg)
	c.check(err)
	c.check(tx.Sign(c.ctx, factory, c.network.Suppliers[0].KeyName, builder, true))
	encoded, err := config.TxEncoder()(builder.GetTx())
	c.check(err)
	res, err := c.network.RPC().BroadcastTxSync(c.ctx, encoded)
	c.check(err)
	if res.Code != 0 {
		c.check(fmt.Errorf("%T is refused: code %d of %s: %s", msg, res.Code, res.Codespace, res.Log))
	}
}
