package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"allclear/store/storetest"
	"allclear/subscribers"
)

// The widths at which pages are looked at, in CSS pixels.
const (
	wide   = 1280
	narrow = 375
)

// tab is a page of a real browser, and what the browser complained of.
type tab struct {
	t    *testing.T
	ctx  context.Context
	lang string // what its pages are written in

	mu   sync.Mutex
	said []string
}

// browse starts a browser with an empty profile and returns its first tab.
func browse(t *testing.T, scripts bool) *tab {
	t.Helper()
	path := ""
	for _, name := range []string{
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "google-chrome-stable", "google-chrome", "chromium-browser", "chromium",
	} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
		}
	}
	if path == "" {
		without(t, "no Chromium or Chrome: apt-get install -y chromium")
	}
	flags := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
	}
	if !scripts {
		flags = append(flags, chromedp.Flag("blink-settings", "scriptEnabled=false"))
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), flags...)
	t.Cleanup(cancel)
	b := newTab(ctx, t)
	want := "without"
	if scripts {
		want = "with"
	}
	b.do(chromedp.Navigate("data:text/html," + url.PathEscape(`<title>without</title><script>document.title = "with"</script>`)))
	if got := ask(b, chromedp.Title()); got != want {
		t.Fatalf("the browser runs %s scripts, want %s", got, want)
	}
	return b
}

func newTab(parent context.Context, t *testing.T, options ...chromedp.ContextOption) *tab {
	t.Helper()
	b := &tab{t: t, lang: "en"}
	ctx, _ := chromedp.NewContext(parent, append(options, chromedp.WithListener(b.hear))...)
	b.ctx = ctx
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // a frame may have gone with its page
	// A tab lives as long as the context that it is first used with.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return b
}

// hear keeps what the browser's console shows in red or yellow, which is where
// breaches of a page's security policy are told.
func (b *tab) hear(event any) {
	said := ""
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			said = fmt.Sprintf("%s: %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		said = fmt.Sprintf("console.%s", e.Type)
	case *runtime.EventExceptionThrown:
		said = "exception: " + e.ExceptionDetails.Text
	}
	if said != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.said = append(b.said, said)
	}
}

// do takes steps that must work soon.
func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patienceOfTests)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
}

func ask[T any](b *tab, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patienceOfTests)
	defer cancel()
	got, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
	return got
}

// open goes to an address and wants a status.
func (b *tab) open(url string, status int64) {
	b.t.Helper()
	if res := ask(b, chromedp.NavigateResponse(url)); res == nil || res.Status != status {
		b.t.Fatalf("%s: %+v, want status %d", url, res, status)
	}
}

// press clicks what a selector finds and waits for the page behind it.
func (b *tab) press(selector string) {
	b.t.Helper()
	b.leave(chromedp.Click(chromedp.CSS(selector)), http.StatusOK, "press "+selector)
}

// leave does what leads to another page, and waits for that.
func (b *tab) leave(step chromedp.Action[chromedp.Void], status int64, what string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patienceOfTests)
	defer cancel()
	res, err := chromedp.RunResponse(ctx, step)
	if err != nil || res.Status != status {
		b.t.Fatalf("%s: %+v, %v, want status %d", what, res, err, status)
	}
}

// follow clicks a link in the mail that the mailbox shows, whose frame is a page
// of its own, and returns the tab that opens.
func (b *tab) follow(link string) *tab {
	b.t.Helper()
	var frame target.ID
	eventually(b.t, "the mail stands in a frame", func() bool {
		all, err := chromedp.Targets(b.ctx)
		if err != nil {
			b.t.Fatalf("in the browser: %v", err)
		}
		for _, x := range all {
			if x.Type == "iframe" && strings.HasSuffix(x.URL, "/html") {
				frame = x.TargetID
			}
		}
		return frame != ""
	})
	inside := newTab(b.ctx, b.t, chromedp.WithTargetID(frame))
	opened := chromedp.WaitNewTarget(b.ctx, func(*target.Info) bool { return true })
	inside.do(chromedp.Click(chromedp.CSS(`a[href*="` + link + `"]`)))
	select {
	case id := <-opened:
		inside.quiet("the mail's frame")
		next := newTab(b.ctx, b.t, chromedp.WithTargetID(id))
		next.do(chromedp.WaitReady(chromedp.CSS("h1")))
		return next
	case <-time.After(patienceOfTests):
		b.t.Fatalf("the link %s opens nothing", link)
		return nil
	}
}

// page is what a reader meets, and a reader's tools.
type page struct {
	Title, Lang, Text string
	Heads, Buttons    []string
	Over              int // pixels by which it is wider than the window
}

const lookAt = `(() => {
	const text = s => [...document.querySelectorAll(s)].map(e => e.innerText.trim())
	const html = document.documentElement
	return {Title: document.title, Lang: html.lang, Text: document.body.innerText, Heads: text("h1"),
		Buttons: text("button, input[type=submit]"), Over: Math.max(html.scrollWidth, document.body.scrollWidth) - window.innerWidth}
})()`

// look reads a page at both widths and says what is wrong with it whoever it is for.
func (b *tab) look() (page, []string) {
	b.t.Helper()
	var p page
	var wrong []string
	for _, width := range []int64{narrow, wide} {
		b.do(chromedp.EmulateViewport(width, 900))
		if p = ask(b, chromedp.Evaluate[page](lookAt)); p.Over > 0 {
			wrong = append(wrong, fmt.Sprintf("at %d pixels it scrolls sideways by %d", width, p.Over))
		}
	}
	if len(p.Heads) != 1 || p.Heads[0] == "" {
		wrong = append(wrong, fmt.Sprintf("it has h1 %q, want exactly one", p.Heads))
	}
	if p.Title == "" || p.Lang != b.lang {
		wrong = append(wrong, fmt.Sprintf("it has title %q and lang %q", p.Title, p.Lang))
	}
	return p, wrong
}

// shows wants a good page whose title begins with outcome.
func (b *tab) shows(outcome string) page {
	b.t.Helper()
	p, wrong := b.look()
	for _, w := range wrong {
		b.t.Errorf("page %q: %s", p.Title, w)
	}
	if !strings.HasPrefix(p.Title, outcome) {
		b.t.Errorf("page %q: its title does not begin with %q\n%s", p.Title, outcome, p.Text)
	}
	b.quiet(p.Title)
	return p
}

// quiet wants nothing in the console, but for what is said.
func (b *tab) quiet(where string, but ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, said := range b.said {
		if !slices.ContainsFunc(but, func(part string) bool { return strings.Contains(said, part) }) {
			b.t.Errorf("page %q: the console says %s", where, said)
		}
	}
	b.said = nil
}

// oneButton wants a page with a single button.
func (p page) oneButton(t *testing.T, button string) {
	t.Helper()
	if len(p.Buttons) != 1 || p.Buttons[0] != button {
		t.Errorf("page %q has buttons %q, want %q alone", p.Title, p.Buttons, button)
	}
}

func (p page) contains(t *testing.T, part string) {
	t.Helper()
	if !strings.Contains(p.Text, part) {
		t.Errorf("page %q does not say %q:\n%s", p.Title, part, p.Text)
	}
}

func TestAReaderConfirmsAndLeavesInARealBrowser(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			clock := &movingClock{}
			settings := settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)
			settings.DKIM = makeKeys(t)
			s := boot(t, programOptions{settings: settings, now: clock.now})
			b := browse(t, scripts)
			follow(t, s.db, 2)
			id := s.call("POST", "/subscribers", object{"address": "ada@example.org"}, http.StatusCreated).text("id")
			is := func(want subscribers.State) {
				t.Helper()
				if got := s.call("GET", "/subscribers/"+id, nil, http.StatusOK).text("state"); got != string(want) {
					t.Fatalf("the subscriber is %s, want %s", got, want)
				}
			}
			// The page counts its followers every few seconds.
			followers := func(want string) {
				t.Helper()
				clock.forward(10 * time.Second)
				b.open(s.URL(), http.StatusOK)
				p, _ := b.look()
				p.contains(t, want)
			}
			if err := s.mail.box.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			b.open(s.URL(), http.StatusOK)
			b.shows("All clear").contains(t, "2 people follow this page.")

			b.open(s.URL()+"/mailbox", http.StatusOK)
			b.shows("Mailbox").contains(t, "ada@example.org")
			b.press("tbody a")
			b.shows("Confirm your subscription to Fjordpost").contains(t, "Valid")
			door := b.follow("/confirm/")
			door.shows("Confirm your subscription").oneButton(t, "Confirm")
			is(subscribers.Pending)
			door.press("button")
			door.shows("You are subscribed")
			is(subscribers.Active)
			followers("3 people follow this page.")

			_, event := s.announce("imap7 does not answer", nil)
			s.done(event)
			b.open(s.URL()+"/mailbox", http.StatusOK)
			b.do(chromedp.SendKeys(chromedp.CSS("input[name=to]"), "ada@"))
			b.press("form button")
			b.shows("Mailbox").contains(t, "2 of 4 mails")
			b.press("tbody a")
			b.shows("Investigating: imap7 does not answer")
			door = b.follow("/unsubscribe/")
			door.shows("Stop all mails from Fjordpost?").oneButton(t, "Stop all mails to me")
			is(subscribers.Active)
			door.press("button")
			door.shows("You are unsubscribed")
			is(subscribers.Unsubscribed)
			followers("2 people follow this page.")
			b.shows("The service has trouble").contains(t, "imap7 does not answer")
			b.press("article h2 a")
			b.shows("Investigating: imap7 does not answer")
			for _, mail := range []string{"/mailbox/1/html", "/mailbox/4/html"} { // what a frame hides is seen alone
				b.open(s.URL()+mail, http.StatusOK)
				b.shows("")
			}
		})
	}
}

func TestEveryOtherPageIsSoundInARealBrowser(t *testing.T) {
	s := boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)})
	b := browse(t, true)
	b.open(s.URL()+"/mailbox", http.StatusOK)
	b.shows("Mailbox").contains(t, "No mail yet")
	b.open(s.URL(), http.StatusOK)
	b.shows("All clear").contains(t, "Nothing has been posted yet")
	b.open(s.URL()+"/api/docs", http.StatusOK)
	b.shows("")
	for path, outcome := range map[string]string{
		"/nothing": "There is no such page", "/incidents/made-up": "There is no such page", "/?cursor=made-up": "There is no such page",
		"/confirm/made-up": "This link does not work", "/unsubscribe/made-up": "This link does not work", "/mailbox/9": "Not here",
	} {
		b.open(s.URL()+path, http.StatusNotFound)
		b.quiet(path, "404 (Not Found) "+s.URL()+path)
		b.shows(outcome)
	}
}

// Were the browser not listened to, the tests above would hold of any page.
func TestABadPageIsNoticedInARealBrowser(t *testing.T) {
	b := browse(t, true)
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		_, _ = fmt.Fprint(w, `<!doctype html><h1>One</h1><h1>Two</h1><style>h1 { color: red }</style><pre>`, strings.Repeat("wide", 200), `</pre>`)
	}))
	t.Cleanup(bad.Close)
	b.open(bad.URL, http.StatusOK)
	if _, wrong := b.look(); len(wrong) != 4 { // two widths, heads, title
		t.Errorf("noticed %q", wrong)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !strings.Contains(strings.Join(b.said, "\n"), "Content Security Policy") {
		t.Errorf("heard %q, and not the breach of the page's policy", b.said)
	}
}
