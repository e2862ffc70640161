package relayminer_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The paths under which imports are ours, and those of the chain.
const (
	module   = "github.com/seed52205347/relayminer"
	poktroll = "github.com/pokt-network/poktroll"
)

// ranks orders the packages of the module: each may import those of a lower
// rank. A path that ends in "/..." stands for everything below it too. The empty
// path is the module's root.
func ranks() map[string]int {
	return map[string]int{
		"pkg/async":         0,
		"pkg/observable":    0,
		"pkg/ring":          0,
		"testutil/loopback": 0,

		"pkg/ring/internal/curve": 0,

		"pkg/relayer":        1,
		"pkg/relayer/buffer": 1,
		"pkg/relayer/config": 1,

		"pkg/chain":           2,
		"pkg/chain/tx":        2,
		"pkg/miner":           2,
		"pkg/relayer/auth":    2,
		"pkg/relayer/backend": 2,
		"pkg/relayer/client":  2,
		"pkg/relayer/meter":   2,
		"pkg/session/prover":  2,
		"pkg/session/queue":   2,
		"pkg/session/store":   2,
		"pkg/session/trie":    2,

		"pkg/admin":         3,
		"pkg/relayer/proxy": 3,
		"pkg/bench":         3,
		"pkg/session":       3,
		"pkg/simchain":      3,

		"cmd/relayminer/...": 4,
		"testutil/...":       4,

		"cmd/localnet/...": 5,
		"":                 6,
	}
}

// siblings are the imports within a rank that are allowed, beside those of a
// package's own sub-packages: importer to imported.
func siblings() map[string]string {
	return map[string]string{
		"pkg/admin":          "pkg/session",
		"pkg/chain/tx":       "pkg/chain",
		"pkg/observable":     "pkg/async",
		"pkg/ring":           "pkg/async",
		"pkg/session/prover": "pkg/session/trie",
	}
}

// pkg is a package of the module and what its files import, under any build
// constraint. Paths of the module's own packages are relative to it.
type pkg struct {
	path        string
	imports     []string // of files that are built
	testImports []string // of files named _test.go
}

// rank returns the rank of a package, and false if it has none.
func rank(pkgPath string) (int, bool) {
	table := ranks()
	if r, ok := table[pkgPath]; ok {
		return r, true
	}
	for p := pkgPath; p != "." && p != ""; p = path.Dir(p) {
		if r, ok := table[p+"/..."]; ok {
			return r, true
		}
	}
	return 0, false
}

// own returns the path of a package relative to the module, and false if it is
// another module's.
func own(importPath string) (string, bool) {
	if importPath == module {
		return "", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// within says whether a package is dir or below it.
func within(pkgPath, dir string) bool {
	return pkgPath == dir || strings.HasPrefix(pkgPath, dir+"/")
}

// foreignFaults reports what p imports of the chain's implementation beyond its
// protobuf types, which are all that this relay miner builds upon. What runs a
// whole chain for tests also needs the chain's application.
func foreignFaults(p pkg) []string {
	var faults []string
	for _, imported := range slices.Concat(p.imports, p.testImports) {
		if !within(imported, poktroll) {
			continue
		}
		rest := strings.TrimPrefix(strings.TrimPrefix(imported, poktroll), "/")
		runsChain := within(p.path, "cmd/localnet") || within(p.path, "testutil")
		types, _ := path.Match("x/*/types", rest)
		if types || within(rest, "api") || runsChain && within(rest, "app") {
			continue
		}
		faults = append(faults, fmt.Sprintf("%s imports %s: of that module only x/*/types and api are ours to use", show(p.path), imported))
	}
	return faults
}

// orderFaults reports what p imports, outside of its tests, from a package that
// is not below it.
func orderFaults(p pkg) []string {
	from, listed := rank(p.path)
	if !listed {
		return []string{fmt.Sprintf("%s has no rank: add it to the table in architecture_test.go", show(p.path))}
	}
	var faults []string
	for _, imported := range p.imports {
		target, ours := own(imported)
		if !ours {
			continue
		}
		to, listed := rank(target)
		sibling, hasSibling := siblings()[p.path]
		switch {
		case !listed:
			faults = append(faults, fmt.Sprintf("%s imports %s, which has no rank: add it to the table in architecture_test.go",
				show(p.path), show(target)))
		case within(target, "testutil") && !within(p.path, "testutil") && !within(p.path, "cmd/localnet"):
			faults = append(faults, fmt.Sprintf("%s imports %s outside of its tests", show(p.path), target))
		case to < from, within(target, p.path) && p.path != "", hasSibling && target == sibling:
		default:
			faults = append(faults, fmt.Sprintf("%s (rank %d) imports %s (rank %d): imports run downward only",
				show(p.path), from, show(target), to))
		}
	}
	return faults
}

func show(pkgPath string) string {
	if pkgPath == "" {
		return "the root package"
	}
	return pkgPath
}

// packages returns the packages in the tree at root, by reading the import
// clauses of all files, so that no build constraint hides one.
func packages(root string) ([]pkg, error) {
	found := make(map[string]*pkg)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != root && (base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(base) != ".go" {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		key := strings.TrimPrefix(filepath.ToSlash(dir), ".")
		if found[key] == nil {
			found[key] = &pkg{path: key}
		}
		return addImports(found[key], name)
	})
	if err != nil {
		return nil, err
	}
	var all []pkg
	for _, key := range slices.Sorted(maps.Keys(found)) {
		all = append(all, *found[key])
	}
	return all, nil
}

// addImports adds to p what the file imports.
func addImports(p *pkg, name string) error {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
	if err != nil {
		return err
	}
	to := &p.imports
	if strings.HasSuffix(name, "_test.go") {
		to = &p.testImports
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		if !slices.Contains(*to, imported) {
			*to = append(*to, imported)
		}
	}
	return nil
}

func TestArchitecture_TreeKeepsTheRules(t *testing.T) {
	all, err := packages(".")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(all, func(p pkg) bool { return p.path == "pkg/relayer" && len(p.imports) > 0 }) {
		t.Fatal("pkg/relayer was not found: the test does not see the tree")
	}
	for _, p := range all {
		for _, fault := range slices.Concat(foreignFaults(p), orderFaults(p)) {
			t.Error(fault)
		}
	}
}

func TestArchitecture_OnlyTypesOfTheChainAreImported(t *testing.T) {
	for _, c := range []struct {
		importer, imported string
		allowed            bool
	}{
		{"pkg/chain", poktroll + "/x/proof/types", true},
		{"pkg/chain", poktroll + "/api/pocket/proof", true},
		{"pkg/chain", poktroll + "-tools/pkg", true},
		{"pkg/chain", "github.com/pokt-network/smt", true},
		{"pkg/chain", poktroll, false},
		{"pkg/chain", poktroll + "/x/proof", false},
		{"pkg/chain", poktroll + "/x/proof/keeper", false},
		{"pkg/chain", poktroll + "/x/proof/types/deeper", false},
		{"pkg/chain", poktroll + "/pkg/crypto/protocol", false},
		{"pkg/chain", poktroll + "/testutil/keeper", false},
		{"pkg/chain", poktroll + "/apix", false},
		{"pkg/chain", poktroll + "/app", false},
		{"cmd/relayminer", poktroll + "/app", false},
		{"cmd/localnet", poktroll + "/app", true},
		{"cmd/localnet/genesis", poktroll + "/app/pocket", true},
		{"testutil/testchain", poktroll + "/app", true},
		{"testutil/testchain", poktroll + "/pkg/client", false},
		{"cmd/localnetwork", poktroll + "/app", false},
	} {
		for kind, p := range map[string]pkg{
			"code":  {path: c.importer, imports: []string{"fmt", c.imported}},
			"tests": {path: c.importer, testImports: []string{"fmt", c.imported}},
		} {
			if faults := foreignFaults(p); (len(faults) == 0) != c.allowed {
				t.Errorf("%s of %s importing %s: faults %q, allowed should be %v", kind, c.importer, c.imported, faults, c.allowed)
			}
		}
	}
}

func TestArchitecture_ImportsRunDownward(t *testing.T) {
	for _, c := range []struct {
		importer, imported string
		fault              string // part of the message, empty if allowed
	}{
		{"pkg/relayer", "pkg/observable", ""},
		{"pkg/session", "pkg/session/store", ""},
		{"pkg/session", "pkg/async", ""},
		{"pkg/relayer", "pkg/relayer/config", ""},
		{"pkg/chain/tx", "pkg/chain", ""},
		{"pkg/observable", "pkg/async", ""},
		{"pkg/chain", "pkg/chain/tx", ""}, // one of both; the compiler sees to that
		{"cmd/relayminer", "cmd/relayminer/wiring", ""},
		{"cmd/relayminer", "pkg/session", ""},
		{"cmd/localnet", "testutil/testchain", ""},
		{"testutil/golden", "pkg/relayer", ""},
		{"", "cmd/localnet", ""},

		{"pkg/async", "pkg/observable", "downward"},
		{"pkg/relayer", "pkg/chain", "downward"},
		{"pkg/relayer/config", "pkg/relayer", "downward"},
		{"pkg/session/store", "pkg/session", "downward"},
		{"pkg/session", "pkg/relayer/proxy", "downward"},
		{"pkg/miner", "pkg/chain", "downward"},
		{"pkg/chain", "", "downward"},
		{"testutil/golden", "testutil/testchain", "downward"},
		{"testutil/golden", "cmd/relayminer", "downward"},
		{"cmd/relayminer", "testutil/golden", "outside of its tests"},
		{"pkg/session", "testutil/golden", "outside of its tests"},
		{"pkg/newcomer", "pkg/async", "pkg/newcomer has no rank: add it to the table"},
		{"pkg/session", "pkg/newcomer", "pkg/newcomer, which has no rank: add it to the table"},
		{"pkg/relayer/config/deeper", "pkg/async", "has no rank"},
		{"testutil2", "pkg/async", "has no rank"},
	} {
		imported := strings.TrimSuffix(module+"/"+c.imported, "/")
		faults := orderFaults(pkg{path: c.importer, imports: []string{"fmt", imported, module + "other/pkg"}})
		switch {
		case c.fault == "" && len(faults) > 0:
			t.Errorf("%q importing %q: %q", c.importer, c.imported, faults)
		case c.fault != "" && (len(faults) != 1 || !strings.Contains(faults[0], c.fault)):
			t.Errorf("%q importing %q: faults %q, want one with %q", c.importer, c.imported, faults, c.fault)
		}
	}
}

func TestArchitecture_TestsMayImportAnything(t *testing.T) {
	p := pkg{path: "pkg/async", testImports: []string{module + "/testutil/golden", module + "/pkg/session"}}
	if faults := orderFaults(p); len(faults) > 0 {
		t.Errorf("got %q", faults)
	}
}

func TestArchitecture_EveryFileIsRead(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"a.go":                 "package x\n\nimport _ \"root\"\n",
		"pkg/x/a.go":           "package x\n\nimport _ \"one\"\n",
		"pkg/x/b.go":           "//go:build never\n\npackage x\n\nimport (\n\t_ \"one\"\n\tt \"two\"\n)\n",
		"pkg/x/b_test.go":      "package x_test\n\nimport \"three\"\n",
		"pkg/x/testdata/c.go":  "not go\n",
		"pkg/x/.hidden/c.go":   "not go\n",
		"pkg/x/_ignored/c.go":  "not go\n",
		"pkg/x/notes/README":   "not go\n",
		"pkg/tests/a_test.go":  "package tests\n\nimport \"four\"\n",
		"pkg/tests/other.json": "{}",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := packages(root)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(all)
	want := fmt.Sprint([]pkg{
		{"", []string{"root"}, nil},
		{"pkg/tests", nil, []string{"four"}},
		{"pkg/x", []string{"one", "two"}, []string{"three"}},
	})
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
