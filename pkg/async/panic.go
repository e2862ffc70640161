package async

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic that was recovered and became an error.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the stack of the goroutine that panicked, as text. It is not
	// part of the message, so that one log line stays one line.
	Stack []byte
}

// NewPanicError makes an error of value, which recover has just returned. It is
// called from the deferred function that recovered, while the stack still
// shows where the panic came from.
func NewPanicError(value any) *PanicError {
	return &PanicError{Value: value, Stack: debug.Stack()}
}

// Error returns the panic's value as text.
func (e *PanicError) Error() string {
	return fmt.Sprintf("panic: %v", e.Value)
}

// Unwrap returns the panic's value if it was an error, and nil otherwise.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
