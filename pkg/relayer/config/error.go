package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Error is one problem of a configuration file.
type Error struct {
	// File is the file's name as given to Load or Parse.
	File string
	// Line is the line of the value, or of the nearest thing around it if the
	// value is missing; 0 if the problem is with the file as a whole.
	Line int
	// Key is the path to the key, such as "suppliers[0].listen_url"; empty if
	// the problem is with the file as a whole.
	Key string
	// Problem says what is wrong.
	Problem string
	// Fix says what to do about it. It may be empty.
	Fix string
}

// Error returns the problem in one line: "file:line: key: problem; fix".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Problem)
	if e.Fix != "" {
		b.WriteString("; " + e.Fix)
	}
	return b.String()
}

// report is what a parser has found wrong, or worth a warning, so far.
type report struct {
	problems []*Error
	remarks  []*Error
}

// err joins the problems in the order of the file.
func (r *report) err() error {
	var errs []error
	for _, e := range inOrder(r.problems) {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// warnings are the remarks in the order of the file.
func (r *report) warnings() []string {
	var lines []string
	for _, e := range inOrder(r.remarks) {
		lines = append(lines, e.Error())
	}
	return lines
}

func inOrder(found []*Error) []*Error {
	sorted := slices.Clone(found)
	slices.SortStableFunc(sorted, func(a, b *Error) int { return cmp.Compare(a.Line, b.Line) })
	return sorted
}

// quote shows a text from the file in a message: on one line, and not all of it
// if it is long.
func quote(s string) string {
	const longest = 80
	if len(s) > longest {
		return fmt.Sprintf("%q...", s[:longest])
	}
	return fmt.Sprintf("%q", s)
}

// showKey shows a key in a path: as it is if it looks like one, quoted if not.
func showKey(key string) string {
	strange := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-", r)
	}
	if key == "" || len(key) > 64 || strings.IndexFunc(key, strange) >= 0 {
		return quote(key)
	}
	return key
}
