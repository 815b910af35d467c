//go:build linux && !android && (amd64 || arm64) && !static

package signer

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// wrapped is a signer by libcrypto, closed when the test ends.
func wrapped(t testing.TB, k *rsa.PrivateKey) *key {
	t.Helper()
	s, by, why := Wrap(k, Libcrypto, nil)
	if by != Libcrypto {
		if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	t.Cleanup(func() { s.(io.Closer).Close() })
	return s.(*key)
}

func TestManyGoroutinesGetTheSignatureGoWouldMake(t *testing.T) {
	for _, bits := range []int{1024, 2048, 2049} {
		k := newRSA(t, bits)
		s := wrapped(t, k)
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for n := range 10 {
					digest := sha256.Sum256([]byte{byte(g), byte(n)})
					got, err := s.Sign(rand.Reader, digest[:], crypto.SHA256)
					if err != nil || rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, digest[:], got) != nil {
						t.Errorf("%d bits: %v", bits, err)
					}
					if want, _ := rsa.SignPKCS1v15(nil, k, crypto.SHA256, digest[:]); n == 0 && !bytes.Equal(got, want) {
						t.Errorf("%d bits: not the bytes of Go", bits)
					}
				}
			}()
		}
		wg.Wait()
	}
}

func TestWhateverIsMissingIsAReasonAndNoCrash(t *testing.T) {
	k := sharedRSA(t)
	noLibrary := t.TempDir() + "/libcrypto.so.3"
	if err := os.WriteFile(noLibrary, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"libcrypto.so.0": "libcrypto.so.0: cannot open shared object file",
		noLibrary:        "load " + noLibrary,
		"libc.so.6":      "in libc.so.6: ", // a library, but another one
	} {
		if s, err := foreign(k, name, nil); err == nil || s != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// What libcrypto refuses is told in its words, and the next error is not mixed up with it.
func TestARefusalIsToldInLibcryptosWords(t *testing.T) {
	s := wrapped(t, sharedRSA(t))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := <-s.free
	defer func() { s.free <- c }()
	if _, err := s.signWith(c, []byte("no digest")); err == nil || !strings.Contains(err.Error(), "EVP_PKEY_sign: error:") {
		t.Errorf("%v", err)
	}
	if err := s.lib.fault("nothing"); err.Error() != "nothing failed" {
		t.Errorf("the queue still holds %v", err)
	}
	want, err := rsa.SignPKCS1v15(nil, s.own, crypto.SHA256, sample[:])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.try(c, want); err != nil {
		t.Errorf("after an error the context is spoiled: %v", err)
	}
}

// A library that signs, but not as Go does, is found out before it signs a mail.
func TestASignatureThatIsNotGosIsFoundOut(t *testing.T) {
	s := wrapped(t, sharedRSA(t))
	c := <-s.free
	defer func() { s.free <- c }()
	if err := s.try(c, make([]byte, s.own.Size())); err == nil || !strings.Contains(err.Error(), "not the same as Go's") {
		t.Error(err)
	}
}

func TestWhatDKIMDoesNotUseIsSignedByGo(t *testing.T) {
	k := sharedRSA(t)
	s := wrapped(t, k)
	digest := sha256.Sum256([]byte("x"))
	pss := &rsa.PSSOptions{Hash: crypto.SHA256}
	if got, err := s.Sign(rand.Reader, digest[:], pss); err != nil || rsa.VerifyPSS(&k.PublicKey, crypto.SHA256, digest[:], got, pss) != nil {
		t.Errorf("PSS: %v", err)
	}
	long := make([]byte, 64)
	if got, err := s.Sign(rand.Reader, long, crypto.SHA512); err != nil || rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA512, long, got) != nil {
		t.Errorf("SHA-512: %v", err)
	}
	if _, err := s.Sign(rand.Reader, long, crypto.SHA256); err == nil {
		t.Error("a digest of the wrong length was signed")
	}
}

// It is slower by Go, and the operator should know why; not once for each mail.
func TestWhenLibcryptoFailsGoSignsAndTheReasonIsToldOnce(t *testing.T) {
	k := sharedRSA(t)
	s := wrapped(t, k)
	var told []error
	s.failed = func(why error) { told = append(told, why) }
	broken := *s.lib
	broken.sign = broken.lastError // 0: it failed
	s.lib = &broken
	digest := sha256.Sum256([]byte("x"))
	for range 5 {
		if got, err := s.Sign(nil, digest[:], crypto.SHA256); err != nil || rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, digest[:], got) != nil {
			t.Error(err)
		}
	}
	if len(told) != 1 || !strings.Contains(told[0].Error(), "EVP_PKEY_sign failed") {
		t.Errorf("told %q", told)
	}
}

func TestAClosedSignerSignsByGo(t *testing.T) {
	k := sharedRSA(t)
	s := wrapped(t, k)
	digest := sha256.Sum256([]byte("x"))
	// Close waits for who signs, and nobody is left with a freed context.
	var wg sync.WaitGroup
	for range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 20 {
				if got, err := s.Sign(nil, digest[:], crypto.SHA256); err != nil || rsa.VerifyPKCS1v15(&k.PublicKey, crypto.SHA256, digest[:], got) != nil {
					t.Error(err)
				}
			}
		}()
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if c, open := <-s.free; open || c != nil {
		t.Error("a context is left")
	}
}

// resident is the memory of this process, Go's and C's, in kB.
func resident(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A leak of 400 bytes a signature, or of one signer's key, would show: it is
// signed, refused, opened and closed many times over. A short key keeps it brief.
func TestNothingIsLeaked(t *testing.T) {
	small, k := wrapped(t, newRSA(t, 1024)), sharedRSA(t)
	var digest [32]byte
	round := func(signatures, signers int) {
		for n := range signatures {
			binary.BigEndian.PutUint32(digest[:], uint32(n))
			if _, err := small.Sign(nil, digest[:], crypto.SHA256); err != nil {
				t.Fatal(err)
			}
			c := <-small.free
			if _, err := small.signWith(c, digest[:5]); err == nil {
				t.Fatal("five bytes were signed")
			}
			small.free <- c
		}
		for range signers {
			s, err := foreign(k, soname, nil)
			if err != nil {
				t.Fatal(err)
			}
			s.(io.Closer).Close()
		}
		runtime.GC()
	}
	round(2000, 20)
	before := resident(t)
	round(10000, 100)
	if grown := resident(t) - before; grown > 4096 {
		t.Errorf("%d kB more after 10,000 signatures, as many refusals and 100 signers", grown)
	}
}
