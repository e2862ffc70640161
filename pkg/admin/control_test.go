package admin

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// steered notes what it is told to do.
type steered struct {
	told []string
	err  error
}

func (c *steered) Pause(reason string) error {
	c.told = append(c.told, "pause "+reason)
	return c.err
}

func (c *steered) Resume() error {
	c.told = append(c.told, "resume")
	return c.err
}

func (c *steered) Flush(context.Context) error {
	c.told = append(c.told, "flush")
	return c.err
}

func TestController_IsToldThroughTheSocket(t *testing.T) {
	controller := &steered{}
	_, client := serve(t, &fake{}, WithController(controller))
	remote := client.Controller(t.Context())
	if err := errors.Join(remote.Pause("fees & more"), remote.Resume(), remote.Flush(t.Context())); err != nil {
		t.Fatal(err)
	}
	if want := []string{"pause fees & more", "resume", "flush"}; !reflect.DeepEqual(controller.told, want) {
		t.Errorf("it was told %q, want %q", controller.told, want)
	}
	controller.err = store.ErrUnavailable
	for _, err := range []error{remote.Pause(""), remote.Resume(), remote.Flush(t.Context())} {
		mustBe(t, err, store.ErrUnavailable)
	}
	mustBe(t, remote.Pause(strings.Repeat("x", maxReason+1)), session.ErrInvalid)
}

func TestController_EndsWithTheCommand(t *testing.T) {
	_, client := serve(t, &fake{}, WithController(&steered{}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	mustBe(t, client.Controller(ctx).Pause(""), context.Canceled)
}

func TestServer_SaysWhatItDoesNotSupport(t *testing.T) {
	_, client := serve(t, &fake{})
	remote := client.Controller(t.Context())
	_, err := client.Status(t.Context())
	for _, err := range []error{err, remote.Pause(""), remote.Resume(), remote.Flush(t.Context())} {
		mustBe(t, err, ErrUnsupported)
	}
}

func TestStatus_ArrivesAsItWas(t *testing.T) {
	lag, goroutines, penalties := int64(2), 7, int64(0)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	want := &Status{
		Version: "v1", Started: at, Now: at.Add(time.Minute), Chain: Chain{ID: "pocket", Height: 9, Time: at, Source: "polling"},
		Nodes:  []Node{{Kind: "grpc", Address: "a:1", InUse: true, Lag: &lag, Problem: "late"}},
		Stages: []Stage{{Name: "sessions", Goroutines: &goroutines}},
		Queue:  &session.QueueStatus{Length: 1, Capacity: 2, InWork: 3, Paused: []string{"why"}},
		Sessions: &session.Overview{States: map[session.State]int{session.StateOpen: 1}, Unfinished: []session.Ending{
			{EndHeight: 8, States: map[session.State]int{session.StateOpen: 1}, Claim: &session.Window{Open: 1, Close: 2, Left: 1}},
		}},
		Funds:  []session.Funds{{Supplier: "s", Height: 9, PenaltiesCovered: &penalties}},
		Alerts: []string{"alert"},
	}
	_, client := serve(t, &fake{}, WithStatus(func(context.Context) (*Status, error) { return want, nil }))
	got, err := client.Status(t.Context())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, error %v", got, err)
	}
}
