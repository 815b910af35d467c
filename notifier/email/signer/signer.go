// Package signer signs with the RSA of the system's libcrypto where it is found,
// at a quarter of what Go's own costs, and to the same bytes.
package signer

import (
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
)

// Mode says whose RSA signs.
type Mode string

// The modes, as a setting spells them.
const (
	Auto      Mode = "auto"      // libcrypto where it is found and agrees with Go, else Go
	Go        Mode = "go"        // crypto/rsa
	Libcrypto Mode = "libcrypto" // libcrypto or nothing
)

// ParseMode reads a mode. Nothing said is Auto.
func ParseMode(s string) (Mode, error) {
	if s == "" {
		return Auto, nil
	}
	if m := Mode(s); slices.Contains([]Mode{Auto, Go, Libcrypto}, m) {
		return m, nil
	}
	return "", fmt.Errorf("%q is not one of auto, go, libcrypto", s)
}

// errFIPS: who asks for Go's validated module wants no other one.
var errFIPS = errors.New("GODEBUG=fips140 asks for Go's own module")

// Wrap returns a signer for key as mode wants it, and whose RSA it uses: Go or
// Libcrypto. Where libcrypto was wanted and is not used, why says why, and s is
// key itself: whether that is an error is for the caller to decide. A key that is
// not RSA stays Go's, which signs those as fast, and needs no reason.
//
// A signer that uses libcrypto is an io.Closer; Close gives back what it holds
// outside of Go's memory. It signs on: by Go. Go also signs whenever libcrypto
// fails later; failed, where not nil, is told why, the first time only.
func Wrap(key crypto.Signer, mode Mode, failed func(why error)) (s crypto.Signer, by Mode, why error) {
	k, ok := key.(*rsa.PrivateKey)
	if !ok || mode == Go {
		return key, Go, nil
	}
	if mode == Auto && fips140.Enabled() {
		return key, Go, errFIPS
	}
	fast, err := foreign(k, soname, failed)
	if err != nil {
		return key, Go, err
	}
	return fast, Libcrypto, nil
}

// soname is OpenSSL 3 by the name under which every program finds it.
const soname = "libcrypto.so.3"
