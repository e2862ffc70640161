package chain

import (
	"errors"
	"reflect"
	"testing"
)

func TestPool_StatusTellsOfEachServer(t *testing.T) {
	silent := errors.New("no answer")
	p := testPool(up, up, up)
	p.saw(p.servers[1], 100, 100)
	p.saw(p.servers[2], 90, 100)
	p.failed(p.servers[0], silent)
	want := []ServerStatus{
		{Kind: "test", Endpoint: "a", Err: silent},
		{Kind: "test", Endpoint: "b", InUse: true, Usable: true, Height: 100},
		{Kind: "test", Endpoint: "c", Height: 90},
	}
	if got := p.status(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}

func TestPool_OnlyServerHasNoHeightSinceItIsNotLookedAt(t *testing.T) {
	p := testPool(up)
	p.saw(p.servers[0], 100, 100)
	want := []ServerStatus{{Kind: "test", Endpoint: "a", InUse: true, Usable: true}}
	if got := p.status(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
}
