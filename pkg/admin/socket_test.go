package admin

import (
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// leaveStale leaves the socket of a process that was killed.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStart_MakesAPrivateSocketInAHomeThatNeedNotExist(t *testing.T) {
	home := filepath.Join(shortDir(t), "a", "b")
	server, err := Start(home, home, inspected(t), discard())
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{
		home:          fs.ModeDir | 0o700,
		server.Path(): fs.ModeSocket | 0o600,
	} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v, want %v; %v", path, info.Mode(), want, err)
		}
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(home)
	if err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func TestStart_ReplacesTheSocketOfADeadProcess(t *testing.T) {
	home := shortDir(t)
	leaveStale(t, SocketPath(home))
	server, err := Start(home, home, inspected(t), discard())
	if err != nil {
		t.Fatal(err)
	}
	client, err := Dial(t.Context(), home)
	if err != nil {
		t.Errorf("nobody answers: %v", err)
	} else {
		client.Close()
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStart_LeavesTheSocketOfALivingProcessAlone(t *testing.T) {
	home := shortDir(t)
	first, err := Start(home, "first", inspected(t), discard())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := first.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	_, err = Start(home, "second", inspected(t), discard())
	mustBe(t, err, ErrInUse)
	client, err := Dial(t.Context(), home)
	if err != nil {
		t.Fatalf("the first does not answer any more: %v", err)
	}
	defer client.Close()
	if filepath.Base(client.StoreDir()) != "first" {
		t.Errorf("%s answers", client.StoreDir())
	}
}

func TestStart_LeavesOtherFilesAlone(t *testing.T) {
	home := shortDir(t)
	if err := os.WriteFile(SocketPath(home), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(home, home, inspected(t), discard()); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("got %v", err)
	}
	if bz, err := os.ReadFile(SocketPath(home)); err != nil || string(bz) != "mine" {
		t.Errorf("the file is %q now, %v", bz, err)
	}
}

func TestStart_KnowsTheLongestPath(t *testing.T) {
	base := shortDir(t)
	home := filepath.Join(base, strings.Repeat("x", maxPath-len(SocketPath(base))-1))
	server, err := Start(home, home, inspected(t), discard())
	if err != nil {
		t.Fatalf("home of %d bytes: %v", len(home), err)
	}
	client, err := Dial(t.Context(), home)
	if err != nil {
		t.Errorf("home of %d bytes: %v", len(home), err)
	} else {
		client.Close()
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = Start(home+"x", home, inspected(t), discard())
	mustBe(t, err, ErrPathTooLong)
	if _, err := os.Stat(home + "x"); err == nil {
		t.Error("the directory was created all the same")
	}
}

func TestStop_LeavesTheSocketOfASuccessorAlone(t *testing.T) {
	home := shortDir(t)
	first, err := Start(home, "first", inspected(t), discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(first.Path()); err != nil {
		t.Fatal(err)
	}
	second, err := Start(home, "second", inspected(t), discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	client, err := Dial(t.Context(), home)
	if err != nil {
		t.Errorf("the second does not answer any more: %v", err)
	} else {
		client.Close()
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStart_ClearsUpAfterAProcessThatWasKilledAtIt(t *testing.T) {
	home := shortDir(t)
	nursery, err := makeNursery(home)
	if err != nil {
		t.Fatal(err)
	}
	leaveStale(t, filepath.Join(nursery, newborn))
	server, err := Start(home, home, inspected(t), discard())
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	// A directory of somebody else's that happens to have the name is left alone.
	if err := os.Mkdir(nursery, 0o700); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(nursery, "mine")
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(home, home, inspected(t), discard()); err == nil {
		t.Error("it started")
	}
	if _, err := os.Stat(mine); err != nil {
		t.Error(err)
	}
}
