package proxy_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cosmossdk.io/depinject"
	"github.com/cosmos/cosmos-sdk/crypto/keys/secp256k1"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"go.uber.org/goleak"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
)

const (
	// patience bounds the wait for what should happen at once.
	patience = 10 * time.Second
	// supplier is the address for which the fixture's authenticator signs.
	supplier = "pokt1supplier"
)

func TestMain(m *testing.M) {
	// The key ring's library starts a goroutine of its own when it is loaded.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// authenticator accepts what verify accepts, everything if that is nil, and
// signs with a key of its own.
type authenticator struct {
	verify   func(context.Context, *servicetypes.RelayRequest) error
	sign     func(*servicetypes.RelayResponse) error
	verified atomic.Int64
	key      *secp256k1.PrivKey
}

func (a *authenticator) VerifyRelayRequest(ctx context.Context, r *servicetypes.RelayRequest, serviceID string) error {
	a.verified.Add(1)
	if r.Meta.SessionHeader.ServiceId != serviceID {
		return relayer.ErrInvalidSession.Wrapf("asked for service %q", serviceID)
	}
	if a.verify == nil {
		return nil
	}
	return a.verify(ctx, r)
}

func (a *authenticator) SignRelayResponse(response *servicetypes.RelayResponse, operatorAddress string) error {
	if operatorAddress != supplier {
		return relayer.ErrUndefinedSigner.Wrapf("supplier %q", operatorAddress)
	}
	if a.sign != nil {
		return a.sign(response)
	}
	if err := response.UpdatePayloadHash(); err != nil {
		return err
	}
	digest, err := response.GetSignableBytesHash()
	if err != nil {
		return err
	}
	response.Meta.SupplierOperatorSignature, err = a.key.Sign(digest[:])
	return err
}

// chain knows the price and difficulty of every service, unless told to fail.
type chain struct{ computeUnits, difficulty error }

func (c *chain) ComputeUnitsPerRelayAt(context.Context, string, int64) (uint64, error) {
	return 1, c.computeUnits
}

func (c *chain) DifficultyTargetAt(context.Context, string, int64) ([]byte, error) {
	return bytes.Repeat([]byte{0xff}, 32), c.difficulty
}

// intake accepts relays unless told to fail.
type intake struct{ err error }

func (i *intake) AcceptingErr() error { return i.err }

// journal keeps the log as text.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// fixture is a running proxy with a service behind it on loopback and, after it,
// a consumer that resolves the receipts of what is published.
type fixture struct {
	relayer.RelayerProxy
	auth     *authenticator
	real     relayer.RelayAuthenticator // in place of auth, unless nil
	chain    *chain
	intake   *intake
	meter    *meter
	receipts *relayer.Receipts
	log      *journal
	config   *config.Config
	// resolve says what becomes of a published relay; nil makes all safe. It
	// may block.
	resolve func(*servicetypes.Relay) error

	service   *httptest.Server
	asked     atomic.Int64 // requests that reached the service
	addresses []string     // of the servers, in the order of the listeners
	completed <-chan struct{}

	mu        sync.Mutex
	published []*servicetypes.Relay
}

// newFixture returns a proxy that is not started. Its service answers with
// handler, or echoes the body if that is nil. It is configured as service "svc"
// with the timeout patience and a limit of 1 MiB.
func newFixture(t testing.TB, handler http.HandlerFunc, changes ...func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{
		auth: &authenticator{key: secp256k1.GenPrivKey()}, chain: &chain{}, intake: &intake{}, meter: &meter{},
		receipts: &relayer.Receipts{}, log: &journal{},
	}
	if handler == nil {
		handler = echo
	}
	f.service = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		// net/http tells that a caller has left only if its request was read.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("service: %v", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler(w, r)
	}))
	t.Cleanup(func() {
		f.service.CloseClientConnections()
		f.service.Close()
	})
	f.config = &config.Config{MaxConnections: 1000, Services: []*config.Service{f.newService(t, "svc")}}
	for _, change := range changes {
		change(f)
	}
	var err error
	f.RelayerProxy, err = proxy.NewRelayerProxy(f.deps())
	if err != nil {
		t.Fatal(err)
	}
	f.consume()
	return f
}

// start returns a proxy like newFixture, started. It is stopped with the test.
func start(t testing.TB, handler http.HandlerFunc, changes ...func(*fixture)) *fixture {
	t.Helper()
	f := newFixture(t, handler, changes...)
	f.begin(t)
	return f
}

// begin starts a proxy. It is stopped with the test.
func (f *fixture) begin(t testing.TB) {
	t.Helper()
	if err := f.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(f.log.String()) {
		if _, rest, found := strings.Cut(line, "address="); found && strings.Contains(line, "relay server started") {
			address, _, _ := strings.Cut(rest, " ")
			f.addresses = append(f.addresses, address)
		}
	}
	t.Cleanup(func() { f.stop(t) })
}

// stop stops the proxy, which must succeed, and waits until its stream completes.
func (f *fixture) stop(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
	await(t, f.completed, "the stream of served relays to complete")
	if n := f.receipts.Pending(); n != 0 {
		t.Errorf("%d receipts are pending after the stop", n)
	}
}

func (f *fixture) deps() depinject.Config {
	level := slog.LevelDebug
	if f.real != nil {
		level = slog.LevelInfo // a line for each refusal would be what takes the memory
	}
	log := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: level}))
	if f.real != nil {
		return depinject.Supply(f.config, f.real, f.chain, f.intake, f.meter, f.receipts, log)
	}
	return depinject.Supply(f.config, f.auth, f.chain, f.intake, f.meter, f.receipts, log)
}

// newService returns a service whose backend is the fixture's.
func (f *fixture) newService(t testing.TB, id string) *config.Service {
	t.Helper()
	u, err := url.Parse(f.service.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &config.Service{
		ID: id, ListenAddr: "127.0.0.1:0", RequestTimeout: patience,
		MaxBodySize: 1 << 20, MaxResponseSize: 1 << 20, MaxInflatedSize: 4 << 20,
		DefaultBackend: &config.Backend{URL: u},
		Backends:       map[sharedtypes.RPCType]*config.Backend{},
	}
}

// consume keeps what is published and resolves its receipts.
func (f *fixture) consume() {
	f.completed = observable.ForEach(f.ServedRelays(), func(_ context.Context, relay *servicetypes.Relay) error {
		f.mu.Lock()
		f.published = append(f.published, relay)
		f.mu.Unlock()
		var err error
		if f.resolve != nil {
			err = f.resolve(relay)
		}
		f.receipts.Resolve(relay, err)
		return nil
	}, observable.WithPool(8))
}

// served returns the relays that were published so far.
func (f *fixture) served() []*servicetypes.Relay {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.published)
}

func (f *fixture) url() string { return "http://" + f.addresses[0] }
