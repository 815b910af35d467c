package faulttest

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // what RFC 6238 uses
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// person is one of the staff with a browser of their own, signed in.
type person struct {
	t    *testing.T
	s    *site
	ctx  context.Context
	wait time.Duration // how long a page may take
}

// hire adds somebody, and sets them up by their link in a real browser.
func (s *site) hire(name, role string, wait time.Duration) *person {
	s.t.Helper()
	path := ""
	for _, name := range []string{"google-chrome-stable", "google-chrome", "chromium-browser", "chromium"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
		}
	}
	if path == "" {
		without(s.t, "no Chromium or Chrome: apt-get install -y chromium")
	}
	link, err := s.command("staff", "add", name, "--role", role, "--base-url", s.url).Output()
	if err != nil {
		s.t.Fatalf("add %s to the staff: %v", name, err)
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(path), chromedp.UserDataDir(s.t.TempDir()), chromedp.Headless,
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true))
	s.t.Cleanup(cancel)
	ctx, _ = chromedp.NewContext(ctx)
	s.t.Cleanup(func() { _ = chromedp.Cancel(ctx) })
	if err := chromedp.Do(ctx); err != nil { // a tab lives as long as what it is first used with
		s.t.Fatalf("open a browser: %v", err)
	}
	p := &person{s.t, s, ctx, wait}
	p.open(strings.TrimPrefix(strings.TrimSpace(string(link)), s.url))
	p.press("main form button", http.StatusOK) // looking alone shows no key
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(p.text("#key"), " ", ""))
	if err != nil {
		s.t.Fatal(err)
	}
	const password = "four words put together"
	p.write("#password", password)
	p.write("#again", password)
	p.write("#code", totp(key, time.Now()))
	p.press("main form button", http.StatusOK)
	return p
}

// totp is what an authenticator shows, by RFC 6238.
func totp(key []byte, now time.Time) string {
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, now.Unix()/30)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&0xf:])&0x7fffffff%1_000_000)
}

// do takes steps that must work.
func (p *person) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.wait)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
}

func asked[T any](p *person, a chromedp.Action[T]) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.wait)
	defer cancel()
	got, err := chromedp.Run(ctx, a)
	if err != nil {
		p.t.Fatalf("in the browser: %v", err)
	}
	return got
}

// open goes to a page of the service.
func (p *person) open(path string) {
	p.t.Helper()
	if res := asked(p, chromedp.NavigateResponse(p.s.url+path)); res == nil || res.Status != http.StatusOK {
		p.t.Fatalf("%s: %+v", path, res)
	}
}

// press clicks what leads to another page, and waits for that.
func (p *person) press(selector string, status int64) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, p.wait)
	defer cancel()
	res, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(selector)))
	if err != nil || res.Status != status {
		p.t.Fatalf("press %s: %+v, %v, want status %d", selector, res, err, status)
	}
}

func (p *person) write(selector, text string) {
	p.t.Helper()
	p.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

func (p *person) text(selector string) string {
	p.t.Helper()
	return asked(p, chromedp.Text(chromedp.CSS(selector)))
}

// shows wants a text on the page.
func (p *person) shows(part string) {
	p.t.Helper()
	if got := asked(p, chromedp.Evaluate[string]("document.body.innerText")); !strings.Contains(got, part) {
		p.t.Fatalf("the page does not say %q:\n%s", part, got)
	}
}

// here is the path of the page.
func (p *person) here() string {
	p.t.Helper()
	path, _, _ := strings.Cut(strings.TrimPrefix(asked(p, chromedp.Location()), p.s.url), "?")
	return path
}

// cookies are those that the browser sends with a request, as a header has them.
func (p *person) cookies() string {
	p.t.Helper()
	var all []string
	p.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		got, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{})
		if err != nil {
			return err
		}
		for _, c := range got.Cookies {
			all = append(all, c.Name+"="+c.Value)
		}
		return nil
	}))
	return strings.Join(all, "; ")
}

// theBrowser is the console, used by two people.
type theBrowser struct{ writer, other *person }

func byBrowser() way { return &theBrowser{} }

// kills is false: what a browser shows of a service that is gone is its own.
func (*theBrowser) kills() bool { return false }

func (b *theBrowser) write(r *restore) string {
	r.t.Helper()
	wait := patience + time.Duration(r.n)*20*time.Millisecond
	b.writer, b.other = r.hire("ann", "sender", wait), r.hire("kari", "approver", wait)
	w := b.writer
	w.open("/console/notices/new?incident=" + r.incident)
	w.write("#title", "Restore of imap7")
	w.do(chromedp.Click(chromedp.CSS(`input[name=template][value=restore-completed]`)))
	w.write("#body", "This is "+r.news+".")
	w.press("main form button", http.StatusOK)
	here := w.here()
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{r.file}))
	w.press("form[enctype] button", http.StatusOK)
	w.shows(fmt.Sprintf("leaving %d rows out", unusable+nobodys))
	r.lap("the page with the audience is there")
	w.open(here + "/preview?which=largest")
	r.previewed(asked(w, chromedp.Evaluate[string]("document.documentElement.outerHTML")))
	return here[strings.LastIndex(here, "/")+1:]
}

func (b *theBrowser) hold(r *restore) {
	r.t.Helper()
	w, at := b.writer, "/console/incidents/"+r.incident
	text, _ := r.saying()
	w.open(at + "/update?status=resolved")
	w.write("#body", text)
	w.write("#after", "tried "+r.notice)
	w.press("button[value=preview]", http.StatusOK)
	w.press("button[value=post]", http.StatusOK)
	w.shows("waits until everyone was tried of notice")
}

func (b *theBrowser) send(r *restore) {
	r.t.Helper()
	w, here := b.writer, "/console/notices/"+r.notice
	w.open(here)
	w.press(`form[action$="/send"] > button`, http.StatusOK)
	w.shows("Whoever wrote a notice")
	b.other.open(here)
	b.other.press(`form[action$="/approve"] button`, http.StatusOK)
	// From here on nobody loads the page again: it is told.
	b.other.do(chromedp.Evaluate[chromedp.Void]("window.loaded = 'once'"))
	r.until("the page tells how far it is", func() bool { return b.sent() > 0 })
}

// sent is how many were sent theirs, as the page that was not loaded again shows it.
func (b *theBrowser) sent() (n int) {
	_, text, _ := strings.Cut(b.other.text("#live"), "Sent\n")
	text, _, _ = strings.Cut(text, "\n")
	_, _ = fmt.Sscan(strings.NewReplacer(",", "", "\u202f", "", "\u00a0", "").Replace(text), &n)
	return n
}

func (b *theBrowser) over(r *restore) {
	r.t.Helper()
	r.until("the page tells that all is over", func() bool { return strings.HasPrefix(b.other.text("#live"), "done") })
	if got := b.sent(); got != r.n-1 {
		r.t.Errorf("the page tells of %d who were sent theirs, want %d", got, r.n-1)
	}
	if asked(b.other, chromedp.Evaluate[string]("window.loaded")) != "once" {
		r.t.Error("the page was loaded again")
	}
}
