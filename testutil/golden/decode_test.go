package golden

import (
	"bytes"
	"strings"
	"testing"
)

// A recording that does not hold what it should is refused, not half decoded.
func TestDecode_DamagedRecordingIsRefused(t *testing.T) {
	good, err := files.ReadFile("testdata/session-1.json")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode("good", good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, problem string }{
		"unknown field":  {`"claim_height"`, `"claim_hight"`, "claim_hight"},
		"not hex":        {`"app_pubkey_hex": "03`, `"app_pubkey_hex": "xx`, "invalid byte"},
		"short key":      {`"app_pubkey_hex": "03`, `"app_pubkey_hex": "`, "app_pubkey_hex has 32 bytes, want 33"},
		"short root":     {`"claim_root_hex": "c1`, `"claim_root_hex": "`, "claim_root_hex has 47 bytes, want 48"},
		"torn request":   {`"request": "0a`, `"request": "`, "request of relay 0"},
		"torn response":  {`"response": "0a`, `"response": "`, "response of relay 0"},
		"truncated file": {string(good[100:]), "", "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := bytes.Replace(good, []byte(c.old), []byte(c.new), 1)
			if bytes.Equal(bad, good) {
				t.Fatalf("the recording has no %s", c.old)
			}
			if _, err := decode("bad", bad); err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("got error %v, want one with %q", err, c.problem)
			}
		})
	}
}
