package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// longestURL is in bytes.
const longestURL = 2048

// target is a URL taken apart once, so that nothing can be read in two ways.
type target struct {
	url  *url.URL // as it is asked for: host in its xn-- form, no fragment
	host string   // a name in lower case without a dot at its end, or an address
	ip   netip.Addr
	port uint16
}

// secure reports whether the target is called by TLS.
func (t *target) secure() bool { return t.url.Scheme == "https" }

// address is host:port.
func (t *target) address() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// key is what connections are shared by.
func (t *target) key() string { return t.url.Scheme + "://" + t.address() }

// label is how the target is named to people: never its path or query, which
// are the secret of a chat's webhook.
func (t *target) label() string {
	if t.secure() && t.port == 443 || !t.secure() && t.port == 80 {
		return t.host
	}
	return t.address()
}

// parseTarget takes raw apart. Its error is a *Refused.
func parseTarget(raw string) (*target, error) {
	bad := func(format string, args ...any) (*target, error) {
		said := fmt.Sprintf(format, args...)
		return nil, &Refused{Said: said, Why: said}
	}
	switch {
	case len(raw) > longestURL:
		return bad("The URL is longer than %d bytes.", longestURL)
	case !utf8.ValidString(raw):
		return bad("The URL is not UTF-8.")
	case strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		return bad("The URL holds a blank or a control character.")
	case strings.Contains(raw, `\`):
		return bad("The URL holds a backslash, which programs read differently.")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil: // its text quotes the URL
		return bad("The text is no URL.")
	case u.Scheme != "https" && u.Scheme != "http":
		return bad("The URL does not begin with https://.")
	case u.Opaque != "" || u.Hostname() == "":
		return bad("The URL has no host.")
	case u.User != nil:
		return bad("The URL holds a name or password before the host.")
	case u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return bad("The URL holds a #: what stands behind it is never sent.")
	}
	t := &target{url: u}
	if t.host, t.ip, err = parseHost(u.Hostname()); err != nil {
		return nil, err
	}
	if t.port, err = parsePort(u); err != nil {
		return nil, err
	}
	if u.Host = t.label(); t.ip.Is6() && !strings.HasPrefix(u.Host, "[") {
		u.Host = "[" + u.Host + "]"
	}
	return t, nil
}

// parseHost reads a host as every program does, or not at all. Spellings of
// addresses that only some resolvers understand (127.1, 0x7f.1, 2130706433,
// 0177.0.0.1) are refused, and so is what would mean another address than it
// seems to (::ffff:127.0.0.1).
func parseHost(raw string) (string, netip.Addr, error) {
	bad := func(why string) (string, netip.Addr, error) {
		said := fmt.Sprintf("%q %s.", raw, why)
		return "", netip.Addr{}, &Refused{Said: said, Why: said}
	}
	if strings.Contains(raw, ":") {
		ip, err := netip.ParseAddr(raw)
		switch {
		case err != nil:
			return bad("is no address")
		case ip.Zone() != "":
			return bad("names an interface of this machine")
		case ip.Is4In6():
			return bad("is an IPv4 address in the clothes of an IPv6 one; write it as " + ip.Unmap().String())
		}
		return ip.String(), ip, nil
	}
	// Names that came from elsewhere may hold digits, dots and letters that mean ASCII ones.
	host, err := idna.Lookup.ToASCII(strings.TrimSuffix(raw, "."))
	if again, twice := idna.Lookup.ToASCII(host); twice != nil || again != host {
		err = cmp.Or(err, errors.New("does not stay what it becomes"))
	}
	if err != nil || host == "" || strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") || strings.Contains(host, "..") {
		return bad("is no name of a host")
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		return host, ip, nil
	}
	if last := host[strings.LastIndexByte(host, '.')+1:]; isNumber(last) {
		return bad("is no name and no address as everyone writes it, such as 192.0.2.7")
	}
	return host, netip.Addr{}, nil
}

// isNumber reports whether a label would be read as part of an address (WHATWG
// URL, "ends in a number").
func isNumber(label string) bool {
	digits := "0123456789"
	if strings.HasPrefix(label, "0x") {
		label, digits = label[2:], "0123456789abcdef"
	} else if label == "" {
		return false
	}
	return strings.Trim(label, digits) == ""
}

func parsePort(u *url.URL) (uint16, error) {
	switch p := u.Port(); {
	case p != "":
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			said := "The URL's port is none."
			return 0, &Refused{Said: said, Why: said}
		}
		return uint16(n), nil
	case u.Scheme == "http":
		return 80, nil
	}
	return 443, nil
}
