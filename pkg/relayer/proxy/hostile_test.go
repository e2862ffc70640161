package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
)

const (
	// hostileRequests are sent unless HOSTILE_REQUESTS says how many.
	hostileRequests = 3000
	// attackers send at a time, each with one honest relay after every honestEvery
	// of its attacks.
	attackers   = 4
	honestEvery = 40
	// heldConnections is how many of its slow connections an attacker keeps open.
	heldConnections = 20
)

// siege is a proxy that is attacked, with the authenticator and ring verifier that
// it has in earnest.
type siege struct {
	*fixture
	chain   *besieged
	attacks []attack

	mu     sync.Mutex
	honest []time.Duration // that honest relays took
}

func besiege(t testing.TB) *siege {
	cosmostypes.GetConfig().SetBech32PrefixForAccount("pokt", "poktpub")
	s := &siege{chain: newBesieged()}
	s.fixture = start(t, nil, func(f *fixture) { f.real = s.chain.authenticator(t) })
	good := marshal(t, signed(t, s.chain.unsigned(asks(t, "POST", "/", []byte("x"))), "gateway", "application"))
	served := s.relay(t, 0)
	s.attacks = slices.Concat(formless(t, good), misnamed(t, good), missigned(t, s.chain, good), misused(t, s.chain, served))
	return s
}

// relay sends an honest relay, which must be served, and returns it.
func (s *siege) relay(t testing.TB, number int) []byte {
	t.Helper()
	question := fmt.Sprintf("honest %d", number)
	request := marshal(t, signed(t, s.chain.unsigned(asks(t, "POST", "/", []byte(question))), "gateway", "application"))
	begin := time.Now()
	got, err := s.try(context.Background(), http.DefaultClient, bytes.NewReader(request), nil)
	took := time.Since(begin)
	switch {
	case err != nil:
		t.Errorf("honest relay: %v", err)
	case got.RelayMinerError != nil:
		t.Errorf("honest relay refused: %s", got.RelayMinerError.Message)
	case !bytes.Contains(got.Payload, []byte(question)):
		t.Errorf("honest relay answered with %.80q", got.Payload)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.honest = append(s.honest, took)
	return request
}

// attacker sends count attacks from number first on, and honest relays in between.
func (s *siege) attacker(t testing.TB, first, count int) {
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			conn.Close()
		}
	}()
	for number := first; number < first+count; number++ {
		a := s.attacks[number%len(s.attacks)]
		if a.raw != "" {
			held = s.hold(t, held, a)
		} else {
			s.send(t, a, number)
		}
		if number%honestEvery == 0 {
			s.relay(t, number)
		}
	}
}

// hold begins the attack on a connection of its own and ends the oldest.
func (s *siege) hold(t testing.TB, held []net.Conn, a attack) []net.Conn {
	conn, err := net.Dial("tcp", s.addresses[0])
	if err != nil {
		t.Errorf("%s: %v", a.name, err)
		return held
	}
	// The server may end the connection before it has read all.
	_, _ = io.WriteString(conn, a.raw)
	if held = append(held, conn); len(held) > heldConnections {
		held[0].Close()
		held = held[1:]
	}
	return held
}

// send sends the attack, which must be refused without a signature.
func (s *siege) send(t testing.TB, a attack, number int) {
	sent := a.body(number)
	var body io.Reader = bytes.NewReader(sent)
	if a.chunked {
		body = struct{ io.Reader }{body}
	}
	request, err := http.NewRequest(http.MethodPost, s.url(), body)
	if err != nil {
		t.Error(err)
		return
	}
	for name, values := range a.header {
		request.Header[name] = values
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		// An oversize body may be refused while it is being sent.
		if len(sent) <= 1<<20 {
			t.Errorf("%s: %v", a.name, err)
		}
		return
	}
	defer response.Body.Close()
	encoded, err := io.ReadAll(response.Body)
	got := &servicetypes.RelayResponse{}
	if err != nil || got.Unmarshal(encoded) != nil {
		t.Errorf("%s: reply %.80q, error %v", a.name, encoded, err)
		return
	}
	if got.RelayMinerError == nil || len(got.Meta.SupplierOperatorSignature) != 0 || len(encoded) > 3<<10 {
		t.Errorf("%s: answered with %d bytes, signature of %d, error %v", a.name,
			len(encoded), len(got.Meta.SupplierOperatorSignature), got.RelayMinerError)
	}
}

// HOSTILE_REQUESTS=100000 is the long form.
func TestSiege_HostileClientsCostLittleAndReachNothing(t *testing.T) {
	total := hostileRequests
	if long := os.Getenv("HOSTILE_REQUESTS"); long != "" {
		var err error
		if total, err = strconv.Atoi(long); err != nil {
			t.Fatal(err)
		}
	}
	s := besiege(t)
	for i := range 50 {
		s.relay(t, i)
	}
	calm := s.median()
	http.DefaultClient.CloseIdleConnections()
	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	began := time.Now()
	var all sync.WaitGroup
	for i := range attackers {
		all.Go(func() { s.attacker(t, i*total/attackers, total/attackers) })
	}
	all.Wait()
	took := time.Since(began)
	honest := int64(len(s.honest)) + 51 // before the attack, and the one that was replayed
	t.Logf("%d attacks of %d kinds in %s, %d questions to the chain, honest relays: median %s in calm, %s under attack",
		total, len(s.attacks), took.Round(time.Millisecond), s.chain.asked(), calm, s.median())
	if got := s.asked.Load(); got != honest {
		t.Errorf("the service was asked %d times, by %d honest relays", got, honest)
	}
	if got := len(s.served()); int64(got) != honest {
		t.Errorf("%d relays were published, %d were honest", got, honest)
	}
	// The limit of one caller, and a few that do not depend on how many ask.
	if most := 512 + int(128*took.Seconds()) + 1 + 40; s.chain.asked() > most {
		t.Errorf("the chain was asked %d questions, at most %d should be", s.chain.asked(), most)
	}
	http.DefaultClient.CloseIdleConnections()
	s.checkLeftovers(t, goroutines, heap)
}

// median returns the median time of the honest relays since the last call.
func (s *siege) median() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.honest)
	median := s.honest[len(s.honest)/2]
	s.honest = nil
	return median
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// checkLeftovers checks that nothing of the attack is left but what has a bound.
func (s *siege) checkLeftovers(t *testing.T, goroutines int, heap uint64) {
	// Connections end when net/http notices that their callers have left.
	for give := time.Now().Add(patience); runtime.NumGoroutine() > goroutines+10 && time.Now().Before(give); {
		runtime.Gosched()
	}
	if now := runtime.NumGoroutine(); now > goroutines+10 {
		t.Errorf("%d goroutines, %d before the attack", now, goroutines)
	}
	const most = 64 << 20
	if now := heapInUse(); now > heap+most {
		t.Errorf("%d MiB are in use, %d before the attack", now>>20, heap>>20)
	}
}

func TestSiege_EveryKindOfAttackIsThere(t *testing.T) {
	s := besiege(t)
	if n := len(s.attacks); n < 30 {
		t.Errorf("%d kinds of attack", n)
	}
	names := make(map[string]bool)
	for _, a := range s.attacks {
		if names[a.name] || (a.raw == "") == (a.body == nil) {
			t.Errorf("%q is there twice, or is nothing", a.name)
		}
		names[a.name] = true
	}
	http.DefaultClient.CloseIdleConnections()
}
