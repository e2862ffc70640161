package prover

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/seed52205347/relayminer/pkg/session/trie"
)

// The protocol of a remote prover. Every answer is a JSON object (answer), whatever
// its HTTP status.
//
//	GET    /v1/ready        ready, busy
//	POST   /v1/proofs/{id}  working, success, failed, busy, refused
//	GET    /v1/proofs/{id}  working, success with the proof, failed, unknown
//	DELETE /v1/proofs/{id}  unknown, which is what the job is afterwards
//
// The body of POST is a stream: the length of a JSON object (header) as 4 bytes, the
// object, and the leaves in ascending order of their paths. A leaf is its path (32
// bytes), its weight (8), the length of its value (4) and the value. Numbers are
// big-endian. The stream ends after a leaf. The server computes while it reads, and
// may answer when it is through: then the result is there to be fetched.
//
// If a token was agreed upon it is sent as "Authorization: Bearer <token>".
const (
	readyPath  = "/v1/ready"
	proofsPath = "/v1/proofs/"

	maxHeaderSize = 4 << 10
	maxSession    = 512
	maxID         = 64
	leafHeadSize  = trie.PathSize + 8 + 4
	streamBuffer  = 64 << 10
)

// status is what a server answers.
type status string

const (
	statusReady   status = "ready"
	statusBusy    status = "busy"    // works on as much as it can
	statusWorking status = "working" // on this job
	statusSuccess status = "success"
	statusFailed  status = "failed"
	statusUnknown status = "unknown"
	statusRefused status = "refused" // malformed, too large or not allowed
)

// answer is the body of every response.
type answer struct {
	Status status `json:"status"`
	Proof  []byte `json:"proof,omitempty"` // base64
	Error  string `json:"error,omitempty"`
}

// header is a job without its leaves.
type header struct {
	Session string `json:"session_id"`
	Root    string `json:"root"` // hex
	Path    string `json:"path"` // hex
}

// decodeStrict decodes one JSON value that has no unknown fields and is followed by
// nothing.
func decodeStrict(bz []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(bz))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the value")
	}
	return nil
}

// writeJob writes the stream of a job. An error of the leaves wraps ErrLeaves.
func writeJob(to io.Writer, job Job) error {
	if len(job.Session) > maxSession {
		return fmt.Errorf("%w: name of session has %d bytes", ErrOversize, len(job.Session))
	}
	head, err := json.Marshal(header{
		Session: job.Session,
		Root:    job.Root.String(),
		Path:    hex.EncodeToString(job.Path[:]),
	})
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(to, streamBuffer)
	buf := append(binary.BigEndian.AppendUint32(nil, uint32(len(head))), head...)
	if _, err := w.Write(buf); err != nil {
		return err
	}
	for leaf, err := range job.Leaves {
		if err != nil {
			return fmt.Errorf("%w: %w", ErrLeaves, err)
		}
		buf = append(buf[:0], leaf.Path[:]...)
		buf = binary.BigEndian.AppendUint64(buf, leaf.Weight)
		buf = binary.BigEndian.AppendUint32(buf, uint32(len(leaf.Value)))
		if _, err := w.Write(buf); err != nil {
			return err
		}
		if _, err := w.Write(leaf.Value); err != nil {
			return err
		}
	}
	return w.Flush()
}

// readJob reads the header of a job's stream and returns the job, whose leaves are
// read when they are walked over. No value may have more than maxLeaf bytes.
func readJob(from io.Reader, maxLeaf int64) (Job, error) {
	r := bufio.NewReaderSize(from, streamBuffer)
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return Job{}, fmt.Errorf("size of header: %w", err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxHeaderSize {
		return Job{}, fmt.Errorf("%w: header of %d bytes", ErrOversize, n)
	}
	bz := make([]byte, n)
	if _, err := io.ReadFull(r, bz); err != nil {
		return Job{}, fmt.Errorf("header: %w", err)
	}
	var h header
	if err := decodeStrict(bz, &h); err != nil {
		return Job{}, fmt.Errorf("header: %w", err)
	}
	job, err := h.job()
	if err != nil {
		return Job{}, fmt.Errorf("header: %w", err)
	}
	job.Leaves = func(yield func(trie.Leaf, error) bool) { readLeaves(r, maxLeaf, yield) }
	return job, nil
}

// job returns the job without leaves.
func (h *header) job() (Job, error) {
	rootBz, err := hex.DecodeString(h.Root)
	if err != nil {
		return Job{}, fmt.Errorf("root: %w", err)
	}
	root, err := trie.ParseRoot(rootBz)
	if err != nil {
		return Job{}, err
	}
	path, err := hex.DecodeString(h.Path)
	if err != nil || len(path) != trie.PathSize {
		return Job{}, fmt.Errorf("path %q is not %d bytes in hex", h.Path, trie.PathSize)
	}
	if len(h.Session) > maxSession {
		return Job{}, fmt.Errorf("%w: name of session has %d bytes", ErrOversize, len(h.Session))
	}
	return Job{Session: h.Session, Root: root, Path: [trie.PathSize]byte(path)}, nil
}

// readLeaves reads leaves up to the end of the stream. Memory grows with the bytes
// that have come, not with those that were announced, and is used for all leaves.
func readLeaves(r *bufio.Reader, maxLeaf int64, yield func(trie.Leaf, error) bool) {
	var head [leafHeadSize]byte
	var value bytes.Buffer
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			if !errors.Is(err, io.EOF) { // which is the end of the stream, not of a leaf
				yield(trie.Leaf{}, err)
			}
			return
		}
		leaf := trie.Leaf{
			Path:   [trie.PathSize]byte(head[:trie.PathSize]),
			Weight: binary.BigEndian.Uint64(head[trie.PathSize:]),
		}
		size := int64(binary.BigEndian.Uint32(head[trie.PathSize+8:]))
		if size > maxLeaf {
			yield(leaf, fmt.Errorf("%w: leaf of %d bytes", ErrOversize, size))
			return
		}
		value.Reset()
		if _, err := io.CopyN(&value, r, size); err != nil {
			yield(leaf, fmt.Errorf("value of leaf: %w", err))
			return
		}
		leaf.Value = value.Bytes()
		if !yield(leaf, nil) {
			return
		}
	}
}
