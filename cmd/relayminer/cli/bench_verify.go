package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/seed52205347/relayminer/pkg/bench"
)

// verifyReport is what bench --verify prints as JSON.
type verifyReport struct {
	Interrupted bool             `json:"interrupted,omitempty"`
	Lines       []bench.RingLine `json:"lines"`
}

// runVerify prints each line when it is measured, or all as JSON at the end. An interrupt
// ends it early.
func (f *benchFlags) runVerify(ctx context.Context, out io.Writer) error {
	var report verifyReport
	text := out
	if f.json {
		text = io.Discard
	}
	const format = "%-12s %5s %14s %12s %12s %12s %8s\n"
	fmt.Fprintf(text, format, "case", "ring", "ring-go ns/op", "ours ns/op", "ring-go al.", "ours al.", "ratio")
	err := bench.Rings(ctx, bench.RingOptions{Sizes: f.ring, Applications: f.applications, Duration: f.duration},
		func(l bench.RingLine) {
			report.Lines = append(report.Lines, l)
			fmt.Fprintf(text, format, l.Case, fmt.Sprint(l.Ring),
				fmt.Sprintf("%.0f", l.Theirs.Nanos), fmt.Sprintf("%.0f", l.Ours.Nanos),
				fmt.Sprintf("%.1f", l.Theirs.Allocs), fmt.Sprintf("%.1f", l.Ours.Allocs), fmt.Sprintf("%.1f", l.Ratio))
		})
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		report.Interrupted, err = true, nil
		fmt.Fprintln(text, "interrupted")
	}
	if f.json {
		err = errors.Join(err, printJSON(out, report))
	}
	return err
}
