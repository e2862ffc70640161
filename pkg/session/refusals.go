package session

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// Refusal is how many relays were refused for one reason.
type Refusal struct {
	Supplier  string `json:"supplier,omitempty"`   // operator address; empty for one that is not served here
	ServiceID string `json:"service_id,omitempty"` // empty for one that is not served here
	Codespace string `json:"codespace"`
	Code      uint32 `json:"code"`
	Reason    string `json:"reason"`
	Relays    uint64 `json:"relays"`
}

// Refusals counts the relays that this process has refused, since a relay that was
// refused is not stored and often belongs to no session. It may be used
// concurrently.
//
// What a stranger names is counted under no name, so that there is one count for
// each supplier, service and reason at most.
type Refusals struct {
	since     time.Time
	suppliers map[string]bool // operator addresses that are served here
	services  map[string]bool // ids of the services that are

	mu     sync.Mutex
	counts map[refusal]uint64
}

type refusal struct {
	supplier, service string
	reason            *relayer.Error
}

// NewRefusals returns counters for the suppliers and services that are served.
func NewRefusals(suppliers, services []string) *Refusals {
	r := &Refusals{
		since: time.Now(), counts: make(map[refusal]uint64),
		suppliers: make(map[string]bool), services: make(map[string]bool),
	}
	for _, supplier := range suppliers {
		r.suppliers[supplier] = true
	}
	for _, service := range services {
		r.services[service] = true
	}
	return r
}

// Add counts a relay that was refused with err. Supplier and service are those that
// the request names, whatever they are.
func (r *Refusals) Add(supplier, service string, err error) {
	var reason *relayer.Error
	if !errors.As(err, &reason) {
		reason = relayer.ErrInternal
	}
	if !r.suppliers[supplier] {
		supplier = ""
	}
	if !r.services[service] {
		service = ""
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[refusal{supplier, service, reason}]++
}

// Since returns the time from which relays are counted.
func (r *Refusals) Since() time.Time { return r.since }

// Counts returns the counts by supplier, service and reason.
func (r *Refusals) Counts() []Refusal {
	r.mu.Lock()
	all := make([]Refusal, 0, len(r.counts))
	for of, n := range r.counts {
		all = append(all, Refusal{
			Supplier: of.supplier, ServiceID: of.service,
			Codespace: of.reason.Codespace, Code: of.reason.Code, Reason: of.reason.Description, Relays: n,
		})
	}
	r.mu.Unlock()
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Supplier, b.Supplier), cmp.Compare(a.ServiceID, b.ServiceID),
			cmp.Compare(a.Codespace, b.Codespace), cmp.Compare(a.Code, b.Code))
	})
	return all
}
