package sms

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Setting is what ALLCLEAR_SMS says.
type Setting struct {
	Gateway   Gateway
	Countries []string // ISO 3166 codes of numbers that may sign up; empty: all
	Budget    int      // segments a day; 0: no bound
	Rate      float64  // messages a second; 0: no bound
	// AuthToken is what Twilio signs its calls with; "" of others.
	AuthToken string
}

var country = regexp.MustCompile(`^[A-Z]{2}$`)

// ParseSetting reads twilio://sid:token@host?from=+1...,
// kannel://user:password@host:13013?from=... or http-template:FILE?from=..., each
// with the options countries=NO,SE, budget= (segments a day) and rate= (a
// second). readFile reads the template. An error is one clear sentence, and
// never holds a password.
func ParseSetting(s string, readFile func(string) ([]byte, error)) (*Setting, error) {
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok {
		return nil, errors.New("is none of twilio://, http-template: and kannel://")
	}
	if scheme == "http-template" {
		file, query, _ := strings.Cut(rest, "?")
		set, from, err := options(query)
		if err != nil {
			return nil, err
		}
		text, err := readFile(file)
		if err != nil {
			return nil, fmt.Errorf("the template %s cannot be read", file)
		}
		if set.Gateway, err = parseTemplate(string(text), from); err != nil {
			return nil, fmt.Errorf("the template %s: %w", file, err)
		}
		return set, nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, errors.New("cannot be read; characters with a meaning in URLs are percent-encoded in user and password")
	}
	if strings.Trim(u.Path, "/") != "" && scheme != "twilio" {
		return nil, errors.New("has a path behind the host, which has no meaning")
	}
	set, from, err := options(u.RawQuery)
	if err != nil {
		return nil, err
	}
	user := u.User.Username()
	password, _ := u.User.Password()
	if user == "" || password == "" {
		return nil, fmt.Errorf("names no user and password before the host; write %s://user:password@%s", scheme, u.Host)
	}
	switch scheme {
	case "twilio":
		if from == "" {
			return nil, errors.New("from= is missing: the number that messages come from")
		}
		// Those who speak as Twilio does have the API below a path of theirs.
		g := &twilio{line: newLine("twilio"), base: "https://" + u.Host + strings.TrimRight(u.EscapedPath(), "/"), sid: user, token: password, from: from}
		if g.again = true; loopback(u.Hostname()) {
			g.base = "http" + strings.TrimPrefix(g.base, "https")
		}
		set.AuthToken, set.Gateway = password, g
	case "kannel":
		set.Gateway = &kannel{line: newLine("kannel"), base: "http://" + u.Host, user: user, password: password, from: from}
	default:
		return nil, fmt.Errorf("%s: is none of twilio://, http-template: and kannel://", scheme)
	}
	return set, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func options(query string) (*Setting, string, error) {
	// A plus is itself here: numbers begin with one.
	q, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B"))
	if err != nil {
		return nil, "", errors.New("the options behind ? cannot be read")
	}
	set := &Setting{}
	for name, values := range q {
		v := values[0]
		switch name {
		case "from":
		case "countries":
			for c := range strings.SplitSeq(v, ",") {
				if c = strings.ToUpper(strings.TrimSpace(c)); !country.MatchString(c) {
					return nil, "", fmt.Errorf("countries= is no list of codes such as NO,SE")
				}
				set.Countries = append(set.Countries, c)
			}
		case "budget":
			if set.Budget, err = strconv.Atoi(v); err != nil || set.Budget < 1 {
				return nil, "", fmt.Errorf("budget=%s is no number of segments a day", v)
			}
		case "rate":
			if set.Rate, err = strconv.ParseFloat(v, 64); err != nil || set.Rate <= 0 || set.Rate > 1000 {
				return nil, "", fmt.Errorf("rate=%s is no number of messages a second", v)
			}
		default:
			known := []string{"from", "countries", "budget", "rate"}
			return nil, "", fmt.Errorf("%s= is not an option; there are %s", name, strings.Join(known, "=, ")+"=")
		}
		if len(values) > 1 {
			return nil, "", fmt.Errorf("%s= stands there twice", name)
		}
	}
	slices.Sort(set.Countries)
	return set, q.Get("from"), nil
}

// Serves reports whether numbers of a country may sign up.
func (s *Setting) Serves(country string) bool {
	return len(s.Countries) == 0 || slices.Contains(s.Countries, country)
}
