package console

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/templates"
)

// Path is what the console answers below.
const Path = "/console"

// Options is what a console is made from. All are mandatory but those that say
// what their zero value is.
type Options struct {
	Store   Store
	Letters Letters
	Notices NoticeDesk
	Digests DigestDesk
	// Templates are what templates are looked at and edited with.
	Templates TemplateDesk
	Name      string           // of the service
	BaseURL   string           // of the public pages, without a slash at its end; with https cookies are sent by https only
	Key       []byte           // from which what forms carry is derived; 32 bytes
	Now       func() time.Time // the service's clock
	NewID     func() string    // opaque, unguessable
	Zone      *time.Location   // of clock times written without a zone; nil is UTC
	// HoldDown is how long an incident's first news waits for its all-clear.
	HoldDown time.Duration
	Log      *slog.Logger // nil is nowhere

	Style  templates.Asset // the public pages' sheet, which the console's builds on
	Script templates.Asset // shows times in the visitor's zone
	Policy string          // the public pages' Content-Security-Policy

	// Folder keeps a file of subscribers until it is known to be the one that was
	// looked at; "" is the system's.
	Folder string
	// Spare is how many bytes may be kept there; nil is as many as fit.
	Spare func(folder string) int64
	// Client is the address that a request comes from; the zero one where it is not known.
	Client func(*http.Request) netip.Addr
	// Relays is how each relay does, as this process sees it; nil: there are none.
	Relays func() []Relay
	// Settings are the settings in use, without secrets; nil shows none.
	Settings []Setting
	// Alert: somebody is told of trouble with the service itself.
	Alert bool
	// Phones: messages to phones can be sent, so that a preview shows one.
	Phones bool
}

// Relay is how one relay does, for people.
type Relay struct {
	Name   string
	State  string // working, or what it does instead
	Paused bool
	Cause  string // its last trouble; ""
	Retry  time.Time
}

// Setting is one setting for people: never a secret.
type Setting struct {
	Name, Value string
}

// console answers every request. What it holds never changes, but for the crowd.
type console struct {
	o      Options
	views  *views
	hash   *hasher
	guard  *http.CrossOriginProtection
	policy string
	live   chan struct{} // a place for everybody who follows something
	crowd  *crowd
}

// mostLive is how many may follow something at once in one process; for others
// pages show how it stands when they are loaded.
const mostLive = 200

// Handler answers everything below Path.
type Handler struct {
	http.Handler
	c *console
}

// SignedIn reports whether a request, to a page that is not the console's,
// comes from somebody who is signed in and has at least this role.
func (h *Handler) SignedIn(r *http.Request, least notifier.Role) bool {
	q := &request{Request: r}
	return h.c.recognise(q, h.c.o.Store.Session) == nil && q.session.ID != "" && q.session.Staff.Role.Can(least)
}

// New makes the handler of everything below Path.
func New(o Options) (*Handler, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Relays == nil {
		o.Relays = func() []Relay { return nil }
	}
	views, err := loadViews(o)
	if err != nil {
		return nil, err
	}
	c := &console{
		o: o, views: views, hash: newHasher(), guard: http.NewCrossOriginProtection(),
		policy: o.Policy + "; connect-src 'self'", live: make(chan struct{}, mostLive),
		crowd: &crowd{networks: map[string]time.Time{}},
	}
	return &Handler{c.mux(c.routes()), c}, nil
}

func (c *console) desk() notifier.Desk {
	return notifier.Desk{Now: c.o.Now(), Zone: c.o.Zone, NewID: c.o.NewID, HoldDown: c.o.HoldDown}
}

// secure reports whether the console is reached by https, and cookies may say so.
func (c *console) secure() bool { return strings.HasPrefix(c.o.BaseURL, "https://") }
