package backend

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"

	sdktypes "github.com/pokt-network/shannon-sdk/types"
	"google.golang.org/protobuf/proto"

	"github.com/seed52205347/relayminer/pkg/relayer"
)

// readBody reads an answer's body into the buffer.
func readBody(response *http.Response, limits Limits, body *bytes.Buffer) error {
	if response.Request.Method == http.MethodHead {
		return nil // its Content-Length is that of another answer
	}
	if response.ContentLength > limits.Answer {
		return relayer.ErrResponseTooLarge.Wrapf("the service answered %d bytes, allowed are %d",
			response.ContentLength, limits.Answer)
	}
	if length := response.ContentLength; length > 0 && length < firstBuffer {
		body.Grow(int(length) + bytes.MinRead)
	}
	n, err := body.ReadFrom(&held{io.LimitReader(response.Body, limits.Answer+1), limits.Hold})
	if err != nil {
		return fmt.Errorf("read the service's answer: %w", err)
	}
	if n > limits.Answer {
		return relayer.ErrResponseTooLarge.Wrapf("the service answered more than %d bytes", limits.Answer)
	}
	return nil
}

// held is the body of an answer, which asks before its bytes are kept.
type held struct {
	source io.Reader
	hold   func(bytes int64) error
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.source.Read(p)
	if h.hold != nil {
		if refused := h.hold(int64(n)); refused != nil {
			return n, refused
		}
	}
	return n, err
}

// encodeAnswer returns the deterministic encoding of the answer as a
// POKTHTTPResponse, without the headers that concern the connection to the service.
func encodeAnswer(response *http.Response, body []byte) ([]byte, error) {
	dropConnectionHeaders(response.Header)
	headers := make(map[string]*sdktypes.Header, len(response.Header))
	for key, values := range response.Header {
		for i, value := range values {
			values[i] = validText(value)
		}
		headers[key] = &sdktypes.Header{Key: key, Values: values}
	}
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(&sdktypes.POKTHTTPResponse{
		StatusCode: uint32(response.StatusCode),
		Header:     headers,
		BodyBz:     body,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the service's answer: %w", err)
	}
	return encoded, nil
}

// validText returns the value of a header as UTF-8, which is all that a protobuf
// string can hold. Bytes of another encoding are read as ISO 8859-1, which they
// once were by definition (RFC 9110, section 5.5).
func validText(value string) string {
	if utf8.ValidString(value) {
		return value
	}
	runes := make([]rune, len(value))
	for i := range len(value) {
		runes[i] = rune(value[i])
	}
	return string(runes)
}
