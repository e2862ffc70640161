package backend_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	sdktypes "github.com/pokt-network/shannon-sdk/types"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// compress returns the text in the encoding.
func compress(t testing.TB, encoding string, text []byte) []byte {
	t.Helper()
	var into bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip":
		w = gzip.NewWriter(&into)
	case "deflate":
		w = zlib.NewWriter(&into)
	case "bare deflate":
		bare, err := flate.NewWriter(&into, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		w = bare
	case "br":
		w = brotli.NewWriter(&into)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return into.Bytes()
}

// posted returns a request with the body in the encodings of the header.
func posted(header string, body []byte) *sdktypes.POKTHTTPRequest {
	request := get("/")
	request.Method, request.BodyBz = "POST", body
	request.Header = map[string]*sdktypes.Header{"content-encoding": {Key: "content-encoding", Values: []string{header}}}
	return request
}

func TestHTTP_CompressedBodyArrivesAsSentIfItIsNotTooLarge(t *testing.T) {
	const limit = 10_000
	text := bytes.Repeat([]byte("x"), limit)
	for _, c := range []struct {
		header string
		body   []byte
	}{
		{"gzip", compress(t, "gzip", text)},
		{"X-GZIP", compress(t, "gzip", text)},
		{"deflate", compress(t, "deflate", text)},
		{"deflate", compress(t, "bare deflate", text)},
		{"br", compress(t, "br", text)},
		{"identity", bytes.Repeat(text, 2)},
		{"", bytes.Repeat(text, 2)},
		{"gzip, br", compress(t, "br", compress(t, "gzip", text))},
		{"gzip", nil},
	} {
		s := serve(t, ok)
		_, err := client(t).Do(bounded(t), s.Backend, encode(t, posted(c.header, c.body)), nil, limits(limit))
		if err != nil {
			t.Errorf("%q: %v", c.header, err)
			continue
		}
		if got := s.next(t); !bytes.Equal(got.body, c.body) {
			t.Errorf("%q: %d bytes arrived, %d were sent", c.header, len(got.body), len(c.body))
		}
	}
}

func TestHTTP_CompressedBombDoesNotReachTheService(t *testing.T) {
	const limit = 10_000
	text := bytes.Repeat([]byte("x"), limit+1)
	twice := func(encoding string) []byte {
		return compress(t, encoding, compress(t, encoding, make([]byte, 50<<20)))
	}
	for _, c := range []struct {
		header string
		body   []byte
		want   *relayer.Error
	}{
		{"gzip", compress(t, "gzip", text), relayer.ErrBodyTooLarge},
		{"deflate", compress(t, "deflate", text), relayer.ErrBodyTooLarge},
		{"deflate", compress(t, "bare deflate", text), relayer.ErrBodyTooLarge},
		{"br", compress(t, "br", text), relayer.ErrBodyTooLarge},
		{"gzip, gzip", twice("gzip"), relayer.ErrBodyTooLarge},
		{"br,br", twice("br"), relayer.ErrBodyTooLarge},
		{"gzip, gzip, gzip", compress(t, "gzip", nil), relayer.ErrMalformedRequest},
		{"gzip", []byte("plain"), relayer.ErrMalformedRequest},
		{"deflate", []byte("x"), relayer.ErrMalformedRequest},
		{"br", []byte("\xff\xff\xff"), relayer.ErrMalformedRequest},
		{"gzip", compress(t, "gzip", text[:100])[:20], relayer.ErrMalformedRequest},
		{"zstd", []byte("\x28\xb5\x2f\xfd"), relayer.ErrMalformedRequest},
		{strings.Repeat("y", 10_000), []byte("x"), relayer.ErrMalformedRequest},
	} {
		s := serve(t, ok)
		_, err := client(t).Do(bounded(t), s.Backend, encode(t, posted(c.header, c.body)), nil, limits(limit))
		if !errors.Is(err, c.want) {
			t.Errorf("%.20q: %v, want %v", c.header, err, c.want)
		}
		if len(s.requests) != 0 {
			t.Errorf("%.20q: the service was asked", c.header)
		}
	}
}

func TestHTTP_CompressedBombTakesNoMemory(t *testing.T) {
	bomb := encode(t, posted("gzip", compress(t, "gzip", make([]byte, 64<<20))))
	services, to := client(t), target(t, "http://127.0.0.1:1")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := services.Do(bounded(t), to, bomb, nil, limits(32<<20))
	runtime.ReadMemStats(&after)
	if !errors.Is(err, relayer.ErrBodyTooLarge) {
		t.Errorf("error %v", err)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were allocated for a bomb of %d", took, len(bomb))
	}
}

func TestHTTP_AnswerIsRefusedIfItsBytesCannotBeHeld(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if _, err := w.Write(make([]byte, 1000)); err != nil {
			t.Error(err)
		}
	})
	var held int64
	limit := limits(2000)
	limit.Hold = func(bytes int64) error {
		if held += bytes; held > 500 {
			return relayer.ErrRequestLimit.Wrapf("no room")
		}
		return nil
	}
	_, err := client(t).Do(bounded(t), s.Backend, encode(t, get("/")), nil, limit)
	if !errors.Is(err, relayer.ErrRequestLimit) {
		t.Errorf("error %v, want %v", err, relayer.ErrRequestLimit)
	}
}
