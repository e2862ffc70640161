package chain

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
)

// testKey is the private key of a name.
func testKey(name string) *secp256k1.PrivKey { return secp256k1.GenPrivKeyFromSecret([]byte(name)) }

func store(t *testing.T, kr keyring.Keyring, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := kr.ImportPrivKeyHex(name, hex.EncodeToString(testKey(name).Key), string(hd.Secp256k1Type)); err != nil {
			t.Fatal(err)
		}
	}
}

func openTestKeyring(t *testing.T, names ...string) (keyring.Keyring, string) {
	t.Helper()
	dir := t.TempDir()
	kr, err := OpenKeyring(keyring.BackendTest, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	store(t, kr, names...)
	return kr, dir
}

func TestLoadKeys_EveryKeySignsForItsAddress(t *testing.T) {
	kr, _ := openTestKeyring(t, "alice", "bob", "carol")
	keys, err := LoadKeys(kr, []string{"bob", "alice", "bob"})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, name := range []string{"bob", "alice"} {
		address := cosmostypes.AccAddress(testKey(name).PubKey().Address()).String()
		want = append(want, address)
		if !strings.HasPrefix(address, "pokt1") {
			t.Errorf("address of %s is %s", name, address)
		}
		priv, ok := keys.Signer(address)
		if !ok || !priv.Equals(testKey(name)) {
			t.Errorf("key of %s is not that of %s", address, name)
		}
		if got, ok := keys.Name(address); !ok || got != name {
			t.Errorf("name of %s is %q", address, got)
		}
		if got, ok := keys.Address(name); !ok || got != address {
			t.Errorf("address of %s is %q", name, got)
		}
	}
	if got := keys.Addresses(); !slices.Equal(got, want) {
		t.Errorf("addresses are %v, want %v", got, want)
	}
	carol := cosmostypes.AccAddress(testKey("carol").PubKey().Address()).String()
	if _, ok := keys.Signer(carol); ok {
		t.Error("a key that was not named is loaded")
	}
}

func TestLoadKeys_FileBackendReadsThePassphraseFromInput(t *testing.T) {
	dir := t.TempDir()
	kr, err := OpenKeyring(keyring.BackendFile, dir, strings.NewReader(strings.Repeat("passphrase\n", 4)))
	if err != nil {
		t.Fatal(err)
	}
	store(t, kr, "alice")
	if kr, err = OpenKeyring(keyring.BackendFile, dir, strings.NewReader("passphrase\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeys(kr, []string{"alice"}); err != nil {
		t.Error(err)
	}
}

func TestLoadKeys_MissingKeyErrorNamesKeyBackendDirectoryAndWhatThereIs(t *testing.T) {
	kr, dir := openTestKeyring(t, "alice", "bob")
	_, err := LoadKeys(kr, []string{"alice", "bop", "carol"})
	if !errors.Is(err, ErrKeyNotFound) {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{`"bop"`, `"carol"`, `"test"`, dir, `"alice", "bob"`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
}

func TestLoadKeys_KeyWithoutPrivatePartIsUnusable(t *testing.T) {
	kr, _ := openTestKeyring(t)
	if _, err := kr.SaveOfflineKey("watched", testKey("watched").PubKey()); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKeys(kr, []string{"watched"}); !errors.Is(err, ErrKeyUnusable) {
		t.Errorf("got %v", err)
	}
	if _, err := LoadKeys(kr, nil); !errors.Is(err, ErrConfig) {
		t.Errorf("no names: %v", err)
	}
}

func TestOpenKeyring_UnknownBackendIsAConfigError(t *testing.T) {
	if _, err := OpenKeyring("drawer", t.TempDir(), nil); !errors.Is(err, ErrConfig) {
		t.Errorf("got %v", err)
	}
}

func TestKeys_NothingPrintsThePrivateKey(t *testing.T) {
	kr, _ := openTestKeyring(t, "alice")
	keys, err := LoadKeys(kr, []string{"alice"})
	if err != nil {
		t.Fatal(err)
	}
	holder := struct{ Keys *Keys }{keys}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		fmt.Fprintf(&printed, verb+"\n", keys)
		fmt.Fprintf(&printed, verb+"\n", *keys)
		fmt.Fprintf(&printed, verb+"\n", holder)
	}
	slog.New(slog.NewTextHandler(&printed, nil)).Info("keys", "keys", keys, "holder", holder)
	slog.New(slog.NewJSONHandler(&printed, nil)).Info("keys", "keys", keys, "holder", holder)
	bz, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	printed.Write(bz)

	secret := testKey("alice").Key
	for _, form := range []string{
		hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)), string(secret),
		strings.Trim(fmt.Sprint([]byte(secret[:8])), "[]"), strings.Trim(fmt.Sprintf("%#v", []byte(secret[:4])), "[]byte{}"),
	} {
		if strings.Contains(printed.String(), form) {
			t.Errorf("the private key is printed as %q", form)
		}
	}
	if !strings.Contains(printed.String(), "alice=pokt1") {
		t.Error("names and addresses are not printed")
	}
}
