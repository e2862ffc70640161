package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// parser walks the nodes of one file. Problems are collected, never returned:
// the walk goes on with what is left.
type parser struct {
	file string
	report
	// lines holds the line of each key and list item that the file has, by path.
	lines map[string]int
	// given holds the paths among them that have a value.
	given map[string]bool
	// broken holds the paths of mappings that are none, and of keys that are
	// probably misspelt, so that one mistake is not reported a second time as
	// something missing there or below.
	broken map[string]bool
}

// key is a key that a mapping may have, and what is done with its value.
type key struct {
	name string
	set  setter
}

// setter takes over the value at path.
type setter func(path string, n *yaml.Node)

// problem reports what is wrong at path.
func (p *parser) problem(path, fix, format string, args ...any) {
	p.problems = append(p.problems, p.at(path, fix, format, args...))
}

// warn reports what is worth knowing at path.
func (p *parser) warn(path, fix, format string, args ...any) {
	p.remarks = append(p.remarks, p.at(path, fix, format, args...))
}

func (p *parser) at(path, fix, format string, args ...any) *Error {
	return &Error{
		File:    p.file,
		Line:    p.line(path),
		Key:     path,
		Problem: fmt.Sprintf(format, args...),
		Fix:     fix,
	}
}

// line returns the line of path or, if the file does not have it, of the
// nearest thing around it that it has.
func (p *parser) line(path string) int {
	for path != "" {
		if line, ok := p.lines[path]; ok {
			return line
		}
		path = parent(path)
	}
	return 0
}

// document returns the top node of the only document in data, or nil after a
// problem.
func (p *parser) document(data []byte) *yaml.Node {
	if len(data) > maxFileSize {
		p.problem("", "check that this is the right file", "is larger than %d bytes", maxFileSize)
		return nil
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		p.problem("", "", "is empty")
		return nil
	case err != nil:
		p.syntax(err)
		return nil
	}
	p.noMore(dec)
	if len(doc.Content) == 0 || absent(doc.Content[0]) {
		p.problem("", "", "is empty")
		return nil
	}
	return doc.Content[0]
}

// noMore reports what follows the first document, empty ones excepted.
func (p *parser) noMore(dec *yaml.Decoder) {
	for {
		var next yaml.Node
		switch err := dec.Decode(&next); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			p.syntax(err)
			return
		case len(next.Content) > 0 && !absent(next.Content[0]):
			p.problems = append(p.problems, &Error{
				File: p.file, Line: next.Content[0].Line,
				Problem: "a second document begins here", Fix: `remove the "---" before it`,
			})
			return
		}
	}
}

// syntax reports an error of the YAML parser, which states the line in its text
// only, as "yaml: line 3: what".
func (p *parser) syntax(err error) {
	what := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 0
	if rest, ok := strings.CutPrefix(what, "line "); ok {
		if number, text, ok := strings.Cut(rest, ": "); ok {
			if n, err := strconv.Atoi(number); err == nil {
				line, what = n, text
			}
		}
	}
	p.problems = append(p.problems, &Error{
		File: p.file, Line: line,
		Problem: "is not YAML: " + what, Fix: "check the indentation and quotes around this line",
	})
}

// mapping hands the value of each key to its setter, unless it is absent.
func (p *parser) mapping(path string, n *yaml.Node, keys []key) {
	for _, e := range p.entries(path, n) {
		i := slices.IndexFunc(keys, func(k key) bool { return k.name == e.name })
		if i < 0 {
			near := nearest(e.name, keys)
			p.problem(e.path, suggest(e.name, near), "there is no such key here")
			if near != "" {
				p.broken[join(path, near)] = true
			}
			continue
		}
		if absent(e.value) {
			continue
		}
		p.given[e.path] = true
		keys[i].set(e.path, e.value)
	}
}

// entry is a key of a mapping with its value.
type entry struct {
	name, path string
	value      *yaml.Node
}

// entries returns the keys of the mapping at path, with those that it merges
// from others by "<<", each once and with its path known to p.
func (p *parser) entries(path string, n *yaml.Node) []entry {
	n = follow(n)
	if n.Kind != yaml.MappingNode {
		p.problem(path, "write keys with their values below it", "is %s, but a mapping is needed", kind(n))
		p.broken[path] = true
		return nil
	}
	var found []entry
	first := make(map[string]int) // name -> line
	add := func(k, v *yaml.Node) {
		e := entry{name: k.Value, path: join(path, k.Value), value: v}
		first[e.name] = k.Line
		p.lines[e.path] = k.Line
		found = append(found, e)
	}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := follow(n.Content[i]), n.Content[i+1]
		switch line, twice := first[k.Value]; {
		case k.Kind != yaml.ScalarNode:
			e := p.at(path, "", "has %s for a key", kind(k))
			e.Line = n.Content[i].Line
			p.problems = append(p.problems, e)
		case k.ShortTag() == "!!merge":
			merged = append(merged, v)
		case twice:
			e := p.at(join(path, k.Value), "remove one of them", "is here twice, first on line %d", line)
			e.Line = k.Line
			p.problems = append(p.problems, e)
		default:
			add(k, v)
		}
	}
	seen := map[*yaml.Node]bool{n: true}
	for _, source := range merged {
		p.merge(path, source, seen, func(k, v *yaml.Node) {
			if _, ok := first[k.Value]; !ok {
				add(k, v)
			}
		})
	}
	return found
}

// merge calls add for the keys of source, a mapping or a list of them, those
// that take precedence first. A mapping is visited once, which also ends
// circles.
func (p *parser) merge(path string, source *yaml.Node, seen map[*yaml.Node]bool, add func(k, v *yaml.Node)) {
	source = follow(source)
	if seen[source] {
		return
	}
	seen[source] = true
	switch source.Kind {
	case yaml.SequenceNode:
		for _, item := range source.Content {
			p.merge(path, item, seen, add)
		}
	case yaml.MappingNode:
		var deeper []*yaml.Node
		for i := 0; i+1 < len(source.Content); i += 2 {
			k, v := follow(source.Content[i]), source.Content[i+1]
			switch {
			case k.Kind == yaml.ScalarNode && k.ShortTag() == "!!merge":
				deeper = append(deeper, v)
			case k.Kind == yaml.ScalarNode:
				add(k, v)
			}
		}
		for _, d := range deeper {
			p.merge(path, d, seen, add)
		}
	default:
		p.problem(path, "name a mapping by its anchor, as in <<: *name",
			"merges %s on line %d, but a mapping is needed", kind(source), source.Line)
	}
}

// items returns the items of the list at path, each with its path known to p.
func (p *parser) items(path string, n *yaml.Node) []entry {
	n = follow(n)
	if n.Kind != yaml.SequenceNode {
		p.problem(path, `begin each item with "- "`, "is %s, but a list is needed", kind(n))
		return nil
	}
	found := make([]entry, len(n.Content))
	for i, item := range n.Content {
		found[i] = entry{path: fmt.Sprintf("%s[%d]", path, i), value: item}
		p.lines[found[i].path] = item.Line
	}
	return found
}

// scalar returns the text of the single value at path, as written. Numbers and
// words such as "no" are texts too where a text is wanted: a service may be
// called 0021.
func (p *parser) scalar(path string, n *yaml.Node) (string, bool) {
	n = follow(n)
	if n.Kind != yaml.ScalarNode {
		p.problem(path, "", "is %s, but a single value is needed", kind(n))
		return "", false
	}
	return n.Value, true
}

// single returns the setter of a single value, which hands on its text.
func (p *parser) single(take func(path, s string)) setter {
	return func(path string, n *yaml.Node) {
		if s, ok := p.scalar(path, n); ok {
			take(path, s)
		}
	}
}

// follow returns the node that an alias stands for, and any other itself.
func follow(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// absent says whether a value counts as not given.
func absent(n *yaml.Node) bool {
	n = follow(n)
	if n.Kind == yaml.ScalarNode {
		return n.Value == "" || n.ShortTag() == "!!null"
	}
	return len(n.Content) == 0
}

// kind names what a node is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}

// parent returns the path of what is around path, "" for the whole file.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// join returns the path of a key below path.
func join(path, name string) string {
	if path == "" {
		return showKey(name)
	}
	return path + "." + showKey(name)
}
