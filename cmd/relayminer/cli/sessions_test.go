package cli

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed52205347/relayminer/pkg/session"
	"github.com/seed52205347/relayminer/pkg/session/store"
)

// What is printed is the same whether the store is opened or its relay miner asked.
func TestSessions_PrintTheSameAtRestAndRunning(t *testing.T) {
	h := newHome(t)
	commands := []struct {
		file string
		args []string
	}{
		{"list.txt", []string{"list"}},
		{"list_full.txt", []string{"list", "--full"}},
		{"list_some.txt", []string{"list", "--state", "open", "--state", "missed", "--supplier", "pokt1alice"}},
		{"list.jsonl", []string{"list", "--json"}},
		{"show_settled.txt", []string{"show", "1a2b"}},
		{"show_missed.txt", []string{"show", missedID}},
		{"show_open.txt", []string{"show", "3a", "--supplier", "pokt1alice"}},
		{"show_settled.json", []string{"show", "1a2b", "--json"}},
	}
	for _, c := range commands {
		golden(t, c.file, h.must(c.args...))
	}
	stop := h.serve()
	defer stop()
	for _, c := range commands {
		golden(t, c.file, h.must(c.args...))
	}
}

func TestSessions_ListOfNothing(t *testing.T) {
	h := newHome(t)
	for _, args := range [][]string{{"list", "--state", "claimed"}, {"list", "--supplier", "pokt1carol"}} {
		status, stdout, stderr := h.run(args...)
		if status != 0 || stdout != "" || !strings.Contains(stderr, "no such sessions") {
			t.Errorf("%v: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
		if stdout := h.must(append(args, "--json")...); stdout != "" {
			t.Errorf("%v --json: %q", args, stdout)
		}
	}
}

func TestSessions_ListShowsWhatCannotBeRead(t *testing.T) {
	h := newHome(t)
	st := h.open()
	if err := st.PutRecord(store.SessionKey{Supplier: bobAddress, SessionEnd: 50, SessionID: "4a"}, []byte("{")); err != nil {
		t.Fatal(err)
	}
	h.close(st)
	status, stdout, stderr := h.run("list")
	if status != 0 || !strings.Contains(stdout, "4a        unreadable  pokt1bob00t6p") || !strings.Contains(stderr, "session 4a: session is damaged") {
		t.Errorf("status %d, stdout\n%s\nstderr\n%s", status, stdout, stderr)
	}
}

// Errors are one line, name what is wrong and say what to do.
func TestSessions_Errors(t *testing.T) {
	h := newHome(t)
	check := func() {
		h.fails([]string{"show"}, "name one session")
		h.fails([]string{"show", "1a", "2a"}, "name one session")
		h.fails([]string{"show", "ff"}, "no such session: ff")
		h.fails([]string{"show", "3a"}, "several sessions", openID+" of supplier "+aliceAddress, openID+" of supplier "+bobAddress)
		h.fails([]string{"list", "--state", "paid"}, `--state: "paid"`, "settled")
		h.fails([]string{"verify"}, "--all")
		h.fails([]string{"verify", "1a", "--all"}, "--all")
		h.fails([]string{"verify", "ff"}, "no such session: ff")
		h.fails([]string{"prove", "1a"}, "--path is not set")
		h.fails([]string{"prove", "1a", "--path", "abc"}, "--path", "32 bytes")
		h.fails([]string{"prove", "3a", "--supplier", "pokt1alice", "--path", strings.Repeat("00", 32)}, "not closed", "is open")
		h.fails([]string{"drop", "3a", "--supplier", "pokt1alice"}, "refused", "open", "--force")
		h.fails([]string{"drop", "3a", "--supplier", "pokt1bob"}, "refused", "claimed", "--force")
		h.fails([]string{"export", "ff"}, "no such session: ff")
		h.fails([]string{"import"}, "name one file")
		h.fails([]string{"list", "--store", "x", "--config", "y"}, "--store and --config")
		h.fails([]string{"list", "--config", "/no/such/file"}, "--config", "no such file")
		h.fails([]string{"list", "--store", "/no/such/store"}, "no relay store at /no/such/store", "--store", "--config")
	}
	check()
	stop := h.serve()
	defer stop()
	check()
	h.fails([]string{"import", "sessions_test.go"}, "is running, stop it")
}

func TestSessions_VerifySaysWhatItFound(t *testing.T) {
	h := newHome(t)
	check := func() {
		out := h.must("verify", "1a2b")
		if !strings.Contains(out, "ok     "+settledID+" of "+aliceAddress+": settled, 3 relays, root as recorded\n1 session with 3 relays verified in ") {
			t.Errorf("one session: %s", out)
		}
		out = h.must("verify", "--all")
		if strings.Count(out, "ok ") != 4 || !strings.Contains(out, "open, 2 relays, no root is recorded yet\n") ||
			!strings.Contains(out, "4 sessions with 1506 relays verified in ") {
			t.Errorf("all sessions: %s", out)
		}
		out = h.must("verify", "--all", "--json")
		if strings.Count(out, "\n") != 4 || strings.Contains(out, "faults") {
			t.Errorf("all sessions as JSON: %s", out)
		}
	}
	check()
	stop := h.serve()
	defer stop()
	check()
}

func TestSessions_VerifyFailsIfAnythingIsWrong(t *testing.T) {
	h := newHome(t)
	st := h.open()
	key := store.SessionKey{Supplier: aliceAddress, SessionEnd: 20, SessionID: settledID}
	var leaf store.Leaf
	for first, err := range st.Leaves(key) {
		if err != nil {
			t.Fatal(err)
		}
		leaf = store.Leaf{Path: first.Path, Weight: first.Weight, Relay: append([]byte("x"), first.Relay[1:]...)}
		break
	}
	done := make(chan error, 1)
	if err := st.Append(key, leaf, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.close(st)
	check := func() {
		status, stdout, stderr := h.run("verify", "--all")
		if status != 1 || !strings.Contains(stderr, "1 of 4 sessions are not as recorded: "+settledID) {
			t.Errorf("status %d, %s", status, stderr)
		}
		for _, want := range []string{
			"WRONG  " + settledID, "root ", "leaf " + hex.EncodeToString(leaf.Path[:]) + ": the relay belongs at path",
			"ok     " + openID + " of " + bobAddress,
		} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%q is not in\n%s", want, stdout)
			}
		}
		if status, stdout, _ := h.run("verify", "1a", "--json"); status != 1 || !strings.Contains(stdout, `"faults":[{"problem":"root `) {
			t.Errorf("as JSON: status %d, %s", status, stdout)
		}
		// The relays of this test are none, so a deep verification finds them all.
		if status, stdout, _ := h.run("verify", "2a", "--deep"); status != 1 || !strings.Contains(stdout, "and 1400 more") {
			t.Errorf("--deep: status %d, %s", status, stdout)
		}
	}
	check()
	stop := h.serve()
	defer stop()
	check()
}

func TestSessions_ProveVerifiesAProof(t *testing.T) {
	h := newHome(t)
	path := strings.Repeat("5a", 32)
	check := func() {
		out := h.must("prove", "2a", "--path", "0x"+path)
		if !strings.Contains(out, "path          "+path+"\n") || !strings.HasSuffix(out, "verified      yes\n") {
			t.Errorf("%s", out)
		}
		if out := h.must("prove", "2a", "--path", path, "--json"); !strings.Contains(out, `"path":"`+path+`"`) || !strings.Contains(out, `"proof":"`) {
			t.Errorf("as JSON: %s", out)
		}
	}
	check()
	stop := h.serve()
	defer stop()
	check()
}

func TestSessions_DropSaysWhatItDid(t *testing.T) {
	h := newHome(t)
	if out, want := h.must("drop", "1a"), "dropped settled session "+settledID+" of "+aliceAddress+" (3 relays, "; !strings.HasPrefix(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
	h.fails([]string{"show", "1a"}, "no such session")
	stop := h.serve()
	defer stop()
	if out, want := h.must("drop", "3a", "--supplier", aliceAddress, "--force"), "dropped open session "+openID; !strings.HasPrefix(out, want) {
		t.Errorf("got %q, want %q", out, want)
	}
	if out := h.must("show", "3a"); !strings.Contains(out, bobAddress) {
		t.Errorf("the other supplier's session: %s", out)
	}
}

func TestSessions_ExportAndImportMoveASession(t *testing.T) {
	from, to := newHome(t), newHome(t)
	file := filepath.Join(t.TempDir(), "moved")
	stop := from.serve()
	out := from.must("export", "2a", "--out", file)
	stop()
	if !strings.HasPrefix(out, "exported missed session "+missedID) {
		t.Errorf("export: %s", out)
	}
	atRest := filepath.Join(t.TempDir(), "moved")
	from.must("export", "2a", "--out", atRest)
	piped := from.must("export", "2a", "--out", "-")
	whole := read(t, file)
	if read(t, atRest) != whole || piped != whole {
		t.Error("the files of one session differ")
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	from.fails([]string{"export", "2a", "--out", file}, "--out", "is there already")
	from.fails([]string{"export", "2a", "--out", "/no/such/dir/file"}, "--out")

	if out := to.must("import", file); !strings.Contains(out, "already") { // both homes have the same session
		t.Errorf("import of what is there: %s", out)
	}
	to.must("drop", "2a")
	before := to.must("list")
	torn := filepath.Join(t.TempDir(), "torn")
	if err := os.WriteFile(torn, []byte(whole[:len(whole)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	to.fails([]string{"import", torn}, torn, "not an intact session file")
	to.fails([]string{"import", "/no/such/file"}, "/no/such/file")
	if after := to.must("list"); after != before {
		t.Errorf("a refused import has changed the store:\n%s", after)
	}
	if out := to.must("import", file); !strings.HasPrefix(out, "imported missed session "+missedID) || !strings.Contains(out, "nothing is left to be done") {
		t.Errorf("import: %s", out)
	}
	golden(t, "list.txt", to.must("list"))

	// The record differs from the one in the file.
	st := to.open()
	changeRecord(t, st, store.SessionKey{Supplier: aliceAddress, SessionEnd: 30, SessionID: missedID},
		func(r *session.Record) { r.LateRelays++ })
	to.close(st)
	to.fails([]string{"import", file}, "is there already, and differs")
}

func read(t *testing.T, path string) string {
	t.Helper()
	bz, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(bz)
}

// An export without --out has a name that says what it is.
func TestSessions_ExportNamesItsFile(t *testing.T) {
	h := newHome(t)
	t.Chdir(t.TempDir())
	h.must("export", "3a", "--supplier", "pokt1bob")
	if _, err := os.Stat(openID + "-" + bobAddress + ".session"); err != nil {
		t.Error(err)
	}
}

// An import into a store that is not there makes one.
func TestSessions_ImportMakesAStore(t *testing.T) {
	h := newHome(t)
	file := filepath.Join(t.TempDir(), "moved")
	h.must("export", "3a", "--supplier", "pokt1bob", "--out", file)
	fresh := filepath.Join(t.TempDir(), "smt")
	if out := h.must("import", file, "--store", fresh); !strings.Contains(out, "takes it up at its next start") {
		t.Errorf("got %q", out)
	}
	if out := h.must("show", "3a", "--store", fresh); !strings.Contains(out, bobAddress) {
		t.Errorf("got %q", out)
	}
}

func TestSessions_AStoreThatIsInUseElsewhereIsExplained(t *testing.T) {
	h, other := newHome(t), newHome(t)
	st := h.open()
	defer h.close(st)
	h.fails([]string{"list"}, "in use", filepath.Join(h.dir, "admin.sock"), "--home", "stop it")
	stop := other.serve()
	defer stop()
	other.fails([]string{"list", "--store", h.store()}, "in use", "works on "+other.store())
}

// The store that is named is meant, also if another one's relay miner answers.
func TestSessions_NamedStoreIsMeant(t *testing.T) {
	h, other := newHome(t), newHome(t)
	other.must("drop", "1a")
	stop := other.serve()
	defer stop()
	if out := other.must("list", "--store", h.store()); !strings.Contains(out, "1a2b3c4d") {
		t.Errorf("got\n%s", out)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(other.store(), link); err != nil {
		t.Fatal(err)
	}
	if out := other.must("list", "--store", link); strings.Contains(out, "1a2b3c4d") {
		t.Errorf("got\n%s", out)
	}
}

func TestSessions_DropMakesNoStore(t *testing.T) {
	h := newHome(t)
	empty := t.TempDir()
	h.fails([]string{"drop", "1a", "--store", empty}, "no relay store")
	if names, err := filepath.Glob(filepath.Join(empty, "*")); err != nil || len(names) > 1 { // the lock
		t.Errorf("%v was made, %v", names, err)
	}
}

func TestHumanBytes(t *testing.T) {
	for _, c := range []struct {
		n    uint64
		want string
	}{
		{0, "0 B"},
		{1023, "1023 B"},
		{1024, "1.0 KiB"},
		{1536, "1.5 KiB"},
		{1024*1024 - 1, "1.0 MiB"},
		{5 << 30, "5.0 GiB"},
		{1<<64 - 1, "16.0 EiB"},
	} {
		if got := humanBytes(c.n); got != c.want {
			t.Errorf("%d bytes: %q, want %q", c.n, got, c.want)
		}
	}
}

func TestShortener_KeepsNamesApart(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  int
	}{
		{nil, 4},
		{[]string{"abcdefgh"}, 4},
		{[]string{"abcdefgh", "abcdefgh"}, 4},
		{[]string{"abcdefgh", "abcdefgx"}, 8},
		{[]string{"abcdef", "abcdeg", "ab"}, 6},
		{[]string{"abcd", "abcde"}, 5},
	} {
		if got := newShortener(4, c.names); int(got) != c.want {
			t.Errorf("%v: %d characters, want %d", c.names, got, c.want)
		}
	}
}

func TestProgress_IsPlainWithoutATerminal(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out)
	at := &session.Progress{Session: "x", Verified: 1, Sessions: 3, Leaves: 50, Expected: 200}
	p.show(at)
	if out.Len() > 0 {
		t.Errorf("at once: %q", out.String())
	}
	p.last = p.last.Add(-plainEvery)
	p.show(at)
	p.clear()
	if got, want := out.String(), "verifying: 25%  50 of 200 relays, session 2 of 3\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	out.Reset()
	p.terminal = true
	p.show(at)
	p.clear()
	if got := out.String(); !strings.Contains(got, "\r\x1b[K[=======                       ]  25%") || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("on a terminal: %q", got)
	}
}
