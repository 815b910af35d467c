package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
	"allclear/subscribers/web"
	"allclear/subscribers/web/gate"
	"allclear/templates"
)

// house is the public pages on a real server, with a real database behind them.
type house struct {
	t      testing.TB
	store  *failing
	links  *subscribers.Links
	gate   *gate.Gate
	server *httptest.Server
	log    *bytes.Buffer
	mu     sync.Mutex
	now    time.Time
	ids    int
	lost   lostAddresses
	// changes is what the pages take for the number of changes. As it is, they
	// are made anew for everybody; nil: their copies are kept.
	changes func() int64
}

// lostAddresses keeps whose link was asked for.
type lostAddresses struct {
	mu   sync.Mutex
	all  []string
	last subscribers.Lost
}

func (l *lostAddresses) Ask(lost subscribers.Lost) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all, l.last = append(l.all, lost.Address), lost
}

// whole is a real store, with what the tests do in the name of other rooms.
type whole interface {
	web.Seconds
	SetOwnDomains(ctx context.Context, own []subscribers.OwnDomain) error
	SetSecond(ctx context.Context, n subscribers.Number, second subscribers.Second, confirm func(subscribers.Subscriber) *notifier.Event) (subscribers.Subscriber, error)
	web.Posts
	web.People
	web.Account
	web.Moves
	web.SignUps
	AnswerSignUps(ctx context.Context, seen []string, limits subscribers.Limits, confirm func(subscribers.Subscriber) notifier.Event, max int) (subscribers.Answered, error)
	Subscribers(ctx context.Context, q subscribers.Query) ([]subscribers.Subscriber, string, error)
	templates.Stories
	OpenIncident(ctx context.Context, p notifier.Posting) (notifier.Posting, error)
	ReviseIncident(ctx context.Context, id string, change func(notifier.Incident) (notifier.Posting, error)) (notifier.Posting, error)
	ChangeComponent(ctx context.Context, key string, change func(*notifier.Component) error) (notifier.Component, error)
	AddComponent(ctx context.Context, c notifier.Component) error
	AddSubscriber(ctx context.Context, s subscribers.Subscriber, confirm func(subscribers.Subscriber) *notifier.Event) (subscribers.Subscriber, error)
	ExpandSlice(ctx context.Context, max int) (notifier.Slice, error)
	Deliveries(ctx context.Context, q notifier.DeliveryQuery) ([]notifier.Delivery, string, error)
	Pulse(ctx context.Context) (notifier.Pulse, error)
	Suppress(ctx context.Context, x subscribers.Suppression) error
	BeginMembers(ctx context.Context, component string) (notifier.Upload, error)
	AddMembers(ctx context.Context, u notifier.Upload, addresses []string) error
	FinishMembers(ctx context.Context, u notifier.Upload) (int64, error)
}

// failing is a store that can be told to fail.
type failing struct {
	whole
	broken error
	unread error        // of what was posted
	counts int          // how often followers were counted
	reads  atomic.Int64 // how often posts were read
	full   error        // for who signs up
}

func (f *failing) Subscriber(ctx context.Context, n subscribers.Number) (subscribers.Subscriber, error) {
	if f.broken != nil {
		return subscribers.Subscriber{}, f.broken
	}
	return f.whole.Subscriber(ctx, n)
}

func (f *failing) QueueSignUp(ctx context.Context, x subscribers.SignUp) error {
	if f.full != nil {
		return f.full
	}
	return f.whole.QueueSignUp(ctx, x)
}

func (f *failing) Incidents(ctx context.Context, q notifier.IncidentQuery) ([]notifier.Incident, string, error) {
	f.reads.Add(1)
	if f.unread != nil {
		return nil, "", f.unread
	}
	return f.whole.Incidents(ctx, q)
}

func (f *failing) Incident(ctx context.Context, id string) (notifier.Incident, error) {
	f.reads.Add(1)
	if f.unread != nil {
		return notifier.Incident{}, f.unread
	}
	return f.whole.Incident(ctx, id)
}

func (f *failing) Followers(ctx context.Context) (int64, error) {
	f.counts++
	return f.whole.Followers(ctx)
}

// mailLinks is for mails, of which these tests send none.
type mailLinks struct{}

func (mailLinks) Unsubscribe(int64) string       { return strings.Repeat("u", subscribers.LinkSize) }
func (mailLinks) Remove(int64, string) string    { return strings.Repeat("u", subscribers.LinkSize) }
func (mailLinks) Manage(int64, time.Time) string { return strings.Repeat("m", subscribers.LinkSize) }
func (mailLinks) Personal(notifier.EventType, int64, time.Time, string) string {
	return strings.Repeat("c", subscribers.LinkSize)
}

func newHouse(t testing.TB, change ...func(*house, *web.Options)) *house {
	t.Helper()
	h := &house{t: t, links: subscribers.NewLinks(storetest.Secret()), gate: gate.New(storetest.Secret(), "subscribe"), log: &bytes.Buffer{}, now: time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)}
	var asked atomic.Int64
	h.changes = func() int64 { return asked.Add(1) }
	h.store = &failing{whole: storetest.Open(t, "sqlite")(storetest.Clock(h.clock))}
	set, err := templates.New(templates.Options{
		Brand: templates.Brand{Name: "Example Status"}, BaseURL: "https://status.example.com",
		Stories: h.store, Links: mailLinks{}, Now: h.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	options := web.Options{
		Posts: h.store, People: h.store, Account: h.store, Moves: h.store, Lost: &h.lost, Pages: set.Pages(), Style: set.Pages().Style(), Icon: set.Pages().Icon(), Links: h.links, Now: h.clock,
		SignUps: h.store, Gate: h.gate, Work: set.Pages().Work(), Script: set.Pages().Script(), Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Changes: h.changed,
		Log:     slog.New(slog.NewTextHandler(h.log, nil)),
	}
	for _, c := range change {
		c(h, &options)
	}
	h.server = httptest.NewServer(web.New(options))
	t.Cleanup(h.server.Close)
	h.server.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return h
}

func (h *house) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *house) changed() int64 {
	if h.changes == nil {
		return 0
	}
	return h.changes()
}

func (h *house) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *house) desk() notifier.Desk {
	return notifier.Desk{Now: h.clock(), Zone: time.UTC, NewID: func() string { h.ids++; return fmt.Sprintf("id%05d", h.ids) }}
}

// post opens an incident.
func (h *house) post(a notifier.Announcement) notifier.Incident {
	h.t.Helper()
	p, err := notifier.Open(a, h.desk())
	if err != nil {
		h.t.Fatal(err)
	}
	if p, err = h.store.OpenIncident(h.t.Context(), p); err != nil {
		h.t.Fatal(err)
	}
	return p.Incident
}

// revise changes an incident.
func (h *house) revise(id string, change func(notifier.Incident) (notifier.Posting, error)) {
	h.t.Helper()
	if _, err := h.store.ReviseIncident(h.t.Context(), id, change); err != nil {
		h.t.Fatal(err)
	}
}

// reader adds a subscriber.
func (h *house) reader(address string, state subscribers.State) subscribers.Number {
	h.t.Helper()
	s := subscribers.Subscriber{Address: address, State: state, CreatedAt: h.clock()}
	if err := s.Validate(); err != nil {
		h.t.Fatal(err)
	}
	s, err := h.store.AddSubscriber(h.t.Context(), s, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return s.Number
}

func (h *house) state(n subscribers.Number) subscribers.State {
	h.t.Helper()
	s, err := h.store.whole.Subscriber(h.t.Context(), n)
	if err != nil {
		h.t.Fatal(err)
	}
	return s.State
}

type shown struct {
	t      testing.TB
	status int
	header http.Header
	text   string
}

// ask sends a request; more headers come as name, value.
func (h *house) ask(method, path, body string, more ...string) shown {
	h.t.Helper()
	r, err := http.NewRequest(method, h.server.URL+path, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i+1 < len(more); i += 2 {
		r.Header.Set(more[i], more[i+1])
	}
	resp, err := h.server.Client().Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return shown{h.t, resp.StatusCode, resp.Header, string(text)}
}

// says fails the test where the page has another status or misses a text.
func (s shown) says(status int, texts ...string) shown {
	s.t.Helper()
	if s.status != status {
		s.t.Fatalf("status %d, want %d: %s", s.status, status, s.text)
	}
	for _, text := range texts {
		if !strings.Contains(s.text, text) {
			s.t.Errorf("the page does not say %q: %s", text, s.text)
		}
	}
	return s
}

func (s shown) silent(texts ...string) shown {
	s.t.Helper()
	for _, text := range texts {
		if strings.Contains(s.text, text) {
			s.t.Errorf("the page says %q: %s", text, s.text)
		}
	}
	return s
}

func TestEveryPageIsUnderAStrictPolicyAndLoadsOnlyItsOwn(t *testing.T) {
	h := newHouse(t)
	id := h.post(notifier.Announcement{Title: "Mail is late"}).ID
	n := h.reader("ann@example.com", subscribers.Active)
	leave, confirm := "/unsubscribe/"+h.links.Token(subscribers.ForUnsubscribe, n, time.Time{}), "/confirm/"+h.links.Token(subscribers.ForConfirm, n, time.Time{})
	manage := "/manage/" + h.links.Token(subscribers.ForManage, n, time.Time{})
	for _, path := range []string{"/", "/incidents/" + id, leave, confirm, manage, manage + "/erase", "/move/nosuch", "/undo/nosuch", "/link", "/nosuch", "/confirm/nosuch", "/assets/allclear.css"} {
		got := h.ask(http.MethodGet, path, "")
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if v := got.header.Get(name); v != want {
				t.Errorf("%s: %s %q", path, name, v)
			}
		}
		private := strings.Count(path, "/") > 1 && !strings.HasPrefix(path, "/incidents/") && !strings.HasPrefix(path, "/assets/")
		if v := got.header.Get("Cache-Control"); private != (v == "no-store") {
			t.Errorf("%s: Cache-Control %q", path, v)
		}
		if regexp.MustCompile(`<script>|style="|(src|href)="(https?:)?//[^s]`).MatchString(got.text) {
			t.Errorf("%s is not under the policy: %s", path, got.text)
		}
	}
}

func TestAWrongMethodIsRefusedWithTheRightOnes(t *testing.T) {
	h := newHouse(t)
	token := h.links.Token(subscribers.ForConfirm, 1, time.Time{})
	for _, c := range []struct{ method, path, allow string }{
		{http.MethodPost, "/", "GET, HEAD"}, {http.MethodDelete, "/incidents/x", "GET, HEAD"}, {http.MethodPut, "/confirm/" + token, "GET, HEAD, POST"},
		{http.MethodOptions, "/unsubscribe/" + token, "GET, HEAD, POST"}, {http.MethodPost, "/nosuch", "GET, HEAD"},
		{http.MethodPut, "/manage/" + token, "GET, HEAD, POST"}, {http.MethodOptions, "/manage/" + token + "/erase", "GET, HEAD, POST"},
		{http.MethodPost, "/manage/" + token + "/data.json", "GET, HEAD"}, {http.MethodDelete, "/move/" + token, "GET, HEAD, POST"},
		{http.MethodPatch, "/undo/" + token, "GET, HEAD, POST"}, {http.MethodTrace, "/link", "GET, HEAD, POST"},
	} {
		if got := h.ask(c.method, c.path, "").says(http.StatusMethodNotAllowed); got.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: Allow %q", c.method, c.path, got.header.Get("Allow"))
		}
	}
}

func TestATroubledDatabaseIsSaidKindlyAndNoTokenIsLogged(t *testing.T) {
	h := newHouse(t)
	n := h.reader("ann@example.com", subscribers.Active)
	token := h.links.Token(subscribers.ForUnsubscribe, n, time.Time{})
	h.store.broken = fmt.Errorf("dial: %w", notifier.ErrUnavailable)
	if got := h.ask(http.MethodPost, "/unsubscribe/"+token, "").says(http.StatusServiceUnavailable, "does not work at the moment"); got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	h.store.broken = errors.New("secret detail")
	h.ask(http.MethodGet, "/confirm/"+h.links.Token(subscribers.ForConfirm, n, time.Time{}), "").says(http.StatusInternalServerError, "Something went wrong here").silent("secret detail")
	log := h.log.String()
	if strings.Contains(log, token) || strings.Contains(log, "ann@") || !strings.Contains(log, "secret detail") || !strings.Contains(log, "/unsubscribe/{token}") {
		t.Errorf("the log says %s", log)
	}
}

func TestThePageSpeaksTheReadersLanguage(t *testing.T) {
	h := newHouse(t)
	h.ask(http.MethodGet, "/", "", "Accept-Language", "de-CH, en;q=0.5").says(http.StatusOK, `<html lang="de"`)
	if got := h.ask(http.MethodGet, "/", "").says(http.StatusOK, `<html lang="en"`); got.header.Get("Vary") != "Accept-Language" {
		t.Errorf("Vary %q", got.header.Get("Vary"))
	}
}

func TestTheStyleSheetIsKeptForEverUnderItsHash(t *testing.T) {
	h := newHouse(t)
	path := regexp.MustCompile(`href="(/assets/[^"]+)"`).FindStringSubmatch(h.ask(http.MethodGet, "/", "").text)
	if path == nil {
		t.Fatal("the page names no style sheet")
	}
	got := h.ask(http.MethodGet, path[1], "").says(http.StatusOK, "--accent")
	if got.header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(got.header.Get("Cache-Control"), "immutable") {
		t.Errorf("headers %v", got.header)
	}
	if got := h.ask(http.MethodGet, "/assets/allclear.css?v=old", ""); strings.Contains(got.header.Get("Cache-Control"), "immutable") {
		t.Error("another version is kept for ever")
	}
	if got := h.ask(http.MethodHead, path[1], "").says(http.StatusOK); got.text != "" {
		t.Errorf("HEAD answered %d bytes", len(got.text))
	}
}

func TestTheBrowsersOwnQuestionForAnIconIsAnswered(t *testing.T) {
	h := newHouse(t)
	res, err := h.server.Client().Get(h.server.URL + "/favicon.ico")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("%d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
}
