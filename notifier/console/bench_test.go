package console_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/console"
	"allclear/notifier/notifiertest"
	"allclear/store/storetest"
	"allclear/subscribers"
	"allclear/templates"
)

// The tests' people have one password, and a hash of it that is quick to check.
const password = "four words put together"

var phc = sync.OnceValue(func() string { return console.Quick(password) })

// words are what the tests' mails and previews are made with, of a service at
// home. They are read and tried once for all tests, which takes seconds.
var words = sync.OnceValues(func() (*templates.Set, error) { return templates.New(wording()) })

const home = "http://status.example.com"

// wording is what a set of templates is made from in tests. Its clock stands: it
// is for links and days of digests, of which no test here speaks.
func wording() templates.Options {
	return templates.Options{Brand: templates.Brand{Name: "Example Status"}, BaseURL: home, Now: notifiertest.NewClock().Now}
}

// bench is a console on a real database, with a clock that tests move.
type bench struct {
	*notifiertest.Clock
	t     *testing.T
	store interface {
		console.Store
		SetUpStaff(ctx context.Context, link [32]byte, c notifier.Credentials) (notifier.Staff, error)
		FirstSession(ctx context.Context, x notifier.Session, hash [32]byte) (notifier.Session, error)
		NoteTroubles(ctx context.Context, seen []notifier.Trouble) error
		TakeAlarms(ctx context.Context, calm bool) ([]notifier.Alarm, error)
		AlarmTold(ctx context.Context, a notifier.Alarm) error
		Story(ctx context.Context, number int64) (notifier.Story, error)
		AddComponent(ctx context.Context, c notifier.Component) error
		AddSubscriber(ctx context.Context, s subscribers.Subscriber, confirm func(subscribers.Subscriber) *notifier.Event) (subscribers.Subscriber, error)
		SetOwnDomains(ctx context.Context, own []subscribers.OwnDomain) error
		SetSecond(ctx context.Context, n subscribers.Number, second subscribers.Second, confirm func(subscribers.Subscriber) *notifier.Event) (subscribers.Subscriber, error)
	}
	site *httptest.Server
	log  strings.Builder
	ids  int
	// what the store answers in place of the truth; nil: the truth
	fault error
	held  []notifier.HeldDomain
	lost  bool // the secret of the second factors
}

// onBoth runs a test on a bench of each database.
func onBoth(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) { test(t, newBench(t, dialect)) })
	}
}

func newBench(t *testing.T, dialect string, change ...func(*console.Options)) *bench {
	t.Helper()
	b := &bench{t: t, Clock: notifiertest.NewClock()}
	s := storetest.Open(t, dialect)(storetest.Clock(b.Now))
	b.store = s
	var handler http.Handler
	b.site = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(b.site.Close)
	set, err := words()
	b.must(err)
	var lock sync.Mutex
	o := console.Options{
		Store: faulty{s, b}, Letters: set, Notices: b.notices(s, set), Digests: b.digests(), Templates: b.templates(set), Name: "Example Status", BaseURL: b.site.URL, Key: []byte(strings.Repeat("k", 32)), Now: b.Now,
		NewID: func() string {
			lock.Lock()
			defer lock.Unlock()
			b.ids++
			return fmt.Sprintf("id%06d", b.ids)
		},
		Log:   slog.New(slog.NewTextHandler(&b.log, nil)),
		Style: set.Pages().Style(), Script: set.Pages().Script(), Policy: set.Pages().Policy(),
		Client: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.7") },
		Relays: func() []console.Relay {
			return []console.Relay{{Name: "relay.example.com:587", State: "resting", Cause: "421 later"}}
		},
		Settings: []console.Setting{{Name: "ALLCLEAR_NAME", Value: "Example Status"}},
	}
	for _, c := range change {
		c(&o)
	}
	handler, err = console.New(o)
	b.must(err)
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// factor is a person's second factor.
func factor(name string) []byte { sum := sha256.Sum256([]byte(name)); return sum[:20] }

// hire adds a person who has set themselves up.
func (b *bench) hire(name string, role notifier.Role) notifier.Staff {
	b.t.Helper()
	link := sha256.Sum256([]byte("link of " + name))
	_, err := b.store.AddStaff(b.t.Context(), notifier.Staff{Name: name, Role: role, LinkUntil: b.Now().Add(time.Hour)}, link)
	b.must(err)
	who, err := b.store.SetUpStaff(b.t.Context(), link, notifier.Credentials{Password: phc(), Secret: factor(name), Recovery: [][]byte{{1}}})
	b.must(err)
	return who
}

// browser is one person's, with its cookies.
type browser struct {
	b      *bench
	client *http.Client
}

func (b *bench) browser() *browser {
	jar, err := cookiejar.New(nil)
	b.must(err)
	return &browser{b, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// enter signs a person in without the page, for tests of what is behind it.
func (b *bench) enter(who notifier.Staff) *browser {
	b.t.Helper()
	w := b.browser()
	secret := "session-of-" + who.Name
	_, err := b.store.FirstSession(b.t.Context(), notifier.Session{Staff: who}, sha256.Sum256([]byte(secret)))
	b.must(err)
	at, err := url.Parse(b.site.URL)
	b.must(err)
	w.client.Jar.SetCookies(at, []*http.Cookie{{Name: "allclear-console", Value: secret, Path: "/"}})
	return w
}

// page is what was answered.
type page struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

func (w *browser) do(method, path string, form url.Values, header ...string) page {
	w.b.t.Helper()
	if form == nil {
		return w.raw(method, path, nil, header...)
	}
	return w.raw(method, path, strings.NewReader(form.Encode()), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

func (w *browser) raw(method, path string, body io.Reader, header ...string) page {
	w.b.t.Helper()
	r, err := http.NewRequestWithContext(w.b.t.Context(), method, w.b.site.URL+path, body)
	w.b.must(err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := w.client.Do(r)
	w.b.must(err)
	defer func() { _ = res.Body.Close() }()
	read, err := io.ReadAll(res.Body)
	w.b.must(err)
	return page{w.b.t, res.StatusCode, res.Header, string(read)}
}

func (w *browser) get(path string) page { w.b.t.Helper(); return w.do(http.MethodGet, path, nil) }

var formToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

// token is that of the forms on a page.
func (w *browser) token(path string) string {
	w.b.t.Helper()
	return w.field(path, formToken)
}

// field is what a page holds in a hidden field.
func (w *browser) field(path string, hidden *regexp.Regexp) string {
	w.b.t.Helper()
	m := hidden.FindStringSubmatch(w.get(path).body)
	if m == nil {
		w.b.t.Fatalf("%s has no form", path)
	}
	return m[1]
}

// send fills in a form as its page is shown to this browser. pairs are names and values.
func (w *browser) send(from, to string, pairs ...string) page {
	w.b.t.Helper()
	form := url.Values{"form": {w.token(from)}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return w.do(http.MethodPost, to, form)
}

// is wants a status and these words.
func (p page) is(status int, words ...string) page {
	p.t.Helper()
	if p.status != status {
		p.t.Fatalf("status %d, want %d\n%s", p.status, status, p.body)
	}
	for _, w := range words {
		if !strings.Contains(p.body, w) {
			p.t.Errorf("it does not say %q\n%s", w, p.body)
		}
	}
	return p
}

// leads wants the browser sent on.
func (p page) leads(to string) page {
	p.t.Helper()
	if p.is(http.StatusSeeOther); p.header.Get("Location") != to {
		p.t.Errorf("it leads to %q, want %q", p.header.Get("Location"), to)
	}
	return p
}
