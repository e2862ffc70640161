package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	servicetypes "github.com/pokt-network/poktroll/x/service/types"

	"github.com/seed52205347/relayminer/pkg/async"
)

// Run says how requests are sent.
type Run struct {
	// Address is the host and port that requests are sent to.
	Address string
	// Direct sends a plain request over and over instead of the signed relays: to
	// measure the service alone.
	Direct bool
	// Connections is how many there are.
	Connections int
	// Rate is how many requests are due in a second. 0 is the closed loop: each
	// connection sends the next request when it has the last reply.
	Rate float64
	// Limit is how many requests are sent at most. Of relays, no more are sent than
	// were signed and not sent.
	Limit int
	// Duration is for how long requests are sent; 0 is without end.
	Duration time.Duration
}

// Result is what came of a run. Times are in nanoseconds when encoded.
type Result struct {
	Connections int           `json:"connections"` // that could be made
	Sent        int           `json:"sent"`
	Answered    int           `json:"answered"`
	Elapsed     time.Duration `json:"elapsed_ns"`
	Answers     Latencies     `json:"answers"`

	// Late sums up how late the load generator was itself: when requests were sent for
	// which a connection waited, after they were due. It is no part of Answers.
	Late Latencies `json:"late"`

	// Refused counts the refusals by their reason, and Refusals their times.
	Refused  map[string]int `json:"refused,omitempty"`
	Refusals Latencies      `json:"refusals"`

	// Failed counts the requests without a usable reply, by what went wrong.
	Failed map[string]int `json:"failed,omitempty"`

	// Checked is how many replies were checked as a gateway does.
	Checked int `json:"checked"`
	// CPU is that of the load generator and the service together.
	CPU time.Duration `json:"cpu_ns"`
}

// PerSecond returns how many requests were answered in a second.
func (r *Result) PerSecond() float64 {
	if r.Elapsed <= 0 {
		return 0
	}
	return float64(r.Answered) / r.Elapsed.Seconds()
}

const (
	// replyPatience bounds the wait for one reply.
	replyPatience = 60 * time.Second
	// dialsAtOnce bounds how many connections are made at a time.
	dialsAtOnce = 64
	// sampled is how many replies are kept for a check at most, one of each
	// sampleEvery.
	sampled, sampleEvery = 100, 100
)

// load is a run while it lasts.
type load struct {
	run      Run
	requests [][]byte
	began    time.Time
	next     atomic.Int64
}

// worker is one connection and what it has seen.
type worker struct {
	number   int
	conn     net.Conn
	reader   *bufio.Reader
	body     []byte // of the last reply
	sent     int
	answers  []time.Duration
	refusals []time.Duration
	late     []time.Duration
	refused  map[string]int
	failed   map[string]int
	samples  []sample
	idle     time.Time // until when it waits as a reply has asked it to
}

// sample is a reply that is to be checked.
type sample struct {
	request int
	reply   []byte
}

// start sends the requests as the run says. It ends early with ctx, when no more requests are
// sent, and those that were sent have been answered.
func (l *load) start(ctx context.Context) (*Result, []sample, error) {
	workers, err := l.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	if l.run.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.run.Duration)
		defer cancel()
	}
	before, _, err := processUsage()
	if err != nil {
		return nil, nil, err
	}
	l.began = time.Now()
	err = parallel(context.WithoutCancel(ctx), len(workers), func(_ context.Context, n int) error {
		l.work(ctx, workers[n])
		return nil
	})
	elapsed := time.Since(l.began)
	after, _, usageErr := processUsage()
	if err := errors.Join(err, usageErr); err != nil {
		return nil, nil, err
	}
	result, samples := merge(workers)
	result.Elapsed, result.CPU = elapsed, after-before
	return result, samples, nil
}

// connect makes the connections. That some can not be made is no failure, unless none can.
func (l *load) connect(ctx context.Context) ([]*worker, error) {
	var (
		mu      sync.Mutex
		workers []*worker
		last    error
		next    atomic.Int64
	)
	err := parallel(ctx, min(dialsAtOnce, l.run.Connections), func(ctx context.Context, _ int) error {
		for n := int(next.Add(1)); n <= l.run.Connections && ctx.Err() == nil; n = int(next.Add(1)) {
			w := &worker{number: n, refused: make(map[string]int), failed: make(map[string]int)}
			err := w.dial(l.run.Address)
			mu.Lock()
			if err == nil {
				workers = append(workers, w)
			} else {
				last = err
			}
			mu.Unlock()
		}
		return nil
	})
	if err == nil && len(workers) == 0 {
		err = fmt.Errorf("no connection could be made: %w", last)
	}
	if err != nil {
		for _, w := range workers {
			w.hangUp()
		}
		return nil, err
	}
	return workers, nil
}

func (w *worker) dial(address string) error {
	dialer := net.Dialer{Timeout: 10 * time.Second, LocalAddr: networkOf(w.number)}
	conn, err := dialer.Dial("tcp", address)
	if err != nil {
		return err
	}
	w.conn = conn
	w.reader = bufio.NewReaderSize(conn, headBuffer)
	return nil
}

// networks is how many networks the connections are from, as if there were as many gateways.
const networks = 16

// networkOf returns the address that a connection is made from, nil for any.
func networkOf(connection int) net.Addr {
	if runtime.GOOS != "linux" { // where all of 127.0.0.0/8 is the machine itself
		return nil
	}
	return &net.TCPAddr{IP: net.IPv4(127, 0, byte(1+connection%networks), 1)}
}

func (w *worker) hangUp() {
	if w.conn != nil {
		_ = w.conn.Close()
		w.conn = nil
	}
}

// work sends requests over the worker's connection until there are no more or ctx ends.
func (l *load) work(ctx context.Context, w *worker) {
	defer w.hangUp()
	for {
		n := int(l.next.Add(1)) - 1
		if n >= l.run.Limit || ctx.Err() != nil {
			return
		}
		if !async.Sleep(ctx, time.Until(w.idle)) {
			return
		}
		since, ok := l.await(ctx, w, n)
		if !ok {
			return
		}
		w.sent++
		if err := l.exchange(w, n, since); err != nil {
			w.failed[failure(err)]++
			w.hangUp()
		}
	}
}

// await waits until the n-th request is due, and returns from when on its reply is waited for:
// from when it was due if no connection was free before, and else from now, since it is the
// load generator that is late then. It returns false if ctx ends before.
func (l *load) await(ctx context.Context, w *worker, n int) (since time.Time, ok bool) {
	now := time.Now()
	if l.run.Rate == 0 {
		return now, true
	}
	due := l.began.Add(time.Duration(float64(n) / l.run.Rate * float64(time.Second)))
	if !now.Before(due) {
		return due, true
	}
	if !async.Sleep(ctx, time.Until(due)) {
		return due, false
	}
	now = time.Now()
	w.late = append(w.late, now.Sub(due))
	return now, true
}

// failure returns what went wrong without addresses, so that there are few kinds of it.
func failure(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

// exchange sends the n-th request and reads its reply, which is waited for since then.
func (l *load) exchange(w *worker, n int, since time.Time) error {
	if w.conn == nil {
		if err := w.dial(l.run.Address); err != nil {
			return err
		}
	}
	request := l.requests[n%len(l.requests)]
	if err := w.conn.SetDeadline(time.Now().Add(replyPatience)); err != nil {
		return err
	}
	if _, err := w.conn.Write(request); err != nil {
		return err
	}
	h, err := readHead(w.reader, true)
	if err != nil {
		return err
	}
	w.body = slices.Grow(w.body[:0], h.length)[:h.length]
	if _, err := io.ReadFull(w.reader, w.body); err != nil {
		return err
	}
	w.note(n, h.status, time.Since(since), l.run.Direct)
	if h.close {
		w.hangUp()
	}
	if h.retry > 0 && l.run.Rate == 0 {
		// Not all at once again.
		w.idle = time.Now().Add(h.retry + rand.N(h.retry))
	}
	return nil
}

// note counts a reply.
func (w *worker) note(n, status int, took time.Duration, direct bool) {
	if reason := refusalOf(status, w.body, direct); reason != "" {
		w.refused[reason]++
		w.refusals = append(w.refusals, took)
		return
	}
	w.answers = append(w.answers, took)
	if !direct && n%sampleEvery == 0 && len(w.samples) < sampled {
		w.samples = append(w.samples, sample{n, slices.Clone(w.body)})
	}
}

// refusalOf returns why the reply refuses the request, empty if it does not.
func refusalOf(status int, body []byte, direct bool) string {
	if direct {
		if status == 200 {
			return ""
		}
		return "HTTP status " + strconv.Itoa(status)
	}
	var response servicetypes.RelayResponse
	if err := response.Unmarshal(body); err != nil {
		return fmt.Sprintf("HTTP status %d, not a relay response", status)
	}
	switch reason := response.RelayMinerError; {
	case reason != nil:
		return fmt.Sprintf("%s (%s %d, HTTP status %d)", reason.Description, reason.Codespace, reason.Code, status)
	case status != 200:
		return "HTTP status " + strconv.Itoa(status)
	}
	return ""
}

// merge sums up what the workers have seen.
func merge(workers []*worker) (*Result, []sample) {
	result := &Result{Connections: len(workers), Refused: make(map[string]int), Failed: make(map[string]int)}
	var answers, refusals, late []time.Duration
	var samples []sample
	for _, w := range workers {
		result.Sent += w.sent
		answers = append(answers, w.answers...)
		refusals = append(refusals, w.refusals...)
		late = append(late, w.late...)
		samples = append(samples, w.samples...)
		addTo(result.Refused, w.refused)
		addTo(result.Failed, w.failed)
	}
	result.Answered = len(answers)
	result.Answers, result.Refusals, result.Late = Summarize(answers), Summarize(refusals), Summarize(late)
	return result, samples[:min(sampled, len(samples))]
}

func addTo(sums, counts map[string]int) {
	for key := range maps.Keys(counts) {
		sums[key] += counts[key]
	}
}
