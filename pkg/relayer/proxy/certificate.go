package proxy

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// certificateInterval is the least time between two looks at a certificate's files.
const certificateInterval = 5 * time.Second

// certificate is that of a listener. Its files are read anew when they have
// changed, at the next connection, so that it can be renewed while relays are
// served. Files that do not fit together leave the one before in use.
type certificate struct {
	files config.TLS
	log   *slog.Logger

	mu     sync.Mutex
	inUse  *tls.Certificate
	read   stamp // of the files that inUse was read from
	failed stamp // of the files that the operator was told of
	looked time.Time
}

// stamp tells versions of the two files apart.
type stamp [2]struct {
	changed time.Time
	size    int64
}

// newCertificate reads the files.
func newCertificate(files config.TLS, log *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, log: log}
	if err := c.load(c.stamp()); err != nil {
		return nil, fmt.Errorf("tls.cert_file %s, tls.key_file %s: %w", files.CertFile, files.KeyFile, err)
	}
	return c, nil
}

// get returns the certificate to be used at the given time.
func (c *certificate) get(now time.Time) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) < certificateInterval {
		return c.inUse
	}
	c.looked = now
	found := c.stamp()
	if found == c.read {
		return c.inUse
	}
	err := c.load(found)
	switch {
	case err == nil:
		c.log.Info("certificate was renewed", "cert_file", c.files.CertFile)
	case found != c.failed:
		c.failed = found
		c.log.Warn("changed certificate cannot be used, the one before is kept",
			"cert_file", c.files.CertFile, "key_file", c.files.KeyFile, "error", err)
	}
	return c.inUse
}

// load takes the files into use, of which found is the stamp.
func (c *certificate) load(found stamp) error {
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return err
	}
	c.inUse, c.read = &pair, found
	return nil
}

// stamp returns that of the files as they are. A file that is not there has none.
func (c *certificate) stamp() stamp {
	var s stamp
	for i, name := range []string{c.files.CertFile, c.files.KeyFile} {
		if info, err := os.Stat(name); err == nil {
			s[i].changed, s[i].size = info.ModTime(), info.Size()
		}
	}
	return s
}

// config returns how TLS is spoken with the certificate.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(time.Now()), nil },
	}
}
