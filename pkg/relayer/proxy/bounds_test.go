package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// nobody refuses every relay.
type nobody struct{}

func (nobody) VerifyRelayRequest(context.Context, *servicetypes.RelayRequest, string) error {
	return relayer.ErrInvalidRingSignature
}

func (nobody) SignRelayResponse(*servicetypes.RelayResponse, string) error {
	return errors.New("signed for a refused relay")
}

// stranger is a server on loopback that refuses every relay.
func stranger(t testing.TB, bodies *ration) (*httpServer, *httptest.Server) {
	t.Helper()
	services := backend.NewHTTP(0, 1)
	t.Cleanup(services.Close)
	s := newHTTPServer(config.Listener{Addr: "127.0.0.1:0", Services: []*config.Service{{
		ID: "svc", RequestTimeout: 10 * time.Second, MaxBodySize: 20 << 20, DefaultBackend: &config.Backend{},
	}}}, 1000, silentPipeline(), services, bodies, slog.New(slog.DiscardHandler))
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server
}

func post(t testing.TB, server *httptest.Server, body io.Reader, rpcType string) *servicetypes.RelayResponse {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, server.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set(rpcTypeHeader, rpcType)
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	encoded, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	decoded := &servicetypes.RelayResponse{}
	if err := decoded.Unmarshal(encoded); err != nil {
		t.Fatalf("status %s, error %v", response.Status, err)
	}
	overload := decoded.RelayMinerError.GetCode() == relayer.ErrRequestLimit.Code
	if overload != (response.StatusCode == http.StatusServiceUnavailable) || !overload && response.StatusCode != http.StatusOK {
		t.Errorf("status %s for %v", response.Status, decoded.RelayMinerError)
	}
	if overload != (response.Header.Get("Retry-After") != "") {
		t.Errorf("status %s with Retry-After %q", response.Status, response.Header.Get("Retry-After"))
	}
	return decoded
}

func TestRation_BodiesBeyondItAreRefusedUntilSomeIsGivenBack(t *testing.T) {
	s, server := stranger(t, &ration{limit: 1000})
	held := s.ration.reader(strings.NewReader(strings.Repeat("x", 900)))
	if _, err := io.ReadAll(held); err != nil {
		t.Fatal(err)
	}
	body := func() io.Reader { return bytes.NewReader(make([]byte, 200)) }
	if got := post(t, server, body(), ""); got.RelayMinerError.Code != relayer.ErrRequestLimit.Code {
		t.Errorf("refused with %v, want %v", got.RelayMinerError, relayer.ErrRequestLimit)
	}
	if used := s.ration.used.Load(); used != 900 {
		t.Errorf("%d bytes are taken after a refusal, want 900", used)
	}
	held.release()
	if got := post(t, server, body(), ""); got.RelayMinerError.Code != relayer.ErrMalformedRequest.Code {
		t.Errorf("refused with %v, want %v", got.RelayMinerError, relayer.ErrMalformedRequest)
	}
	if used := s.ration.used.Load(); used != 0 {
		t.Errorf("%d bytes are taken after the last relay", used)
	}
}

func TestRation_HasRoomForSeveralOfTheLargestBodies(t *testing.T) {
	for largest, want := range map[int64]int64{
		0: leastRation, 20 << 20: leastRation, 1 << 30: 8 << 30, math.MaxInt64: math.MaxInt64,
	} {
		if got := newRation(largest).limit; got != want {
			t.Errorf("largest body %d: ration of %d bytes, want %d", largest, got, want)
		}
	}
}

func TestRation_HasRoomForTheLargestAnswer(t *testing.T) {
	services := []*config.Service{
		{MaxBodySize: 1 << 20, MaxResponseSize: 1 << 30}, {MaxBodySize: 2 << 20, MaxResponseSize: 2 << 20},
	}
	if got := largestBody(services); got != 1<<30 {
		t.Errorf("largest body of %d bytes", got)
	}
}

func TestServer_BodyWithoutALimitHasTheTimeOfItsService(t *testing.T) {
	s, _ := stranger(t, newRation(0))
	arrival := time.Now()
	for _, limit := range []int64{1 << 50, 1 << 52, math.MaxInt64 - 1024} {
		s.maxBody = limit
		if got := s.bodyDeadline(arrival).Sub(arrival); got != s.timeout {
			t.Errorf("limit of %d bytes: %s for the body, want %s", limit, got, s.timeout)
		}
	}
}

func TestServer_DeclaredLengthTakesNoMemory(t *testing.T) {
	_, server := stranger(t, newRation(0))
	const requests = 50
	declare := func() {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\nx", 20<<20)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if reply, err := io.ReadAll(conn); err != nil || !bytes.Contains(reply, []byte("relayer_proxy")) {
			t.Fatalf("reply %q, error %v", reply, err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		declare()
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / requests; each > 256<<10 {
		t.Errorf("%d bytes were allocated for a request of one byte", each)
	}
}

func FuzzServer_StrangersGetAShortRefusal(f *testing.F) {
	s, server := stranger(f, newRation(0))
	good := &servicetypes.RelayRequest{Payload: []byte("x")}
	for _, seed := range [][]byte{nil, {0x0a}, {0x0a, 0x00}, []byte("\n\x05\n\x03\x12\x01x"), []byte("\n\x07\n\x05\x12\x03svc")} {
		f.Add(seed, "3")
	}
	encoded, err := good.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(encoded, "x")
	f.Fuzz(func(t *testing.T, body []byte, rpcType string) {
		if strings.ContainsFunc(rpcType, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Skip("no header")
		}
		got := post(t, server, bytes.NewReader(body), rpcType)
		if got.RelayMinerError == nil || len(got.Meta.SupplierOperatorSignature) != 0 || got.Meta.SessionHeader == nil {
			t.Fatalf("not a refusal: %v", got)
		}
		if got.Size() > 3<<10 {
			t.Fatalf("refusal of %d bytes", got.Size())
		}
		if s.panics.Load() != 0 {
			t.Fatal("it panicked")
		}
	})
}

// silentPipeline is one that serves nobody and tells nobody of it.
func silentPipeline() *pipeline {
	return &pipeline{auth: nobody{}, receipts: &relayer.Receipts{}, refused: func(string, string, error) {}, failed: func(error) {}}
}
