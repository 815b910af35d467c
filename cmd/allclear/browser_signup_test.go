package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"allclear/notifier/email/emailtest"
	"allclear/subscribers/web/gate"
)

// In a rush a browser does a form's work by itself and sends it, under the
// page's own policy; where no script runs its user copies a code.
func TestInARushABrowserGetsInWithScriptAndWithout(t *testing.T) {
	for _, scripts := range []bool{true, false} {
		t.Run(map[bool]string{true: "with scripts", false: "without"}[scripts], func(t *testing.T) {
			b := browse(t, scripts)
			relay := emailtest.NewServer(t, emailtest.Options{})
			var clock movingClock
			s := boot(t, programOptions{settings: settingsFor(t, t.TempDir()+"/allclear.db", relay.URL("tls=off")), now: clock.now})
			b.open(s.URL()+"/subscribe", http.StatusOK)
			clock.forward(gate.LeastAge)
			_, page := get(t, s.URL()+"/subscribe")
			token := hiddenFields(page).Get("form")
			clock.forward(gate.LeastAge)
			eventually(t, "a rush is felt", func() bool {
				status, _ := post(t, s.URL()+"/subscribe", url.Values{"form": {token}, "address": {"junk@example.net"}}.Encode())
				return status == http.StatusTooManyRequests
			})
			b.do(chromedp.SendKeys(chromedp.CSS("#subscribe-address"), "ann@example.org"))
			b.do(chromedp.Click(chromedp.CSS("form.subscribe button")))
			if !scripts {
				b.do(chromedp.WaitReady(chromedp.CSS("#step")))
				b.do(chromedp.SendKeys(chromedp.CSS("#subscribe-code"), ask(b, chromedp.Text(chromedp.CSS("#subscribe-code-shown")))))
				b.do(chromedp.Click(chromedp.CSS("#step button")))
			}
			relayHas(t, relay, "ann@example.org")
			b.do(chromedp.WaitReady(chromedp.CSS(".state-ok h1")))
			if got := ask(b, chromedp.Title()); !strings.Contains(got, "Now look at your mail") {
				t.Errorf("the browser shows %q", got)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, said := range b.said {
				if !strings.Contains(said, "429") { // the page of the step itself
					t.Errorf("the browser complains: %s", said)
				}
			}
		})
	}
}
