package subscribers

import (
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/net/idna"

	"allclear/notifier"
)

// maxEndpoint is the length of the longest URL, in bytes.
const maxEndpoint = 2048

// ParseEndpoint checks the URL of a webhook and returns it as it is kept: scheme
// and host in lower case, the host in its xn-- form, the scheme's own port left
// out. It says nothing of where the host is or which ports are allowed: that is
// looked at when it is called. The error is an *notifier.Invalid for address.
func ParseEndpoint(s string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", notifier.Invalidf("address", format, args...)
	}
	s = strings.Trim(s, " \t\u00a0")
	switch {
	case s == "":
		return bad("must not be empty")
	case len(s) > maxEndpoint:
		return bad("%d bytes long; at most %d are allowed", len(s), maxEndpoint)
	case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return bad("holds a blank, a line break or another control character")
	case strings.Contains(s, `\`):
		return bad(`holds a backslash, which programs read differently`)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return bad("is no URL; write https://example.com/hook")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("must begin with https://")
	case u.User != nil:
		return bad("must not hold a name or password before the host")
	case u.Fragment != "" || strings.HasSuffix(s, "#"):
		return bad("must not hold a #: what stands behind it is never sent")
	case u.Hostname() == "":
		return bad("has no host; write https://example.com/hook")
	}
	host := u.Hostname()
	if !strings.Contains(host, ":") { // no address of IP version 6
		if host, err = idna.Lookup.ToASCII(strings.TrimSuffix(host, ".")); err != nil || host == "" {
			return bad("%q is no name of a host", u.Hostname())
		}
	} else {
		host = "[" + strings.ToLower(host) + "]"
	}
	port := u.Port()
	if u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		port = ""
	}
	if u.Host = host; port != "" {
		u.Host += ":" + port
	}
	return u.String(), nil
}
