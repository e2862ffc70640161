package prover

import (
	"context"
	"errors"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

var (
	// ErrBusy says that a prover works on as much as it can.
	ErrBusy = errors.New("prover is busy")

	// ErrUnknownJob says that a prover knows no job of the id: it was never started,
	// was cancelled, or its result was dropped.
	ErrUnknownJob = errors.New("prover does not know the job")

	// ErrFailed says that a prover could not build the proof.
	ErrFailed = errors.New("prover could not build the proof")

	// ErrAnswer says that what a remote prover has answered is not of the protocol.
	ErrAnswer = errors.New("answer of prover is malformed")

	// ErrOversize says that an answer, a leaf or a job exceeds its limit of bytes.
	ErrOversize = errors.New("size limit exceeded")

	// ErrLeaves says that the leaves of a job could not be read. No prover is to
	// blame for that, and no other is tried.
	ErrLeaves = errors.New("leaves cannot be read")

	// ErrWrongProof says that a prover has built a proof that does not verify.
	ErrWrongProof = errors.New("proof does not verify")

	// ErrConfig says that something cannot be made of its configuration.
	ErrConfig = errors.New("prover configuration")

	// ErrStopped says that the pool was stopped.
	ErrStopped = errors.New("prover pool is stopped")
)

// Job is a proof to be built.
type Job struct {
	// Session names the session to the operator, in at most 512 bytes.
	Session string
	// Root is the sealed root of its tree.
	Root trie.Root
	// Path is the one whose closest leaf is to be shown to the chain.
	Path [trie.PathSize]byte
	// Leaves are those of the tree. A pool may walk over them more than once, but
	// not at the same time; a handler's job can be walked over once.
	Leaves trie.Leaves
}

// Func builds the proof of a job: a compact closest proof as it is encoded in
// MsgSubmitProof (x/proof). It should return soon after ctx is done.
type Func func(ctx context.Context, job Job) ([]byte, error)

// Prover builds one proof or more at a time. Methods may be called concurrently for
// different jobs, and Cancel at any time. Each should return soon after ctx is done.
type Prover interface {
	// Ready returns nil when a job can be started now. It fails with ErrBusy, or
	// with why the prover cannot be reached.
	Ready(ctx context.Context) error
	// Start begins a job under an id that the caller has made up and does not use
	// again. It fails with ErrBusy and ErrLeaves.
	Start(ctx context.Context, id string, job Job) error
	// Result waits for the proof of a job and returns it once. It fails with
	// ErrUnknownJob and ErrFailed.
	Result(ctx context.Context, id string) ([]byte, error)
	// Cancel ends a job and forgets it. A job that is not known is no error.
	Cancel(ctx context.Context, id string) error
}
