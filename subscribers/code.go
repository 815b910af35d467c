package subscribers

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// CodeLife is how long the code of an SMS is good, from when its event was
// accepted; CodeTries is how often it may be guessed.
const (
	CodeLife  = 10 * time.Minute
	CodeTries = 5
)

// What is wrong with a code. Nobody is told by them whether a number is known:
// a code that would have been right is needed to learn that it is too late.
var (
	ErrCode        = errors.New("this is not the code")
	ErrCodeExpired = errors.New("this code has expired")
	ErrCodeTries   = errors.New("too many wrong codes; ask for a new one later")
)

// Code is the six digits that confirm a phone: an HMAC of whose it is and when
// its event was accepted, so that no row keeps it.
func (l *Links) Code(n Number, asked time.Time) string {
	var b [21]byte
	copy(b[:], "code:")
	binary.BigEndian.PutUint64(b[5:], uint64(n))
	binary.BigEndian.PutUint64(b[13:], uint64(asked.UnixMicro()))
	// Of 64 bits, so that no code is noticeably likelier than another.
	return fmt.Sprintf("%06d", binary.BigEndian.Uint64(sum(l.mac, b[:]))%1_000_000)
}

// SameCode compares in a time that does not tell how much of it is right.
func SameCode(a, b string) bool { return hmac.Equal([]byte(a), []byte(b)) }
