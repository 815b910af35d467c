package mailbox

import (
	"bytes"
	"errors"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
)

// Signature is one DKIM signature of a mail and whether it holds.
type Signature struct {
	Domain    string
	Selector  string
	Algorithm string // rsa-sha256, ed25519-sha256
	Err       error  // nil where it holds
}

// maxSignatures is how many of a mail are checked.
const maxSignatures = 8

// Verify checks every DKIM signature of a mail, with the records that lookup
// finds. An unsigned mail has none.
func Verify(data []byte, lookup func(name string) ([]string, error)) []Signature {
	out := signaturesOf(data)
	found, err := dkim.VerifyWithOptions(bytes.NewReader(data), &dkim.VerifyOptions{LookupTXT: lookup, MaxVerifications: maxSignatures})
	for i := range out {
		switch {
		case i < len(found) && found[i] != nil:
			out[i].Err = found[i].Err
		case errors.Is(err, dkim.ErrTooManySignatures):
			out[i].Err = errors.New("not checked, the mail has too many signatures")
		case err != nil:
			out[i].Err = err
		default:
			out[i].Err = errors.New("not checked")
		}
	}
	return out
}

// signaturesOf reads what the signatures say of themselves, in the order in
// which go-msgauth checks them.
func signaturesOf(data []byte) []Signature {
	var out []Signature
	for _, f := range headerFields(data) {
		if !strings.EqualFold(f.Name, "DKIM-Signature") {
			continue
		}
		var s Signature
		for _, tag := range strings.Split(f.Value, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(tag), "=")
			value = strings.Join(strings.Fields(value), "")
			switch strings.TrimSpace(name) {
			case "d":
				s.Domain = value
			case "s":
				s.Selector = value
			case "a":
				s.Algorithm = value
			}
		}
		out = append(out, s)
	}
	return out
}
