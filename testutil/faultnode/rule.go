package faultnode

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// ErrRule says that a rule contradicts itself.
var ErrRule = errors.New("invalid rule")

// Rule says which calls meet a fault. All conditions must hold; those that are
// zero hold always.
type Rule struct {
	// Methods are the calls' methods. One that ends in "*" stands for all that
	// begin with what is before it.
	Methods []string
	// Protocol is the calls' protocol. Events have the websocket's.
	Protocol Protocol
	// When is a condition on the call. It is called concurrently.
	When func(*Call) bool

	// Of the calls for which the above holds, the first Skip pass.
	Skip int
	// Of the rest each Every-th meets the fault: with 3 the third, the sixth.
	Every int
	// Chance is with which probability, 0 to 1, a call meets the fault, drawn
	// from Seed.
	Chance float64
	Seed   uint64
	// First bounds how many calls meet the fault.
	First int

	// Fault is what the calls meet.
	Fault Fault
}

func (r *Rule) check() error {
	switch {
	case r.Fault.begin == nil:
		return fmt.Errorf("%w: no fault", ErrRule)
	case r.Skip < 0 || r.Every < 0 || r.First < 0:
		return fmt.Errorf("%w: skip %d, every %d or first %d is negative", ErrRule, r.Skip, r.Every, r.First)
	case !(r.Chance >= 0 && r.Chance <= 1): // not a number is wrong too
		return fmt.Errorf("%w: chance %g is not between 0 and 1", ErrRule, r.Chance)
	case slices.Contains(r.Methods, ""):
		return fmt.Errorf("%w: empty method", ErrRule)
	}
	return nil
}

// names reports whether the rule is for calls of the protocol and method.
func (r *Rule) names(call *Call) bool {
	if r.Protocol != "" && r.Protocol != call.Protocol {
		return false
	}
	return len(r.Methods) == 0 || slices.ContainsFunc(r.Methods, func(method string) bool {
		prefix, open := strings.CutSuffix(method, "*")
		return method == call.Method || open && strings.HasPrefix(call.Method, prefix)
	})
}

// Active is a rule that is in force.
type Active struct {
	rule  Rule
	proxy *Proxy

	mu     sync.Mutex
	random *rand.Rand
	met    int // calls for which the conditions before Skip held
	hits   int // calls that met the fault
}

func newActive(p *Proxy, rule Rule) *Active {
	return &Active{rule: rule, proxy: p, random: rand.New(rand.NewPCG(rule.Seed, 0))}
}

// meet counts the call and returns what the fault does with it, nil if the call
// does not meet the fault.
func (a *Active) meet(call *Call) treatment {
	if !a.rule.names(call) || a.rule.When != nil && !a.rule.When(call) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.draw() {
		return nil
	}
	treat := a.rule.Fault.begin(call)
	a.hits++
	a.proxy.changes.announce()
	return treat
}

// draw reports whether the next call meets the fault. mu is held.
func (a *Active) draw() bool {
	a.met++
	n := a.met - a.rule.Skip
	switch {
	case n <= 0, a.rule.First > 0 && a.hits >= a.rule.First, a.rule.Every > 1 && n%a.rule.Every != 0:
		return false
	case a.rule.Chance > 0 && a.random.Float64() >= a.rule.Chance:
		return false
	}
	return true
}

// Hits returns how many calls have met the fault.
func (a *Active) Hits() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hits
}

// Await returns when n calls have met the fault, or with an error that wraps
// that of ctx, or ErrClosed.
func (a *Active) Await(ctx context.Context, n int) error {
	err := a.proxy.changes.await(ctx, func() bool { return a.Hits() >= n })
	if err != nil {
		return fmt.Errorf("wait for a fault to be met %d times, at %d: %w", n, a.Hits(), err)
	}
	return nil
}

// Remove ends the rule for calls to come. What its fault holds back is let go;
// calls that wait for nothing go on waiting until their clients give up. Removing
// twice is harmless.
func (a *Active) Remove() {
	a.proxy.remove(a)
	if a.rule.Fault.release != nil {
		a.rule.Fault.release()
	}
}
