package localnet

import (
	"encoding/hex"
	"fmt"
	"runtime"

	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/crypto/hd"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	"github.com/pokt-network/poktroll/app"
	"golang.org/x/sync/errgroup"
)

// identity is a key with the name that it has in the keyring.
type identity struct {
	name    string
	key     *secp256k1.PrivKey
	address cosmostypes.AccAddress
}

// newIdentity derives the key from the name alone, so that addresses, and with
// them session ids' application part, are the same in every run. Such keys are
// public knowledge: they are for networks of one process only.
func newIdentity(name string) identity {
	key := secp256k1.GenPrivKeyFromSecret([]byte("localnet account " + name))
	return identity{name: name, key: key, address: cosmostypes.AccAddress(key.PubKey().Address())}
}

func (i identity) bech32() string { return i.address.String() }

func (i identity) privateKeyHex() string { return hex.EncodeToString(i.key.Key) }

// identities are all accounts of a network.
type identities struct {
	validator, dao, serviceOwner      identity
	applications, gateways, suppliers []identity
	consensus                         cmted25519.PrivKey
}

func newIdentities(config Config) identities {
	return identities{
		validator:    newIdentity("validator"),
		dao:          newIdentity("dao"),
		serviceOwner: newIdentity("service-owner"),
		applications: numberedIdentities("app", config.Applications),
		gateways:     numberedIdentities("gateway", config.Gateways),
		suppliers:    numberedIdentities("supplier", config.Suppliers),
		consensus:    cmted25519.GenPrivKeyFromSecret([]byte("localnet consensus")),
	}
}

func numberedIdentities(prefix string, n int) []identity {
	result := make([]identity, n)
	for i := range result {
		result[i] = newIdentity(fmt.Sprintf("%s%d", prefix, i+1))
	}
	return result
}

func (ids identities) all() []identity {
	all := []identity{ids.validator, ids.dao, ids.serviceOwner}
	all = append(all, ids.applications...)
	all = append(all, ids.gateways...)
	return append(all, ids.suppliers...)
}

// writeKeyring stores all keys in a keyring of the backend "test" in dir. Each
// key takes milliseconds to encrypt, so all processors take part.
func (ids identities) writeKeyring(cdc codec.Codec, dir string) error {
	all := ids.all()
	workers := min(runtime.GOMAXPROCS(0), len(all))
	var group errgroup.Group
	for worker := range workers {
		group.Go(func() error {
			// A keyring is not for concurrent use; its directory is.
			ring, err := keyring.New(app.Name, keyring.BackendTest, dir, nil, cdc)
			if err != nil {
				return fmt.Errorf("open keyring %s: %w", dir, err)
			}
			for i := worker; i < len(all); i += workers {
				if err := ring.ImportPrivKeyHex(all[i].name, all[i].privateKeyHex(), string(hd.Secp256k1Type)); err != nil {
					return fmt.Errorf("store key %s in keyring %s: %w", all[i].name, dir, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}
