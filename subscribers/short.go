package subscribers

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"math"
)

// ShortSize is the length of a short link's token.
const ShortSize = 16

// Short makes the token of the link in a text message, where every character
// costs: it shows and changes what a phone's owner chose, and is good for ever.
// It is made as Token is, with 64 bits of HMAC: whoever guesses them has to ask
// this service, for a million subscribers some 2^44 times for each that is found.
func (l *Links) Short(n Number) string {
	if n < 1 || n > math.MaxUint32 {
		return ""
	}
	var plain [4]byte
	binary.BigEndian.PutUint32(plain[:], uint32(n))
	raw := make([]byte, 12)
	copy(raw[:8], sum(l.mac, append([]byte("short "), plain[:]...)))
	mask := sum(l.pad, raw[:8])
	for i := range plain {
		raw[8+i] = plain[i] ^ mask[i]
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// OpenShort reads what Short made; anything else is ErrLink.
func (l *Links) OpenShort(token string) (Number, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(token) != ShortSize || len(raw) != 12 {
		return 0, ErrLink
	}
	mask := sum(l.pad, raw[:8])
	var plain [4]byte
	for i := range plain {
		plain[i] = raw[8+i] ^ mask[i]
	}
	if !hmac.Equal(sum(l.mac, append([]byte("short "), plain[:]...))[:8], raw[:8]) {
		return 0, ErrLink
	}
	return Number(binary.BigEndian.Uint32(plain[:])), nil
}
