package meter

import (
	"errors"
	"math/big"
	"sync"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// errOutdated says that accounts were closed whose settlement a purse does not show.
var errOutdated = errors.New("what the application had to pay from was asked for before a settlement")

// errUnknown says that the chain was not heard about what a budget follows from.
var errUnknown = errors.New("what the application has to pay from is not known yet")

// maxAccounts bounds the accounts that are kept. It is some hundred times what a
// hundred suppliers in the sessions of a hundred applications need, and takes
// about 30 MB.
const maxAccounts = 1 << 17

// accountKey names an account: a session has one for each supplier.
type accountKey struct{ session, supplier string }

// account is what one supplier can be paid for one session. The ledger's lock
// guards the fields below it.
type account struct {
	key         accountKey
	application string
	service     string
	end         int64 // last height of the session
	settles     int64 // height at which its claims are settled
	terms       terms

	capacity uint64 // compute units that settlement pays
	used     uint64 // compute units that are reserved or served
	refusing bool   // a relay was found not to be payable
	told     bool   // a refusal was the first since the purse was last looked at
}

// application is the payer of accounts. The ledger's lock guards it.
type application struct {
	purse    purse
	asOf     int64 // the purse is not older than the settlements up to this height
	accounts map[accountKey]*account
}

// ledger keeps the accounts.
type ledger struct {
	max int

	mu           sync.Mutex
	accounts     map[accountKey]*account
	applications map[string]*application
	inflation    *big.Rat // nil until it is known
	closed       int64    // accounts that are settled at this height or before are closed
	stats        Stats
}

func newLedger(bound int) *ledger {
	return &ledger{
		max:          bound,
		accounts:     make(map[accountKey]*account),
		applications: make(map[string]*application),
	}
}

// verdict is the answer to a reservation.
type verdict struct {
	payable bool
	first   bool // not payable, while the one before was, for the first time with this purse
	left    uint64
}

// account returns the account, or nil if it is not open.
func (l *ledger) account(key accountKey) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accounts[key]
}

// reserve takes units off the account if it has them.
func (l *ledger) reserve(a *account, units uint64) verdict {
	l.mu.Lock()
	defer l.mu.Unlock()
	left := a.left()
	if units > left {
		first := !a.refusing && !a.told
		a.refusing, a.told = true, true
		return verdict{first: first, left: left}
	}
	a.refusing = false
	a.used += units
	return verdict{payable: true, left: left - units}
}

func (a *account) left() uint64 {
	if a.used > a.capacity {
		return 0
	}
	return a.capacity - a.used
}

// refund gives units back that were reserved.
func (l *ledger) refund(a *account, units uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.used -= units
	l.stats.Refunded++
}

// count changes the statistics.
func (l *ledger) count(change func(*Stats)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.stats)
}

// open adds the account, or returns the one that is there. The purse of its
// application is the given one, or that which is known if p is nil or older. The error
// wraps errOutdated if only an older one could tell; it is to be asked for again.
func (l *ledger) open(a *account, p *purse, asOf int64) (*account, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if opened := l.accounts[a.key]; opened != nil {
		return opened, nil
	}
	app, outdated := l.applications[a.application], asOf < l.closed
	switch {
	case len(l.accounts) >= l.max:
		return nil, relayer.ErrRequestLimit.Wrapf("%d sessions are metered", l.max)
	case l.inflation == nil, app == nil && p == nil:
		return nil, errUnknown
	case app == nil && outdated:
		return nil, errOutdated
	case app == nil:
		app = &application{accounts: make(map[accountKey]*account)}
		l.applications[a.application] = app
	}
	if p != nil && !outdated && asOf >= app.asOf {
		app.purse, app.asOf = *p, asOf
	}
	l.accounts[a.key] = a
	app.accounts[a.key] = a
	l.rate(app)
	return a, nil
}

// setPurse takes note of the purse of an application that has accounts. It shows
// the settlements up to height asOf.
func (l *ledger) setPurse(address string, p purse, asOf int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	app := l.applications[address]
	if app == nil {
		return
	}
	app.purse, app.asOf = p, asOf
	l.rate(app)
}

// setInflation takes note of the global inflation per claim. Capacities follow
// with the next purse of their application.
func (l *ledger) setInflation(inflation *big.Rat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.inflation = inflation
}

// rate sets the capacities of the application's accounts. What it will be charged
// for the accounts that are settled at a height is taken off the stake for those
// that are settled later. The lock is held and the inflation known.
func (l *ledger) rate(app *application) {
	owed := make(map[int64]*big.Int) // upokt of the stake by height of settlement
	for _, a := range app.accounts {
		if a.settles <= app.asOf {
			continue
		}
		if owed[a.settles] == nil {
			owed[a.settles] = new(big.Int)
		}
		owed[a.settles].Add(owed[a.settles], l.owed(a))
	}
	for _, a := range app.accounts {
		earlier := new(big.Int)
		for height, upokt := range owed {
			if height < a.settles {
				earlier.Add(earlier, upokt)
			}
		}
		a.told = false
		a.capacity = a.terms.capacity(a.terms.settlement(app.purse.less(earlier), l.inflation))
	}
}

// owed returns what the application's stake is charged when the account is settled.
// The lock is held and the inflation known.
func (l *ledger) owed(a *account) *big.Int {
	return charge(a.terms.worth(min(a.used, a.capacity)), l.inflation)
}

// close forgets the accounts that are settled at height or were before, and
// applications without accounts. What is owed for them is taken off a purse that
// does not show their settlement, until the next one is known.
func (l *ledger) close(height int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = max(l.closed, height)
	for address, app := range l.applications {
		for key, a := range app.accounts {
			if a.settles > height {
				continue
			}
			if a.settles > app.asOf {
				app.purse = app.purse.less(l.owed(a))
			}
			delete(app.accounts, key)
			delete(l.accounts, key)
		}
		if len(app.accounts) == 0 {
			delete(l.applications, address)
		}
	}
}

// priced says whether the global inflation per claim is known.
func (l *ledger) priced() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inflation != nil
}

// metering says whether there are accounts.
func (l *ledger) metering() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accounts) > 0
}

// payers returns the addresses of the applications.
func (l *ledger) payers() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	addresses := make([]string, 0, len(l.applications))
	for address := range l.applications {
		addresses = append(addresses, address)
	}
	return addresses
}

// snapshot returns the statistics.
func (l *ledger) snapshot() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	stats := l.stats
	stats.Accounts, stats.Applications = len(l.accounts), len(l.applications)
	return stats
}
