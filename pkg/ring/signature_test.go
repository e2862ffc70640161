package ring_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/seed52205347/relayminer/pkg/ring"
	"github.com/seed52205347/relayminer/testutil/golden"
)

// Sizes of the wire format in bytes, as the package comment gives them.
const (
	header    = 4 + 32 + 33
	perMember = 32 + 33
)

// framed returns bytes of the right length for a ring of size members, filled
// with a pattern.
func framed(size int) []byte {
	bz := make([]byte, header+size*perMember)
	for i := range bz {
		bz[i] = byte(i)
	}
	binary.BigEndian.PutUint32(bz, uint32(size))
	return bz
}

// claiming returns bz with another number of members in its header.
func claiming(size uint32, bz []byte) []byte {
	bz = slices.Clone(bz)
	binary.BigEndian.PutUint32(bz, size)
	return bz
}

func TestParse_ReadsTheFrame(t *testing.T) {
	for _, size := range []int{1, 2, 3, ring.MaxMembers} {
		bz := framed(size)
		signature, err := ring.Parse(bz)
		if err != nil {
			t.Fatalf("ring of %d: %v", size, err)
		}
		if signature.Size() != size {
			t.Errorf("ring of %d: Size is %d", size, signature.Size())
		}
		for i := range size {
			at := header + i*perMember + 32
			if !bytes.Equal(signature.Member(i), bz[at:at+ring.KeySize]) {
				t.Errorf("ring of %d: member %d is %x", size, i, signature.Member(i))
			}
		}
	}
}

func TestParse_RefusesWhatIsNotExactlyASignature(t *testing.T) {
	valid := golden.RingSignature.Bytes()
	for _, c := range []struct {
		name string
		bz   []byte
	}{
		{"nothing", nil},
		{"no byte", []byte{}},
		{"half a size", valid[:3]}, // ring-go panics on it
		{"size alone", valid[:4]},
		{"header alone", valid[:header]},
		{"trailing byte", append(slices.Clone(valid), 0)},
		{"trailing member", append(slices.Clone(valid), make([]byte, perMember)...)},
		{"ring of none", claiming(0, valid)}, // ring-go panics on it
		{"ring of none, exactly", claiming(0, valid)[:header]},
		{"one member fewer than there are", claiming(1, valid)},
		{"one member more than there are", claiming(3, valid)},
		{"one member above the limit", framed(ring.MaxMembers + 1)},
		{"as many members as a size can say", claiming(1<<32-1, valid)},
		{"size that is negative as int32", claiming(1<<31, valid)},
		// 33·size is 1 modulo 2³², so a check in 32 bits would let it pass.
		{"size whose length overflows", claiming(0x3e0f83e1, valid)},
	} {
		t.Run(c.name, func(t *testing.T) {
			signature, err := ring.Parse(c.bz)
			if !errors.Is(err, ring.ErrMalformed) {
				t.Errorf("got %v, want ErrMalformed", err)
			}
			if signature.Size() != 0 {
				t.Errorf("a ring of %d members comes with the error", signature.Size())
			}
		})
	}
}

func TestParse_RefusesEveryTruncation(t *testing.T) {
	valid := golden.RingSignature.Bytes()
	for n := range valid {
		if _, err := ring.Parse(valid[:n]); !errors.Is(err, ring.ErrMalformed) {
			t.Errorf("%d of %d bytes: got %v, want ErrMalformed", n, len(valid), err)
		}
	}
}

func TestSignature_MemberCannotBeAppendedInto(t *testing.T) {
	bz := framed(2)
	before := slices.Clone(bz)
	first := parse(t, bz).Member(0)
	_ = append(first, 0xff)
	if !bytes.Equal(bz, before) {
		t.Error("appending to a member wrote over what follows it")
	}
}

func TestParse_CostsNoAllocation(t *testing.T) {
	bz := framed(2)
	allocs := testing.AllocsPerRun(100, func() {
		signature, err := ring.Parse(bz)
		if err != nil || signature.Size() != 2 || len(signature.Member(1)) != ring.KeySize {
			t.Error(signature, err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// FuzzParseVerify feeds strangers' bytes through all that a request's signature
// goes through, and compares what the verifiers say.
func FuzzParseVerify(f *testing.F) {
	valid := golden.RingSignature.Bytes()
	f.Add(valid)
	f.Add([]byte{})
	f.Add(valid[:3])
	f.Add(valid[:header+perMember-1])
	f.Add(claiming(0, valid))
	f.Add(claiming(1, valid)[:header+perMember])
	f.Add(claiming(1<<32-1, valid))
	f.Add(append(slices.Clone(valid), 0))
	f.Add(framed(2))
	f.Add(leftAligned.Bytes())
	f.Add(sign(f, hello, 2))
	f.Add(craft{publicNumbers(1), 0, scalar(0), scalar(0)}.sign(f, hello))
	f.Add(craft{publicNumbers(3), 0, scalar(5), scalar(0)}.sign(f, hello))
	j := newJury(f)
	f.Fuzz(func(t *testing.T, bz []byte) {
		original := slices.Clone(bz)
		signature, err := ring.Parse(bz)
		if err != nil {
			if !errors.Is(err, ring.ErrMalformed) {
				t.Fatalf("Parse: %v", err)
			}
			return
		}
		if n := signature.Size(); n < 1 || n > ring.MaxMembers || len(bz) != header+n*perMember {
			t.Fatalf("%d bytes are a ring of %d", len(bz), n)
		}
		for i := range signature.Size() {
			if len(signature.Member(i)) != ring.KeySize {
				t.Fatalf("member %d has %d bytes", i, len(signature.Member(i)))
			}
		}
		j.judge(t, "fuzzed bytes", hello, bz)
		if !bytes.Equal(bz, original) {
			t.Fatal("the signature was written to")
		}
	})
}

func ExampleParse() {
	signature, err := ring.Parse(golden.RingSignature.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range signature.Size() {
		fmt.Printf("%x\n", signature.Member(i))
	}
	_, err = ring.Parse([]byte("not a signature"))
	fmt.Println(err)
	// Output:
	// 025cbdf0646e5db4eaa398f365f2ea7a0e3d419b7e0330e39ce92bddedcac4f9bc
	// 03acd484e2f0c7f65309ad178a9f559abde09796974c57e714c35f110dfc27ccbe
	// malformed ring signature: 15 bytes are too few
}
