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

	"github.com/seed52205347/relayminer/pkg/async"
)

const (
	// hostileRequests are sent unless HOSTILE_REQUESTS says how many.
	hostileRequests = 3000
	// attackers send at a time.
	attackers = 4
	// honestPause is the time from one honest relay to the next, and honestCalm how
	// many are sent before the attack.
	honestPause = 10 * time.Millisecond
	honestCalm  = 50
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
	served := s.relay(t, -1)
	s.honest = nil
	s.attacks = slices.Concat(formless(t, good), misnamed(t, good), missigned(t, s.chain, good), misused(t, s.chain, served))
	return s
}

// relay sends an honest relay, which must be served, and returns it.
func (s *siege) relay(t testing.TB, number int) []byte {
	t.Helper()
	return s.serve(t, number, time.Now())
}

// serve sends an honest relay that was due at begin.
func (s *siege) serve(t testing.TB, number int, begin time.Time) []byte {
	t.Helper()
	question := fmt.Sprintf("honest %d", number)
	signing := time.Now()
	request := marshal(t, signed(t, s.chain.unsigned(asks(t, "POST", "/", []byte(question))), "gateway", "application"))
	begin = begin.Add(time.Since(signing)) // gateways have machines of their own
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

// gateway sends honest relays, numbered from first on, until enough says so.
func (s *siege) gateway(t testing.TB, first int, enough func(sent int) bool) (sent int) {
	tick := time.NewTicker(honestPause)
	defer tick.Stop()
	for ; !enough(sent); sent++ {
		s.serve(t, first+sent, <-tick.C)
	}
	return sent
}

// attacker sends count attacks from number first on, one in each pause.
func (s *siege) attacker(t testing.TB, first, count int, pause time.Duration) {
	tick := time.NewTicker(max(pause, 1))
	defer tick.Stop()
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			conn.Close()
		}
	}()
	for number := first; number < first+count; number++ {
		if pause > 0 {
			<-tick.C
		}
		a := s.attacks[number%len(s.attacks)]
		if a.raw != "" {
			held = s.hold(t, held, a)
		} else {
			s.send(t, a, number)
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

// setting returns the number in an environment variable, or else the standard.
func setting(t *testing.T, name string, standard int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// HOSTILE_REQUESTS=100000 is the long form, HOSTILE_RATE how many are sent in a
// second; without it as many as go.
func TestSiege_HostileClientsCostLittleAndReachNothing(t *testing.T) {
	total, pause := setting(t, "HOSTILE_REQUESTS", hostileRequests), time.Duration(0)
	if rate := setting(t, "HOSTILE_RATE", 0); rate > 0 {
		pause = attackers * time.Second / time.Duration(rate)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(async.Cores() + 1)) // as the command does
	s := besiege(t)
	s.gateway(t, 0, func(sent int) bool { return sent == max(honestCalm, total/100) })
	calm := s.quantiles()
	before := calm.relays
	http.DefaultClient.CloseIdleConnections()
	goroutines, heap := runtime.NumGoroutine(), heapInUse()
	began := time.Now()
	var all, gateway sync.WaitGroup
	for i := range attackers {
		all.Go(func() { s.attacker(t, i*total/attackers, total/attackers, pause) })
	}
	over := make(chan struct{})
	gateway.Go(func() {
		s.gateway(t, before, func(int) bool {
			select {
			case <-over:
				return true
			default:
				return false
			}
		})
	})
	all.Wait()
	close(over)
	gateway.Wait()
	took := time.Since(began)
	besieged := s.quantiles()
	t.Logf("%d attacks of %d kinds in %s, %d questions to the chain\ncalm:         %s\nunder attack: %s",
		total, len(s.attacks), took.Round(time.Millisecond), s.chain.asked(), calm, besieged)
	honest := int64(before+besieged.relays) + 1 // the one that was replayed
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

// quantiles are of the times that honest relays took.
type quantiles struct {
	relays   int
	p50, p99 time.Duration
}

func (q quantiles) String() string {
	return fmt.Sprintf("%d honest relays, p50 %s, p99 %s", q.relays, q.p50, q.p99)
}

// quantiles returns those of the honest relays since the last call, without the one
// that was sent to be replayed.
func (s *siege) quantiles() quantiles {
	s.mu.Lock()
	defer s.mu.Unlock()
	took := s.honest
	s.honest = nil
	slices.Sort(took)
	return quantiles{len(took), took[len(took)/2], took[len(took)*99/100]}
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
