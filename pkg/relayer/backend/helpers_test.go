package backend_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// patience bounds the wait for what should happen at once.
const patience = 10 * time.Second

// maxBody is the limit of answers in tests about something else.
const maxBody = 1 << 20

func TestMain(m *testing.M) {
	// The key ring's library starts a goroutine of its own when it is loaded.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/desertbit/timer.timerRoutine"))
}

// received is a request as it arrived at a service.
type received struct {
	*http.Request
	body []byte
}

// service is a service on loopback that keeps what it receives.
type service struct {
	*config.Backend
	requests chan received
}

// serve runs a service that answers with handler after its requests were kept.
func serve(t testing.TB, handler http.HandlerFunc) *service {
	t.Helper()
	s := &service{requests: make(chan received, 16)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("service: read body: %v", err)
		}
		select {
		case s.requests <- received{r, body}:
		default: // more than any test looks at
		}
		handler(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	s.Backend = target(t, server.URL)
	return s
}

// next returns the next request that arrived.
func (s *service) next(t testing.TB) received {
	t.Helper()
	select {
	case r := <-s.requests:
		return r
	default:
		t.Fatal("nothing arrived at the service")
		return received{}
	}
}

func target(t testing.TB, address string) *config.Backend {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return &config.Backend{URL: u}
}

// client returns a client that is closed with the test.
func client(t testing.TB) *backend.HTTP {
	h := backend.NewHTTP(0, 1)
	t.Cleanup(h.Close)
	return h
}

// bounded returns a context that keeps a broken test from hanging.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func ok(http.ResponseWriter, *http.Request) {}

// headers returns headers from "Name: value" lines.
func headers(lines ...string) map[string]*sdktypes.Header {
	all := make(map[string]*sdktypes.Header)
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if all[name] == nil {
			all[name] = &sdktypes.Header{Key: name}
		}
		all[name].Values = append(all[name].Values, value)
	}
	return all
}

func encode(t testing.TB, request *sdktypes.POKTHTTPRequest) []byte {
	t.Helper()
	encoded, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// ask has the request answered, which must succeed.
func ask(t testing.TB, to *config.Backend, request *sdktypes.POKTHTTPRequest) *sdktypes.POKTHTTPResponse {
	t.Helper()
	answer, err := client(t).Do(bounded(t), to, encode(t, request), nil, limits(maxBody))
	if err != nil {
		t.Fatalf("ask: %v", err)
	}
	return decode(t, answer)
}

func decode(t testing.TB, answer *backend.Answer) *sdktypes.POKTHTTPResponse {
	t.Helper()
	decoded, err := sdktypes.DeserializeHTTPResponse(answer.Payload)
	if err != nil {
		t.Fatalf("payload: %v", err)
	}
	if int(decoded.StatusCode) != answer.StatusCode {
		t.Fatalf("status %d in the payload, %d beside it", decoded.StatusCode, answer.StatusCode)
	}
	return decoded
}

func get(address string) *sdktypes.POKTHTTPRequest {
	return &sdktypes.POKTHTTPRequest{Method: http.MethodGet, Url: address}
}

// limits allows bodies of that many bytes, inflated or not.
func limits(bytes int64) backend.Limits { return backend.Limits{Answer: bytes, Inflated: bytes} }
