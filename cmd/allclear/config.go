package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"allclear/notifier"
)

// prefix begins the name of every variable that is a setting.
const prefix = "ALLCLEAR_"

// Settings is every setting there is. Its parts are also the flags of the
// commands that use them; a flag wins over its variable. Values are kept as
// written and read by the methods below, each of which names the variable and
// the flag when the value is wrong.
type Settings struct {
	Storage
	Site
	Mail
	Doors
	Listening
	Keeping
	Digests
	Owning
	Holding
	Reminding
	Approving
	Alarming
}

// Base is what every command needs that works on the database.
type Base struct {
	Database string `setting:"DATABASE" secret:"" group:"settings" default:"allclear.db" placeholder:"PATH|URL" help:"A file for SQLite, or postgres://user:password@host/name."`
	Log      string `setting:"LOG" group:"settings" placeholder:"FORMAT,LEVEL" help:"text or json, and debug, info, warn or error."`
}

// Storage says where everything is kept.
type Storage struct {
	Base
	State  string `setting:"STATE" group:"settings" placeholder:"FOLDER" help:"Where generated secrets and the journal of acknowledgements are kept; default: beside the SQLite file, else the user's state folder."`
	Secret string `setting:"SECRET" secret:"" group:"settings" placeholder:"TEXT" help:"32 bytes or more that sign links and encrypt what is kept; made once in the state folder where missing."`
}

// Site says how the service presents itself.
type Site struct {
	Clock
	BaseURL   string `name:"base-url" setting:"BASE_URL" group:"settings" placeholder:"URL" help:"What links begin with; default: http:// and the address listened on."`
	Name      string `setting:"NAME" group:"settings" default:"Status" placeholder:"TEXT" help:"The name readers know the service by."`
	Logo      string `setting:"LOGO" group:"settings" placeholder:"URL" help:"A picture that stands for the name in mails and pages."`
	Color     string `setting:"COLOR" group:"settings" placeholder:"#RRGGBB" help:"The accent colour of mails and pages."`
	Language  string `setting:"LANGUAGE" group:"settings" default:"en" placeholder:"CODE" help:"Of readers who chose none."`
	Templates string `setting:"TEMPLATES" group:"settings" placeholder:"FOLDER" help:"Files that take the place of the embedded ones, one by one."`
}

// Linked is the Site of commands that write mails: what their links begin with
// where no base URL is set is what serve takes in its place.
type Linked struct {
	Site
	Listen string `default:"127.0.0.1:8080" setting:"LISTEN" group:"settings" placeholder:"HOST:PORT" help:"Where serve listens; for links where no base URL is set."`
}

// Clock says which zone is meant where none is named. "" is UTC, and leaves the
// zone of digests as it was set before.
type Clock struct {
	Timezone string `setting:"TIMEZONE" group:"settings" placeholder:"ZONE" help:"Of readers who chose none, and of clock times that staff write; a name like Europe/Oslo (default: UTC)."`
}

// Mail says how mail leaves.
type Mail struct {
	From            string `setting:"FROM" group:"settings" placeholder:"ADDRESS" help:"Who mails come from: status@example.com or \"Name <status@example.com>\"."`
	Relay           string `setting:"RELAY" secret:"" group:"settings" placeholder:"URL,..." help:"smtp://user:password@host:587 or smtps://host, several in order of preference, or mailbox: for the built-in catcher."`
	SMTPConnections string `name:"smtp-connections" setting:"SMTP_CONNECTIONS" group:"settings" default:"8" placeholder:"N" help:"Connections to each relay that does not say otherwise."`
	DKIM            string `name:"dkim" setting:"DKIM" group:"settings" placeholder:"DOMAIN:SELECTOR:KEYFILE,..." help:"Keys that sign every mail."`
	Signer          string `setting:"SIGNER" group:"settings" default:"auto" placeholder:"auto|go|libcrypto" help:"Whose RSA signs: the system's libcrypto is several times as fast as Go's; auto takes it where it is found."`
	BounceDomain    string `setting:"BOUNCE_DOMAIN" group:"settings" placeholder:"DOMAIN" help:"Where returned mail goes, to an address that names its delivery; default: From's address."`
}

// Digests says when they come. "" is 9, and leaves the hour as it was set before.
type Digests struct {
	DigestHour string `setting:"DIGEST_HOUR" group:"settings" placeholder:"HOUR" help:"When digests come to readers who chose no hour, 0 to 23 by their clock (default: 9)."`
}

// Owning says whose mail depends on what is announced.
type Owning struct {
	OwnDomains string `setting:"OWN_DOMAINS" group:"settings" placeholder:"DOMAIN=COMPONENT,..." help:"Domains whose mail depends on a component: while it is down, readers there are told at their second addresses."`
}

// Seconding is what decides which second addresses are taken, for commands on a
// database that no service has used yet.
type Seconding struct {
	Owning
	SMS string `name:"sms" setting:"SMS" secret:"" group:"settings" placeholder:"URL" help:"The gateway of text messages: without one no telephone is a second address."`
}

// Holding says how long the first news of an incident waits for its all-clear.
type Holding struct {
	HoldDown string `setting:"HOLD_DOWN" group:"settings" default:"off" placeholder:"DURATION" help:"An incident that is over within this time of its opening is told of by one message, 5m say; what is critical never waits."`
}

// Reminding says how long before maintenance readers are reminded of it.
type Reminding struct {
	MaintenanceReminders string `setting:"MAINTENANCE_REMINDERS" group:"settings" default:"24h,1h" placeholder:"DURATION,..." help:"How long before maintenance begins readers are reminded of it; off: not at all."`
}

// Doors says how webhooks and text messages leave.
type Doors struct {
	WebhookAllow string `name:"webhook-allow" setting:"WEBHOOK_ALLOW" group:"settings" placeholder:"CIDR,..." help:"Private networks that webhooks may be posted to, there by http and on any port too: 10.1.0.0/16,127.0.0.1."`
	SMS          string `name:"sms" setting:"SMS" secret:"" group:"settings" placeholder:"URL" help:"The gateway of text messages: twilio://sid:token@host?from=+1..., kannel://user:password@host:13013?from=..., or http-template:FILE; off unless set."`
}

// Listening says where the service answers.
type Listening struct {
	Listen         string `setting:"LISTEN" group:"settings" default:"127.0.0.1:8080" placeholder:"HOST:PORT" help:"Where pages and API are served."`
	TrustedProxies string `setting:"TRUSTED_PROXIES" group:"settings" placeholder:"CIDR,..." help:"Proxies in front of the pages, whose X-Forwarded-For says where a visitor comes from: 10.0.0.0/8,::1."`
	MetricsListen  string `setting:"METRICS_LISTEN" group:"settings" placeholder:"HOST:PORT" help:"Serves /metrics without a token; off unless set, then /metrics needs a token."`
}

// Keeping says for how long what was sent can be looked up.
type Keeping struct {
	AudienceRetention string `setting:"AUDIENCE_RETENTION" group:"settings" default:"30d" placeholder:"DAYS" help:"How long the audience of a notice is kept once all of it is over; whole days, 30d or 720h."`
	Retention         string `setting:"RETENTION" group:"settings" default:"90d" placeholder:"DAYS" help:"How long deliveries are kept once everything of their incident is over; whole days, 90d or 2160h."`
}

// settingError is a setting that is wrong or missing: a usage error of one line.
type settingError struct{ setting, message string }

func (e *settingError) Error() string {
	return prefix + e.setting + " (--" + settingFlag(e.setting) + "): " + e.message
}

func wrong(setting, format string, args ...any) error {
	return &settingError{setting, fmt.Sprintf(format, args...)}
}

// wrongBy is wrong with the words of err, without the field an Invalid names.
func wrongBy(setting string, err error) error {
	var inv *notifier.Invalid
	if errors.As(err, &inv) {
		return wrong(setting, "%s", inv.Message)
	}
	return wrong(setting, "%s", err)
}

// settingFields lists the fields of Settings that are settings.
func settingFields() []reflect.StructField {
	var out []reflect.StructField
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Settings]()) {
		if f.Tag.Get("setting") != "" {
			out = append(out, f)
		}
	}
	return out
}

func settingFlag(setting string) string {
	for _, f := range settingFields() {
		if n := f.Tag.Get("name"); f.Tag.Get("setting") == setting && n != "" {
			return n
		}
	}
	return strings.ReplaceAll(strings.ToLower(setting), "_", "-")
}

// environment is what the process was started with. It is read here and nowhere
// else, and gives flags that were not set the values of their variables.
type environment struct {
	vars map[string]string // of every variable
	read map[string]string // setting -> value, _FILE twins followed
}

// readEnvironment takes os.Environ's lines. An empty variable counts as unset,
// because that is how compose files leave one out.
func readEnvironment(lines []string) (*environment, error) {
	e := &environment{vars: map[string]string{}, read: map[string]string{}}
	for _, l := range lines {
		if k, v, ok := strings.Cut(l, "="); ok && v != "" {
			e.vars[k] = v
		}
	}
	known := map[string]bool{}
	for _, f := range settingFields() {
		s := f.Tag.Get("setting")
		known[prefix+s] = true
		if v, ok := e.vars[prefix+s]; ok {
			e.read[s] = v
		}
		if _, secret := f.Tag.Lookup("secret"); !secret {
			continue
		}
		twin := prefix + s + "_FILE"
		known[twin] = true
		path, ok := e.vars[twin]
		if !ok {
			continue
		}
		if _, both := e.read[s]; both {
			return nil, wrong(s, "is set, and %s too; leave one of them out", twin)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, &usageError{fmt.Sprintf("%s: %s", twin, plain(err))}
		}
		e.read[s] = strings.TrimRight(string(text), "\r\n")
	}
	if v, ok := e.vars["DATABASE_URL"]; ok && e.read["DATABASE"] == "" {
		e.read["DATABASE"] = v
	}
	for _, l := range lines {
		k, _, _ := strings.Cut(l, "=")
		if !strings.HasPrefix(k, prefix) || known[k] || strings.HasPrefix(k, prefix+"TEST_") {
			continue
		}
		if near := nearest(k, known); near != "" {
			return nil, &usageError{fmt.Sprintf("%s is not a setting; did you mean %s?", k, near)}
		}
		return nil, &usageError{fmt.Sprintf("%s is not a setting of this version; unset it (allclear serve --help lists them all)", k)}
	}
	return e, nil
}

// Validate is part of kong.Resolver.
func (e *environment) Validate(*kong.Application) error { return nil }

// Resolve gives flag the value of its variable.
func (e *environment) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if v, ok := e.read[flag.Tag.Get("setting")]; ok {
		return v, nil
	}
	return nil, nil //nolint:nilnil // kong's word for "not set here"
}

// stateHome is the user's folder for state (XDG Base Directory Specification).
func (e *environment) stateHome() string {
	if d := e.vars["XDG_STATE_HOME"]; filepath.IsAbs(d) {
		return filepath.Join(d, "allclear")
	}
	if h := e.vars["HOME"]; h != "" {
		return filepath.Join(h, ".local", "state", "allclear")
	}
	return ""
}

// user is who runs the program, for the audit.
func (e *environment) user() string {
	for _, k := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if v := e.vars[k]; v != "" {
			return v
		}
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "uid" + strconv.Itoa(os.Getuid())
}

// terminal reports whether the terminal, if there is one, can redraw a line.
func (e *environment) terminal() bool { return e.vars["TERM"] != "dumb" }

// nearest is the known name that is at most three slips away from k; "" where none is.
func nearest(k string, known map[string]bool) string {
	best, distance := "", 4
	for n := range known {
		if d := slips(k, n); d < distance || d == distance && n < best {
			best, distance = n, d
		}
	}
	return best
}

// slips counts the letters to insert, drop, change or swap with a neighbour.
func slips(a, b string) int {
	older, old, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range old {
		old[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(old[j]+1, row[j-1]+1, old[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
		older, old, row = old, row, older
	}
	return old[len(b)]
}

// system is the world of a real process.
func system() *world {
	return &world{in: os.Stdin, out: os.Stdout, err: os.Stderr, environ: os.Environ(), now: time.Now, self: os.Executable, lookupTXT: net.DefaultResolver.LookupTXT}
}
