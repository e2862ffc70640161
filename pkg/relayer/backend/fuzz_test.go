package backend

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"golang.org/x/net/http/httpguts"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

func FuzzJoinURL(f *testing.F) {
	for _, asked := range []string{
		"", "/", "/foo", "//host/p", "http://h/p?q#f", "/a%2Fb c", "/%2e%2e/a", `/a\..\b`, "/..;x", "?a b", "a:b",
		"/?", "*", "/\xff", "/[::1]", "/%", "/a?%zz", "http://[", "https://u:p@h:1//x//", "/.%2e", "/%252e%252e",
	} {
		f.Add("/v1/key", asked)
		f.Add("/v1/a%2Fb/?key=1", asked)
		f.Add("/? ", asked)
	}
	f.Fuzz(func(t *testing.T, under, asked string) {
		base, err := url.Parse("http://127.0.0.1:1" + under)
		if err != nil || base.Host != "127.0.0.1:1" || base.Path != path.Clean(base.Path) {
			t.Skip("no URL that an operator would configure")
		}
		joined, err := joinURL(base, asked)
		if err != nil {
			if !errors.Is(err, relayer.ErrMalformedRequest) || len(err.Error()) > 1000 {
				t.Fatalf("error %v", err)
			}
			return
		}
		if joined.Scheme != base.Scheme || joined.Host != base.Host || joined.User != base.User || joined.Fragment != "" {
			t.Fatalf("%q leads to %s", asked, joined)
		}
		if !strings.HasPrefix(joined.EscapedPath(), base.EscapedPath()) {
			t.Fatalf("%q leads to path %q", asked, joined.EscapedPath())
		}
		if clean := path.Clean(joined.Path); clean != base.Path && !strings.HasPrefix(clean, strings.TrimSuffix(base.Path, "/")+"/") {
			t.Fatalf("%q leaves the base by %q", asked, joined.Path)
		}
		if !strings.HasPrefix(joined.RawQuery, escape(base.RawQuery, allowedInQuery)) {
			t.Fatalf("%q leads to query %q", asked, joined.RawQuery)
		}
		arrivesWhole(t, joined)
	})
}

// arrivesWhole checks that a server reads the whole target from the request line.
func arrivesWhole(t *testing.T, u *url.URL) {
	target := u.RequestURI()
	line := "GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n"
	request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(line)))
	if err != nil {
		t.Fatalf("target %q: %v", target, err)
	}
	if request.RequestURI != target || request.URL.Path != u.Path || request.URL.RawQuery != u.RawQuery {
		t.Fatalf("target %q arrives as %q", target, request.RequestURI)
	}
}

func FuzzBuildRequest(f *testing.F) {
	for _, request := range []*sdktypes.POKTHTTPRequest{
		{},
		{Method: "POST", Url: "/a?b", BodyBz: []byte("{}")},
		{Header: map[string]*sdktypes.Header{"A": nil, "pocket_supplier": {Values: []string{"x"}}}},
		{Header: map[string]*sdktypes.Header{"Connection": {Values: []string{"a, ,b"}}, "A": {Values: []string{"\t"}}}},
	} {
		payload, err := proto.Marshal(request)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	to := &config.Backend{URL: &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/v1"}}
	services := NewHTTP(0, 1)
	f.Cleanup(services.Close)
	f.Fuzz(func(t *testing.T, payload []byte) {
		request, err := services.buildRequest(context.Background(), to, payload, nil, 1<<20)
		if err != nil {
			if !errors.Is(err, relayer.ErrMalformedRequest) || len(err.Error()) > 1000 {
				t.Fatalf("error %v", err)
			}
			return
		}
		if request.URL.Host != to.URL.Host || request.Host != to.URL.Host {
			t.Fatalf("request to %s, host %q", request.URL, request.Host)
		}
		for name, values := range request.Header {
			if strings.HasPrefix(name, pocketHeaderPrefix) || !httpguts.ValidHeaderFieldName(name) {
				t.Fatalf("header %q", name)
			}
			for _, value := range values {
				if !httpguts.ValidHeaderFieldValue(value) {
					t.Fatalf("header %s: %q", name, value)
				}
			}
		}
	})
}
