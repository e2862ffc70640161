package bench

import (
	"bytes"
	"compress/gzip"
	"runtime/pprof"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// message builds a protobuf message.
type message []byte

func (m *message) number(field protowire.Number, value uint64) *message {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), value)
	return m
}

func (m *message) bytes(field protowire.Number, value []byte) *message {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), value)
	return m
}

func (m *message) packed(field protowire.Number, values ...uint64) *message {
	var bz []byte
	for _, v := range values {
		bz = protowire.AppendVarint(bz, v)
	}
	return m.bytes(field, bz)
}

// profileOf returns a profile in which each stack, of functions that have their index
// plus 1 as id, has taken as many nanoseconds.
func profileOf(functions []string, stacks map[int64][]uint64) []byte {
	var p message
	for nanos, stack := range stacks {
		var s message
		if len(stack) > 1 {
			s.packed(sampleLocation, stack...)
		} else {
			s.number(sampleLocation, stack[0])
		}
		s.packed(sampleValue, 1, uint64(nanos))
		p.bytes(profileSample, s)
	}
	p.bytes(profileString, nil)
	for i, name := range functions {
		id := uint64(i + 1)
		var line, location, function message
		line.number(lineFunction, id)
		location.number(locationID, id).bytes(locationLine, line)
		function.number(functionID, id).number(functionName, id)
		p.bytes(profileLocation, location).bytes(profileFunction, function).bytes(profileString, []byte(name))
	}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, _ = w.Write(p)
	_ = w.Close()
	return zipped.Bytes()
}

func TestSplit_GivesEachSampleToTheFirstStepThatMatches(t *testing.T) {
	profile := profileOf([]string{"main.serve", "auth.verify", "runtime.gc", "main.idle"}, map[int64][]uint64{
		10: {2, 1},    // verify
		5:  {3, 2, 1}, // garbage, though within verify
		3:  {1},       // serve
		2:  {4},       // nothing's
	})
	shares, err := Split(profile, []Step{
		{"garbage", []string{"runtime.gc", "runtime.sweep"}}, {"verify", []string{"auth."}}, {"serve", []string{"main.serve"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []Share{{"garbage", 0.25}, {"verify", 0.5}, {"serve", 0.15}, {"other", 0.1}}
	for i := range want {
		if shares[i] != want[i] {
			t.Errorf("got %+v, want %+v", shares[i], want[i])
		}
	}
}

func TestSplit_ReadsWhatTheRuntimeWrites(t *testing.T) {
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		t.Fatal(err)
	}
	pprof.StopCPUProfile()
	shares, err := Split(profile.Bytes(), []Step{{"all", []string{""}}})
	if err != nil || len(shares) != 2 || shares[1].Share != 0 {
		t.Errorf("got %+v, %v", shares, err)
	}
}

func TestSplit_RefusesWhatIsNoProfile(t *testing.T) {
	whole := profileOf([]string{"f"}, map[int64][]uint64{1: {1}})
	for name, bz := range map[string][]byte{"empty": nil, "text": []byte("text"), "torn": whole[:len(whole)-10]} {
		if _, err := Split(bz, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
