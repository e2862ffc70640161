package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/seed52205347/relayminer/pkg/session"
)

const (
	barWidth = 30
	// plainEvery is the time between two lines of progress where there is no
	// terminal.
	plainEvery = 5 * time.Second
)

// progress shows how far a verification has come: as a bar on a terminal, else
// as a line now and then.
type progress struct {
	out      io.Writer
	terminal bool
	shown    bool      // a bar is on the terminal
	last     time.Time // of the last line
}

func newProgress(out io.Writer) *progress {
	return &progress{out: out, terminal: isTerminal(out), last: time.Now()}
}

// isTerminal reports whether somebody is looking, as far as one can tell.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// show shows how far it has come. That it cannot be shown is no failure.
func (p *progress) show(at *session.Progress) {
	share := float64(at.Leaves) / float64(max(at.Expected, 1))
	text := fmt.Sprintf("%3.0f%%  %d of %s, session %d of %d", 100*share, at.Leaves,
		counted(at.Expected, "relay", "relays"), at.Verified+1, at.Sessions)
	if p.terminal {
		done := int(share * barWidth)
		fmt.Fprintf(p.out, "\r\x1b[K[%s%s] %s", strings.Repeat("=", done), strings.Repeat(" ", barWidth-done), text)
		p.shown = true
		return
	}
	if time.Since(p.last) >= plainEvery {
		p.last = time.Now()
		fmt.Fprintln(p.out, "verifying:", strings.TrimSpace(text))
	}
}

// clear removes the bar, so that something else can be printed.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
