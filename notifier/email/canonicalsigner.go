package email

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
)

// canonicalSigner signs text that is canonical already. What it writes is to
// the byte what go-msgauth writes of the same mail at the same second, which is
// seen to once per skeleton (provenCanonical).
type canonicalSigner struct {
	Key
	algorithm string // a=
	hash      crypto.SignerOpts
}

func newCanonicalSigner(k Key) (canonicalSigner, error) {
	if k.Signer == nil || k.Domain == "" || k.Selector == "" {
		return canonicalSigner{}, errors.New("a key needs a domain, a selector and a signer")
	}
	switch pub := k.Signer.Public().(type) {
	case *rsa.PublicKey:
		return canonicalSigner{k, "rsa-sha256", crypto.SHA256}, nil
	case ed25519.PublicKey:
		// RFC 8463: Ed25519 signs the digest as if it were the message.
		return canonicalSigner{k, "ed25519-sha256", crypto.Hash(0)}, nil
	default:
		return canonicalSigner{}, fmt.Errorf("public key of type %T; DKIM knows RSA and Ed25519", pub)
	}
}

// stamp is what the signatures of one mail have in common: h=, bh=, t= and x=.
type stamp struct{ names, body, at, expires string }

// sign makes the signatures of the mail that in fills in. The body is hashed
// once for all keys.
func (w *workbench) sign(form *canonical, in *filling, keys []canonicalSigner, at, expires time.Time) error {
	w.canonical = in.pour(w.canonical[:0], form.body)
	w.digest = sha256.Sum256(w.canonical)
	s := stamp{names: form.names, body: base64.StdEncoding.EncodeToString(w.digest[:]), at: strconv.FormatInt(at.Unix(), 10)}
	if !expires.IsZero() {
		s.expires = strconv.FormatInt(expires.Unix(), 10)
	}
	w.canonical = in.pour(w.canonical[:0], form.head)
	head := len(w.canonical)
	w.signatures = w.signatures[:0]
	for i := range keys {
		k := &keys[i]
		w.canonical = k.appendTags(append(w.canonical[:head], "dkim-signature:"...), &s, false)
		w.digest = sha256.Sum256(append(w.canonical, " b="...))
		b, err := k.Signer.Sign(rand.Reader, w.digest[:], k.hash)
		if err != nil {
			return fmt.Errorf("sign with %s: %w", k.Key, err)
		}
		w.signatures = k.appendTags(append(w.signatures, "DKIM-Signature:"...), &s, true)
		w.encoded = base64.StdEncoding.AppendEncode(append(w.encoded[:0], " b="...), b)
		for at := 0; at < len(w.encoded); at += widest {
			w.signatures = append(w.signatures, "\r\n"...)
			if at > 0 {
				w.signatures = append(w.signatures, ' ')
			}
			w.signatures = append(w.signatures, w.encoded[at:min(at+widest, len(w.encoded))]...)
		}
		w.signatures = append(w.signatures, "\r\n"...)
	}
	return nil
}

// widest is how much go-msgauth puts on a line where it can choose.
const widest = 75

// appendTags writes every tag but b=, folded as it is sent or in one line as it is signed.
func (k *canonicalSigner) appendTags(dst []byte, s *stamp, folded bool) []byte {
	column := 0
	for _, tag := range [...]struct{ name, value string }{
		{"a", k.algorithm}, {"bh", s.body}, {"c", "relaxed/relaxed"}, {"d", k.Domain}, {"h", s.names}, {"s", k.Selector}, {"t", s.at}, {"v", "1"}, {"x", s.expires},
	} {
		if tag.value == "" {
			continue
		}
		width := len(tag.name) + len(tag.value) + 3
		if folded && column+width > widest {
			dst, column = append(dst, "\r\n"...), 0
		}
		if folded || column > 0 {
			dst = append(dst, ' ')
		}
		dst = append(append(append(append(dst, tag.name...), '='), tag.value...), ';')
		column += width
	}
	return dst
}

// provenCanonical returns the canonical form of sk, if go-msgauth, which reads
// the mail as a receiver does, would sign the same of a sample. Else it says why
// not: then go-msgauth has to sign each, which takes longer and is as good. Blanks
// and holes cannot change that later: no value has white space in it (markText,
// refuseAddress, linkText).
func (c *Compositor) provenCanonical(sk *skeleton) (*canonical, error) {
	form, err := sk.makeCanonical()
	if err != nil {
		return nil, fmt.Errorf("make the canonical form: %w", err)
	}
	in := sampleFilling(sk)
	mail, err := sk.fill(nil, &in)
	if err != nil {
		return nil, fmt.Errorf("fill in a sample: %w", err)
	}
	probe := c.keys[0]
	probe.Signer = showing{probe.Signer.Public()}
	theirs, err := signAll([]Key{probe.Key}, sk.signs, mail, time.Time{})
	if err != nil {
		return nil, err
	}
	// t= is the one thing that go-msgauth does not take from us.
	_, after, _ := strings.Cut(string(theirs), " t=")
	second, _, _ := strings.Cut(after, ";")
	at, err := strconv.ParseInt(second, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read t= of go-msgauth: %w", err)
	}
	var w workbench
	if err := w.sign(form, &in, []canonicalSigner{probe}, time.Unix(at, 0), time.Time{}); err != nil {
		return nil, err
	}
	if !bytes.Equal(w.signatures, theirs) {
		return nil, errSignsOtherwise
	}
	return form, nil
}

var errSignsOtherwise = errors.New("go-msgauth would sign something else")

// showing is a signer whose signatures are the digests, to be compared.
type showing struct{ public crypto.PublicKey }

func (s showing) Public() crypto.PublicKey { return s.public }

func (s showing) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return bytes.Clone(digest), nil
}

// sampleFilling fills sk in for nobody. No two bytes beside each other in a value are the same.
func sampleFilling(sk *skeleton) filling {
	m := &notifier.Message{Delivery: notifier.MakeDeliveryID(1, 123456), To: "nobody@example.com"}
	for _, n := range sk.blanks {
		m.Fill = append(m.Fill, strings.Repeat("abcdefghijklmnopqrstuvwxyz", n/26+1)[:n])
	}
	return filling{message: m, at: time.Unix(1e9, 0), mailto: "mailto:nobody@example.com"}
}
