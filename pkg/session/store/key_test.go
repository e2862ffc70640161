package store

import (
	"bytes"
	"math"
	"testing"
)

func TestSessionKey_EncodingIsUnambiguous(t *testing.T) {
	keys := []SessionKey{
		{"a", 0, "b"}, {"a", 0, "bc"}, {"ab", 0, "c"}, {"a", 1, "b"}, {"a", math.MaxInt64, "b"},
		{"a\x00", 0, "b"}, {"a", 0, "\x00b"}, {"\xff", 0, "\xff"}, {"\xff\xff", 0, "\xff\xff"},
	}
	for i, a := range keys {
		for j, b := range keys {
			lower, upper := a.bounds()
			inside := bytes.Compare(lower, b.key(spaceLeaf)) <= 0 && bytes.Compare(b.key(spaceLeaf), upper) < 0
			if inside != (i == j) {
				t.Errorf("%q is in the range of %q: %t", b, a, inside)
			}
		}
		path := bytes.Repeat([]byte{0xff}, PathLen)
		if _, upper := a.bounds(); bytes.Compare(append(a.key(spaceLeaf), path...), upper) >= 0 {
			t.Errorf("the last path is out of the range of %q", a)
		}
		if got := len(a.key(spaceLeaf)); got != a.keyLen() {
			t.Errorf("%q has %d bytes, want %d", a, got, a.keyLen())
		}
	}
	if got, want := (SessionKey{"pokt1x", 20, "abcd"}).String(), "pokt1x/20/abcd"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Sessions of one supplier are ordered by their end, so that those that end
// together lie together.
func TestSessionKey_OrderedByEnd(t *testing.T) {
	last := []byte(nil)
	for _, height := range []int64{0, 1, 255, 256, 1 << 32, math.MaxInt64} {
		key := SessionKey{"supplier", height, "id"}.key(spaceLeaf)
		if bytes.Compare(last, key) >= 0 {
			t.Errorf("height %d is not behind the one before", height)
		}
		last = key
	}
}

func TestDecodeLeaf_RefusesWhatItDoesNotKnow(t *testing.T) {
	path, value := make([]byte, PathLen), make([]byte, leafHeaderLen)
	if _, err := decodeLeaf(path, value); err != nil {
		t.Fatalf("an empty relay: %v", err)
	}
	if _, err := decodeLeaf(path[1:], value); err == nil {
		t.Error("a short path is accepted")
	}
	if _, err := decodeLeaf(path, value[1:]); err == nil {
		t.Error("a short value is accepted")
	}
	value[0] = 1
	if _, err := decodeLeaf(path, value); err == nil {
		t.Error("an unknown flag is accepted")
	}
}

func FuzzParseSession(f *testing.F) {
	f.Add(session(1).key(spaceLeaf))
	f.Add(append(session(2).key(spaceLeaf), make([]byte, PathLen)...))
	f.Add([]byte{spaceLeaf, 1})
	f.Fuzz(func(t *testing.T, bz []byte) {
		key, rest, err := parseSession(bz, spaceLeaf)
		if err != nil {
			return
		}
		if err := key.Validate(); err != nil {
			t.Fatal(err)
		}
		if again := append(key.key(spaceLeaf), rest...); !bytes.Equal(again, bz) {
			t.Fatalf("%x becomes %x", bz, again)
		}
	})
}

func FuzzDecodeLeaf(f *testing.F) {
	f.Add(make([]byte, PathLen), make([]byte, 20))
	f.Add([]byte{1}, []byte{})
	f.Fuzz(func(t *testing.T, path, value []byte) {
		l, err := decodeLeaf(path, value)
		if err != nil {
			return
		}
		again := make([]byte, leafHeaderLen+len(l.Relay))
		encodeLeaf(again, &l)
		if !bytes.Equal(again, value) || !bytes.Equal(l.Path[:], path) {
			t.Fatalf("%x %x becomes %x %x", path, value, l.Path, again)
		}
	})
}
