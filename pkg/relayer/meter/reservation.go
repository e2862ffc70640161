package meter

import "sync"

// reservation implements relayer.RelayReservation.
type reservation struct {
	ledger  *ledger
	account *account
	units   uint64 // 0 if over
	over    bool
	decided sync.Once
}

// OverServiced implements relayer.RelayReservation.
func (r *reservation) OverServiced() bool { return r.over }

// Commit implements relayer.RelayReservation.
func (r *reservation) Commit() {
	r.decided.Do(func() {
		r.ledger.count(func(s *Stats) {
			if r.over {
				s.OverServiced++
			} else {
				s.Served++
			}
		})
	})
}

// Refund implements relayer.RelayReservation.
func (r *reservation) Refund() {
	r.decided.Do(func() {
		if !r.over {
			r.ledger.refund(r.account, r.units)
		}
	})
}
