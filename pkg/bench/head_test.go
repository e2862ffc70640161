package bench

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestReadHead_FindsTheLengthOfTheBody(t *testing.T) {
	for text, want := range map[string]head{
		"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n":                    {status: 200, length: 12},
		"HTTP/1.1 429 Too Many\r\ncontent-length:7\r\nX: y\r\n\r\n":        {status: 429, length: 7},
		"HTTP/1.1 503\r\nConnection: close\r\nContent-Length: 0\r\n\r\n":   {status: 503, close: true},
		"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n": {status: 503, retry: 2 * time.Second},
		"HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\nA:\r\n\r\nX": {status: 204},
	} {
		if got, err := readHead(bufio.NewReader(strings.NewReader(text)), true); err != nil || got != want {
			t.Errorf("%q: got %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestReadHead_RefusesWhatItDoesNotSpeak(t *testing.T) {
	for text, want := range map[string]error{
		"":                         io.EOF,
		"HTTP/1.1 200 OK\r\n":      io.ErrUnexpectedEOF,
		"HTTP/1.0 200 OK\r\n\r\n":  errHTTP,
		"HTTP/1.1 fine OK\r\n\r\n": errHTTP,
		"nonsense\r\n\r\n":         errHTTP,
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n":            errHTTP,
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n":      errHTTP,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n":    errHTTP,
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", headBuffer): bufio.ErrBufferFull,
	} {
		if _, err := readHead(bufio.NewReaderSize(strings.NewReader(text), headBuffer), true); !errors.Is(err, want) {
			t.Errorf("%.60q: got %v, want %v", text, err, want)
		}
	}
}

func TestService_AnswersWithJSONOfTheSize(t *testing.T) {
	service, err := StartService(t.Context(), 200)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range 3 { // over one connection
		response, err := client.Post("http://"+service.Address(), "application/json", strings.NewReader(`{"id":1}`))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || len(body) != 200 || !json.Valid(body) {
			t.Errorf("got %d bytes %q, %v", len(body), body, err)
		}
	}
	if err := service.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
