package backend

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/andybalholm/brotli"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// maxEncodings bounds how many encodings a body can have over each other.
const maxEncodings = 2

// errUnmeasurable is the cause when it is not known how to decompress a body.
var errUnmeasurable = errors.New("it cannot be measured")

// measure is checkInflated when it is the body's turn. The error wraps
// relayer.ErrRequestLimit if ctx ends before.
func (h *HTTP) measure(ctx context.Context, body []byte, encodings []string, limit int64) error {
	if len(encodings) == 0 || len(body) == 0 {
		return nil
	}
	select {
	case h.measuring <- struct{}{}:
		defer func() { <-h.measuring }()
		return checkInflated(body, encodings, limit)
	case <-ctx.Done():
		return relayer.ErrRequestLimit.Wrapf("too many compressed bodies wait to be measured")
	}
}

// checkInflated refuses a body that grows beyond limit bytes when it is
// decompressed: a service that does so without a limit would be brought down by a
// few kilobytes. encodings are the values of the header Content-Encoding. The body
// is sent as it is. The error wraps relayer.ErrBodyTooLarge, or ErrMalformedRequest
// for a body that cannot be measured.
func checkInflated(body []byte, encodings []string, limit int64) error {
	names := contentEncodings(encodings)
	if len(names) == 0 {
		return nil
	}
	if len(names) > maxEncodings {
		return relayer.ErrMalformedRequest.Wrapf("%d content encodings over each other", len(names))
	}
	// Each step on the way has the limit, since each of them is work.
	var inflated io.Reader = bytes.NewReader(body)
	for i := len(names) - 1; i >= 0; i-- {
		var err error
		if inflated, err = inflater(names[i], inflated); err != nil {
			return relayer.ErrMalformedRequest.Wrapf("content encoding %.20q: %w", names[i], err)
		}
		inflated = &limited{inflated, limit}
	}
	_, err := io.Copy(io.Discard, inflated)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, relayer.ErrBodyTooLarge):
		return err
	default:
		return relayer.ErrMalformedRequest.Wrapf("content encoding %.60q: %w", strings.Join(names, ", "), err)
	}
}

// contentEncodings returns the names in the header, the one that was applied first
// being the first.
func contentEncodings(values []string) []string {
	var names []string
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			name = strings.ToLower(strings.TrimSpace(name))
			if name != "" && name != "identity" {
				names = append(names, name)
			}
		}
	}
	return names
}

// inflater returns a reader of what source is the compressed form of.
func inflater(encoding string, source io.Reader) (io.Reader, error) {
	switch encoding {
	case "gzip", "x-gzip":
		return gzip.NewReader(source)
	case "deflate":
		return newDeflate(source)
	case "br":
		return brotli.NewReader(source), nil
	}
	return nil, errUnmeasurable
}

// newDeflate reads zlib's format, which "deflate" means, and the bare one, which
// some senders and servers take it for (RFC 9110, section 8.4.1.2).
func newDeflate(source io.Reader) (io.Reader, error) {
	peeked := bufio.NewReader(source)
	head, err := peeked.Peek(2)
	if err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	const deflated, multiple = 8, 31 // of a zlib header (RFC 1950, section 2.2)
	if head[0]&0x0f == deflated && (int(head[0])<<8|int(head[1]))%multiple == 0 {
		return zlib.NewReader(peeked)
	}
	return flate.NewReader(peeked), nil
}

// limited is a reader that fails after left bytes with relayer.ErrBodyTooLarge.
type limited struct {
	source io.Reader
	left   int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.source.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return n, relayer.ErrBodyTooLarge.Wrapf("the compressed body grows beyond what is allowed")
	}
	return n, err
}
