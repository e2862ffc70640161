package tx

import (
	"bytes"
	"testing"

	"cosmossdk.io/math"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	txtypes "github.com/cosmos/cosmos-sdk/types/tx"
	prooftypes "github.com/pokt-network/poktroll/x/proof/types"

	"github.com/seed52205347/relayminer/pkg/chain"
)

func claimDraft(t testing.TB, messages, bytes int) draft {
	t.Helper()
	d := draft{timeoutHeight: 106, timeout: genesis.UnixNano() + 12345, gas: 70_000, fee: math.NewInt(71)}
	for range messages {
		message, err := codectypes.NewAnyWithValue(&prooftypes.MsgSubmitProof{
			SupplierOperatorAddress: testSigner(), Proof: make([]byte, bytes),
		})
		if err != nil {
			t.Fatal(err)
		}
		d.messages = append(d.messages, message)
	}
	return d
}

func TestDraft_SignedTransactionSaysWhatWasDrafted(t *testing.T) {
	d := claimDraft(t, 2, 100)
	bz, err := d.sign(testKey.PrivKey, "pocket", 42)
	if err != nil {
		t.Fatal(err)
	}
	var raw txtypes.TxRaw
	var body txtypes.TxBody
	var auth txtypes.AuthInfo
	if err := raw.Unmarshal(bz); err != nil {
		t.Fatal(err)
	}
	if err := body.Unmarshal(raw.BodyBytes); err != nil {
		t.Fatal(err)
	}
	if err := auth.Unmarshal(raw.AuthInfoBytes); err != nil {
		t.Fatal(err)
	}
	if len(body.Messages) != 2 || !body.Unordered || body.TimeoutHeight != 106 || body.TimeoutTimestamp.UnixNano() != d.timeout {
		t.Errorf("body is %+v", body)
	}
	fee := auth.Fee.Amount
	if auth.Fee.GasLimit != 70_000 || len(fee) != 1 || fee.AmountOf(chain.Denom).Int64() != 71 || auth.SignerInfos[0].Sequence != 0 {
		t.Errorf("auth info is %+v", auth)
	}
	document, err := (&txtypes.SignDoc{
		BodyBytes: raw.BodyBytes, AuthInfoBytes: raw.AuthInfoBytes, ChainId: "pocket", AccountNumber: 42,
	}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !testKey.PubKey().VerifySignature(document, raw.Signatures[0]) {
		t.Error("signature is not valid")
	}
	again, err := d.sign(testKey.PrivKey, "pocket", 42)
	if err != nil || !bytes.Equal(bz, again) {
		t.Errorf("the same draft gives another transaction: %v", err)
	}
}

func TestDraft_SimulatedTransactionIsAsLargeAsTheSignedOne(t *testing.T) {
	d := claimDraft(t, 3, 500)
	signed, err := d.sign(testKey.PrivKey, "pocket", 42)
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := d.unsigned(testKey.PubKey())
	if err != nil {
		t.Fatal(err)
	}
	if len(signed) != len(unsigned) {
		t.Errorf("%d bytes signed, %d simulated", len(signed), len(unsigned))
	}
	content := 0
	for _, m := range d.messages {
		content += len(m.Value) + len(m.TypeUrl) + messageBytes
	}
	if len(signed) > content+envelopeBytes {
		t.Errorf("%d bytes, packing reckons with %d at most", len(signed), content+envelopeBytes)
	}
}

func BenchmarkDraft_Sign(b *testing.B) {
	d := claimDraft(b, 100, 3000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.sign(testKey.PrivKey, "pocket", 42); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	var free []*pending
	for i := range 1000 {
		free = append(free, entry("x", int64(i%5), 3000))
	}
	b.ReportAllocs()
	for b.Loop() {
		pack(free, room{messages: 100, bytes: 740_000}, gasOfSize)
	}
}
