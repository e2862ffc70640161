package proxy_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/proxy"
)

func TestProxy_ObserverIsToldOfEveryRefusalAndOfNothingElse(t *testing.T) {
	type refusal struct {
		supplier, service string
		reason            error
	}
	told := make(chan refusal, 8)
	var failing http.HandlerFunc = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }
	for name, c := range map[string]struct {
		service string
		reason  *relayer.Error // nil if the relay is served
		handler http.HandlerFunc
	}{
		"served":                  {service: "svc"},
		"served, with an error":   {service: "svc", handler: failing},
		"of a service not served": {service: "other", reason: relayer.ErrServiceNotConfigured},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, c.handler)
			proxy.WithRefusalObserver(func(supplier, service string, reason error) {
				told <- refusal{supplier, service, reason}
			})(f.RelayerProxy)
			f.begin(t)
			request := relayRequest(t, c.service, "x")
			f.send(t, http1(t), request)
			if c.reason == nil {
				if len(told) != 0 {
					t.Errorf("the observer was told of %+v", <-told)
				}
				return
			}
			got := <-told // before the reply
			if got.supplier != request.Meta.SupplierOperatorAddress || got.service != c.service || !errors.Is(got.reason, c.reason) {
				t.Errorf("got %+v", got)
			}
		})
	}
}
