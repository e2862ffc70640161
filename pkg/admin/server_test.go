package admin

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed52205347/relayminer/pkg/session"
)

func TestServer_PanicHarmsNobodyElse(t *testing.T) {
	f := &fake{
		show:   func(context.Context, session.Name) (*session.Details, error) { panic("oh") },
		export: func(_ context.Context, _ session.Name, w io.Writer) error { _, _ = w.Write([]byte("x")); panic("oh") },
	}
	_, client := serve(t, f)
	for range 2 * maxWork { // more often than there are places
		_, err := client.Show(t.Context(), session.Name{ID: "x"})
		mustBe(t, err, ErrInternal)
		if err := client.Export(t.Context(), session.Name{ID: "x"}, io.Discard); err == nil {
			t.Error("an export that panicked has succeeded")
		}
	}
}

func TestServer_WorksOnABoundedNumberOfRequests(t *testing.T) {
	var now, most atomic.Int64
	goOn := make(chan struct{})
	arrived := make(chan struct{}, 3*maxWork)
	f := &fake{show: func(context.Context, session.Name) (*session.Details, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		arrived <- struct{}{}
		<-goOn
		return &session.Details{}, nil
	}}
	_, client := serve(t, f)
	var asking sync.WaitGroup
	for range 3 * maxWork {
		asking.Go(func() {
			if _, err := client.Show(context.Background(), session.Name{ID: "x"}); err != nil {
				t.Error(err)
			}
		})
	}
	for range maxWork {
		wait(t, arrived)
	}
	close(goOn)
	asking.Wait()
	if got := most.Load(); got != maxWork {
		t.Errorf("%d requests were worked on at once, want %d", got, maxWork)
	}
}

func TestServer_StopEndsWhatIsUnderWay(t *testing.T) {
	began := make(chan struct{})
	f := &fake{show: func(ctx context.Context, _ session.Name) (*session.Details, error) {
		close(began)
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	home := shortDir(t)
	server, err := Start(home, home, f, discard())
	if err != nil {
		t.Fatal(err)
	}
	client, err := Dial(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	answer := make(chan error, 1)
	go func() {
		_, err := client.Show(context.Background(), session.Name{ID: "x"})
		answer <- err
	}()
	wait(t, began)
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	mustBe(t, wait(t, answer), ErrStopping)
}

// A client that asks and then does not read is cut off.
func TestServer_IsNotHeldByAClientThatDoesNotRead(t *testing.T) {
	ended := make(chan error, 1)
	f := &fake{export: func(_ context.Context, _ session.Name, w io.Writer) error {
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				ended <- err
				return err
			}
		}
	}}
	server, _ := serve(t, f)
	conn, err := net.Dial("unix", server.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := io.WriteString(conn, "GET /v1/sessions/x/file HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, ended); err == nil {
		t.Error("writing has ended without an error")
	}
}

func TestServer_RefusesWhatItDoesNotKnow(t *testing.T) {
	_, client := serve(t, inspected(t))
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/", 400},
		{http.MethodGet, "/v1/nothing", 400},
		{http.MethodPut, "/v1/sessions/sealed", 400},
		{http.MethodGet, "/v1/verifications", 400},
		{http.MethodDelete, "/v1/sessions/open?force=perhaps", 400},
		{http.MethodPost, "/v1/verifications?all=perhaps", 400},
		{http.MethodGet, "/v1/sessions/sealed/proof?path=zz", 400},
		{http.MethodGet, "/v1/sessions/none", 404},
		{http.MethodDelete, "/v1/sessions/open", 409},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://x"+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if err := response.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != c.status || !strings.Contains(string(body), `{"error":{"code":"`) {
			t.Errorf("%s %s: status %d, %s", c.method, c.path, response.StatusCode, body)
		}
	}
}
