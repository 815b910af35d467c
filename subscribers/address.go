package subscribers

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"allclear/notifier"
)

// ParseAddress checks one bare email address and returns it as it is kept: the
// local part as written, the domain in lower case. It is deliberately stricter
// than RFC 5321: no quoted local part, no comment, no address literal, no
// display name. What passes can stand in MAIL and RCPT commands and in a To
// header without any quoting, so nothing in it can become a parameter or a
// second recipient. Local parts beyond ASCII need SMTPUTF8 (RFC 6531) and are
// refused with a sentence that says so; a domain beyond ASCII is to be written
// in its xn-- form.
func ParseAddress(s string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", notifier.Invalidf("address", format, args...)
	}
	s = strings.Trim(s, " \t\u00a0") // not line breaks: those are somebody's attempt at something
	switch {
	case s == "":
		return bad("must not be empty")
	case !utf8.ValidString(s):
		return bad("is not valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return bad("holds a line break or another control character")
	case len(s) > 254:
		return bad("%d bytes long; at most 254 are allowed (RFC 5321)", len(s))
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return bad("%q has no @", s)
	}
	local, domain := s[:at], lower(s[at+1:])
	switch {
	case local == "" || domain == "":
		return bad("%q needs a name before and a domain behind the @", s)
	case len(local) > 64:
		return bad("%d bytes before the @; at most 64 are allowed (RFC 5321)", len(local))
	}
	for _, r := range local {
		if r > unicode.MaxASCII {
			return bad("%q: %q before the @ needs SMTPUTF8 (RFC 6531), which is not supported", s, r)
		}
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.", r)) {
			return bad("%q: %q is not allowed before the @; write the bare address only", s, r)
		}
	}
	if local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, "..") {
		return bad("%q: a dot stands at an end or twice before the @", s)
	}
	labels := strings.Split(domain, ".")
	if len(labels) < 2 && domain != "localhost" {
		return bad("%q: the domain needs a dot", s)
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return bad("%q: %q is not a domain", s, domain)
		}
		for _, r := range l {
			if r > unicode.MaxASCII {
				return bad("%q: write the domain in its ASCII form (xn--...)", s)
			}
			if !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
				return bad("%q: %q is not allowed in a domain", s, r)
			}
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return bad("%q: %q is not a domain; numeric addresses are not supported", s, domain)
	}
	return local + "@" + domain, nil
}

// lower folds ASCII only: strings.ToLower would make a K of the Kelvin sign.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// Domain is the part of a kept address behind the @.
func Domain(address string) string {
	return address[strings.LastIndexByte(address, '@')+1:]
}
