package observable_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed52205347/relayminer/pkg/observable"
)

func TestReplay_SubscriberGetsTheRememberedValuesFirst(t *testing.T) {
	leavesNothing(t)
	replay := observable.NewReplay[int](3)
	publish(t, replay, 1, 2, 3, 4, 5)
	// What is remembered is never cut to the subscriber's buffer.
	early, unsubscribe := replay.Subscribe(observable.WithBuffer(1))
	defer unsubscribe()
	earlyGot, earlyDone := sink(early)
	publish(t, replay, 6)
	replay.Close()
	replay.Close()
	late, _ := replay.Subscribe()
	lateGot, lateDone := sink(late)
	if vs, want := drained(t, earlyGot, earlyDone), []int{3, 4, 5, 6}; !slices.Equal(vs, want) {
		t.Errorf("subscriber got %v, want %v", vs, want)
	}
	if vs, want := drained(t, lateGot, lateDone), []int{4, 5, 6}; !slices.Equal(vs, want) {
		t.Errorf("subscriber after Close got %v, want %v", vs, want)
	}
	if err := replay.Publish(t.Context(), 7); !errors.Is(err, observable.ErrClosed) {
		t.Errorf("Publish: %v, want ErrClosed", err)
	}
}

func TestReplay_ASlowSubscriberThatDropsDoesNotStallAnother(t *testing.T) {
	cases := map[observable.Overflow][]int{
		// One value is in the hand of the subscription, two are in its buffer.
		observable.DropNewest: {0, 1, 2},
		observable.DropOldest: {0, 98, 99},
	}
	for rule, want := range cases {
		t.Run(rule.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				replay := observable.NewReplay[int](1)
				stats := new(observable.Stats)
				release := make(chan struct{})
				slow, _ := replay.Subscribe(observable.WithBuffer(2), observable.WithOverflow(rule), observable.WithStats(stats))
				held := observable.Filter(slow, func(int) bool { <-release; return true }, observable.WithBuffer(0))
				slowGot, slowDone := sink(held)
				fast, _ := replay.Subscribe(observable.WithBuffer(1))
				fastGot, fastDone := sink(fast)

				publish(t, replay, -1) // is held by the filter
				synctest.Wait()
				publish(t, replay, 0) // is held by the subscription
				synctest.Wait()
				publish(t, replay, numbers(1, 100)...)
				synctest.Wait()
				if vs := fastGot.all(); !slices.Equal(vs, numbers(-1, 100)) {
					t.Errorf("the fast subscriber got %d values, want 101", len(vs))
				}
				if s := stats.Snapshot(); s.Queue != 2 || s.Dropped != 97 || s.In != 101 {
					t.Errorf("slow subscription %+v, want 101 in, 2 queued, 97 dropped", s)
				}
				close(release)
				replay.Close()
				<-slowDone
				<-fastDone
				if vs, want := slowGot.all(), append([]int{-1}, want...); !slices.Equal(vs, want) {
					t.Errorf("the slow subscriber got %v, want %v", vs, want)
				}
				if s := stats.Snapshot(); s.Out != 4 || s.In != s.Out+s.Dropped {
					t.Errorf("slow subscription at the end %+v, want 4 out", s)
				}
			})
		})
	}
}

// blockedReplay returns a replay with a subscriber that blocks, not yet read,
// and one that has room, and a publisher that waits to publish the value 2.
func blockedReplay(t *testing.T, ctx context.Context) (replay *observable.Replay[int], roomy *list[int], unsubscribe func(), refused chan error) {
	t.Helper()
	replay = observable.NewReplay[int](4, observable.WithName("blocks"))
	_, unsubscribe = replay.Subscribe(observable.WithBuffer(1))
	other, _ := replay.Subscribe()
	roomy, _ = sink(other)
	publish(t, replay, 1)
	refused = make(chan error, 1)
	go func() { refused <- replay.Publish(ctx, 2) }()
	synctest.Wait()
	if len(refused) != 0 {
		t.Fatalf("Publish did not wait for the subscriber: %v", <-refused)
	}
	return replay, roomy, unsubscribe, refused
}

func TestReplay_CloseReleasesABlockedPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay, roomy, _, refused := blockedReplay(t, t.Context())
		queued := make(chan error, 1) // waits behind the first publisher
		go func() { queued <- replay.Publish(t.Context(), 3) }()
		synctest.Wait()
		replay.Close()
		for _, errs := range []chan error{refused, queued} {
			if err := <-errs; !errors.Is(err, observable.ErrClosed) {
				t.Errorf("Publish: %v, want ErrClosed", err)
			}
		}
		synctest.Wait()
		if vs := roomy.all(); !slices.Equal(vs, []int{1}) {
			t.Errorf("the other subscriber saw %v of a publication that failed", vs)
		}
		if s := replay.Stats(); s.In != 1 || s.Waits != 2 || s.Dropped != 0 {
			t.Errorf("stats %+v, want 1 in, 2 waits", s)
		}
	})
}

func TestReplay_UnsubscribeReleasesABlockedPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay, roomy, unsubscribe, refused := blockedReplay(t, t.Context())
		unsubscribe()
		unsubscribe()
		if err := <-refused; err != nil {
			t.Errorf("Publish: %v, want nil once the subscriber is gone", err)
		}
		replay.Close()
		synctest.Wait()
		if vs := roomy.all(); !slices.Equal(vs, []int{1, 2}) {
			t.Errorf("the other subscriber got %v, want [1 2]", vs)
		}
	})
}

func TestReplay_AReaderReleasesABlockedPublisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay := observable.NewReplay[int](1)
		slow, _ := replay.Subscribe(observable.WithBuffer(1))
		published := make(chan struct{})
		go func() {
			publish(t, replay, numbers(0, 100)...)
			replay.Close()
			close(published)
		}()
		synctest.Wait()
		got, done := sink(slow)
		<-published
		<-done
		if vs := got.all(); !slices.Equal(vs, numbers(0, 100)) {
			t.Errorf("got %v", vs)
		}
	})
}

func TestReplay_APublicationThatGivesUpIsSeenByNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		replay, roomy, unsubscribe, refused := blockedReplay(t, ctx)
		queued := make(chan error, 1) // waits behind the first publisher
		go func() { queued <- replay.Publish(ctx, 3) }()
		for _, errs := range []chan error{refused, queued} {
			if err := <-errs; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Publish: %v, want DeadlineExceeded", err)
			}
		}
		if vs, err := replay.Last(t.Context(), 9); err != nil || !slices.Equal(vs, []int{1}) {
			t.Errorf("remembered %v, %v, want [1]", vs, err)
		}
		unsubscribe()
		publish(t, replay, 2) // again
		replay.Close()
		synctest.Wait()
		if vs := roomy.all(); !slices.Equal(vs, []int{1, 2}) {
			t.Errorf("the other subscriber got %v, want [1 2]", vs)
		}
		if s := replay.Stats(); s.Dropped != 2 || s.In != 2 || s.Waited < 2*time.Second-time.Millisecond {
			t.Errorf("stats %+v, want 2 dropped after a second each, 2 in", s)
		}
	})
}

func TestReplay_ABlockedPublisherHoldsNobodyElseUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay, _, unsubscribe, refused := blockedReplay(t, t.Context())
		if vs, err := replay.Last(t.Context(), 1); err != nil || !slices.Equal(vs, []int{1}) {
			t.Errorf("Last %v, %v", vs, err)
		}
		late, leave := replay.Subscribe()
		got, done := sink(late)
		synctest.Wait()
		if vs := got.all(); !slices.Equal(vs, []int{1}) {
			t.Errorf("late subscriber got %v, want what is remembered", vs)
		}
		leave()
		<-done
		unsubscribe()
		if err := <-refused; err != nil {
			t.Error(err)
		}
		replay.Close()
	})
}

func TestReplay_UnsubscribeBeforeReadingDiscardsAll(t *testing.T) {
	leavesNothing(t)
	replay := observable.NewReplay[int](1)
	values, unsubscribe := replay.Subscribe()
	publish(t, replay, numbers(0, 10)...)
	unsubscribe()
	got, done := sink(values)
	if vs := drained(t, got, done); len(vs) != 0 {
		t.Errorf("got %v after unsubscribing", vs)
	}
}

func TestReplay_UnsubscribeWhileReadingDiscardsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replay := observable.NewReplay[int](1)
		values, unsubscribe := replay.Subscribe()
		release := make(chan struct{})
		got := new(list[int])
		done := observable.ForEach(values, func(_ context.Context, v int) error {
			got.add(v)
			<-release
			return nil
		})
		publish(t, replay, 1, 2, 3) // with the reader, in hand, in the buffer
		synctest.Wait()
		unsubscribe()
		synctest.Wait()
		close(release)
		<-done
		if vs := got.all(); !slices.Equal(vs, []int{1}) {
			t.Errorf("got %v, want what came before unsubscribing", vs)
		}
		publish(t, replay, 4) // to nobody
		if vs, err := replay.Last(t.Context(), 1); err != nil || vs[0] != 4 {
			t.Errorf("Last %v, %v, want 4", vs, err)
		}
	})
}

func TestReplay_LastReturnsTheNewestInOrder(t *testing.T) {
	replay := observable.NewReplay[int](3)
	publish(t, replay, 1, 2, 3, 4, 5)
	for n, want := range map[int][]int{-1: {5}, 0: {5}, 1: {5}, 2: {4, 5}, 3: {3, 4, 5}, 9: {3, 4, 5}} {
		if vs, err := replay.Last(t.Context(), n); err != nil || !slices.Equal(vs, want) {
			t.Errorf("Last(%d) = %v, %v, want %v", n, vs, err, want)
		}
	}
	replay.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if vs, err := replay.Last(ctx, 1); err != nil || !slices.Equal(vs, []int{5}) {
		t.Errorf("Last of a closed observable = %v, %v, want [5]", vs, err)
	}
	one := observable.NewReplay[int](0)
	publish(t, one, 1, 2)
	if vs, err := one.Last(t.Context(), 2); err != nil || !slices.Equal(vs, []int{2}) {
		t.Errorf("NewReplay(0) remembers %v, %v, want [2]", vs, err)
	}
}

func TestReplay_LastWaitsForAValueTheEndOrItsContext(t *testing.T) {
	cases := map[string]struct {
		then func(t *testing.T, replay *observable.Replay[int], cancel func())
		want error
	}{
		"value":   {then: func(t *testing.T, replay *observable.Replay[int], _ func()) { publish(t, replay, 1) }},
		"end":     {then: func(_ *testing.T, replay *observable.Replay[int], _ func()) { replay.Close() }, want: observable.ErrClosed},
		"context": {then: func(_ *testing.T, _ *observable.Replay[int], cancel func()) { cancel() }, want: context.Canceled},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				replay := observable.NewReplay[int](2)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var last []int
				errs := make(chan error, 1)
				go func() {
					var err error
					last, err = replay.Last(ctx, 1)
					errs <- err
				}()
				synctest.Wait()
				if len(errs) != 0 {
					t.Fatalf("Last did not wait: %v", <-errs)
				}
				c.then(t, replay, cancel)
				err := <-errs
				if !errors.Is(err, c.want) {
					t.Errorf("Last: %v, want %v", err, c.want)
				}
				if c.want == nil && !slices.Equal(last, []int{1}) {
					t.Errorf("Last = %v, want [1]", last)
				}
			})
		})
	}
}

func TestReplay_AllSubscribersSeeTheSameOrder(t *testing.T) {
	leavesNothing(t)
	const publishers, each = 4, 250
	replay := observable.NewReplay[int](1)
	var lists []*list[int]
	var dones []<-chan struct{}
	for i := range 3 {
		values, _ := replay.Subscribe(observable.WithBuffer(1 + 10*i))
		got, done := sink(values)
		lists, dones = append(lists, got), append(dones, done)
	}
	var wg sync.WaitGroup
	for p := range publishers {
		wg.Go(func() {
			for i := range each {
				if err := replay.Publish(t.Context(), p*each+i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	replay.Close()
	first := drained(t, lists[0], dones[0])
	if len(first) != publishers*each {
		t.Errorf("%d values arrived, want %d", len(first), publishers*each)
	}
	for i := range lists {
		if !slices.Equal(drained(t, lists[i], dones[i]), first) {
			t.Errorf("subscriber %d saw another order than the first", i)
		}
	}
}

// Subscribers come and go, read or do not, while values are published; those
// that stay get every value, and nothing hangs or is left over.
func TestReplay_SubscribersComeAndGo(t *testing.T) {
	leavesNothing(t)
	const values = 20_000
	replay := observable.NewReplay[int](5)
	steady, _ := replay.Subscribe(observable.WithBuffer(1))
	got, done := sink(steady)
	var guests sync.WaitGroup
	stop := make(chan struct{})
	for i := range 6 {
		guests.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				in, leave := replay.Subscribe(observable.WithBuffer(1+i), observable.WithOverflow(observable.Overflow(i%3)))
				if i%2 == 0 {
					visited := make(chan struct{}, 1)
					gone := observable.ForEach(in, func(context.Context, int) error {
						select {
						case visited <- struct{}{}:
						default:
						}
						return nil
					})
					select {
					case <-visited:
					case <-gone:
					case <-stop:
					}
					leave()
					<-gone
				}
				leave()
				runtime.Gosched()
			}
		})
	}
	publish(t, replay, numbers(0, values)...)
	close(stop)
	guests.Wait()
	replay.Close()
	if vs := drained(t, got, done); !slices.Equal(vs, numbers(0, values)) {
		t.Errorf("the steady subscriber got %d values, want %d in order", len(vs), values)
	}
}

func TestOverflow_Names(t *testing.T) {
	for rule, want := range map[observable.Overflow]string{observable.Block: "block", observable.DropNewest: "drop newest", observable.DropOldest: "drop oldest"} {
		if rule.String() != want {
			t.Errorf("%d is %q, want %q", rule, rule, want)
		}
	}
}
