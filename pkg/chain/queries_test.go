package chain

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"cosmossdk.io/math"
	comettypes "github.com/cometbft/cometbft/types"
	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	apptypes "github.com/pokt-network/poktroll/x/application/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

const (
	methodApplication = "/pocket.application.Query/Application"
	methodParamsAt    = "/pocket.shared.Query/ParamsAtHeight"
	methodUnitsAt     = "/pocket.service.Query/ComputeUnitsPerRelayAtHeight"
	methodService     = "/pocket.service.Query/Service"
	methodTargetAt    = "/pocket.service.Query/RelayMiningDifficultyAtHeight"
	methodAccount     = "/cosmos.auth.v1beta1.Query/Account"
	methodSession     = "/pocket.session.Query/GetSession"
)

func application(stake int64) *apptypes.QueryGetApplicationResponse {
	coin := cosmostypes.NewCoin(Denom, math.NewInt(stake))
	return &apptypes.QueryGetApplicationResponse{Application: apptypes.Application{Address: "app", Stake: &coin}}
}

func TestApplication_IsAskedForOncePerBlock(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	stake := int64(1)
	f.answers[methodApplication] = func() (any, error) { return application(stake), nil }
	ask := func(want int64) {
		t.Helper()
		app, err := q.Application(t.Context(), "app")
		if err != nil || app.Stake.Amount.Int64() != want {
			t.Errorf("got %v, %v; want stake %d", app, err, want)
		}
	}
	for range 5 {
		ask(1)
	}
	f.set(func(f *fakeNode) { f.height, stake = 11, 2 })
	ask(1)
	node.note(11)
	for range 5 {
		ask(2)
	}
	if n := f.count(methodApplication); n != 2 {
		t.Errorf("asked %d times, want 2", n)
	}
}

func TestApplication_AbsenceIsRememberedForTheBlockAndErrorsNever(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	var reply error
	f.answers[methodApplication] = func() (any, error) { return application(1), reply }
	for _, test := range []struct {
		reply  error
		asked  int // in all
		absent bool
	}{
		{status.Error(codes.Internal, "database"), 1, false},
		{status.Error(codes.Internal, "database"), 2, false},
		{status.Error(codes.Unavailable, "away"), 2 + maxAttempts, false},
		{status.Error(codes.NotFound, "no such application"), 3 + maxAttempts, true},
		{nil, 3 + maxAttempts, true}, // in the same block
	} {
		f.set(func(*fakeNode) { reply = test.reply })
		_, err := q.Application(t.Context(), "app")
		if err == nil || errors.Is(err, relayer.ErrNotFound) != test.absent {
			t.Errorf("%v: got %v", test.reply, err)
		}
		if n := f.count(methodApplication); n != test.asked {
			t.Errorf("%v: asked %d times in all, want %d", test.reply, n, test.asked)
		}
	}
	f.set(func(f *fakeNode) { f.height = 11 })
	node.note(11)
	if _, err := q.Application(t.Context(), "app"); err != nil {
		t.Errorf("in the next block: %v", err)
	}
}

func TestApplication_ManyCallersShareOneQuestionThatIsNoOnesToCancel(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	asked, release := make(chan struct{}), make(chan struct{})
	f.answers[methodApplication] = func() (any, error) {
		close(asked) // panics when asked twice
		<-release
		return application(1), nil
	}
	first, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- second(q.Application(first, "app")) }()
	<-asked
	var others sync.WaitGroup
	failures := make(chan error, 50)
	for range cap(failures) {
		others.Go(func() { failures <- second(q.Application(t.Context(), "app")) })
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the first caller got %v", err)
	}
	close(release)
	others.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			t.Error(err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestSharedParamsAt_AreFinalOnlyWhenTheChainHasReachedTheHeight(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	length := uint64(10)
	f.answers[methodParamsAt] = func() (any, error) {
		return &sharedtypes.QueryParamsAtHeightResponse{Params: sharedtypes.Params{NumBlocksPerSession: length}}, nil
	}
	ask := func(height int64, want uint64) {
		t.Helper()
		params, err := q.SharedParamsAt(t.Context(), height)
		if err != nil || params.NumBlocksPerSession != want {
			t.Errorf("height %d: %v, %v; want %d", height, params, err, want)
		}
	}
	ask(9, 10)
	ask(20, 10)
	f.set(func(f *fakeNode) { f.height, length = 20, 60 })
	node.note(20)
	ask(9, 10)
	ask(20, 60)
	f.set(func(f *fakeNode) { f.height, length = 21, 99 })
	node.note(21)
	ask(20, 60)
	if n := f.count(methodParamsAt); n != 3 {
		t.Errorf("asked %d times, want 3", n)
	}
}

func TestSession_FailureOfTheChainIsNotAbsence(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	f.answers[methodParamsAt] = func() (any, error) {
		return &sharedtypes.QueryParamsAtHeightResponse{Params: sharedtypes.Params{NumBlocksPerSession: 10}}, nil
	}
	f.answers[methodSession] = func() (any, error) { return nil, status.Error(codes.Internal, "anything") }
	node.followed.Add(1)
	staked := application(1)
	staked.Application.ServiceConfigs = []*sharedtypes.ApplicationServiceConfig{{ServiceId: "svc"}}
	f.answers[methodApplication] = func() (any, error) { return staked, nil }
	for _, test := range []struct {
		service string
		height  int64
		want    error
	}{
		{"svc", 10, nil}, // entitled, so the failure has another reason
		{"other", 10, relayer.ErrNotFound},
		{"svc", 11, ErrHeightAhead},
		{"svc", 500, ErrHeightAhead},
		{"svc", 0, ErrInvalidQuery},
	} {
		_, err := q.Session(t.Context(), "app", test.service, test.height)
		switch {
		case err == nil:
			t.Errorf("%+v: no error", test)
		case test.want != nil && !errors.Is(err, test.want):
			t.Errorf("%+v: got %v", test, err)
		case test.want == nil && (errors.Is(err, relayer.ErrNotFound) || status.Code(err) != codes.Internal):
			t.Errorf("%+v: got %v", test, err)
		}
	}
}

func TestServices_OldChainsAnswerWithThePresentOrTheBase(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	f.answers[methodService] = func() (any, error) {
		return &servicetypes.QueryGetServiceResponse{Service: sharedtypes.Service{Id: "svc", ComputeUnitsPerRelay: 7}}, nil
	}
	if units, err := q.ComputeUnitsPerRelayAt(t.Context(), "svc", 3); err != nil || units != 7 {
		t.Errorf("units %d, %v", units, err)
	}
	if target, err := q.DifficultyTargetAt(t.Context(), "svc", 3); err != nil || !bytes.Equal(target, baseTarget()) {
		t.Errorf("target %X, %v", target, err)
	}
}

func TestSharedParams_SessionsWithoutBlocksAreMalformed(t *testing.T) {
	f, node := newFakeNode(t)
	f.answers["/pocket.shared.Query/Params"] = func() (any, error) { return &sharedtypes.QueryParamsResponse{}, nil }
	if _, err := NewQueries(node).SharedParams(t.Context()); !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v", err)
	}
}

func TestServices_MalformedAnswersAreErrors(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	f.answers[methodUnitsAt] = func() (any, error) { return &servicetypes.QueryComputeUnitsPerRelayAtHeightResponse{}, nil }
	f.answers[methodTargetAt] = func() (any, error) {
		return &servicetypes.QueryGetRelayMiningDifficultyAtHeightResponse{
			RelayMiningDifficulty: servicetypes.RelayMiningDifficulty{TargetHash: []byte{1, 2, 3}},
		}, nil
	}
	if _, err := q.ComputeUnitsPerRelayAt(t.Context(), "svc", 3); !errors.Is(err, ErrMalformed) {
		t.Errorf("units: %v", err)
	}
	if _, err := q.DifficultyTargetAt(t.Context(), "svc", 3); !errors.Is(err, ErrMalformed) {
		t.Errorf("target: %v", err)
	}
}

func TestFindTx_WorksOnNodesWithoutIndex(t *testing.T) {
	f, node := newFakeNode(t)
	present, absent := []byte("present"), []byte("absent")
	f.set(func(f *fakeNode) {
		f.results["tx"] = errors.New("transaction indexing is disabled")
		f.results["block"] = json.RawMessage(`{"block":{"header":{"height":"7"},"data":{"txs":["b3RoZXI=","cHJlc2VudA=="]},"evidence":{"evidence":[]},"last_commit":{"signatures":[]}}}`)
		f.results["block_results"] = json.RawMessage(`{"height":"7","txs_results":[{"code":0},{"code":11,"codespace":"sdk","log":"out of gas"}]}`)
	})
	hash := func(bz []byte) []byte { return comettypes.Tx(bz).Hash() }
	result, found, err := node.FindTx(t.Context(), hash(present), 7, 7)
	if err != nil || !found || result != (TxResult{Height: 7, Code: 11, Codespace: "sdk", Log: "out of gas"}) {
		t.Errorf("got %+v, %v, %v", result, found, err)
	}
	for range 3 {
		if _, found, err := node.FindTx(t.Context(), hash(absent), 7, 7); err != nil || found {
			t.Errorf("absent: %v, %v", found, err)
		}
	}
	if n := f.count("block"); n != 1 {
		t.Errorf("block was fetched %d times", n)
	}
	f.set(func(f *fakeNode) { f.results["block"] = errors.New("height must be less than or equal to 10") })
	if _, _, err := node.FindTx(t.Context(), hash(absent), 8, 8); err == nil {
		t.Error("a block that cannot be had was taken for one without the transaction")
	}
	if _, _, err := node.FindTx(t.Context(), []byte("short"), 7, 7); !errors.Is(err, ErrInvalidQuery) {
		t.Errorf("short hash: %v", err)
	}
}

func TestEvents_OfManyBlocksAreFetchedAFewAtATime(t *testing.T) {
	f := startFake(t)
	var fetching, most atomic.Int64
	gate := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := readAll(r)
		if err == nil && bytes.Contains(body, []byte("block_results")) {
			raise(&most, fetching.Add(1))
			<-gate
			fetching.Add(-1)
		}
		f.serveRPC(w, r)
	}))
	defer slow.Close()
	cfg := fakesConfig(f)
	cfg.TxRPCURLs = []string{slow.URL}
	cfg.Timeout = testPatience
	q := NewQueries(dialNode(t, cfg))
	var asking sync.WaitGroup
	const blocks = 20
	for height := range int64(blocks) {
		asking.Go(func() { _, _ = q.Events(testContext(t), height+1) }) // the results are of another height
	}
	until(t, func() bool { return fetching.Load() >= resultsAtOnce })
	for range blocks {
		gate <- struct{}{}
	}
	asking.Wait()
	if n := most.Load(); n != resultsAtOnce {
		t.Errorf("%d were fetched at once", n)
	}
}

func TestClose_EndsQuestionsInFlight(t *testing.T) {
	f, node := newFakeNode(t)
	q := NewQueries(node)
	asked, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	f.answers[methodApplication] = func() (any, error) {
		close(asked)
		<-release
		return application(1), nil
	}
	failed := make(chan error, 1)
	go func() { failed <- second(q.Application(t.Context(), "app")) }()
	<-asked
	if err := node.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("question was answered by a closed connection")
	}
	if _, err := q.Application(t.Context(), "app"); !errors.Is(err, ErrClosed) {
		t.Errorf("after close: %v", err)
	}
}

func BenchmarkApplication_Remembered(b *testing.B) {
	f, node := newFakeNode(b)
	f.answers[methodApplication] = func() (any, error) { return application(1), nil }
	node.followed.Add(1)
	q := NewQueries(node)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := q.Application(ctx, "app"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(f.count(methodApplication)), "questions")
}
