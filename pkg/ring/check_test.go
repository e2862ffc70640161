package ring

import (
	"testing"

	"github.com/seed52205347/relayminer/testutil/golden"
)

func TestCheck_ComputesAKeyOnceHoweverOftenItIsAMember(t *testing.T) {
	bz := golden.RingSignature.Bytes()
	first, second := bz[headerSize:headerSize+memberSize], bz[headerSize+memberSize:]
	copy(second, first)
	s, err := Parse(bz)
	if err != nil {
		t.Fatal(err)
	}
	var k check
	if err := k.load(newCache(0), s); err != nil {
		t.Fatal(err)
	}
	if len(k.fresh) != 2 || k.members[0] != k.members[1] {
		t.Errorf("%d points were computed, want the image's and one member's", len(k.fresh))
	}
}
