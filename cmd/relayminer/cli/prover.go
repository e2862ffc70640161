package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"cosmossdk.io/depinject"
	"github.com/spf13/cobra"

	"github.com/seed52205347/relayminer/pkg/async"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/prover"
)

// openProvers returns the pool of the provers that are configured and of this
// machine's cores, which get what the others do not do.
func openProvers(base depinject.Config, cfg *config.Config) (*prover.Pool, error) {
	var log *slog.Logger
	if err := depinject.Inject(base, &log); err != nil {
		return nil, fmt.Errorf("provers: %w", err)
	}
	var members []prover.Member
	for n, each := range cfg.Provers {
		remote, err := prover.NewRemote(prover.RemoteConfig{URL: each.URL, Token: each.Token.Reveal()})
		if err != nil {
			return nil, fmt.Errorf("%s: provers[%d].url: %w", cfg.File, n, err)
		}
		members = append(members, prover.Member{ID: fmt.Sprintf("%d %s", n+1, each.URL), Prover: remote})
	}
	local, err := session.LocalProvers(async.Cores())
	if err != nil {
		return nil, err
	}
	return prover.NewPool(prover.Config{Members: append(members, local...), Verify: prover.Check, Log: log.With("component", "provers")})
}

// proverFlags are the flags of the prover command.
type proverFlags struct {
	listen    string
	tokenFile string
	certFile  string
	keyFile   string
	jobs      int
	log       logFlags
}

func newProverCommand() *cobra.Command {
	var flags proverFlags
	cmd := &cobra.Command{
		Use:   "prover --listen HOST:PORT",
		Short: "Build proofs for relay miners on other machines",
		Long: `Build proofs for relay miners that name this machine under provers in their
configuration, until SIGINT or SIGTERM.

A relay miner sends the relays of a session and gets the proof, which it verifies.
The prover keeps nothing, has no keys and asks no node. If it fails or is slow, the
relay miner builds the proof by itself.

Relays and token travel in the clear unless --tls-cert and --tls-key are given.`,
		Example: `  relayminer prover --listen 10.0.0.2:8443 --token-file prover.token --tls-cert cert.pem --tls-key key.pem`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVar(&flags.listen, "listen", "", "address to listen at (required)")
	f.StringVar(&flags.tokenFile, "token-file", "", "file with the token that relay miners have to send; without it whoever reaches the address is served")
	f.StringVar(&flags.certFile, "tls-cert", "", "PEM file of the certificate")
	f.StringVar(&flags.keyFile, "tls-key", "", "PEM file of the certificate's private key")
	f.IntVar(&flags.jobs, "jobs", async.Cores(), "proofs that are built at once")
	flags.log.register(f)
	return cmd
}

func (f *proverFlags) run(cmd *cobra.Command) (err error) {
	switch {
	case f.listen == "":
		return errors.New("--listen is not set: name the address, for example 127.0.0.1:8443")
	case f.jobs < 1:
		return fmt.Errorf("--jobs is %d: give 1 or more", f.jobs)
	case (f.certFile == "") != (f.keyFile == ""):
		return errors.New("--tls-cert and --tls-key belong together: give both or none")
	}
	log, closeLog, err := f.log.open(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeLog()) }()
	token, err := f.token()
	if err != nil {
		return err
	}
	handler, err := prover.NewHandler(prover.HandlerConfig{Prove: prover.Build, Log: log, Token: token, Jobs: f.jobs})
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	listener, err := lc.Listen(cmd.Context(), "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w (stop what uses the address, or choose another one)", err)
	}
	if token == "" {
		log.Warn("there is no token: whoever reaches the address is served", "flag", "--token-file")
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), "ready at", listener.Addr()); err != nil {
		log.Warn("standard output cannot be written to", "error", err)
	}
	return f.serve(cmd.Context(), listener, handler, log)
}

// token reads the token. An empty file would be no protection.
func (f *proverFlags) token() (string, error) {
	if f.tokenFile == "" {
		return "", nil
	}
	bz, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	token := strings.TrimSpace(string(bz))
	if token == "" {
		return "", fmt.Errorf("--token-file %s is empty: write the token into it", f.tokenFile)
	}
	return token, nil
}

// serve serves until ctx is done. Proofs that are being built then are given up: the
// relay miners have them built elsewhere.
func (f *proverFlags) serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	release := context.AfterFunc(ctx, func() { server.Close() })
	defer release()
	var err error
	if f.certFile != "" {
		err = server.ServeTLS(listener, f.certFile, f.keyFile)
	} else {
		err = server.Serve(listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("--listen %s: %w", f.listen, errors.Join(err, server.Close()))
}
