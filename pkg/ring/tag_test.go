package ring_test

import (
	"bytes"
	"os/exec"
	"testing"
)

func TestBuild_RefusesTheOtherSignatureScheme(t *testing.T) {
	output, err := exec.CommandContext(t.Context(), "go", "build", "-tags", "ethereum_secp256k1", ".").CombinedOutput()
	if err == nil {
		t.Fatal("the package builds with the tag ethereum_secp256k1")
	}
	if !bytes.Contains(output, []byte("buildingWithTheTagEthereumSecp256k1IsNotSupported")) {
		t.Errorf("the build fails for another reason: %v\n%s", err, output)
	}
}
