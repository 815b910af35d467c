package console

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"allclear/notifier"
)

// What a hash costs (RFC 9106): 32 MiB and two passes, some 50 ms. At most
// hashesAtOnce are made at a time, so that a crowd at the door costs time and
// not memory.
const (
	argonTime    = 2
	argonMemory  = 32 << 10 // KiB
	argonThreads = 1
	argonKey     = 32
	argonSalt    = 16
	hashesAtOnce = 2

	// leastPassword is the least length in characters (NIST SP 800-63B asks for 8
	// where there is a second factor).
	leastPassword = 12
	mostPassword  = 256 // bytes
)

// hasher makes and checks hashes of passwords.
type hasher struct {
	slots chan struct{}
	decoy string
}

func newHasher() *hasher {
	// What nobody's password gives need not be computed.
	return &hasher{slots: make(chan struct{}, hashesAtOnce), decoy: phc(random(argonSalt), random(argonKey))}
}

// checkPassword says what is wrong with a new password: an *Invalid.
func checkPassword(password, name string) error {
	switch {
	case !utf8.ValidString(password) || len(password) > mostPassword:
		return notifier.Invalidf("password", "must be text of at most %d bytes", mostPassword)
	case utf8.RuneCountInString(password) < leastPassword:
		return notifier.Invalidf("password", "must have at least %d characters; a few words that do not belong together are easy to keep", leastPassword)
	case strings.Contains(strings.ToLower(password), name) && utf8.RuneCountInString(name)*2 > utf8.RuneCountInString(password):
		return notifier.Invalidf("password", "is little more than the name")
	case strings.Count(password, password[:1]) == len(password):
		return notifier.Invalidf("password", "is one character again and again")
	}
	return nil
}

// hash makes a hash in the PHC string format.
func (h *hasher) hash(password string) string {
	salt := random(argonSalt)
	return phc(salt, h.key(password, salt, argonTime, argonMemory, argonThreads, argonKey))
}

func random(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.Read(out) // never fails since Go 1.24
	return out
}

func phc(salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonThreads, b64(salt), b64(key))
}

func (h *hasher) key(password string, salt []byte, time, memory uint32, threads uint8, size uint32) []byte {
	h.slots <- struct{}{}
	// What a hash was made in is large, and whoever comes next needs as much: it
	// is taken away before, where it would else wait for the heap to double.
	defer func() { runtime.GC(); <-h.slots }()
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, time, memory, threads, size)
}

// matches checks a password against a hash. A hash of "" stands for a name that
// nobody has: it costs the same, and nothing matches it.
func (h *hasher) matches(phc, password string) bool {
	known := phc != ""
	if !known {
		phc = h.decoy
	}
	var version int
	var memory, time uint32
	var threads uint8
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return false
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &threads); err != nil || time < 1 || threads < 1 || memory > 1<<20 {
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || len(want) < 16 || len(want) > 64 {
		return false
	}
	got := h.key(password, salt, time, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known
}
