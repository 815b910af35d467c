//go:build static || android || !linux || !(amd64 || arm64)

package signer

import (
	"crypto"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestAProgramBuiltWithoutLibcryptoSaysSo(t *testing.T) {
	k := sharedRSA(t)
	for _, m := range []Mode{Auto, Libcrypto} {
		if s, by, why := Wrap(k, m, nil); s != crypto.Signer(k) || by != Go || why == nil || !strings.Contains(why.Error(), "built without libcrypto") {
			t.Errorf("%s: %T by %s, %v", m, s, by, why)
		}
	}
}

func TestNothingOfItIsLeftInAStaticProgram(t *testing.T) {
	list := exec.Command("go", "list", "-tags", "static", "-deps", "allclear/cmd/allclear")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, unwanted := range []string{"purego", "runtime/cgo"} {
		if strings.Contains(string(out), unwanted) {
			t.Errorf("a static program holds %s", unwanted)
		}
	}
}
