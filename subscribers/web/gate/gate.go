// Package gate keeps machines from flooding a public form: signed forms that
// are neither filled in at once nor kept for days, and a little work, or a code
// to copy, for when there is a rush. Everything a page needs is in the page,
// signed; nothing is remembered between requests but which challenges were used.
package gate

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"
)

// How old a form, and a challenge, may be.
const (
	LeastAge      = 2 * time.Second
	MostAge       = 24 * time.Hour
	ChallengeLife = time.Hour
)

// MostBits is the hardest work: a browser would be at it for minutes.
const MostBits = 24

// What is wrong with a form. ErrEarly: a machine's speed; the same token is
// good a moment later. ErrLate: it was good once. ErrForged: we did not make it.
var (
	ErrEarly  = errors.New("the form came back too fast")
	ErrLate   = errors.New("the form is too old")
	ErrForged = errors.New("the form is not ours")
)

// Gate makes and judges what a form carries. Forms of one purpose are worth
// nothing for another.
type Gate struct {
	key   []byte
	spent *spent
}

// New derives the key for one purpose from the service's secret.
func New(secret []byte, purpose string) *Gate {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte("allclear gate " + purpose))
	return &Gate{key: h.Sum(nil), spent: &spent{known: map[string]struct{}{}}}
}

// For is the gate of another purpose with the same secret. What is spent at one
// is of no use at the other anyhow.
func (g *Gate) For(purpose string) *Gate {
	other := New(g.key, purpose)
	other.spent = g.spent
	return other
}

// sum signs a kind of token with what it holds and what it is about.
func (g *Gate) sum(kind byte, plain []byte, about string) []byte {
	h := hmac.New(sha256.New, g.key)
	h.Write([]byte{kind, byte(len(plain))})
	h.Write(plain)
	h.Write([]byte(about))
	return h.Sum(nil)
}

const (
	kindForm      = 'f'
	kindChallenge = 'w'
	kindCode      = 'c'
	kindSpent     = 's'

	plainSize = 9 // a byte and the time in milliseconds
	macSize   = 16
)

func (g *Gate) seal(kind, what byte, about string, now time.Time) string {
	raw := make([]byte, plainSize, plainSize+macSize)
	raw[0] = what
	binary.BigEndian.PutUint64(raw[1:], uint64(now.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(raw, g.sum(kind, raw, about)[:macSize]...))
}

func (g *Gate) open(kind byte, token, about string, now time.Time) (what byte, age time.Duration, err error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(plainSize+macSize) {
		return 0, 0, ErrForged
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	// The decoder skips line ends, so that the length alone says little.
	if err != nil || len(raw) != plainSize+macSize || !hmac.Equal(raw[plainSize:], g.sum(kind, raw[:plainSize], about)[:macSize]) {
		return 0, 0, ErrForged
	}
	return raw[0], now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(raw[1:plainSize])))), nil
}

// Form makes the token of a form that is shown now.
func (g *Gate) Form(now time.Time) string { return g.seal(kindForm, 0, "", now) }

// CheckForm judges the token that came back with a form: nil, ErrEarly, ErrLate or ErrForged.
func (g *Gate) CheckForm(token string, now time.Time) error {
	_, age, err := g.open(kindForm, token, "", now)
	switch {
	case err != nil:
		return err
	case age < LeastAge: // one from the future, by a clock that was set back, too
		return ErrEarly
	case age > MostAge:
		return ErrLate
	}
	return nil
}

// Challenge is what is asked of a visitor during a rush: work that a script
// does by itself, or a code that a person copies.
type Challenge struct {
	Token string
	Bits  int    // how hard the work is: zero bits before the hash of token:number
	Code  string // six digits
}

// Challenge makes one about somebody; it is worth nothing for anybody else.
func (g *Gate) Challenge(about string, hard int, now time.Time) Challenge {
	hard = min(max(hard, 1), MostBits)
	token := g.seal(kindChallenge, byte(hard), about, now)
	return Challenge{Token: token, Bits: hard, Code: g.code(token)}
}

func (g *Gate) code(token string) string {
	n := binary.BigEndian.Uint32(g.sum(kindCode, nil, token))
	return fmt.Sprintf("%06d", n%1e6)
}

// Proof is what a visitor has shown.
type Proof int

// The proofs.
const (
	None   Proof = iota
	Copied       // the code
	Worked       // the work
)

// Check judges the answer to a challenge. ErrLate and ErrForged are those of
// the challenge; a wrong answer is None.
func (g *Gate) Check(token, about, number, code string, now time.Time) (Proof, error) {
	hard, age, err := g.open(kindChallenge, token, about, now)
	switch {
	case err != nil:
		return None, err
	case age > ChallengeLife || age < 0:
		return None, ErrLate
	case number != "" && len(number) <= 20 && zeros(token, number) >= int(hard):
		return Worked, nil
	case subtle.ConstantTimeCompare([]byte(code), []byte(g.code(token))) == 1:
		return Copied, nil
	}
	return None, nil
}

// zeros counts the zero bits that the hash of token:number begins with.
func zeros(token, number string) int {
	sum := sha256.Sum256([]byte(token + ":" + number))
	n := 0
	for _, b := range sum {
		n += bits.LeadingZeros8(b)
		if b != 0 {
			break
		}
	}
	return n
}

// Solve does the work, as the page's script does.
func (c Challenge) Solve() string {
	for n := 0; ; n++ {
		if number := fmt.Sprint(n); zeros(c.Token, number) >= c.Bits {
			return number
		}
	}
}
