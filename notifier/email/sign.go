package email

import (
	"bytes"
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
// is x=; zero leaves it out. go-msgauth does the work, for any mail: it reads it
// as it would read a stranger's, once per key, and takes t= from its own reading
// of the clock. See canonicalSigner for the way of nearly all mails.
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

// holds verifies a mail that keys signed, in this order, as a receiver would.
func holds(keys []Key, mail []byte) error {
	records := map[string]string{}
	for _, k := range keys {
		value, err := publicValue(k.Signer.Public())
		if err != nil {
			return fmt.Errorf("publish %s: %w", k, err)
		}
		records[k.String()] = value
	}
	found, err := dkim.VerifyWithOptions(bytes.NewReader(mail), &dkim.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return []string{records[name]}, nil },
	})
	if err != nil {
		return fmt.Errorf("verify a trial mail: %w", err)
	}
	if len(found) != len(keys) {
		return fmt.Errorf("verify a trial mail: %d signatures of %d keys", len(found), len(keys))
	}
	for i, v := range found {
		if v.Err != nil {
			return fmt.Errorf("sign with %s: the signature does not hold: %w", keys[i], v.Err)
		}
	}
	return nil
}
