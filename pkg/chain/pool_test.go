package chain

import (
	"context"
	"errors"
	"log/slog"
	"testing"
)

// testPool returns a pool of servers with the standings given, the first present.
func testPool(standings ...standing) *pool {
	var servers []*server
	for i, is := range standings {
		servers = append(servers, &server{name: string(rune('a' + i)), standing: is, wake: make(chan struct{}, 1)})
	}
	p := newPool("test", slog.New(slog.DiscardHandler), servers)
	p.begin()
	return p
}

// inUse names the present server, "" if none may be used.
func inUse(p *pool) string {
	s, _, err := p.current()
	if err != nil {
		return ""
	}
	return s.name
}

func TestPool_PresentServerStaysUntilAnotherIsBetter(t *testing.T) {
	silent := errors.New("no answer")
	for _, test := range []struct {
		name      string
		standings []standing
		act       func(*pool)
		want      string
		failovers uint64
	}{
		{"nothing happens", []standing{up, up}, func(*pool) {}, "a", 0},
		{"it fails", []standing{up, up, up}, func(p *pool) { p.failed(p.servers[0], silent) }, "b", 1},
		{"it fails and the next is down", []standing{up, down, up}, func(p *pool) { p.failed(p.servers[0], silent) }, "c", 1},
		{"it fails and is back", []standing{up, up}, func(p *pool) {
			p.failed(p.servers[0], silent)
			p.judge(p.servers[0], 10, 10, nil)
		}, "b", 1},
		{"it fails twice", []standing{up, up, up}, func(p *pool) {
			p.failed(p.servers[0], silent)
			p.failed(p.servers[0], silent)
		}, "b", 1},
		{"all fail", []standing{up, up}, func(p *pool) {
			p.failed(p.servers[0], silent)
			p.failed(p.servers[1], silent)
		}, "b", 1},
		{"another fails", []standing{up, up}, func(p *pool) { p.failed(p.servers[1], silent) }, "a", 0},
		{"it fails and the others were never checked", []standing{up, unchecked, barred}, func(p *pool) {
			p.failed(p.servers[0], silent)
		}, "a", 0},
		{"two blocks behind", []standing{up, up}, func(p *pool) { p.saw(p.servers[0], 98, 100) }, "a", 0},
		{"three blocks behind", []standing{up, up}, func(p *pool) { p.saw(p.servers[0], 97, 100) }, "b", 1},
		{"all behind", []standing{up, up}, func(p *pool) {
			p.saw(p.servers[1], 97, 100)
			p.saw(p.servers[0], 97, 100)
		}, "a", 0},
		{"behind is better than down", []standing{up, up}, func(p *pool) {
			p.saw(p.servers[1], 50, 100)
			p.failed(p.servers[0], silent)
		}, "b", 1},
		{"height unknown", []standing{up, up}, func(p *pool) { p.saw(p.servers[0], 0, 100) }, "a", 0},
		{"found on another chain", []standing{up, up}, func(p *pool) { p.judge(p.servers[0], 0, 0, ErrWrongChainID) }, "b", 1},
		{"all on another chain", []standing{up, up}, func(p *pool) {
			p.judge(p.servers[0], 0, 0, ErrWrongChainID)
			p.judge(p.servers[1], 0, 0, ErrWrongChainID)
		}, "", 1},
		{"of another history, whatever it says", []standing{up, up}, func(p *pool) {
			p.bar(p.servers[1], ErrChainRegressed)
			p.judge(p.servers[1], 10, 10, nil)
			p.failed(p.servers[0], silent)
		}, "a", 0},
		{"a single one", []standing{up}, func(p *pool) {
			p.failed(p.servers[0], silent)
			p.bar(p.servers[0], ErrChainRegressed)
			p.saw(p.servers[0], 1, 100)
		}, "a", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := testPool(test.standings...)
			_, tenure, _ := p.current()
			test.act(p)
			if got := inUse(p); got != test.want {
				t.Errorf("%q is in use, want %q", got, test.want)
			}
			if stats := p.stats(); stats.Failovers != test.failovers || stats.Known != len(test.standings) {
				t.Errorf("stats are %+v, want %d failovers", stats, test.failovers)
			}
			if over := tenure.Err() != nil; over != (test.failovers > 0) {
				t.Errorf("tenure of the first is over: %v", over)
			}
		})
	}
}

func TestPool_ReasonIsGivenWhenNoneMayBeUsed(t *testing.T) {
	p := testPool(up, up)
	p.judge(p.servers[0], 0, 0, ErrWrongChainID)
	p.bar(p.servers[1], ErrChainRegressed)
	if _, _, err := p.current(); !errors.Is(err, ErrWrongChainID) || !errors.Is(err, ErrChainRegressed) {
		t.Errorf("got %v", err)
	}
}

func TestPool_FailureIsLookedIntoAtOnce(t *testing.T) {
	p := testPool(up, up)
	p.failed(p.servers[0], errors.New("no answer"))
	select {
	case <-p.servers[0].wake:
	default:
		t.Error("no look was asked for")
	}
}

// BenchmarkPool_Call measures what a choice costs beside a call of its own.
func BenchmarkPool_Call(b *testing.B) {
	for name, p := range map[string]*pool{"one": testPool(up), "several": testPool(up, up, up)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, err := p.call(b.Context(), DefaultTimeout, unanswered, func(context.Context, *server) error { return nil })
				if err != nil {
					b.Fatal(err)
				}
				p.saw(s, 10, 10)
			}
		})
	}
}
