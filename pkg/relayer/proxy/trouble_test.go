package proxy

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer"
	"github.com/seed52205347/relayminer/pkg/relayer/backend"
)

func TestTroubles_OneLinePerServiceReasonAndInterval(t *testing.T) {
	var log bytes.Buffer
	tr := newTroubles(slog.New(slog.NewTextHandler(&log, nil)))
	down := &backend.PrivateError{Reason: relayer.ErrInternal.Wrapf("no answer"), Cause: errors.New("connection refused")}
	begin := time.Now()
	for _, c := range []struct {
		after   time.Duration
		service string
		err     error
		want    string // in the line that is written, empty for none
	}{
		{0, "eth", down, "service=eth error=\"internal error: no answer\" cause=\"connection refused\" relays=1"},
		{0, "eth", down, ""},
		{time.Second, "eth", errors.New("no reason"), ""},
		{time.Second, "eth", relayer.ErrTimeout, "relays=1"},
		{time.Second, "sol", down, "service=sol"},
		{troubleInterval - 1, "eth", down, ""},
		{troubleInterval, "eth", down, "relays=4"},
		{troubleInterval, "eth", down, ""},
		{3 * troubleInterval, "eth", relayer.ErrInvalidRingSignature, ""},
		{3 * troubleInterval, "eth", relayer.ErrInternal.Wrapf("%w", context.Canceled), ""},
		{3 * troubleInterval, "", relayer.ErrTimeout, ""},
		{3 * troubleInterval, "", relayer.ErrRequestLimit, "relays=1"},
	} {
		log.Reset()
		tr.report(begin.Add(c.after), c.service, c.err)
		if got := log.String(); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s, service %q, %v: wrote %q, want %q", c.after, c.service, c.err, got, c.want)
		}
	}
	if len(tr.known) != 4 {
		t.Errorf("%d troubles are known, want 4", len(tr.known))
	}
}
