package chain

import (
	"fmt"
	"io"

	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptocodec "github.com/cosmos/cosmos-sdk/crypto/codec"
	"github.com/cosmos/cosmos-sdk/crypto/keyring"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
)

// OpenKeyring opens a Cosmos SDK keyring: backend is os, file, test, kwallet,
// pass or memory, dir the directory that holds it, and input where passphrases
// are read from. The file backend asks for its passphrase when a key is first
// read.
//
// A secret service of the operating system files keys under the name of the
// program that stored them, which is version.Name of the Cosmos SDK; set it to
// that program's before calling if the backend is one of os, kwallet and pass.
//
// The error wraps ErrConfig and names backend and directory.
func OpenKeyring(backend, dir string, input io.Reader) (keyring.Keyring, error) {
	registry := codectypes.NewInterfaceRegistry()
	cryptocodec.RegisterInterfaces(registry)
	kr, err := keyring.New(cosmostypes.KeyringServiceName(), backend, dir, input, codec.NewProtoCodec(registry))
	if err != nil {
		return nil, fmt.Errorf("%w: keyring backend %q in %q: %w", ErrConfig, backend, dir, err)
	}
	return directoryKeyring{Keyring: kr, dir: dir}, nil
}

// directoryKeyring is a keyring that can say where it is.
type directoryKeyring struct {
	keyring.Keyring
	dir string
}

// describe names backend and, if known, directory of a keyring.
func describe(kr keyring.Keyring) string {
	if located, ok := kr.(directoryKeyring); ok {
		return fmt.Sprintf("keyring backend %q in %q", kr.Backend(), located.dir)
	}
	return fmt.Sprintf("keyring backend %q", kr.Backend())
}
