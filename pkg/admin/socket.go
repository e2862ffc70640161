package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// socketName is the name of the socket in the relay miner's home.
const socketName = "admin.sock"

// SocketPath returns the path of the socket of the relay miner with that home.
func SocketPath(home string) string { return filepath.Join(home, socketName) }

// maxPath is the length in bytes of the longest path of a socket: the system
// wants a zero byte after it.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

// newborn is the name of a socket in the directory in which it is made.
const newborn = "s"

// answerTime is how long the other side of a socket has to accept.
const answerTime = 2 * time.Second

// socket is a socket that this process listens on.
type socket struct {
	net.Listener
	path string
	file fs.FileInfo // tells whether the file at path is still this socket
}

// listen makes the socket of a home, which is created if there is none. A socket
// that nobody answers at is replaced. It fails with ErrPathTooLong or ErrInUse.
func listen(home string) (*socket, error) {
	home, err := filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	path := SocketPath(home)
	if len(path) > maxPath {
		return nil, fmt.Errorf("%w: %s: it may have %d bytes and has %d", ErrPathTooLong, path, maxPath, len(path))
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("create home: %w", err)
	}
	if err := checkFree(path); err != nil {
		return nil, err
	}
	dir, err := makeNursery(home)
	if err != nil {
		return nil, fmt.Errorf("create admin socket: %w", err)
	}
	s, err := bind(filepath.Join(dir, newborn), path)
	removeErr := os.Remove(dir) // it is empty again
	if err == nil && removeErr != nil {
		err = errors.Join(s.Close(), s.remove())
	}
	if err = errors.Join(err, removeErr); err != nil {
		return nil, fmt.Errorf("create admin socket: %w", err)
	}
	return s, nil
}

// makeNursery makes a directory for this process alone, in which a socket can be
// made so that nobody finds it before it has its mode. Its name is short: the
// socket's path must not become longer by it.
func makeNursery(home string) (string, error) {
	dir := filepath.Join(home, fmt.Sprintf(".%x", os.Getpid()))
	err := os.Mkdir(dir, 0o700)
	if !errors.Is(err, fs.ErrExist) {
		return dir, err
	}
	// A process that had this id was killed at this point. If the directory is
	// anything else, it is not empty and stays.
	left := filepath.Join(dir, newborn)
	if info, err := os.Lstat(left); err == nil && info.Mode().Type() == fs.ModeSocket {
		if err := os.Remove(left); err != nil {
			return "", err
		}
	}
	if err := os.Remove(dir); err != nil {
		return "", err
	}
	return dir, os.Mkdir(dir, 0o700)
}

// checkFree makes sure that a socket can be put at path without harm.
func checkFree(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("admin socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("admin socket: %s is there and is no socket: move it away", path)
	}
	conn, err := net.DialTimeout("unix", path, answerTime)
	switch {
	case err == nil:
		return errors.Join(fmt.Errorf("%w: %s", ErrInUse, path), conn.Close())
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, fs.ErrNotExist):
		return nil // left behind by a process that was killed
	default:
		return fmt.Errorf("admin socket: %w", err)
	}
}

// bind listens at the path at and then moves the socket to where it belongs.
func bind(at, path string) (*socket, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "unix", at)
	if err != nil {
		return nil, err
	}
	if unix, ok := listener.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false) // it is not going to be at that path
	}
	err = os.Chmod(at, 0o600)
	if err == nil {
		err = os.Rename(at, path)
	}
	var file fs.FileInfo
	if err == nil {
		file, err = os.Lstat(path)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close(), os.RemoveAll(at))
	}
	return &socket{Listener: listener, path: path, file: file}, nil
}

// remove removes the socket's file, unless another process has put its own there.
func (s *socket) remove() error {
	file, err := os.Lstat(s.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(file, s.file) {
		return nil
	}
	if err == nil {
		err = os.Remove(s.path)
	}
	if err != nil {
		return fmt.Errorf("remove admin socket: %w", err)
	}
	return nil
}
