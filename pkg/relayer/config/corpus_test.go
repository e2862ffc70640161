package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "write what Parse says of the files in testdata to their .want files")

// want compares got with the contents of the file beside the input file.
func want(t *testing.T, input, got string) {
	t.Helper()
	name := strings.TrimSuffix(input, ".yaml") + ".want"
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	expected, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(expected) {
		t.Errorf("%s: got\n%s\nwant\n%s", input, got, expected)
	}
}

// Every file of the corpus is refused with exactly the lines beside it: each
// problem is found, on its line, with its key and remedy.
func TestParse_BadFileIsRefusedWithEveryProblem(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 25 {
		t.Fatalf("corpus has %d files, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(filepath.Base(file), data)
			if err == nil {
				t.Fatal("the file was accepted")
			}
			if c != nil {
				t.Error("an unusable configuration was returned beside the error")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats a secret: %v", err)
			}
			checkErrors(t, err)
			want(t, file, err.Error()+"\n")
		})
	}
}

// checkErrors checks that err joins typed errors of one line each.
func checkErrors(t *testing.T, err error) {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("error is a %T, not a joined one", err)
	}
	for _, single := range joined.Unwrap() {
		var e *Error
		if !errors.As(single, &e) {
			t.Fatalf("error is a %T, want *Error", single)
		}
		if strings.ContainsAny(e.Error(), "\n\r") {
			t.Errorf("error is not one line: %q", e.Error())
		}
		if e.File == "" || e.Problem == "" {
			t.Errorf("error lacks file or problem: %+v", e)
		}
	}
}

func loadFull(t testing.TB) *Config {
	t.Helper()
	c, err := Load("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse_FullFileWarnsOfWhatHasNoEffectOrIsDangerous(t *testing.T) {
	c := loadFull(t)
	got := strings.Join(c.Warnings, "\n") + "\n"
	if strings.Contains(got, "hunter2") {
		t.Errorf("a warning repeats a secret:\n%s", got)
	}
	want(t, "testdata/full.yaml", got)
}

// The examples that the official relay miner ships must load as they are.
func TestLoad_OfficialExamples(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/pokt-network/poktroll").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "localnet", "pocketd", "config")
	for file, ids := range map[string]string{
		"relayminer_config_full_example.yaml":    "ethereum ollama:mistral:7b xrplevm",
		"relayminer_config_localnet_vscode.yaml": "anvil anvilws ollama rest",
	} {
		t.Run(file, func(t *testing.T) {
			c, err := Load(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range c.Services {
				got = append(got, s.ID)
			}
			if strings.Join(got, " ") != ids {
				t.Errorf("services %q, want %q", got, ids)
			}
		})
	}
}

func TestLoad_MissingFileIsErrNotExist(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestParse_TooLargeFileIsRefusedUnread(t *testing.T) {
	_, err := Parse("big.yaml", bytes.Repeat([]byte("# filler\n"), maxFileSize/9+1))
	if err == nil || !strings.Contains(err.Error(), "is larger than") {
		t.Errorf("got %v", err)
	}
}

// However a configuration gets into a log or a dump, its secrets do not.
func TestConfig_SecretsAreNeverPrinted(t *testing.T) {
	c := loadFull(t)
	all := []any{c, *c, c.PocketNode, Secret("hunter2")}
	for _, s := range c.Services {
		all = append(all, s, *s, s.DefaultBackend, *s.DefaultBackend, s.Backends, s.DefaultBackend.Headers)
		if a := s.DefaultBackend.Authentication; a != nil {
			all = append(all, a, *a)
		}
		for _, b := range s.Backends {
			all = append(all, b, *b, b.Headers)
		}
	}
	var log bytes.Buffer
	text := slog.New(slog.NewTextHandler(&log, nil))
	asJSON := slog.New(slog.NewJSONHandler(&log, nil))
	for _, v := range all {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&log, verb+"\n", v)
		}
		text.Info("configuration", "value", v)
		asJSON.Info("configuration", "value", v)
		for _, marshal := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal} {
			bz, err := marshal(v)
			if err != nil {
				t.Fatalf("%T: %v", v, err)
			}
			log.Write(bz)
		}
	}
	if i := strings.Index(log.String(), "hunter2"); i >= 0 {
		t.Errorf("secret printed: ...%s...", log.String()[max(0, i-100):min(i+20, log.Len())])
	}
	if hex := fmt.Sprintf("%x", "hunter2"); strings.Contains(log.String(), hex) {
		t.Error("secret printed in hexadecimal")
	}
	if !strings.Contains(log.String(), redacted) {
		t.Error("nothing was redacted: the test looks in the wrong place")
	}
}

func addFiles(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("%s has %d files, error %v", pattern, len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
}
