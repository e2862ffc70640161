package prover

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// script is a server that answers the calls for a job's result as the test says, the
// last answer over and over, and everything else as it should.
type script struct {
	answers   chan string      // to GET of a result
	last      string           // when answers is empty; empty: no answer
	cancelled chan struct{}    // receives for each DELETE
	polled    chan struct{}    // receives for each GET of a result, if there is room
	refuse    http.HandlerFunc // of POST, instead of reading it
	headers   chan http.Header // receives those of each request, if there is room
}

func newScript(answers ...string) *script {
	s := &script{
		answers:   make(chan string, len(answers)),
		cancelled: make(chan struct{}, 100),
		polled:    make(chan struct{}, 100),
		headers:   make(chan http.Header, 100),
	}
	for _, a := range answers {
		s.answers <- a
		s.last = a
	}
	return s
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case s.headers <- r.Header:
	default:
	}
	switch {
	case r.URL.Path == readyPath:
		reply(w, http.StatusOK, answer{Status: statusReady})
	case r.Method == http.MethodDelete:
		s.cancelled <- struct{}{}
		reply(w, http.StatusOK, answer{Status: statusUnknown})
	case r.Method == http.MethodPost && s.refuse != nil:
		s.refuse(w, r)
	case r.Method == http.MethodPost:
		_, _ = io.Copy(io.Discard, r.Body)
		reply(w, http.StatusOK, answer{Status: statusWorking})
	default:
		s.result(w, r)
	}
}

func (s *script) result(w http.ResponseWriter, r *http.Request) {
	select {
	case s.polled <- struct{}{}:
	default:
	}
	next := s.last
	select {
	case next = <-s.answers:
	default:
	}
	if next == "" {
		<-r.Context().Done()
		return
	}
	_, _ = io.WriteString(w, next)
}

func serve(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func remoteTo(t *testing.T, server *httptest.Server, change func(*RemoteConfig)) Prover {
	t.Helper()
	config := RemoteConfig{URL: server.URL, Client: server.Client(), Poll: time.Millisecond}
	if change != nil {
		change(&config)
	}
	r, err := NewRemote(config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// success is the answer with a proof.
func success(t *testing.T, proof []byte) string {
	t.Helper()
	bz, err := json.Marshal(answer{Status: statusSuccess, Proof: proof})
	if err != nil {
		t.Fatal(err)
	}
	return string(bz)
}

func realProof(t *testing.T, job Job) []byte {
	t.Helper()
	proof, err := Build(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return proof
}

const stillWorking = `{"status":"working"}`

func TestRemote_IsAskedUntilItHasTheProof(t *testing.T) {
	job := newJob(t, "s", 50)
	server := serve(t, newScript(stillWorking, stillWorking, success(t, realProof(t, job))))
	p := poolOf(t, Config{Verify: Check, Members: []Member{
		remoteMember("remote", remoteTo(t, server, nil)), localMember("local", &scripted{}),
	}})
	proof, err := prove(t.Context(), p, job)
	if err != nil || Check(job, proof) != nil {
		t.Fatal(err)
	}
	if s := p.Stats()[0]; s.Proofs != 1 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRemote_WhatIsNoProofIsRejectedAndBuiltElsewhere(t *testing.T) {
	job, other := newJob(t, "s", 50), newJob(t, "other", 50)
	otherPath := job
	otherPath.Path[0]++
	for name, c := range map[string]struct {
		answers []string
		want    error
	}{
		"failed at last":          {[]string{stillWorking, `{"status":"failed","error":"no memory"}`}, ErrFailed},
		"garbage":                 {[]string{"<html>502</html>"}, ErrAnswer},
		"unknown field":           {[]string{`{"status":"success","proof":"AAAA","more":1}`}, ErrAnswer},
		"two values":              {[]string{stillWorking + stillWorking}, ErrAnswer},
		"cut":                     {[]string{`{"status":"success","proof":"AA`}, ErrAnswer},
		"unknown status":          {[]string{`{"status":"perhaps"}`}, ErrAnswer},
		"forgotten":               {[]string{`{"status":"unknown"}`}, ErrUnknownJob},
		"no proof":                {[]string{`{"status":"success"}`}, ErrWrongProof},
		"not a proof":             {[]string{success(t, []byte("proof"))}, ErrWrongProof},
		"proof of another tree":   {[]string{success(t, realProof(t, other))}, ErrWrongProof},
		"proof of another path":   {[]string{success(t, realProof(t, otherPath))}, errOtherPath},
		"more bytes than allowed": {[]string{`{"status":"working","error":"` + strings.Repeat("x", 20<<10) + `"}`}, ErrOversize},
	} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, newScript(c.answers...))
			remote := remoteTo(t, server, func(c *RemoteConfig) { c.MaxProof = 8 << 10 })
			local, err := NewLocal(Build)
			if err != nil {
				t.Fatal(err)
			}
			var seen error
			p := poolOf(t, Config{Verify: Check, Members: []Member{
				remoteMember("remote", watched{remote, &seen}), localMember("local", local),
			}})
			proof, err := prove(t.Context(), p, job)
			if err != nil || Check(job, proof) != nil {
				t.Fatal(err)
			}
			s := p.Stats()[0]
			if s.State != Cooling || s.Failed != 1 || p.Stats()[1].Proofs != 1 {
				t.Errorf("%+v", p.Stats())
			}
			if !errors.Is(seen, c.want) && !strings.Contains(s.Error, c.want.Error()) {
				t.Errorf("failed with %v (%s), want %v", seen, s.Error, c.want)
			}
		})
	}
}

// watched notes the error of Result.
type watched struct {
	Prover
	seen *error
}

func (w watched) Result(ctx context.Context, id string) ([]byte, error) {
	proof, err := w.Prover.Result(ctx, id)
	*w.seen = err
	return proof, err
}

func TestRemote_ThatHangsIsLeftAtTheDeadlineAndTold(t *testing.T) {
	release := make(chan struct{})
	silent, still := newScript(), newScript()
	silent.refuse = func(http.ResponseWriter, *http.Request) { <-release }
	still.refuse = func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 100))
		<-release
	}
	servers := map[string]*script{
		"takes no job":      silent,
		"reads some leaves": still,
		"never answers":     newScript(""),
		"works for ever":    newScript(stillWorking),
	}
	for name, s := range servers {
		t.Run(name, func(t *testing.T) {
			remote := remoteTo(t, serve(t, s), nil)
			p := poolOf(t, Config{
				Verify:  func(Job, []byte) error { return nil },
				JobTime: 50 * time.Millisecond,
				Members: []Member{remoteMember("remote", remote), localMember("local", &scripted{})},
			})
			if proof, err := prove(t.Context(), p, newJob(t, "s", 4000)); err != nil || string(proof) != "proof" {
				t.Error(err)
			}
			<-s.cancelled
			if got := p.Stats()[0]; got.State != Cooling || !strings.Contains(got.Error, errSlow.Error()) {
				t.Errorf("%+v", got)
			}
			if s == silent || s == still {
				release <- struct{}{}
			}
		})
	}
}

func TestRemote_ThatIsBusyIsSentNoLeaves(t *testing.T) {
	s := newScript()
	s.refuse = func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusServiceUnavailable, answer{Status: statusBusy})
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ExpectContinueTimeout = time.Minute
	t.Cleanup(transport.CloseIdleConnections)
	remote := remoteTo(t, serve(t, s), func(c *RemoteConfig) { c.Client = &http.Client{Transport: transport} })
	job := newJob(t, "s", 4000)
	walked, leaves := 0, job.Leaves
	job.Leaves = func(yield func(trie.Leaf, error) bool) {
		leaves(func(leaf trie.Leaf, err error) bool {
			more := yield(leaf, err)
			if more {
				walked += len(leaf.Value)
			}
			return more
		})
	}
	if err := remote.Start(t.Context(), "id", job); !errors.Is(err, ErrBusy) {
		t.Error(err)
	}
	if walked > streamBuffer {
		t.Errorf("%d bytes were sent", walked)
	}
}

func TestRemote_SaysWhenLeavesCannotBeRead(t *testing.T) {
	broken := errors.New("disk")
	job := newJob(t, "s", 3)
	leaves := job.Leaves
	for name, ending := range map[string]func(yield func(trie.Leaf, error) bool){
		"error": func(yield func(trie.Leaf, error) bool) { yield(trie.Leaf{}, broken) },
		"panic": func(func(trie.Leaf, error) bool) { panic("bug") },
	} {
		remote := remoteTo(t, serve(t, newScript(stillWorking)), nil)
		job.Leaves = func(yield func(trie.Leaf, error) bool) {
			leaves(yield)
			ending(yield)
		}
		if err := remote.Start(t.Context(), "id", job); !errors.Is(err, ErrLeaves) || name == "error" && !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRemote_FollowsNoRedirectWithItsToken(t *testing.T) {
	thief := newScript()
	elsewhere := serve(t, thief)
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	remote := remoteTo(t, server, func(c *RemoteConfig) { c.Token = "secret" })
	if err := remote.Ready(t.Context()); !errors.Is(err, ErrAnswer) {
		t.Error(err)
	}
	if len(thief.headers) > 0 {
		t.Error("the redirect was followed")
	}
}

func TestNewRemote_TakesURLsOnly(t *testing.T) {
	for _, url := range []string{"", "prover:8080", "ftp://prover", "http://", "http://prover?x=1", "http://prover#x", "http://%zz"} {
		if _, err := NewRemote(RemoteConfig{URL: url}); !errors.Is(err, ErrConfig) {
			t.Errorf("%q: %v", url, err)
		}
	}
}
