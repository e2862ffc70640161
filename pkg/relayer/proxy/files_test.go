package proxy

import "testing"

func TestShares_LeaveFilesToTheStore(t *testing.T) {
	for _, c := range []struct {
		files                    uint64
		callers, services, spare int
	}{
		{256, 128, 64, 64},
		{1024, 512, 256, 256},
		{20_000, 12_650, 6_326, 1_024},
		{1 << 63, 1 << 30, 1 << 30, 1 << 30},
	} {
		got := sharesOf(c.files)
		if got.callers != c.callers || got.services != c.services {
			t.Errorf("of %d files: %+v, want %d for callers and %d for services", c.files, got, c.callers, c.services)
		}
		if spare := c.files - uint64(got.callers) - uint64(got.services); spare < uint64(c.spare) {
			t.Errorf("of %d files %d are left", c.files, spare)
		}
	}
	if got := sharesOf(0); got != (shares{}) {
		t.Errorf("without a limit: %+v", got)
	}
}

func TestShares_AListenerHasWhatIsConfiguredIfThereAreFilesForIt(t *testing.T) {
	s := shares{callers: 1000}
	for _, c := range []struct{ most, listeners, want int }{
		{600, 1, 600}, {600, 2, 500}, {600, 5000, 1},
	} {
		if got := s.limit(c.most, c.listeners); got != c.want {
			t.Errorf("%d of %d listeners: %d, want %d", c.most, c.listeners, got, c.want)
		}
	}
	if got := (shares{}).limit(600, 3); got != 600 {
		t.Errorf("without a bound: %d", got)
	}
}
