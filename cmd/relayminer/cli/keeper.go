package cli

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
	"github.com/seed52205347/relayminer/pkg/session"
)

// openKeeper makes what deletes and files away what is left of sessions that are
// over.
func (i *Instance) openKeeper(opts Options, cfg *config.Config) error {
	dir := cfg.RecordsPath(userHome(opts.Home))
	var err error
	i.keeper, err = session.NewKeeper(i.parts.manager, session.KeeperOptions{
		Relays:       int64(cfg.Keep.Relays),
		UnpaidRelays: int64(cfg.Keep.UnpaidRelays),
		Records:      int64(cfg.Keep.Records),
		RecordsDir:   dir,
		Logger:       opts.Log,
	})
	if err != nil {
		return fmt.Errorf("%s: keep, records_dir %s: %w", cfg.File, dir, err)
	}
	return nil
}

// userHome returns the user's home, or fallback if that is not known.
func userHome(fallback string) string {
	user, err := os.UserHomeDir()
	if err != nil {
		return fallback
	}
	return user
}

func (i *Instance) registerKeeper(registry *prometheus.Registry) {
	stats := i.keeper.Stats
	counter(registry, "sessions_purged_total", "Sessions whose relays were deleted after their outcome.",
		func() uint64 { return stats().RelaysPurged })
	counter(registry, "records_purged_total", "Sessions whose record was deleted after their outcome.",
		func() uint64 { return stats().RecordsPurged })
	counter(registry, "purges_failed_total", "Times that deletions failed, to be made again at the next block.",
		func() uint64 { return stats().PurgesFailed })
	counter(registry, "record_files_written_total", "Files of records written.",
		func() uint64 { return stats().FilesWritten })
	counter(registry, "record_files_failed_total", "Times that the file of a record could not be written.",
		func() uint64 { return stats().FilesFailed })
}
