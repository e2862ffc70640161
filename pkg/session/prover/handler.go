package prover

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seed52205347/relayminer/pkg/async"
)

// HandlerConfig says what a server of proofs may do. Numbers and times that are zero
// take the default named.
type HandlerConfig struct {
	// Prove builds the proofs. It walks over the leaves of its job at most once.
	Prove Func
	// Log gets a line for each job.
	Log *slog.Logger
	// Token has to come with every request unless it is empty. Without one anybody
	// who reaches the server can make it work: it must not be reached by strangers.
	Token string
	// Jobs is how many proofs are built at once. Default 1. Twice as many results are
	// kept until they are fetched, the newest ones.
	Jobs int
	// MaxLeaf is the greatest size of a leaf's value in bytes. Default 64 MiB.
	MaxLeaf int64
	// MaxJob is the greatest size of a job in bytes. Default 16 GiB.
	MaxJob int64
	// JobTime is how long a job may take, the sending of its leaves included. Default 5
	// minutes.
	JobTime time.Duration
	// Keep is how long a result is kept until it is fetched. Default 1 minute. What is
	// kept longer is dropped when the next job comes.
	Keep time.Duration
}

// handler serves a remote prover. A job is worked on by the goroutine of the request
// that brings its leaves.
type handler struct {
	config HandlerConfig

	mu      sync.Mutex
	jobs    map[string]*served
	working int
}

// served is a job of a handler.
type served struct {
	cancel context.CancelCauseFunc
	answer answer    // working until it has ended
	ended  time.Time // zero until then
}

// errGivenUp is why a job that was cancelled has failed.
var errGivenUp = errors.New("cancelled by the client")

// NewHandler returns the server's side of NewRemote. It fails with ErrConfig without a
// function or a log.
func NewHandler(config HandlerConfig) (http.Handler, error) {
	if config.Prove == nil || config.Log == nil {
		return nil, fmt.Errorf("%w: handler without function or log", ErrConfig)
	}
	if config.Jobs <= 0 {
		config.Jobs = 1
	}
	if config.MaxLeaf <= 0 {
		config.MaxLeaf = 64 << 20
	}
	if config.MaxJob <= 0 {
		config.MaxJob = 16 << 30
	}
	if config.JobTime <= 0 {
		config.JobTime = 5 * time.Minute
	}
	if config.Keep <= 0 {
		config.Keep = time.Minute
	}
	h := &handler{config: config, jobs: make(map[string]*served)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+readyPath, h.ready)
	mux.HandleFunc("POST "+proofsPath+"{id}", h.start)
	mux.HandleFunc("GET "+proofsPath+"{id}", h.result)
	mux.HandleFunc("DELETE "+proofsPath+"{id}", h.cancel)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		reply(w, http.StatusNotFound, answer{Status: statusRefused, Error: "no such call"})
	})
	return h.authorized(mux), nil
}

// authorized lets requests with the token pass.
func (h *handler) authorized(next http.Handler) http.Handler {
	want := []byte("Bearer " + h.config.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := []byte(r.Header.Get("Authorization"))
		if h.config.Token != "" && subtle.ConstantTimeCompare(got, want) != 1 {
			reply(w, http.StatusUnauthorized, answer{Status: statusRefused, Error: "token is missing or wrong"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (h *handler) ready(w http.ResponseWriter, _ *http.Request) {
	h.mu.Lock()
	busy := h.working >= h.config.Jobs
	h.mu.Unlock()
	if busy {
		reply(w, http.StatusServiceUnavailable, answer{Status: statusBusy})
		return
	}
	reply(w, http.StatusOK, answer{Status: statusReady})
}

// start works on a job and answers when it has ended. The proof is to be fetched.
func (h *handler) start(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	ctx, stop := context.WithTimeout(ctx, h.config.JobTime)
	defer stop()
	id := r.PathValue("id")
	job, code, refusal := h.enter(id, cancel)
	if job == nil {
		reply(w, code, refusal)
		return
	}
	// Reading the body does not heed the context. A connection whose time to read is
	// over is not used again.
	controller := http.NewResponseController(w)
	unhook := context.AfterFunc(ctx, func() { _ = controller.SetReadDeadline(time.Unix(1, 0)) })
	began := time.Now()
	proof, err := h.work(ctx, http.MaxBytesReader(w, r.Body, h.config.MaxJob))
	if !unhook() {
		w.Header().Set("Connection", "close")
		err = errors.Join(context.Cause(ctx), err)
	}
	result := answer{Status: statusSuccess, Proof: proof}
	if err != nil {
		result = answer{Status: statusFailed, Error: err.Error()}
	}
	h.leave(job, result)
	h.config.Log.Info("proof "+string(result.Status), "job", id, "took", time.Since(began), "error", err)
	result.Proof = nil
	reply(w, http.StatusOK, result)
}

// enter takes a job in, or returns nil and why it is not.
func (h *handler) enter(id string, cancel context.CancelCauseFunc) (*served, int, answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.makeRoom(time.Now())
	switch {
	case len(id) > maxID:
		return nil, http.StatusBadRequest, answer{Status: statusRefused, Error: "id is too long"}
	case h.jobs[id] != nil:
		return nil, http.StatusConflict, answer{Status: statusRefused, Error: "id was used before"}
	case h.working >= h.config.Jobs:
		return nil, http.StatusServiceUnavailable, answer{Status: statusBusy}
	}
	job := &served{cancel: cancel, answer: answer{Status: statusWorking}}
	h.jobs[id] = job
	h.working++
	return job, 0, answer{}
}

// leave keeps the result of a job until it is fetched.
func (h *handler) leave(job *served, result answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.working--
	job.answer, job.ended = result, time.Now()
}

// makeRoom drops results that were not fetched: the old ones, and if there are too
// many the oldest.
func (h *handler) makeRoom(now time.Time) {
	oldest, kept := "", 0
	for id, job := range h.jobs {
		switch {
		case job.ended.IsZero():
		case now.Sub(job.ended) > h.config.Keep:
			delete(h.jobs, id)
		default:
			if kept++; oldest == "" || job.ended.Before(h.jobs[oldest].ended) {
				oldest = id
			}
		}
	}
	if kept >= 2*h.config.Jobs {
		delete(h.jobs, oldest)
	}
}

// work builds the proof of the job in a stream. A panic is a failure.
func (h *handler) work(ctx context.Context, body io.Reader) (proof []byte, err error) {
	defer func() {
		if value := recover(); value != nil {
			proof, err = nil, async.NewPanicError(value)
		}
	}()
	job, err := readJob(body, h.config.MaxLeaf)
	if err != nil {
		return nil, err
	}
	return h.config.Prove(ctx, job)
}

// result answers with the state of a job. A result is given once.
func (h *handler) result(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	code, result := http.StatusNotFound, answer{Status: statusUnknown}
	if job := h.jobs[r.PathValue("id")]; job != nil {
		code, result = http.StatusOK, job.answer
		if !job.ended.IsZero() {
			delete(h.jobs, r.PathValue("id"))
		}
	}
	h.mu.Unlock()
	reply(w, code, result)
}

// cancel ends a job and forgets it.
func (h *handler) cancel(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	if job := h.jobs[r.PathValue("id")]; job != nil {
		delete(h.jobs, r.PathValue("id"))
		job.cancel(errGivenUp)
	}
	h.mu.Unlock()
	reply(w, http.StatusOK, answer{Status: statusUnknown})
}

func reply(w http.ResponseWriter, code int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// Fails only when the client has gone.
	_ = json.NewEncoder(w).Encode(a)
}
