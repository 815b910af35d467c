package signer

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"sync"
	"testing"
)

func newRSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sharedRSA is one key for all tests, because making one takes long.
var sharedRSA = func() func(testing.TB) *rsa.PrivateKey {
	var once sync.Once
	var k *rsa.PrivateKey
	return func(t testing.TB) *rsa.PrivateKey {
		once.Do(func() { k = newRSA(t, 2048) })
		return k
	}
}()

func TestAModeIsReadAsItIsSpelled(t *testing.T) {
	for _, m := range []Mode{Auto, Go, Libcrypto} {
		if got, err := ParseMode(string(m)); err != nil || got != m {
			t.Errorf("%s: %q, %v", m, got, err)
		}
	}
	if m, err := ParseMode(""); err != nil || m != Auto {
		t.Errorf("nothing said: %q, %v", m, err)
	}
	for _, s := range []string{"openssl", "GO", "auto "} {
		if got, err := ParseMode(s); err == nil || err.Error() == "" {
			t.Errorf("%q is taken for %q", s, got)
		}
	}
}

func TestEd25519StaysGos(t *testing.T) {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []Mode{Auto, Go, Libcrypto} {
		s, by, why := Wrap(k, m, nil)
		if got, ok := s.(ed25519.PrivateKey); !ok || !got.Equal(k) || by != Go || why != nil {
			t.Errorf("%s: %T by %s, %v", m, s, by, why)
		}
	}
}

func TestGoIsUsedWhereGoIsAskedFor(t *testing.T) {
	k := sharedRSA(t)
	if s, by, why := Wrap(k, Go, nil); s != crypto.Signer(k) || by != Go || why != nil {
		t.Errorf("%T by %s, %v", s, by, why)
	}
}

// Whatever the machine has and however the program was built: there is a
// signer, and it signs as Go does.
func TestEveryModeGivesTheSameSignature(t *testing.T) {
	k := sharedRSA(t)
	digest := sha256.Sum256([]byte("the same bytes"))
	want, err := rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []Mode{Auto, Go, Libcrypto} {
		s, by, why := Wrap(k, m, nil)
		if (by == m || m == Auto && by == Libcrypto) != (why == nil) {
			t.Errorf("%s: by %s, because %v", m, by, why)
		}
		got, err := s.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: another signature, by %s, %v", m, by, err)
		}
		if pub, ok := s.Public().(*rsa.PublicKey); !ok || !pub.Equal(&k.PublicKey) {
			t.Errorf("%s: another public key", m)
		}
	}
}
