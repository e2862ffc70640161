package localnet

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	cmtdb "github.com/cometbft/cometbft-db"
	cmtconfig "github.com/cometbft/cometbft/config"
	dbm "github.com/cosmos/cosmos-db"
)

// databases opens the node's databases and closes them when the node has
// stopped: CometBFT itself closes some and leaves others open, whose locks would
// keep the next run of the node out.
//
// In memory the same databases serve every run, so that a node that is stopped
// and started again goes on where it was.
type databases struct {
	dir        string
	persistent bool

	mu      sync.Mutex
	memApp  dbm.DB
	memory  map[string]cmtdb.DB
	closers []func() error
}

func newDatabases(home string, persistent bool) *databases {
	return &databases{dir: filepath.Join(home, "data"), persistent: persistent, memory: make(map[string]cmtdb.DB)}
}

// application opens the database of the application's state.
func (d *databases) application() (dbm.DB, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.persistent {
		if d.memApp == nil {
			d.memApp = dbm.NewMemDB()
		}
		return d.memApp, nil
	}
	db, err := dbm.NewGoLevelDB("application", d.dir, nil)
	if err != nil {
		return nil, fmt.Errorf("open database application in %s: %w", d.dir, err)
	}
	d.closers = append(d.closers, db.Close)
	return db, nil
}

// comet opens a database of the consensus node; it is a cmtconfig.DBProvider.
func (d *databases) comet(ctx *cmtconfig.DBContext) (cmtdb.DB, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.persistent {
		db, ok := d.memory[ctx.ID]
		if !ok {
			db = cmtdb.NewMemDB()
			d.memory[ctx.ID] = db
		}
		return db, nil
	}
	db, err := cmtdb.NewGoLevelDB(ctx.ID, d.dir)
	if err != nil {
		return nil, fmt.Errorf("open database %s in %s: %w", ctx.ID, d.dir, err)
	}
	once := closedOnce{DB: db, close: sync.OnceValue(db.Close)}
	d.closers = append(d.closers, once.Close)
	return once, nil
}

// closedOnce is a database that CometBFT may close or not.
type closedOnce struct {
	cmtdb.DB
	close func() error
}

// Close implements cmtdb.DB.
func (d closedOnce) Close() error { return d.close() }

// close closes what the last run of the node opened.
func (d *databases) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, closer := range d.closers {
		if err := closer(); err != nil {
			errs = append(errs, err)
		}
	}
	d.closers = nil
	return errors.Join(errs...)
}
