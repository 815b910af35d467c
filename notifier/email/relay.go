package email

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"allclear/notifier"
)

// TLSMode says how much a relay's connection insists on TLS.
type TLSMode string

// The modes. A relay named by an smtps URL is always TLSRequired, from the first byte on.
const (
	// TLSRequired: STARTTLS and a certificate that is valid for the relay's
	// host, or nothing is sent. It is the default beyond loopback.
	TLSRequired TLSMode = "required"
	// TLSOpportunistic: STARTTLS where it is offered (RFC 7435). The
	// certificate is looked at only when a password goes to another machine.
	// It is the default on loopback.
	TLSOpportunistic TLSMode = "opportunistic"
	// TLSOff: STARTTLS is not asked for. A password cannot be configured.
	TLSOff TLSMode = "off"
)

// Relay is one server that takes mail from us.
type Relay struct {
	// Name is host:port. Receipts, logs, metrics and pauses use it; it never holds a credential.
	Name string
	// Host is what the certificate must be valid for.
	Host string
	// Implicit: TLS from the first byte (smtps, RFC 8314) in place of STARTTLS.
	Implicit bool
	TLS      TLSMode
	// Connections is the most that are open at once; 0 is PoolOptions.Connections.
	Connections int
	// Rate is the most messages a second over all connections; 0 is no limit.
	Rate float64
	// MaxMessages is the most messages over one connection before it is made anew; 0 is no limit.
	MaxMessages int
	// Lanes are the lanes it may carry; none is every lane.
	Lanes []notifier.Lane

	// A pointer in an unexported field, so that no printing verb of fmt and no
	// logger or encoder can show it by accident.
	login *credentials
}

type credentials struct{ user, password string }

// String is the relay's name.
func (r Relay) String() string { return r.Name }

// Carries reports whether the relay may carry the lane.
func (r Relay) Carries(l notifier.Lane) bool {
	if len(r.Lanes) == 0 {
		return true
	}
	for _, x := range r.Lanes {
		if x == l {
			return true
		}
	}
	return false
}

// Local reports whether the relay is on this machine.
func (r Relay) Local() bool {
	if strings.EqualFold(r.Host, "localhost") {
		return true
	}
	ip := net.ParseIP(r.Host)
	return ip != nil && ip.IsLoopback()
}

// ParseRelays reads relays in order of preference, separated by commas:
//
//	smtp://user:password@host:587?tls=required&connections=8&rate=50,smtps://host:465
//
// Without a port, smtp means 587 and smtps 465. Options: tls=required,
// opportunistic or off; connections= (1 to 1000); rate= messages a second;
// max_messages= a connection; lanes= names joined by + or the option repeated
// (lanes=confirm+incident), because the comma separates relays. Every lane must
// have a relay. Characters with a meaning in URLs (also the comma) are
// percent-encoded in user and password. An error is a *notifier.Invalid for
// "relay"; it never repeats a credential.
func ParseRelays(list string) ([]Relay, error) {
	if strings.TrimSpace(list) == "" {
		return nil, notifier.Invalidf("relay", "must not be empty; write smtp://user:password@host:587 or smtps://host:465")
	}
	var out []Relay
	for i, text := range strings.Split(list, ",") {
		r, err := parseRelay(strings.TrimSpace(text))
		if err != "" {
			return nil, notifier.Invalidf("relay", "relay %d: %s", i+1, err)
		}
		out = append(out, r)
	}
	for _, l := range notifier.Lanes {
		if !carried(out, l) {
			return nil, notifier.Invalidf("relay", "no relay carries the lane %s; every lane needs one", l)
		}
	}
	return out, nil
}

func carried(relays []Relay, l notifier.Lane) bool {
	for _, r := range relays {
		if r.Carries(l) {
			return true
		}
	}
	return false
}

// parseRelay returns what is wrong as a sentence, or "". It never wraps
// url.Parse's error, which repeats the URL and so the password.
func parseRelay(text string) (Relay, string) {
	if text == "" {
		return Relay{}, "is empty; remove the comma too many"
	}
	scheme, _, found := strings.Cut(text, "://")
	if !found {
		return Relay{}, "is not a URL; write smtp://user:password@host:587 (a comma in a password is written %2C)"
	}
	if scheme != "smtp" && scheme != "smtps" {
		return Relay{}, "must begin with smtp:// or smtps://"
	}
	u, err := url.Parse(text)
	if err != nil || strings.Contains(u.RawQuery, "@") { // an @ there: the ? was part of a password
		return Relay{}, "cannot be read as a URL; percent-encode special characters in user and password (a comma is %2C, an at sign %40, a slash %2F)"
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	switch {
	case host == "":
		return Relay{}, "names no host"
	case !hostText(host):
		return Relay{}, "the host may hold letters, digits, dots, dashes, or be an IP address"
	case u.Path != "" && u.Path != "/":
		return Relay{}, "has a path behind the host; options begin with ?"
	case u.Fragment != "":
		return Relay{}, "holds a #; write it as %23"
	}
	r := Relay{Host: host, Implicit: scheme == "smtps", TLS: TLSRequired}
	if port == "" {
		port = map[bool]string{false: "587", true: "465"}[r.Implicit]
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return Relay{}, "the port must be a number from 1 to 65535"
	}
	r.Name = net.JoinHostPort(host, port)
	if !r.Implicit && r.Local() {
		r.TLS = TLSOpportunistic
	}
	if problem := r.options(u.RawQuery); problem != "" {
		return Relay{}, r.Name + ": " + problem
	}
	if u.User != nil {
		password, _ := u.User.Password()
		r.login = &credentials{u.User.Username(), password}
		switch {
		case r.login.user == "" || r.login.password == "":
			return Relay{}, r.Name + ": needs both a user and a password before the @, or neither"
		case strings.ContainsAny(r.login.user+r.login.password, "\x00\r\n"):
			return Relay{}, r.Name + ": user and password must not hold NUL or line breaks"
		case r.TLS == TLSOff:
			return Relay{}, r.Name + ": a password is never sent without TLS; remove tls=off or the password"
		}
	}
	return r, ""
}

func (r *Relay) options(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "its options cannot be read; write ?name=value&name=value"
	}
	for name, given := range values {
		if name != "lanes" && len(given) > 1 {
			return "the option " + strconv.Quote(name) + " is given twice"
		}
		problem := ""
		switch v := given[0]; name {
		case "tls":
			problem = r.setTLS(v)
		case "connections":
			problem = whole(&r.Connections, name, v, 1000)
		case "max_messages":
			problem = whole(&r.MaxMessages, name, v, 1_000_000_000)
		case "rate":
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || !(f > 0 && f <= 1e6) {
				return "rate= must be a number of messages a second above 0"
			}
			r.Rate = f
		case "lanes":
			problem = r.setLanes(given)
		default:
			problem = "unknown option " + strconv.Quote(name) + "; there are tls, connections, rate, max_messages and lanes"
		}
		if problem != "" {
			return problem
		}
	}
	return ""
}

func (r *Relay) setTLS(v string) string {
	switch m := TLSMode(v); {
	case r.Implicit && m != TLSRequired:
		return "smtps:// is always TLS; use smtp:// for tls=" + string(TLSOpportunistic) + " or off"
	case m == TLSRequired || m == TLSOpportunistic || m == TLSOff:
		r.TLS = m
		return ""
	}
	return "tls= must be required, opportunistic or off, not " + strconv.Quote(v)
}

func (r *Relay) setLanes(given []string) string {
	for _, v := range given {
		// A + in a query is a space to url.ParseQuery; both separate here.
		for _, name := range strings.FieldsFunc(v, func(c rune) bool { return c == '+' || c == ' ' }) {
			l, err := notifier.ParseLane(name)
			if err != nil {
				return "lanes=: " + strconv.Quote(name) + " is not one of confirm, incident, routine, digest, bulk"
			}
			r.Lanes = append(r.Lanes, l)
		}
	}
	if len(r.Lanes) == 0 {
		return "lanes= names no lane; join names by +, as in lanes=confirm+incident"
	}
	return ""
}

func whole(into *int, name, v string, most int) string {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > most {
		return name + "= must be a whole number from 1 to " + strconv.Itoa(most)
	}
	*into = n
	return ""
}

func hostText(host string) bool {
	if net.ParseIP(host) != nil {
		return true
	}
	for _, c := range host {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return len(host) <= 253
}
