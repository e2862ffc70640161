package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/pkg/chain"
)

func TestMain_MistakeIsOneLineThatSaysWhatToDo(t *testing.T) {
	empty := t.TempDir()
	asked := []string{"relay", "--app", "pokt1app", "--payload", "{}", "--chain-id", "pocket"}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"strat"}, `unknown command "strat" (see relayminer --help)`},
		{[]string{"sessions", "lst"}, `unknown command "lst" (see relayminer sessions --help)`},
		{[]string{"status", "now"}, `unknown argument "now" (see relayminer status --help)`},
		{[]string{"status", "--hme", empty}, "unknown flag: --hme (see relayminer status --help)"},
		{[]string{"status", "--home", empty}, "no relay miner answers at " + empty + "/admin.sock (start it, or pass --home"},
		{append(asked, "--node", "tcp://127.0.0.1:1", "--grpc-addr", "127.0.0.1:1"), "(start the node, or correct the address)"},
	} {
		status, _, stderr := runCommand(c.args...)
		if status != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: status %d, %q, want %q", c.args, status, stderr, c.want)
		}
	}
}

func TestStart_EachProblemOfAConfigurationHasALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "relayminer.yaml")
	if err := os.WriteFile(path, []byte("one: 1\ntwo: 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := runCommand("start", "--config", path, "--chain-id", "pocket")
	for _, want := range []string{"error: --config: " + path + ": ", "\n" + path + ":1: one: ", "\n" + path + ":2: two: "} {
		if status != 1 || !strings.Contains(stderr, want) {
			t.Errorf("status %d, %q is not in %s", status, want, stderr)
		}
	}
}

func TestDialError_OfSeveralNodesIsOneLine(t *testing.T) {
	err := dialError("relayminer.yaml", errors.Join(chain.ErrWrongChainID, chain.ErrWrongChainID))
	text := describeError(err)
	if strings.Contains(text, "\n") || !strings.Contains(text, "; ") || !strings.HasPrefix(text, "--chain-id: ") {
		t.Errorf("got %q", text)
	}
}

func TestOpenKeyring_NamesTheBackendsThereAre(t *testing.T) {
	_, err := openKeyring("vault", t.TempDir(), strings.NewReader(""))
	if err == nil || err.Error() != `--keyring-backend: "vault" is none of os, file, kwallet, pass, test, memory` {
		t.Errorf("got %v", err)
	}
}

func TestRelay_WithoutTheKeySaysWhereItLooked(t *testing.T) {
	dir := t.TempDir()
	flags := relayFlags{keyring: keyringFlags{backend: "test", dir: dir}}
	kr, err := openKeyring("test", dir, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	_, err = flags.privateKey(kr, "pokt1vg6mq0dy2ge9sdtatpp6td02wxlnav6ddwj425")
	if err == nil || !strings.HasSuffix(err.Error(), "in keyring test of "+dir+" (correct --keyring-backend and --keyring-dir)") {
		t.Errorf("got %v", err)
	}
}
