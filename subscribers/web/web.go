// Package web is the public pages: what was posted, as pages and as feeds; and
// how people subscribe, confirm, change what they chose, and leave. One file
// holds one action.
package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

// maxForm is the size of the largest form, in bytes. The largest of ours, with
// every component ticked, has a few thousand; a mail provider's one-click 26.
const maxForm = 64 << 10

// Options is what the pages are made from. All are mandatory but those that say
// what nil is.
type Options struct {
	Posts  Posts
	People People
	Pages  Pages

	Account Account
	Moves   Moves
	Seconds Seconds // nil: nobody is asked for a second address
	Lost    Lost

	Style  templates.Asset    // the style sheet that every page loads
	Icon   templates.Asset    // what browsers ask for by themselves
	Script templates.Asset    // shows times in the visitor's zone
	Links  *subscribers.Links // reads the tokens in links
	Now    func() time.Time   // the service's clock
	Log    *slog.Logger       // nil is nowhere

	// Changes is a number that moves whenever this process may have changed what
	// pages show, so that whoever posts sees it at once. nil: everybody sees it
	// when the copies of pages are half a second old.
	Changes func() int64

	// Identity names the installation, wherever it is reached: feeds are known by it. Mandatory.
	Identity string

	SignUps SignUps         // where sign-ups wait
	Gate    *gate.Gate      // judges the form to sign up with
	Work    templates.Asset // the script that does a form's work in a rush
	Proxies []netip.Prefix  // those whose X-Forwarded-For is believed; may be empty

	Endpoints *Endpoints // the door for webhooks; nil: there is none
	Phones    *Phones    // the door for text messages; nil: there is none
}

// New makes the handler of the public pages; it answers every path that it is given.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Changes == nil {
		o.Changes = func() int64 { return 0 }
	}
	s := &site{
		posts: o.Posts, people: o.People, account: o.Account, moves: o.Moves, seconds: o.Seconds, lost: o.Lost, pages: o.Pages, links: o.Links, now: o.Now, log: o.Log,
		followers: remembered[int64]{ask: o.People.Followers, good: countFor}, guard: http.NewCrossOriginProtection(),
		copies: newCopies(o.Now, o.Changes), asked: newCopies(o.Now, o.Changes),
		identity: o.Identity, signUps: o.SignUps, gate: o.Gate, proxies: o.Proxies, endpoints: o.Endpoints, phones: o.Phones,
		offer:  remembered[[]notifier.Component]{ask: o.Posts.Components, good: offerFor},
		listed: remembered[bool]{ask: o.People.HasMembers, good: offerFor},
		free:   meter{Budget: freeRate}, typed: meter{Budget: typedRate}, worked: meter{Budget: workedRate},
	}
	mux := http.NewServeMux()
	mux.Handle("/{$}", s.page(s.home, nil))
	mux.Handle("/incidents/{id}", s.page(s.incident, nil))
	mux.Handle("/history", s.page(s.history, nil))
	mux.Handle("/history/{month}", s.page(s.history, nil))
	mux.Handle("/feed.atom", s.open(s.feedAtom))
	mux.Handle("/feed.json", s.open(s.feedJSON))
	mux.Handle("/maintenance.ics", s.open(s.calendar))
	mux.Handle("/badge.svg", s.open(s.badge))
	mux.Handle("/api/v2/summary.json", s.open(s.summary))
	mux.Handle("/subscribe", s.page(s.subscribeAsk, s.subscribe))
	mux.Handle("/confirm/{token}", s.page(s.confirmAsk, s.confirm))
	mux.Handle("/unsubscribe/{token}", s.page(s.unsubscribeAsk, s.unsubscribe))
	mux.Handle("/undo/{token}", s.page(s.undoAsk, s.undo))
	mux.Handle("/manage/{token}", s.page(s.manageAsk, s.manage))
	mux.Handle("/manage/{token}/erase", s.page(s.eraseAsk, s.erase))
	mux.Handle("/manage/{token}/data.json", s.page(s.data, nil))
	mux.Handle("/move/{token}", s.page(s.moveAsk, s.move))
	mux.Handle("/link", s.page(s.linkAsk, s.link))
	s.doors(mux)
	mux.Handle(o.Style.Path, s.page(asset(o.Style), nil))
	mux.Handle(o.Work.Path, s.page(asset(o.Work), nil))
	mux.Handle(o.Script.Path, s.page(asset(o.Script), nil))
	mux.Handle(o.Icon.Path, s.page(asset(o.Icon), nil))
	mux.Handle("/", s.page(func(*http.Request) (answer, error) { return answer{}, notifier.ErrNotFound }, nil))
	return mux
}

type site struct {
	posts     Posts
	people    People
	account   Account
	moves     Moves
	seconds   Seconds
	lost      Lost
	pages     Pages
	links     *subscribers.Links
	now       func() time.Time
	log       *slog.Logger
	identity  string
	followers remembered[int64]
	guard     *http.CrossOriginProtection
	copies    *copies // of the few pages that everybody reads
	names     names
	asked     *copies // of those that are named by whoever asks, of which there are many

	signUps             SignUps
	gate                *gate.Gate
	proxies             []netip.Prefix
	endpoints           *Endpoints
	phones              *Phones
	right               rightCodes
	free, typed, worked meter
	offer               remembered[[]notifier.Component]
	listed              remembered[bool] // whether anybody is known to live on a component
}

// answer is a page to show, a copy of one, or the body of an asset.
type answer struct {
	status int // 0 is 200
	name   string
	data   any
	lang   string // the reader's own, where it is known; "" goes by the browser's
	retry  int    // seconds after which it may be tried again; 0: not said

	leaf *leaf

	asset *templates.Asset
	fresh bool   // the asset was asked for by its hash and never changes
	file  string // the asset is to be kept under this name
}

// action answers one method of one path.
type action func(r *http.Request) (answer, error)

// page makes an action for reading, and one for its button, into a handler.
// Reading never changes anything: scanners follow every link in a mail (I6).
func (s *site) page(get, post action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recover(w, r)
		h := w.Header()
		h.Set("Content-Security-Policy", s.pages.Policy())
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Vary", "Accept-Language")
		h.Set("Cache-Control", "no-cache")
		if r.PathValue("token") != "" {
			h.Set("Cache-Control", "no-store")
		}
		do := get
		switch {
		case !utf8.ValidString(r.URL.Path) || strings.ContainsRune(r.URL.Path, 0): // no id is like that, and no database keeps it
			s.fail(w, r, notifier.ErrNotFound)
			return
		case r.Method == http.MethodPost && post != nil:
			do = post
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			allow := "GET, HEAD"
			if post != nil {
				allow += ", POST"
			}
			h.Set("Allow", allow)
			s.fail(w, r, errMethod)
			return
		}
		said, err := do(r)
		if err == nil {
			err = s.show(w, r, said)
		}
		if err != nil {
			s.fail(w, r, err)
		}
	})
}

func (s *site) show(w http.ResponseWriter, r *http.Request, said answer) error {
	if said.status == 0 {
		said.status = http.StatusOK
	}
	if said.leaf != nil {
		said.leaf.send(w, r)
		return nil
	}
	h := w.Header()
	if said.asset != nil {
		if h.Set("Content-Type", said.asset.Type); said.fresh {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		if said.file != "" {
			h.Set("Content-Disposition", `attachment; filename="`+said.file+`"`)
		}
		h.Del("Vary")
		w.WriteHeader(said.status)
		_, _ = w.Write(said.asset.Body)
		return nil
	}
	if said.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(said.retry))
	}
	var body bytes.Buffer
	lang := said.lang
	if lang == "" {
		lang = r.Header.Get("Accept-Language")
	}
	if err := s.pages.Page(&body, said.name, lang, said.data); err != nil {
		return fmt.Errorf("render page %s: %w", said.name, err)
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(said.status)
	_, _ = body.WriteTo(w)
	return nil
}

// Errors that only a page knows.
var (
	errMethod  = errors.New("the method is not possible here")
	errForeign = errors.New("the form was sent from another site")
	errGone    = errors.New("what the link was about is erased")
	errUnmade  = errors.New("making the page was cut short")
)

// fail shows an error. It is the only place where one becomes a status.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, kind := http.StatusInternalServerError, templates.MessageError
	var large *http.MaxBytesError
	var inv *notifier.Invalid
	switch {
	case errors.Is(err, subscribers.ErrLink):
		status, kind = http.StatusNotFound, templates.MessageLinkInvalid
	case errors.Is(err, subscribers.ErrLinkExpired):
		status, kind = http.StatusGone, templates.MessageLinkExpired
	case errors.Is(err, errGone):
		status, kind = http.StatusGone, templates.MessageGone
	case errors.Is(err, notifier.ErrNotFound):
		status, kind = http.StatusNotFound, templates.MessageNotFound
	case errors.Is(err, errMethod):
		status, kind = http.StatusMethodNotAllowed, templates.MessageMethod
	case errors.Is(err, errForeign):
		status, kind = http.StatusForbidden, templates.MessageForeign
	case errors.Is(err, errForm):
		status, kind = http.StatusBadRequest, templates.MessageUnreadable
	case errors.As(err, &inv): // what no form of ours sends, and no database keeps
		status, kind = http.StatusBadRequest, templates.MessageUnreadable
	case errors.As(err, &large):
		status, kind = http.StatusRequestEntityTooLarge, templates.MessageLarge
	case errors.Is(err, notifier.ErrUnavailable):
		status, kind = http.StatusServiceUnavailable, templates.MessageUnavailable
		w.Header().Set("Retry-After", "5")
	}
	if status >= 500 && r.Context().Err() == nil { // the pattern, not the path: a token is a secret
		s.log.ErrorContext(r.Context(), "page failed", "method", r.Method, "route", r.Pattern, "error", err)
	}
	if err := s.show(w, r, answer{status: status, name: templates.PageMessage, data: templates.MessagePage{Kind: kind}}); err != nil {
		s.log.ErrorContext(r.Context(), "page failed", "method", r.Method, "route", r.Pattern, "error", err)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "Something went wrong here.\n")
	}
}

func (s *site) recover(w http.ResponseWriter, r *http.Request) {
	if what := recover(); what != nil {
		s.fail(w, r, fmt.Errorf("panic: %v", what))
	}
}

// foreign refuses a form that another site made this browser send. Behind the
// page's Referrer-Policy a browser that sends no Sec-Fetch-Site (any, where the
// service is reached by plain http) says "Origin: null" for our own button too,
// so null alone is no reason: who sends the form knows the token anyhow.
func (s *site) foreign(r *http.Request) error {
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "null" {
		return nil
	}
	if err := s.guard.Check(r); err != nil {
		return fmt.Errorf("%w: %w", errForeign, err)
	}
	return nil
}
