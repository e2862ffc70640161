package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed52205347/relayminer/pkg/relayer/backend"
	"github.com/seed52205347/relayminer/pkg/relayer/config"
)

// issue writes a certificate for loopback with the serial number to the files.
func issue(t *testing.T, files config.TLS, serial int64) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, files.CertFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	write(t, files.KeyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// write writes a file with a time of change of its own, also where clocks are coarse.
func write(t *testing.T, name string, data []byte) {
	t.Helper()
	changed := time.Unix(1_700_000_000, 0)
	if info, err := os.Stat(name); err == nil {
		changed = info.ModTime().Add(time.Second)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, changed, changed); err != nil {
		t.Fatal(err)
	}
}

func certificateFiles(t *testing.T) config.TLS {
	dir := t.TempDir()
	return config.TLS{CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
}

// overTLS returns a server that listens with the files.
func overTLS(t *testing.T, files config.TLS) *httpServer {
	services := backend.NewHTTP(0, 1)
	t.Cleanup(services.Close)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return newHTTPServer(config.Listener{
		Addr: free.Addr().String(), TLS: &files,
		Services: []*config.Service{{ID: "svc", RequestTimeout: time.Minute, MaxBodySize: 1 << 20}},
	}, 100, silentPipeline(), services, newRation(0), slog.New(slog.DiscardHandler))
}

func TestServer_SpeaksTLSWithHTTP1AndHTTP2(t *testing.T) {
	files := certificateFiles(t)
	roots := x509.NewCertPool()
	roots.AddCert(issue(t, files, 1))
	s := overTLS(t, files)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	for _, http2 := range []bool{false, true} {
		var protocols http.Protocols
		protocols.SetHTTP1(!http2)
		protocols.SetHTTP2(http2)
		transport := &http.Transport{Protocols: &protocols, TLSClientConfig: &tls.Config{RootCAs: roots}}
		response, err := (&http.Client{Transport: transport}).Post("https://"+s.addr, "", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK || (response.ProtoMajor == 2) != http2 {
			t.Errorf("HTTP/2 %v: %s, %s", http2, response.Proto, response.Status)
		}
		transport.CloseIdleConnections()
	}
	// Cleartext is not answered with a relay response.
	conn := call(t, s.addr, emptyRelay)
	if got := status(t, conn); got != http.StatusBadRequest {
		t.Errorf("status %d in cleartext", got)
	}
}

func TestServer_StartNamesACertificateThatCannotBeUsed(t *testing.T) {
	files := certificateFiles(t)
	s := overTLS(t, files)
	err := s.Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), files.CertFile) || !strings.Contains(err.Error(), s.addr) {
		t.Errorf("error %v", err)
	}
}

func TestCertificate_IsRenewedWhenItsFilesChange(t *testing.T) {
	files := certificateFiles(t)
	issue(t, files, 1)
	var log strings.Builder
	c, err := newCertificate(files, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	serial := func(later time.Duration) int64 {
		t.Helper()
		leaf, err := x509.ParseCertificate(c.get(now.Add(later)).Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	expect := func(later time.Duration, want int64) {
		t.Helper()
		if got := serial(later); got != want {
			t.Errorf("after %s: certificate %d, want %d", later, got, want)
		}
	}
	expect(0, 1)
	issue(t, files, 2)
	expect(certificateInterval-1, 1) // not looked at yet
	expect(certificateInterval, 2)

	// A key that does not fit, then no key at all: the one before is kept.
	key, err := os.ReadFile(files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	issue(t, files, 3)
	fitting, err := os.ReadFile(files.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	write(t, files.KeyFile, key)
	expect(2*certificateInterval, 2)
	expect(3*certificateInterval, 2)
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("the operator was told %d times: %s", n, log.String())
	}
	if err := os.Remove(files.KeyFile); err != nil {
		t.Fatal(err)
	}
	expect(4*certificateInterval, 2)
	write(t, files.KeyFile, fitting)
	expect(5*certificateInterval, 3)
}
