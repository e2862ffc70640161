package meter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"cosmossdk.io/depinject"
	"cosmossdk.io/math"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	tokenomicstypes "github.com/pokt-network/poktroll/x/tokenomics/types"

	"github.com/seed52205347/relayminer/pkg/observable"
	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

const (
	patience = 10 * time.Second
	app      = "pokt1application"
	supplier = "pokt1supplier"
	cost     = 100 // compute units of a relay
)

var errDown = errors.New("node is down")

// world is the chain and the store as the meter sees them. A session has ten
// blocks and is settled eleven after its end; a compute unit costs one upokt.
type world struct {
	t      testing.TB
	blocks *observable.Replay[*relayer.Block]
	log    bytes.Buffer

	mu        sync.Mutex
	latest    *relayer.Block
	params    sharedtypes.Params
	inflation float64
	stake     int64 // upokt
	limit     *cosmostypes.Coin
	suppliers []string
	target    []byte
	stored    map[accountKey]uint64
	broken    map[string]error // by the name of a question
	asked     map[string]int   // likewise
	hold      chan struct{}    // questions wait for it, if there is one
	arrived   chan string      // gets the name of each question that waits
	onTheWay  func()           // what happens once while the answer about an application is on its way
}

func newWorld(t testing.TB) *world {
	params := sharedtypes.DefaultParams()
	params.NumBlocksPerSession = 10
	params.GracePeriodEndOffsetBlocks = 1
	params.ClaimWindowOpenOffsetBlocks = 1
	params.ClaimWindowCloseOffsetBlocks = 4
	params.ProofWindowOpenOffsetBlocks = 1
	params.ProofWindowCloseOffsetBlocks = 4
	params.ComputeUnitsToTokensMultiplier = 1
	params.ComputeUnitCostGranularity = 1
	w := &world{
		t: t, params: params, stake: 1000, suppliers: []string{supplier},
		blocks: observable.NewReplay[*relayer.Block](1),
		latest: &relayer.Block{Height: 1},
		target: bytes.Repeat([]byte{0xff}, 32),
		stored: make(map[accountKey]uint64),
		broken: make(map[string]error), asked: make(map[string]int),
	}
	return w
}

// meter returns a meter that is stopped with the test.
func (w *world) meter(cfg config.Config, opts ...Option) *Meter {
	w.t.Helper()
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	m, err := NewRelayMeter(depinject.Supply(&cfg, w, log), opts...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		defer w.blocks.Close()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := m.Stop(ctx); err != nil {
			w.t.Error(err)
		}
	})
	return m
}

// set changes the world.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// commit adds blocks up to the height; followers see the last one.
func (w *world) commit(height int64) {
	w.t.Helper()
	block := &relayer.Block{Height: height}
	w.set(func() { w.latest = block })
	if err := w.blocks.Publish(context.Background(), block); err != nil {
		w.t.Fatal(err)
	}
}

// at works on the block as if it had arrived.
func (w *world) at(m *Meter, height int64) {
	w.t.Helper()
	w.set(func() { w.latest = &relayer.Block{Height: height} })
	m.refresh(context.Background(), w.latest)
}

// question counts a question and says how it fails, if it does.
func (w *world) question(name string) error {
	w.mu.Lock()
	w.asked[name]++
	err, hold, arrived := w.broken[name], w.hold, w.arrived
	w.mu.Unlock()
	if hold != nil {
		arrived <- name
		<-hold
	}
	return err
}

func (w *world) count(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[name]
}

func (w *world) Blocks() relayer.BlocksObservable { return w.blocks }

func (w *world) Latest() *relayer.Block {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.latest
}

func (w *world) Session(_ context.Context, application, service string, height int64) (*sessiontypes.Session, error) {
	if err := w.question("session"); err != nil {
		return nil, err
	}
	header := headerAt(height)
	header.ApplicationAddress, header.ServiceId = application, service
	header.SessionId = strings.Replace(header.SessionId, app, application, 1)
	session := &sessiontypes.Session{Header: header, SessionId: header.SessionId}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, address := range w.suppliers {
		session.Suppliers = append(session.Suppliers, &sharedtypes.Supplier{OperatorAddress: address})
	}
	return session, nil
}

func (w *world) SharedParams(context.Context) (*sharedtypes.Params, error) {
	return nil, errors.New("present parameters price nothing")
}

func (w *world) SharedParamsAt(context.Context, int64) (*sharedtypes.Params, error) {
	if err := w.question("shared"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	params := w.params
	return &params, nil
}

func (w *world) ComputeUnitsPerRelayAt(context.Context, string, int64) (uint64, error) {
	return cost, nil
}

func (w *world) DifficultyTargetAt(context.Context, string, int64) ([]byte, error) {
	return w.target, w.question("difficulty")
}

func (w *world) Application(_ context.Context, address string) (*apptypes.Application, error) {
	if err := w.question("application"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	stake := cosmostypes.Coin{Denom: denom, Amount: math.NewInt(w.stake)}
	answer := &apptypes.Application{Address: address, Stake: &stake, PerSessionSpendLimit: w.limit}
	meanwhile := w.onTheWay
	w.onTheWay = nil
	w.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
	}
	return answer, nil
}

func (w *world) TokenomicsParams(context.Context) (*tokenomicstypes.Params, error) {
	if err := w.question("tokenomics"); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return &tokenomicstypes.Params{GlobalInflationPerClaim: w.inflation}, nil
}

func (w *world) StoredComputeUnits(_ context.Context, session *sessiontypes.SessionHeader, supplier string) (uint64, error) {
	if err := w.question("store"); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stored[accountKey{session.SessionId, supplier}], nil
}

// headerAt returns the header of the session of app at a height.
func headerAt(height int64) *sessiontypes.SessionHeader {
	start := (height-1)/10*10 + 1
	return &sessiontypes.SessionHeader{
		ApplicationAddress: app, ServiceId: "svc", SessionId: fmt.Sprintf("%s/%d", app, start),
		SessionStartBlockHeight: start, SessionEndBlockHeight: start + 9,
	}
}

// reserve reserves a relay in the session at a height.
func reserve(m *Meter, height int64) (relayer.RelayReservation, error) {
	return m.Reserve(context.Background(), headerAt(height), supplier, cost)
}

// serve serves relays in the session at a height until one is refused, or as many
// as limit, and returns how many were paid.
func (w *world) serve(m *Meter, height int64, limit int) int {
	w.t.Helper()
	for n := range limit {
		r, err := reserve(m, height)
		if errors.Is(err, relayer.ErrRateLimited) {
			return n
		}
		if err != nil {
			w.t.Fatal(err)
		}
		r.Commit()
	}
	return limit
}
