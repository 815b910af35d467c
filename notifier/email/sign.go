package email

import (
	"crypto"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// Key signs mail for a domain. Its public half is published at
// SELECTOR._domainkey.DOMAIN (see Record).
type Key struct {
	Domain   string // d=, lower case
	Selector string // s=
	// Signer holds an RSA or an Ed25519 key. Sign is called by many goroutines at once.
	Signer crypto.Signer
}

func (k Key) String() string { return k.Selector + "._domainkey." + k.Domain }

// oversigned headers are listed once more than they occur, so that one added
// on the way breaks the signature (RFC 6376 section 8.15). Reply-To and Cc are never
// written by us; added to a replayed mail they would speak for us.
var oversigned = [...]string{
	"From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
	"List-Unsubscribe", "List-Unsubscribe-Post", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
	"Reply-To", "Cc",
}

// signedNames is h= for a mail with the given headers. Precedence stays out:
// lists on the way may set their own, and it says nothing to the reader.
func signedNames(present []string) []string {
	var out []string
	for _, name := range present {
		if name != "Precedence" {
			out = append(out, name)
		}
	}
	out = append(out, oversigned[:]...)
	slices.SortStableFunc(out, strings.Compare)
	return out
}

// signAll returns one DKIM-Signature header per key, with CRLF. Each signs the
// mail as it was composed, so that any of them can be checked without the
// others (RFC 8463: a verifier that does not know Ed25519 still has RSA). expires
// is x=; zero leaves it out. t= is go-msgauth's own reading of the clock, which
// its API does not let us pass in.
func signAll(keys []Key, names []string, mail []byte, expires time.Time) ([]byte, error) {
	var out []byte
	for _, k := range keys {
		header, err := k.sign(names, mail, expires)
		if err != nil {
			return nil, fmt.Errorf("sign with %s: %w", k, err)
		}
		out = append(out, header...)
	}
	return out, nil
}

func (k Key) sign(names []string, mail []byte, expires time.Time) (string, error) {
	s, err := dkim.NewSigner(&dkim.SignOptions{
		Domain: k.Domain, Selector: k.Selector, Signer: k.Signer, HeaderKeys: names, Expiration: expires,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
	})
	if err != nil {
		return "", err
	}
	// Close comes first in every case: it ends the goroutine that NewSigner began.
	_, writeErr := s.Write(mail)
	if err := s.Close(); err != nil {
		return "", err
	}
	if writeErr != nil {
		return "", writeErr
	}
	return s.Signature(), nil
}
