package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// none stands for what is not there or not known.
const none = "-"

// column is one column of a table.
type column struct {
	title string
	right bool // numbers
}

// table is text in columns. All but the last have two spaces behind them.
type table struct {
	columns []column
	rows    [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write prints the table, each line after the indentation.
func (t *table) write(out io.Writer, indent string) error {
	widths := make([]int, len(t.columns))
	titles := make([]string, len(t.columns))
	for n, c := range t.columns {
		widths[n], titles[n] = utf8.RuneCountInString(c.title), c.title
	}
	for _, row := range t.rows {
		for n, cell := range row {
			widths[n] = max(widths[n], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range append([][]string{titles}, t.rows...) {
		if _, err := fmt.Fprintln(out, strings.TrimRight(indent+t.line(row, widths), " ")); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) line(row []string, widths []int) string {
	cells := make([]string, len(row))
	for n, cell := range row {
		space := strings.Repeat(" ", widths[n]-utf8.RuneCountInString(cell))
		if t.columns[n].right {
			cells[n] = space + cell
		} else {
			cells[n] = cell + space
		}
	}
	return strings.Join(cells, "  ")
}

// humanBytes returns a size as it is read easily.
func humanBytes(n uint64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/1024, 0
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for ; size >= 1023.95 && unit < len(units)-1; unit++ {
		size /= 1024
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

// upokt returns an amount as the chain writes it, or none if it is not known.
func upokt(amount *int64) string {
	if amount == nil {
		return none
	}
	return fmt.Sprintf("%dupokt", *amount)
}

// orNone returns the text, or none if there is none.
func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

// counted returns a number of things: the singular for one.
func counted(n uint64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// shortener cuts names to a length at which those that differ still do.
type shortener int

// newShortener returns a shortener to at least the given length.
func newShortener(least int, names []string) shortener {
	distinct := make(map[string]struct{})
	for _, name := range names {
		distinct[name] = struct{}{}
	}
	for length := least; ; length++ {
		cut := make(map[string]struct{}, len(distinct))
		whole := true
		for name := range distinct {
			cut[shortener(length).short(name)] = struct{}{}
			whole = whole && len(name) <= length
		}
		if len(cut) == len(distinct) || whole {
			return shortener(length)
		}
	}
}

func (s shortener) short(name string) string {
	if len(name) <= int(s) {
		return name
	}
	return name[:s]
}
