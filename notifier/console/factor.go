package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // what RFC 6238 and every authenticator use
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"

	"allclear/notifier"
)

// Codes of the second factor (RFC 6238): six digits that change every 30
// seconds. A clock may be one step off in either direction.
const (
	stepTime   = 30 * time.Second
	drift      = 1
	factorSize = 20 // bytes, as RFC 4226 recommends
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// codeAt is the code of a step (RFC 4226, section 5.3).
func codeAt(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// stepOf finds the step whose code somebody sent; ok is false where it is none
// of those that are good now. All are compared, whatever the first came to.
func stepOf(secret []byte, code string, now time.Time) (step int64, ok bool) {
	code = tidy(code)
	current := now.Unix() / int64(stepTime.Seconds())
	for s := current - drift; s <= current+drift; s++ {
		if subtle.ConstantTimeCompare([]byte(codeAt(secret, s)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// tidy is a code without what people put between its characters.
func tidy(code string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "\u00a0", "").Replace(code))
}

// proofOf is what a code proves, as a code of the second factor or as one that
// stands in for it.
func proofOf(c notifier.Credentials, code string, now time.Time) (notifier.Proof, bool) {
	var p notifier.Proof
	ok := false
	if step, good := stepOf(c.Secret, code, now); good && step > c.Step && len(c.Secret) > 0 { // without one anybody could make the code
		p, ok = notifier.Proof{Step: step}, true
	}
	hash := recoveryHash(code)
	for _, h := range c.Recovery {
		if subtle.ConstantTimeCompare(h, hash) == 1 {
			p, ok = notifier.Proof{Recovery: h}, true
		}
	}
	return p, ok
}

// newRecovery makes codes that stand in for the second factor, of 80 random
// bits each, and what is kept of them.
func newRecovery() (codes []string, hashes [][]byte) {
	for range notifier.RecoveryCodes {
		raw := make([]byte, 10)
		_, _ = rand.Read(raw) // never fails since Go 1.24
		text := strings.ToLower(base32Text.EncodeToString(raw))
		code := text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
		codes, hashes = append(codes, code), append(hashes, recoveryHash(code))
	}
	return codes, hashes
}

// NewCredentials makes what a person proves themselves with, and their recovery
// codes, for whoever sets somebody up without a link: the demo.
func NewCredentials(password string) (notifier.Credentials, []string) {
	secret := make([]byte, factorSize)
	_, _ = rand.Read(secret) // never fails since Go 1.24
	codes, hashes := newRecovery()
	return notifier.Credentials{Password: newHasher().hash(password), Secret: secret, Recovery: hashes}, codes
}

func recoveryHash(code string) []byte {
	sum := sha256.Sum256([]byte(tidy(code)))
	return sum[:]
}

// factorURL is what an authenticator reads (Google's key URI format).
func factorURL(secret []byte, service, name string) string {
	return "otpauth://totp/" + url.PathEscape(service+":"+name) + "?secret=" + base32Text.EncodeToString(secret) + "&issuer=" + url.QueryEscape(service)
}

// spaced is a text in groups of four, for people who copy it.
func spaced(text string) string {
	var out strings.Builder
	for i, r := range text {
		if i > 0 && i%4 == 0 {
			out.WriteByte(' ')
		}
		out.WriteRune(r)
	}
	return out.String()
}
