package bench

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Step is a part of the work, known by the functions that do it.
type Step struct {
	Name string
	// Functions are parts of the names of functions. A sample belongs to the first step
	// that has a function anywhere on the sample's stack.
	Functions []string
}

// Share is how much of the CPU time of a profile belongs to a step.
type Share struct {
	Step  string  `json:"step"`
	Share float64 `json:"share"` // of 1
}

// Split splits the CPU time of a profile, as runtime/pprof writes it, among the steps in
// their order. What belongs to none of them is the step "other". The shares are 0
// if the profile has no samples.
func Split(profile []byte, steps []Step) ([]Share, error) {
	samples, err := decodeProfile(profile)
	if err != nil {
		return nil, fmt.Errorf("CPU profile: %w", err)
	}
	shares := make([]Share, len(steps)+1)
	for i, step := range steps {
		shares[i].Step = step.Name
	}
	shares[len(steps)].Step = "other"
	total := 0.0
	for _, s := range samples {
		total += float64(s.nanos)
		shares[s.step(steps)].Share += float64(s.nanos)
	}
	for i := range shares {
		if total > 0 {
			shares[i].Share /= total
		}
	}
	return shares, nil
}

// cpuSample is the CPU time that was found to be spent with a stack.
type cpuSample struct {
	stack []string // functions, in any order
	nanos int64
}

// step returns the index of the step that the sample belongs to.
func (s *cpuSample) step(steps []Step) int {
	for i, step := range steps {
		for _, part := range step.Functions {
			if slices.ContainsFunc(s.stack, func(f string) bool { return strings.Contains(f, part) }) {
				return i
			}
		}
	}
	return len(steps)
}

// The numbers of the fields of a profile (github.com/google/pprof, profile.proto).
const (
	profileSample, profileLocation, profileFunction, profileString = 2, 4, 5, 6

	sampleLocation, sampleValue = 1, 2
	locationID, locationLine    = 1, 4
	lineFunction                = 1
	functionID, functionName    = 1, 2
)

// cpuNanos is which of the values of a sample is the CPU time, in nanoseconds; the
// other is the number of samples.
const cpuNanos = 1

// profileTables are the parts of a profile by their ids.
type profileTables struct {
	samples   []map[int][]uint64
	locations map[uint64][]uint64 // to functions
	functions map[uint64]uint64   // to strings
	strings   []string
}

func decodeProfile(profile []byte) ([]cpuSample, error) {
	zipped, err := gzip.NewReader(bytes.NewReader(profile))
	if err != nil {
		return nil, err
	}
	bz, err := io.ReadAll(zipped)
	if err != nil {
		return nil, err
	}
	t := profileTables{locations: make(map[uint64][]uint64), functions: make(map[uint64]uint64)}
	if err := eachField(bz, t.take); err != nil {
		return nil, err
	}
	samples := make([]cpuSample, 0, len(t.samples))
	for _, fields := range t.samples {
		values := fields[sampleValue]
		if len(values) <= cpuNanos {
			return nil, errors.New("a sample has no CPU time")
		}
		s := cpuSample{nanos: int64(values[cpuNanos])}
		for _, location := range fields[sampleLocation] {
			for _, function := range t.locations[location] {
				s.stack = append(s.stack, t.name(function))
			}
		}
		samples = append(samples, s)
	}
	return samples, nil
}

func (t *profileTables) name(function uint64) string {
	if n := t.functions[function]; n < uint64(len(t.strings)) {
		return t.strings[n]
	}
	return ""
}

// take takes up one field of the profile.
func (t *profileTables) take(field int, _ uint64, bz []byte) error {
	switch field {
	case profileString:
		t.strings = append(t.strings, string(bz))
	case profileSample:
		numbers, err := numbersOf(bz)
		t.samples = append(t.samples, numbers)
		return err
	case profileFunction:
		numbers, err := numbersOf(bz)
		if err == nil {
			t.functions[first(numbers[functionID])] = first(numbers[functionName])
		}
		return err
	case profileLocation:
		return t.takeLocation(bz)
	}
	return nil
}

func (t *profileTables) takeLocation(bz []byte) error {
	var id uint64
	var functions []uint64
	err := eachField(bz, func(field int, number uint64, bz []byte) error {
		switch field {
		case locationID:
			id = number
		case locationLine:
			line, err := numbersOf(bz)
			functions = append(functions, first(line[lineFunction]))
			return err
		}
		return nil
	})
	t.locations[id] = functions
	return err
}

func first(numbers []uint64) uint64 {
	if len(numbers) == 0 {
		return 0
	}
	return numbers[0]
}

// numbersOf returns the integers of a message that has nothing else, by field. Repeated ones
// are packed or not.
func numbersOf(bz []byte) (map[int][]uint64, error) {
	numbers := make(map[int][]uint64)
	err := eachField(bz, func(field int, number uint64, packed []byte) error {
		if packed == nil {
			numbers[field] = append(numbers[field], number)
		}
		for len(packed) > 0 {
			number, n := protowire.ConsumeVarint(packed)
			if n < 0 {
				return protowire.ParseError(n)
			}
			numbers[field] = append(numbers[field], number)
			packed = packed[n:]
		}
		return nil
	})
	return numbers, err
}

// eachField calls fn for each field of a message with its number, or its bytes.
func eachField(bz []byte, fn func(field int, number uint64, bz []byte) error) error {
	for len(bz) > 0 {
		field, kind, n := protowire.ConsumeTag(bz)
		if n < 0 {
			return protowire.ParseError(n)
		}
		bz = bz[n:]
		var number uint64
		var value []byte
		switch kind {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(bz)
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(bz)
		default:
			n = protowire.ConsumeFieldValue(field, kind, bz)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		bz = bz[n:]
		if err := fn(int(field), number, value); err != nil {
			return err
		}
	}
	return nil
}
