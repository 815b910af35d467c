package main

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// keywords is PostgreSQL's other spelling of an address: host=a,b dbname=c.
var keywords = regexp.MustCompile(`^\s*(host|hostaddr|port|user|password|dbname|service|sslmode|target_session_attrs)\s*=`)

// postgres reports whether the database is a PostgreSQL server. Anything else
// with a scheme is refused rather than taken for a file name.
func (s *Base) postgres() (bool, error) {
	scheme, _, ok := strings.Cut(s.Database, "://")
	switch {
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return true, nil
	case ok:
		return false, wrong("DATABASE", "%s:// is not supported; write a file path for SQLite, or postgres://user:password@host/name", scheme)
	case keywords.MatchString(s.Database):
		return true, nil
	}
	return false, nil
}

// listenAddress checks HOST:PORT.
func listenAddress(setting, s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return wrong(setting, "%q is not HOST:PORT; write 127.0.0.1:8080 or :8080", s)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return wrong(setting, "%q is no port; write a number from 0 to 65535", port)
	}
	return nil
}

// proxies reads the networks of trusted proxies; a bare address is one of its own.
func (s *Listening) proxies() ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(s.TrustedProxies, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			a, err := netip.ParseAddr(part)
			if err != nil || a.Zone() != "" {
				return nil, wrong("TRUSTED_PROXIES", "%q is no network; write 10.0.0.0/8 or 192.0.2.7, several by comma", part)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// base is the base URL without a slash at its end; fallback where none is set.
func (s *Site) base(fallback string) (string, error) {
	if s.BaseURL == "" {
		return fallback, nil
	}
	u, err := url.Parse(s.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", wrong("BASE_URL", "%q is no address of a site; write https://status.example.com", s.BaseURL)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", wrong("BASE_URL", "write scheme and host only, such as https://%s", u.Host)
	}
	return u.Scheme + "://" + u.Host, nil
}

var hexColor = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// check reads everything of a site that can be read without opening anything.
func (s *Site) check() error {
	if _, err := s.base(""); err != nil {
		return err
	}
	if s.Name == "" || len([]rune(s.Name)) > 80 || strings.ContainsFunc(s.Name, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return wrong("NAME", "must be 1 to 80 characters on one line")
	}
	if s.Logo != "" {
		if u, err := url.Parse(s.Logo); err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http" {
			return wrong("LOGO", "%q is no address of a picture; write https://example.com/logo.png", s.Logo)
		}
	}
	if s.Color != "" && !hexColor.MatchString(s.Color) {
		return wrong("COLOR", "%q is no colour; write #0b5d57", s.Color)
	}
	if info, err := os.Stat(s.Templates); s.Templates != "" && (err != nil || !info.IsDir()) {
		return wrong("TEMPLATES", "%q is no folder that can be read", s.Templates)
	}
	probe := subscribers.Subscriber{Address: "a@example.com", Language: s.Language}
	if err := probe.Validate(); err != nil {
		return wrongBy("LANGUAGE", err)
	}
	_, err := s.zone()
	return err
}

// holdDown reads for how long news waits; 0 is off.
func (s *Holding) holdDown() (time.Duration, error) {
	switch s.HoldDown {
	case "", "off", "0":
		return 0, nil
	}
	d, err := time.ParseDuration(s.HoldDown)
	if err != nil || d <= 0 || d > notifier.MostHoldDown {
		return 0, wrong("HOLD_DOWN", "%q is no time that news can wait; write off, 90s, 5m, at most 24h", s.HoldDown)
	}
	return d, nil
}

// reminders reads how long before maintenance readers are reminded; none is off.
func (s *Reminding) reminders() ([]time.Duration, error) {
	given := s.MaintenanceReminders
	if given == "" {
		given = "24h,1h" // settings that no command line filled in
	}
	if given == "off" {
		return nil, nil
	}
	var out []time.Duration
	for part := range strings.SplitSeq(given, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil || d < time.Minute || d > 30*24*time.Hour || slices.Contains(out, d) {
			return nil, wrong("MAINTENANCE_REMINDERS", "%q is no list of times; write off, or 24h,1h: each once, from 1m to 720h", given)
		}
		out = append(out, d)
	}
	return out, nil
}

func (s *Clock) zone() (*time.Location, error) {
	z, err := time.LoadLocation(s.Timezone)
	if err != nil || s.Timezone == "Local" {
		return nil, wrong("TIMEZONE", "%q is no time zone; use a name like Europe/Oslo", s.Timezone)
	}
	return z, nil
}

// sender reads From; a bare address gets the site's name.
func (s *Mail) sender(name string) (*mail.Address, error) {
	if s.From == "" {
		return nil, wrong("FROM", "is not set; write the address mails come from, such as status@example.com")
	}
	a, err := mail.ParseAddress(s.From)
	if err != nil {
		return nil, wrong("FROM", "%q is no address; write status@example.com or \"Name <status@example.com>\"", s.From)
	}
	if a.Address, err = subscribers.ParseAddress(a.Address); err != nil {
		return nil, wrongBy("FROM", err)
	}
	if a.Name == "" {
		a.Name = name
	}
	return a, nil
}

func (s *Mail) connections() (int, error) {
	n, err := strconv.Atoi(s.SMTPConnections)
	if err != nil || n < 1 || n > 1000 {
		return 0, wrong("SMTP_CONNECTIONS", "%q is not a number from 1 to 1000", s.SMTPConnections)
	}
	return n, nil
}

func (s *Mail) bounceDomain() (string, error) {
	if s.BounceDomain == "" {
		return "", nil
	}
	a, err := subscribers.ParseAddress("b@" + s.BounceDomain)
	if err != nil {
		return "", wrongBy("BOUNCE_DOMAIN", err)
	}
	return subscribers.Domain(a), nil
}

// onLoopback reports whether only this machine reaches a URL.
func onLoopback(base string) bool {
	u, err := url.Parse(base)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
