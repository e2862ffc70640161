package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// headBuffer is the longest line of a head, and what a connection has to read with.
const headBuffer = 2 << 10

// maxRetry bounds how long a reply can have a client wait.
const maxRetry = 10 * time.Second

// errHTTP is wrapped by the errors for what is not the HTTP that is spoken here.
var errHTTP = errors.New("unexpected HTTP")

// head is what matters of the head of a request or a reply.
type head struct {
	status int // of a reply
	length int // of the body
	close  bool
	retry  time.Duration // after which to try again; 0 if the reply does not say
}

// readHead reads the head of a request or a reply, which must say how long its body is
// if it has one.
func readHead(r *bufio.Reader, reply bool) (head, error) {
	var h head
	line, err := readLine(r)
	if err != nil {
		return h, err
	}
	if reply {
		if h.status, err = statusOf(line); err != nil {
			return h, err
		}
	}
	for {
		line, err := readLine(r)
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil || len(line) == 0 {
			return h, err
		}
		if err := h.field(line); err != nil {
			return h, err
		}
	}
}

// readLine returns the next line, without its end, until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func statusOf(line []byte) (int, error) {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	number, _, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(number))
	if err != nil || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("%w: status line %.40q", errHTTP, line)
	}
	return status, nil
}

// field takes up one field of the head.
func (h *head) field(line []byte) error {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimSpace(value)
	switch {
	case bytes.EqualFold(name, []byte("Retry-After")):
		if seconds, err := strconv.Atoi(string(value)); err == nil && seconds > 0 {
			h.retry = min(time.Duration(seconds)*time.Second, maxRetry)
		}
	case bytes.EqualFold(name, []byte("Content-Length")):
		length, err := strconv.Atoi(string(value))
		if err != nil || length < 0 || length > maxBody {
			return fmt.Errorf("%w: length %.20q", errHTTP, value)
		}
		h.length = length
	case bytes.EqualFold(name, []byte("Connection")):
		h.close = bytes.EqualFold(value, []byte("close"))
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		return fmt.Errorf("%w: transfer encoding %.20q", errHTTP, value)
	}
	return nil
}

// maxBody bounds the bytes of a body.
const maxBody = 1 << 20
