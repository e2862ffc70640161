package async

import (
	"errors"
	"sync"
)

// Fatal is where the parts of a program say that they have failed for good, so
// that the program ends in order, with the name of what has failed. It may be used
// concurrently.
type Fatal struct {
	once   sync.Once
	failed chan struct{}
	err    error // written before failed is closed
}

// NewFatal returns a Fatal to which nothing was said.
func NewFatal() *Fatal { return &Fatal{failed: make(chan struct{})} }

// Fail notes a failure. Only the first one counts.
func (f *Fatal) Fail(err error) {
	f.once.Do(func() {
		f.err = err
		close(f.failed)
	})
}

// Failed is closed when something has failed.
func (f *Fatal) Failed() <-chan struct{} { return f.failed }

// Err returns the first failure, or nil.
func (f *Fatal) Err() error {
	select {
	case <-f.failed:
		return f.err
	default:
		return nil
	}
}

// GaveUp reports whether an error is the failure of a supervised function that is
// not run again.
func GaveUp(err error) bool {
	var gaveUp *GaveUpError
	return errors.As(err, &gaveUp)
}
