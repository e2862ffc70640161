package prover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

func handlerOf(t *testing.T, config HandlerConfig) *handlerUnderTest {
	t.Helper()
	config.Log = slog.New(slog.DiscardHandler)
	if config.Prove == nil {
		config.Prove = Build
	}
	h, err := NewHandler(config)
	if err != nil {
		t.Fatal(err)
	}
	server := serve(t, h)
	return &handlerUnderTest{
		remote: remoteTo(t, server, func(c *RemoteConfig) { c.Token = config.Token }),
		url:    server.URL,
		client: server.Client(),
	}
}

// handlerUnderTest is a handler that is served, and its client.
type handlerUnderTest struct {
	remote Prover
	url    string
	client *http.Client
}

// startWhenFree starts a small job as soon as the server is through with the one before.
func (h *handlerUnderTest) startWhenFree(t *testing.T, id string) {
	t.Helper()
	job := newJob(t, "next", 1)
	err := ErrBusy
	for errors.Is(err, ErrBusy) {
		err = h.remote.Start(t.Context(), id, job)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestHandler_BuildsProofsOfLeavesThatAreStreamedToIt(t *testing.T) {
	h := handlerOf(t, HandlerConfig{Token: "secret", Jobs: 3})
	p := poolOf(t, Config{Verify: Check, Members: []Member{
		remoteMember("1", h.remote), remoteMember("2", h.remote), remoteMember("3", h.remote),
		localMember("local", &scripted{}), // whose proofs are wrong
	}})
	var jobs sync.WaitGroup
	for i := range 8 {
		jobs.Go(func() {
			job := newJob(t, fmt.Sprint("s", i), 1+i*300)
			lease, err := p.Acquire(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if lease.member.Local {
				lease.Release()
				return
			}
			if proof, err := lease.Prove(t.Context(), job); err != nil || Check(job, proof) != nil {
				t.Error(err)
			}
		})
	}
	jobs.Wait()
	for _, s := range p.Stats() {
		if s.Failed > 0 {
			t.Errorf("%+v", s)
		}
	}
}

func TestHandler_SaysWhyAJobFailed(t *testing.T) {
	good := newJob(t, "s", 10) // of leaves with 32 to 41 bytes
	otherRoot := good
	otherRoot.Root[3]++
	for name, c := range map[string]struct {
		config HandlerConfig
		job    Job
		want   string
	}{
		"leaf":  {HandlerConfig{MaxLeaf: 40}, good, "leaf of 41 bytes"},
		"job":   {HandlerConfig{MaxJob: 500}, good, "request body too large"},
		"root":  {HandlerConfig{}, otherRoot, trie.ErrRootMismatch.Error()},
		"name":  {HandlerConfig{}, Job{Session: strings.Repeat("x", 513), Leaves: good.Leaves}, "513 bytes"},
		"empty": {HandlerConfig{}, newJob(t, "s", 0), trie.ErrEmpty.Error()},
	} {
		h := handlerOf(t, c.config)
		if err := h.remote.Start(t.Context(), "a", c.job); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		h.startWhenFree(t, "next")
	}
}

func TestHandler_IsBusyWithAsManyJobsAsItMay(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	h := handlerOf(t, HandlerConfig{Prove: func(ctx context.Context, job Job) ([]byte, error) {
		begun <- struct{}{}
		<-end
		return Build(ctx, job)
	}})
	job := newJob(t, "s", 10)
	started := make(chan error)
	go func() { started <- h.remote.Start(t.Context(), "a", job) }()
	<-begun
	if err := h.remote.Ready(t.Context()); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	if err := h.remote.Start(t.Context(), "b", job); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	if err := h.remote.Start(t.Context(), "a", job); err == nil || !strings.Contains(err.Error(), "used before") {
		t.Error(err)
	}
	close(end)
	if err := <-started; err != nil {
		t.Error(err)
	}
	if err := h.remote.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if proof, err := h.remote.Result(t.Context(), "a"); err != nil || Check(job, proof) != nil {
		t.Error(err)
	}
	if _, err := h.remote.Result(t.Context(), "a"); !errors.Is(err, ErrUnknownJob) {
		t.Errorf("given twice: %v", err)
	}
}

// A client that has stopped sending, or gone, does not occupy the server.
func TestHandler_AJobCanBeCancelledWhileItsLeavesAreOnTheWay(t *testing.T) {
	begun := make(chan struct{}, 1)
	h := handlerOf(t, HandlerConfig{Prove: func(ctx context.Context, job Job) ([]byte, error) {
		begun <- struct{}{}
		return Build(ctx, job)
	}})
	job := newJob(t, "s", 5000)
	for name, end := range map[string]func(cancel context.CancelFunc){
		"told": func(context.CancelFunc) {
			if err := h.remote.Cancel(t.Context(), "told"); err != nil {
				t.Error(err)
			}
		},
		"gone": func(cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stuck, leaves := job, job.Leaves
			halfway := make(chan struct{})
			stuck.Leaves = func(yield func(trie.Leaf, error) bool) {
				n := 0
				leaves(func(leaf trie.Leaf, err error) bool {
					if n++; n == 4000 {
						<-halfway
					}
					return yield(leaf, err)
				})
			}
			started := make(chan error)
			go func() { started <- h.remote.Start(ctx, name, stuck) }()
			<-begun
			end(cancel)
			h.startWhenFree(t, "next to "+name)
			<-begun
			close(halfway)
			if err := <-started; err == nil {
				t.Error("the cancelled job has succeeded")
			}
		})
	}
}

func TestHandler_GivesUpAtItsDeadline(t *testing.T) {
	h := handlerOf(t, HandlerConfig{JobTime: 30 * time.Millisecond})
	body, w := io.Pipe()
	defer w.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+proofsPath+"a", body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := h.client.Do(request) // nothing is ever sent
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if bz, err := io.ReadAll(response.Body); err != nil || !bytes.Contains(bz, []byte("deadline")) {
		t.Errorf("%s, %v", bz, err)
	}
}

func TestHandler_KeepsTheNewestResultsThatWereNotFetched(t *testing.T) {
	h := handlerOf(t, HandlerConfig{})
	job := newJob(t, "s", 3)
	for i := range 5 {
		if err := h.remote.Start(t.Context(), fmt.Sprint(i), job); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		_, err := h.remote.Result(t.Context(), fmt.Sprint(i))
		if kept := i >= 3; kept != (err == nil) || !kept && !errors.Is(err, ErrUnknownJob) {
			t.Errorf("result %d: %v", i, err)
		}
	}
}

func TestHandler_DropsOldResults(t *testing.T) {
	h := handlerOf(t, HandlerConfig{Keep: time.Nanosecond, Jobs: 9})
	job := newJob(t, "s", 3)
	for _, id := range []string{"a", "b"} {
		if err := h.remote.Start(t.Context(), id, job); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.remote.Result(t.Context(), "a"); !errors.Is(err, ErrUnknownJob) {
		t.Error(err)
	}
}

func TestHandler_SurvivesAPanic(t *testing.T) {
	h := handlerOf(t, HandlerConfig{Prove: func(context.Context, Job) ([]byte, error) { panic("bug") }})
	for range 2 {
		if err := h.remote.Start(t.Context(), "a"+fmt.Sprint(time.Now().UnixNano()), newJob(t, "s", 3)); !errors.Is(err, ErrFailed) {
			t.Error(err)
		}
	}
}

func TestHandler_RefusesWithAReason(t *testing.T) {
	h := handlerOf(t, HandlerConfig{Token: "secret"})
	for _, c := range []struct {
		method, path, token, body string
		want                      int
	}{
		{"GET", "/v1/ready", "", "", http.StatusUnauthorized},
		{"POST", "/v1/proofs/a", "Bearer secre", "", http.StatusUnauthorized},
		{"GET", "/v1/proofs/a", "Bearer secret", "", http.StatusNotFound},
		{"PUT", "/v1/proofs/a", "Bearer secret", "", http.StatusNotFound},
		{"GET", "/", "Bearer secret", "", http.StatusNotFound},
		{"POST", "/v1/proofs/" + strings.Repeat("a", 65), "Bearer secret", "", http.StatusBadRequest},
		{"POST", "/v1/proofs/a", "Bearer secret", "\xff\xff\xff\xff", http.StatusOK}, // failed
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, h.url+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", c.token)
		response, err := h.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		bz, err := io.ReadAll(response.Body)
		response.Body.Close()
		var a answer
		if err != nil || response.StatusCode != c.want || decodeStrict(bz, &a) != nil || a.Status == statusSuccess {
			t.Errorf("%s %s: %s %q, %v", c.method, c.path, response.Status, bz, err)
		}
	}
}

func TestNewHandler_RefusesWhatCannotWork(t *testing.T) {
	if _, err := NewHandler(HandlerConfig{Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
	if _, err := NewHandler(HandlerConfig{Prove: Build}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}
