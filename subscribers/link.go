package subscribers

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"time"

	"allclear/notifier"
)

// Purpose is the one thing a link is good for.
type Purpose byte

// The purposes of links.
const (
	ForConfirm     Purpose = 1
	ForUnsubscribe Purpose = 2
	ForManage      Purpose = 3
	ForMoveFrom    Purpose = 4 // the old address agrees to move; the number is its own
	ForMoveTo      Purpose = 5 // the new address agrees; the number is its own
	ForOwner       Purpose = 6 // changes or ends a group's subscription
	ForUndo        Purpose = 7 // takes leaving back
	ForSecond      Purpose = 8 // confirms a second address, and nobody's own subscription
)

// How long links are good that do not name a life of their own. The one to
// leave is good for ever: mails are kept for years.
const (
	ManageLife = 30 * 24 * time.Hour
	UndoLife   = time.Hour // and up to one more, because tokens end with the hour
)

// LinkSize is the length of every link's token, so that one can take another's place in a rendered mail.
const LinkSize = 44

// ErrLink: the token was not made by this service, or not for this purpose, or
// it was altered. ErrLinkExpired: it was good once.
var (
	ErrLink        = errors.New("this link is not valid")
	ErrLinkExpired = errors.New("this link has expired")
)

// Links makes and reads the tokens in mails. A token is made like a synthetic
// initialisation vector (the idea of RFC 5297): an HMAC of the content, and the
// content hidden by a pad that is derived from that HMAC. So it reveals neither
// subscriber nor purpose, cannot be altered, needs no row in the database, and
// the same input always gives the same token.
type Links struct {
	mac, pad, verp []byte
}

// NewLinks derives its keys from the service's secret.
func NewLinks(secret []byte) *Links {
	derive := func(label string) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write([]byte("allclear link " + label))
		return h.Sum(nil)
	}
	return &Links{mac: derive("mac"), pad: derive("pad"), verp: derive("verp")}
}

const linkVersion = 1

// Token makes the token for one purpose of one subscriber, good until expires
// (to the hour; zero: for ever).
func (l *Links) Token(p Purpose, n Number, expires time.Time) string {
	return l.TokenAbout(p, n, expires, "")
}

// TokenAbout is Token for a link that is good only while something stands as it
// did, of which it holds three bytes of a keyed hash: see About.
func (l *Links) TokenAbout(p Purpose, n Number, expires time.Time, about string) string {
	var plain [16]byte
	plain[0] = byte(p)
	binary.BigEndian.PutUint64(plain[1:9], uint64(n))
	if !expires.IsZero() {
		// 0 stands for ever, so an instant before 1970 must not become that.
		hours := min(max(expires.Unix()/3600, 1), math.MaxUint32)
		binary.BigEndian.PutUint32(plain[9:13], uint32(hours))
	}
	if about != "" {
		copy(plain[13:], l.about(plain, about))
	}
	raw := make([]byte, 33)
	raw[0] = linkVersion
	copy(raw[1:17], sum(l.mac, plain[:]))
	mask := sum(l.pad, raw[1:17])
	for i := range plain {
		raw[17+i] = plain[i] ^ mask[i]
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// Open reads a token for purpose p at the time now. The error is ErrLink or ErrLinkExpired;
// with ErrLinkExpired the number is right.
func (l *Links) Open(p Purpose, token string, now time.Time) (Number, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(token) != LinkSize || len(raw) != 33 || raw[0] != linkVersion {
		return 0, ErrLink
	}
	plain := l.plain(raw)
	if !hmac.Equal(sum(l.mac, plain[:])[:16], raw[1:17]) || plain[0] != byte(p) {
		return 0, ErrLink
	}
	n := Number(binary.BigEndian.Uint64(plain[1:9]))
	if hours := binary.BigEndian.Uint32(plain[9:13]); hours != 0 && now.Unix()/3600 > int64(hours) {
		return n, ErrLinkExpired
	}
	return n, nil
}

// About reports whether a token that Open took was made about this: for the
// owner of this address, for the move that was asked for then.
func (l *Links) About(token, about string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 33 {
		return false
	}
	plain := l.plain(raw)
	return hmac.Equal(plain[13:], l.about(plain, about))
}

func (l *Links) plain(raw []byte) (plain [16]byte) {
	mask := sum(l.pad, raw[1:17])
	for i := range plain {
		plain[i] = raw[17+i] ^ mask[i]
	}
	return plain
}

// about is what a token holds of something: by chance one in 16 million is alike.
func (l *Links) about(plain [16]byte, about string) []byte {
	return sum(l.mac, append([]byte("about "+about+" "), plain[:13]...))[:3]
}

var verpText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Envelope makes the local part of a delivery's envelope sender (VERP): a
// returned mail names its delivery, and nobody can make one up. Lower case
// only, because relays may fold case.
func (l *Links) Envelope(id notifier.DeliveryID) string {
	var b [18]byte
	binary.BigEndian.PutUint64(b[:8], uint64(id))
	copy(b[8:], sum(l.verp, b[:8]))
	l.mask(b[:8], b[8:])
	return "b-" + verpText.EncodeToString(b[:])
}

// OpenEnvelope reads what Envelope made; anything else is ErrLink.
func (l *Links) OpenEnvelope(local string) (notifier.DeliveryID, error) {
	text, ok := strings.CutPrefix(strings.ToLower(local), "b-")
	b, err := verpText.DecodeString(text)
	if !ok || err != nil || len(b) != 18 || verpText.EncodeToString(b) != text {
		return 0, ErrLink
	}
	l.mask(b[:8], b[8:])
	if !hmac.Equal(sum(l.verp, b[:8])[:10], b[8:]) {
		return 0, ErrLink
	}
	return notifier.DeliveryID(binary.BigEndian.Uint64(b[:8])), nil
}

// mask hides id (or shows it again) by a pad derived from mac.
func (l *Links) mask(id, mac []byte) {
	for i, m := range sum(l.pad, mac)[:len(id)] {
		id[i] ^= m
	}
}

func sum(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}
