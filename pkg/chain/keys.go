package chain

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

var (
	// ErrKeyNotFound says that a keyring has no key of a name.
	ErrKeyNotFound = errors.New("key not found in keyring")
	// ErrKeyUnusable says that a key cannot sign by itself, since it is on a
	// device, shared or public only, or that it is not a secp256k1 key, which
	// the signatures of suppliers must be made with.
	ErrKeyUnusable = errors.New("key cannot be used")
)

// Keys holds the private keys of supplier operators. It is immutable, and shows
// nothing but names and addresses however it is printed.
type Keys struct {
	byAddress map[string]operatorKey
	byName    map[string]string // address
	addresses []string
}

// operatorKey is a key with its name in the keyring. The key is behind a
// function because printing, whatever the verb, does not look into one.
type operatorKey struct {
	name string
	priv func() cryptotypes.PrivKey
}

// LoadKeys reads the named keys out of a keyring. A name that occurs twice, or
// two names of one key, are loaded once. The error wraps ErrKeyNotFound or
// ErrKeyUnusable, for all names that it is true of, and says which names there
// are instead.
func LoadKeys(kr keyring.Keyring, names []string) (*Keys, error) {
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: no key names are given", ErrConfig)
	}
	SetBech32Prefixes()
	keys := &Keys{byAddress: make(map[string]operatorKey, len(names)), byName: make(map[string]string, len(names))}
	var failed []error
	for _, name := range names {
		priv, err := loadKey(kr, name)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		address := cosmostypes.AccAddress(priv.PubKey().Address()).String()
		keys.byName[name] = address
		if _, ok := keys.byAddress[address]; ok {
			continue
		}
		keys.byAddress[address] = operatorKey{name: name, priv: func() cryptotypes.PrivKey { return priv }}
		keys.addresses = append(keys.addresses, address)
	}
	if len(failed) > 0 {
		return nil, fmt.Errorf("%s has %s: %w", describe(kr), available(kr), errors.Join(failed...))
	}
	return keys, nil
}

// loadKey takes a private key out of its record.
func loadKey(kr keyring.Keyring, name string) (cryptotypes.PrivKey, error) {
	record, err := kr.Key(name)
	switch {
	case errors.Is(err, sdkerrors.ErrKeyNotFound):
		return nil, fmt.Errorf("%w: %q", ErrKeyNotFound, name)
	case err != nil:
		return nil, fmt.Errorf("read key %q: %w", name, err)
	}
	local := record.GetLocal()
	if local == nil || local.PrivKey == nil {
		return nil, fmt.Errorf("%w: %q is of type %q, which has no private key in the keyring", ErrKeyUnusable, name, record.GetType())
	}
	priv, ok := local.PrivKey.GetCachedValue().(*secp256k1.PrivKey)
	if !ok {
		return nil, fmt.Errorf("%w: %q is not a secp256k1 key", ErrKeyUnusable, name)
	}
	return priv, nil
}

// available lists the names in a keyring, for whoever has mistyped one.
func available(kr keyring.Keyring) string {
	records, err := kr.List()
	if err != nil {
		return fmt.Sprintf("keys that cannot be listed (%v)", err)
	}
	if len(records) == 0 {
		return "no keys"
	}
	names := make([]string, 0, len(records))
	for _, record := range records {
		names = append(names, fmt.Sprintf("%q", record.Name))
	}
	slices.Sort(names)
	return "the keys " + strings.Join(names, ", ")
}

// Addresses returns the bech32 operator addresses in the order in which their
// keys were named. The caller may change the slice.
func (k *Keys) Addresses() []string { return slices.Clone(k.addresses) }

// Address returns the bech32 operator address of the key with a name.
func (k *Keys) Address(name string) (string, bool) {
	address, ok := k.byName[name]
	return address, ok
}

// Name returns the name in the keyring of the key with an operator address.
func (k *Keys) Name(address string) (string, bool) {
	key, ok := k.byAddress[address]
	return key.name, ok
}

// Signer returns the private key of an operator address. Whoever receives it
// must not print it.
func (k *Keys) Signer(address string) (cryptotypes.PrivKey, bool) {
	key, ok := k.byAddress[address]
	if !ok {
		return nil, false
	}
	return key.priv(), true
}

// String lists names and addresses.
func (k *Keys) String() string {
	shown := make([]string, 0, len(k.addresses))
	for _, address := range k.addresses {
		shown = append(shown, k.byAddress[address].name+"="+address)
	}
	return "keys[" + strings.Join(shown, " ") + "]"
}

// LogValue is String.
func (k *Keys) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON writes the addresses.
func (k *Keys) MarshalJSON() ([]byte, error) { return []byte(fmt.Sprintf("%q", k.String())), nil }
