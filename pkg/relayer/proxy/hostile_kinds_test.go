package proxy_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	cosmostypes "github.com/cosmos/cosmos-sdk/types"
	servicetypes "github.com/pokt-network/poktroll/x/service/types"
	sessiontypes "github.com/pokt-network/poktroll/x/session/types"

	"github.com/seed52205347/relayminer/testutil/golden"
)

// attack is a request of one kind that a hostile client sends.
type attack struct {
	name   string
	header http.Header
	// body returns the body of the request with that number.
	body func(number int) []byte
	// raw is sent on a connection of its own in place of a request, which is left
	// open for a while.
	raw string
	// chunked hides the length of the body.
	chunked bool
}

// spoiled returns a function that spoils a copy of the request, whose signature is
// not made anew.
func spoiled(t testing.TB, good []byte, spoil func(number int, r *servicetypes.RelayRequest)) func(int) []byte {
	return func(number int) []byte {
		request := &servicetypes.RelayRequest{}
		if err := request.Unmarshal(good); err != nil {
			t.Error(err)
		}
		spoil(number, request)
		return marshal(t, request)
	}
}

// header returns a function that spoils the session header.
func header(change func(number int, h *sessiontypes.SessionHeader)) func(int, *servicetypes.RelayRequest) {
	return func(number int, r *servicetypes.RelayRequest) { change(number, r.Meta.SessionHeader) }
}

// signature returns a function that spoils the signature.
func signature(change func([]byte) []byte) func(int, *servicetypes.RelayRequest) {
	return func(_ int, r *servicetypes.RelayRequest) { r.Meta.Signature = change(r.Meta.Signature) }
}

func always(body []byte) func(int) []byte { return func(int) []byte { return body } }

func noise(size int) func(int) []byte {
	return func(number int) []byte {
		random := rand.New(rand.NewPCG(uint64(number), uint64(size)))
		bytes := make([]byte, size)
		for i := range bytes {
			bytes[i] = byte(random.Uint32())
		}
		return bytes
	}
}

func bomb(t testing.TB, size int) []byte {
	var into bytes.Buffer
	w := gzip.NewWriter(&into)
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return into.Bytes()
}

// madeUpAddress returns an address that nobody has.
func madeUpAddress(number int) string {
	return cosmostypes.AccAddress(binary.BigEndian.AppendUint64([]byte("made up app."), uint64(number))).String()
}

// formless are attacks that are no relay request, or hardly one.
func formless(t testing.TB, good []byte) []attack {
	const limit = 1 << 20 // of the service
	return []attack{
		{name: "empty body", body: always(nil)},
		{name: "noise", body: noise(300)},
		{name: "much noise", body: noise(64 << 10)},
		{name: "truncated", body: func(n int) []byte { return good[:1+n%(len(good)-1)] }},
		{name: "bytes after it", body: always(append(slices.Clone(good), "more"...))},
		{name: "oversize", body: always(make([]byte, limit+1))},
		{name: "oversize of unknown length", body: always(make([]byte, limit+1)), chunked: true},
		{name: "compressed bomb around it", body: always(bomb(t, 8<<20)), header: http.Header{"Content-Encoding": {"gzip"}}},
		{name: "empty request", body: always([]byte{0x0a, 0x00})},
		{name: "deeply nested groups", body: always(bytes.Repeat([]byte{0x0b}, 50_000))},
		{name: "unknown RPC type", body: always(good), header: http.Header{"Rpc-Type": {"77"}}},
		{name: "RPC type that is no number", body: always(good), header: http.Header{"Rpc-Type": {strings.Repeat("9", 1000)}}},
		{name: "slow headers", raw: "POST / HTTP/1.1\r\nHost: h\r\nX-Slow: "},
		{name: "slow body", raw: "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n" + string(good[:20])},
		{name: "header flood", raw: "POST / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X-Flood: xxxxxxxxxxxxxxxx\r\n", 4000) + "\r\n"},
		{name: "half of HTTP/2", raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
		{name: "not HTTP", raw: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 client hello\r\n\r\n"},
	}
}

// misnamed are attacks by what a request says about itself.
func misnamed(t testing.TB, good []byte) []attack {
	spoil := func(name string, how func(int, *servicetypes.RelayRequest)) attack {
		return attack{name: name, body: spoiled(t, good, how)}
	}
	return []attack{
		spoil("no session", func(_ int, r *servicetypes.RelayRequest) { r.Meta.SessionHeader = nil }),
		spoil("made-up session", header(func(n int, h *sessiontypes.SessionHeader) { h.SessionId = fmt.Sprintf("%064d", n) })),
		spoil("made-up application", header(func(n int, h *sessiontypes.SessionHeader) { h.ApplicationAddress = madeUpAddress(n) })),
		spoil("huge session id", header(func(_ int, h *sessiontypes.SessionHeader) { h.SessionId = strings.Repeat("x", 100<<10) })),
		spoil("unknown service", header(func(n int, h *sessiontypes.SessionHeader) { h.ServiceId = fmt.Sprint("svc", n) })),
		spoil("far past", header(func(n int, h *sessiontypes.SessionHeader) {
			h.SessionStartBlockHeight, h.SessionEndBlockHeight = 1, int64(2+n%10)
		})),
		spoil("far future", header(func(n int, h *sessiontypes.SessionHeader) {
			h.SessionStartBlockHeight += int64(1000 + n)
			h.SessionEndBlockHeight += int64(1000 + n)
		})),
		spoil("end in the far future", header(func(n int, h *sessiontypes.SessionHeader) { h.SessionEndBlockHeight = 1<<62 + int64(n) })),
		spoil("start within the session", header(func(n int, h *sessiontypes.SessionHeader) { h.SessionStartBlockHeight += int64(1 + n%4) })),
		spoil("end before start", header(func(_ int, h *sessiontypes.SessionHeader) { h.SessionEndBlockHeight = 3 })),
		spoil("negative height", header(func(_ int, h *sessiontypes.SessionHeader) { h.SessionStartBlockHeight = -1 << 63 })),
		spoil("wrong supplier", func(n int, r *servicetypes.RelayRequest) { r.Meta.SupplierOperatorAddress = madeUpAddress(n) }),
		spoil("no supplier", func(_ int, r *servicetypes.RelayRequest) { r.Meta.SupplierOperatorAddress = "" }),
		spoil("huge supplier", func(_ int, r *servicetypes.RelayRequest) {
			r.Meta.SupplierOperatorAddress = strings.Repeat("x", 100<<10)
		}),
	}
}

// missigned are attacks by the ring and its signature.
func missigned(t testing.TB, c *besieged, good []byte) []attack {
	spoil := func(name string, how func([]byte) []byte) attack {
		return attack{name: name, body: spoiled(t, good, signature(how))}
	}
	resized := func(members uint32) func([]byte) []byte {
		return func(s []byte) []byte { binary.BigEndian.PutUint32(s, members); return s }
	}
	flipped := func(at int) func([]byte) []byte {
		return func(s []byte) []byte { s[at] ^= 1; return s }
	}
	payload := asks(t, "POST", "/", []byte("hostile"))
	signedBy := func(name string, members ...string) attack {
		return attack{name: name, body: always(marshal(t, signed(t, c.unsigned(payload), members...)))}
	}
	const image, firstScalar, firstKey = 4 + 32, 4 + 32 + 33, 4 + 32 + 33 + 32
	return []attack{
		spoil("unsigned", func([]byte) []byte { return nil }),
		spoil("ring of none", func([]byte) []byte { return make([]byte, 4+32+33) }),
		spoil("ring of none with members", resized(0)),
		spoil("ring of billions", resized(1<<32-1)),
		spoil("ring that is huge", func(s []byte) []byte {
			s = append(s[:4+32+33], bytes.Repeat(s[firstScalar:firstScalar+65], 10_000)...)
			binary.BigEndian.PutUint32(s, 10_000)
			return s
		}),
		spoil("cut signature", func(s []byte) []byte { return s[:len(s)-1] }),
		spoil("longer signature", func(s []byte) []byte { return append(s, 0) }),
		spoil("invalid points", func(s []byte) []byte { copy(s[firstKey:], bytes.Repeat([]byte{0xff}, 33)); return s }),
		spoil("key image that is no point", func(s []byte) []byte { clear(s[image:firstScalar]); return s }),
		spoil("flipped scalar", flipped(firstScalar+5)),
		spoil("flipped challenge", flipped(7)),
		signedBy("foreign keys", "stranger", "other stranger"),
		signedBy("foreign key beside the application's", "stranger", "application"),
		signedBy("duplicated members", "gateway", "gateway", "gateway"),
		{name: "placeholder key", body: always(marshal(t, placeholder(t, c, payload)))},
		{name: "flipped payload", body: spoiled(t, good, func(n int, r *servicetypes.RelayRequest) {
			r.Payload = append(r.Payload, byte(n))
		})},
	}
}

// placeholder returns a request signed with the key that anybody has, as another
// member of the ring.
func placeholder(t testing.TB, c *besieged, payload []byte) *servicetypes.RelayRequest {
	request := signed(t, c.unsigned(payload), "gateway", "application")
	copy(request.Meta.Signature[4+32+33+32:], golden.PlaceholderPublicKey.Bytes())
	return request
}

// misused are relays of an honest signer that ask for what a service must not be
// asked, or that were served already.
func misused(t testing.TB, c *besieged, served []byte) []attack {
	ask := func(name string, payload []byte) attack {
		return attack{name: name, body: always(marshal(t, signed(t, c.unsigned(payload), "gateway", "application")))}
	}
	return []attack{
		{name: "replayed relay", body: always(served)},
		ask("payload that is no HTTP request", []byte{0xff, 0xff}),
		ask("path out of the backend's", asks(t, "GET", "/a/%2e%2e/../admin", nil)),
		ask("tunnel", asks(t, "CONNECT", "/", nil)),
		ask("trace", asks(t, "TRACE", "/", nil)),
		ask("line break in a header", asks(t, "GET", "/", nil, "X-A", "b\r\nPocket-Supplier: me")),
		ask("compressed bomb", asks(t, "POST", "/", bomb(t, 8<<20), "Content-Encoding", "gzip")),
		ask("compression that cannot be measured", asks(t, "POST", "/", []byte("x"), "Content-Encoding", "zstd")),
	}
}
