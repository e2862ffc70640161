package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rpchttp "github.com/cometbft/cometbft/rpc/client/http"
)

// run executes the command line and returns what it wrote to stdout and its
// error.
func run(ctx context.Context, args ...string) (string, error) {
	var stdout bytes.Buffer
	root := newRootCommand()
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(io.Discard)
	err := root.ExecuteContext(ctx)
	return stdout.String(), err
}

func TestStart_RunsUntilInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	home := filepath.Join(t.TempDir(), "net")
	stdout, writer := io.Pipe()
	var stderr bytes.Buffer
	root := newRootCommand()
	root.SetArgs([]string{"start", "--home", home, "--suppliers", "2", "--block-time", "50ms"})
	root.SetOut(writer)
	root.SetErr(&stderr)
	ended := make(chan error, 1)
	go func() {
		ended <- root.ExecuteContext(ctx)
		writer.Close()
	}()

	lines := bufio.NewScanner(stdout)
	lines.Scan()
	ready := lines.Text()
	values := make(map[string]string)
	for _, word := range strings.Fields(strings.TrimPrefix(ready, "ready ")) {
		key, value, _ := strings.Cut(word, "=")
		values[key] = value
	}
	if !strings.HasPrefix(ready, "ready ") || values["chain_id"] != "pocket-localnet" || values["home"] != home {
		t.Fatalf("first line is %q (error %v)", ready, ctx.Err())
	}
	lines.Scan()
	want := "relayminer start --config " + values["config"] + " --keyring-backend test --keyring-dir " + values["keyring"] +
		" --chain-id pocket-localnet --home " + filepath.Join(home, "relayminer")
	if got := lines.Text(); got != want {
		t.Errorf("second line is %q, want %q", got, want)
	}
	lines.Scan()
	relay, where, _ := strings.Cut(lines.Text(), ` --payload '{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber"}' `)
	if !strings.HasPrefix(relay, "relayminer relay --app pokt1") ||
		where != "--chain-id pocket-localnet --node "+values["rpc"]+" --grpc-addr "+values["grpc"]+" --keyring-backend test --keyring-dir "+values["keyring"] {
		t.Errorf("third line is %q", lines.Text())
	}
	for _, path := range []string{values["config"], values["keyring"]} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	client, err := rpchttp.New(values["rpc"], "/websocket")
	if err != nil {
		t.Fatal(err)
	}
	if status, err := client.Status(ctx); err != nil || status.SyncInfo.LatestBlockHeight < 1 {
		t.Errorf("status is %v (%v), want a block", status, err)
	}

	cancel()
	if lines.Scan() {
		t.Errorf("unexpected line %q", lines.Text())
	}
	if err := <-ended; err != nil {
		t.Errorf("the interrupted command returned %v", err)
	}
	if stderr.Len() != 0 {
		t.Errorf("stderr is not quiet: %s", &stderr)
	}
}

func TestStart_MistakeIsOneLineThatNamesTheFlag(t *testing.T) {
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer occupied.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--suppliers", "0"}, "--suppliers: is empty or zero: use 1 to 5000"},
		{[]string{"--suppliers", "-1"}, "--suppliers: -1 is not between 1 and 5000"},
		{[]string{"--applications", "many"}, `invalid argument "many" for "--applications"`},
		{[]string{"--gateways", "5001"}, "--gateways: 5001 is not between 1 and 5000"},
		{[]string{"--blocks-per-session", "1"}, "--blocks-per-session: 1 is below 2: use 2 or more"},
		{[]string{"--block-time", "-1s"}, "--block-time: -1s is negative"},
		{[]string{"--proof-probability", "2"}, "--proof-probability: 2 is not between 0 and 1"},
		{[]string{"--backend-delay", "-1s"}, "--backend-delay: -1s is negative"},
		{[]string{"--rpc-addr", "localhost"}, "--rpc-addr: must be host:port"},
		{[]string{"--grpc-addr", occupied.Addr().String()}, "--grpc-addr: listen tcp"},
		{[]string{"--home", file}, "--home: "},
		{[]string{"--chain-id", strings.Repeat("x", 60)}, "--chain-id: "},
		{[]string{"--log-level", "loud"}, `--log-level: "loud" is unknown`},
		{[]string{"--unknown"}, "unknown flag: --unknown; see localnet start --help"},
		{[]string{"extra"}, `unknown command "extra"`},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			stdout, err := run(t.Context(), append([]string{"start"}, test.args...)...)
			if err == nil {
				t.Fatal("no error")
			}
			if got := oneLine(err); !strings.HasPrefix(got, test.want) || strings.ContainsAny(got, "\r\n") {
				t.Errorf("error is %q, want one line that starts with %q", got, test.want)
			}
			if stdout != "" {
				t.Errorf("stdout is %q, want nothing", stdout)
			}
		})
	}
}

func TestRoot_HelpNamesTheCommands(t *testing.T) {
	stdout, err := run(t.Context())
	if err != nil || !strings.Contains(stdout, "Run a chain until interrupted") {
		t.Errorf("help is %q (%v)", stdout, err)
	}
}

func TestQuoteArgs_SurviveAShell(t *testing.T) {
	for arg, want := range map[string]string{
		"plain/path": "plain/path",
		"":           "''",
		"a b":        "'a b'",
		"it's":       `'it'\''s'`,
		"$HOME":      "'$HOME'",
	} {
		if got := quoteArgs([]string{arg})[0]; got != want {
			t.Errorf("%q is quoted as %s, want %s", arg, got, want)
		}
	}
}
