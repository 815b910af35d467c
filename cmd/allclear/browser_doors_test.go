package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"allclear/store/storetest"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
)

// deafGateway is the setting of one that nobody listens at.
func deafGateway(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gateway")
	if err := os.WriteFile(file, []byte("POST http://127.0.0.1:9/\nX-To: {{.To}}\n\n{{.Text}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "http-template:" + file + "?countries=US"
}

// endpoint opens a page of an endpoint of its own, as a link in a mail to its contact does.
func (w *tour) endpoint(page string, p subscribers.Purpose, state string) {
	w.t.Helper()
	const contact = "ops@example.org"
	n := w.reader(object{"channel": "webhook", "address": fmt.Sprintf("http://127.0.0.1:9/hook%d", w.readers), "contact": contact, "state": state})
	w.at("/"+page+"/"+w.s.links.TokenAbout(p, n, w.clock.now().Add(time.Hour), contact), http.StatusOK)
}

// phone opens a page of a phone of its own.
func (w *tour) phone(page string, p subscribers.Purpose) {
	w.t.Helper()
	n := w.reader(object{"channel": "sms", "address": fmt.Sprintf("+1202555%04d", 100+w.readers%100)})
	w.by(page, p, n, time.Hour, http.StatusOK)
}

// phoneCode opens the page that asks for the code of a phone.
func (w *tour) phoneCode() {
	w.t.Helper()
	w.at("/phone", http.StatusOK)
	w.clock.forward(gate.LeastAge)
	w.write("#field-address", "+1 202 555 0199")
	w.send("main form button", http.StatusOK)
}

func TestAnEndpointIsRegisteredProvenAndRemovedInARealBrowser(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			var clock movingClock
			settings := settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)
			settings.WebhookAllow = "127.0.0.0/8"
			s := boot(t, programOptions{settings: settings, now: clock.now})
			c := newCustomer(t)
			b := browse(t, scripts)

			b.open(s.URL()+"/subscribe", http.StatusOK)
			b.do(chromedp.Click(chromedp.CSS(`a[href$="/endpoints"]`)), chromedp.WaitReady(chromedp.CSS("#field-contact")))
			b.shows("Register an endpoint")
			clock.forward(gate.LeastAge)
			b.do(chromedp.SendKeys(chromedp.CSS("#field-address"), c.URL+"/hook"), chromedp.SendKeys(chromedp.CSS("#field-contact"), "ops@customer.example"))
			b.press("main form button")
			b.shows("Now look at your mail")
			if err := s.mail.box.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			b.mailTo(s.URL(), "ops@")
			page := b.follow("/confirm/")
			page.shows("Confirm your endpoint").oneButton(t, "Confirm")
			if n := len(c.calls()); n != 0 {
				t.Errorf("it was called %d times before anybody confirmed", n)
			}
			page.press("main button")
			page.shows("You have confirmed. Now send a test").contains(t, "One step is left")

			do := func(what string) { t.Helper(); page.press(`form:has(input[name=do][value=` + what + `]) button`) }
			c.answer(http.StatusInternalServerError)
			do("test")
			page.shows("The endpoint did not take the test").contains(t, "500")
			c.answer(http.StatusNoContent)
			do("test")
			page.shows("It works: the endpoint is switched on")
			secret := ask(page, chromedp.Text(chromedp.CSS(".key")))
			judge, err := standardwebhooks.NewWebhook(strings.TrimPrefix(strings.TrimSpace(secret), "whsec_"))
			if err != nil {
				t.Fatalf("the page shows %q: %v", secret, err)
			}
			for _, got := range c.wait(t, 2) {
				if err := judge.Verify(got.body, got.header); err != nil {
					t.Errorf("a test does not verify with the secret that is shown: %v", err)
				}
			}

			_, event := s.announce("imap7 does not answer", nil)
			s.done(event)
			here := ask(page, chromedp.Location())
			page.open(here, http.StatusOK)
			shown := page.shows("Your endpoint")
			shown.contains(t, "incident.created")
			if strings.Contains(shown.Text, "whsec_") {
				t.Error("the secret is shown again")
			}
			if strings.Contains(here, "whsec_") {
				t.Errorf("the address is %s", here)
			}
			before := len(c.calls())
			do("replay")
			page.shows("It is sent again")
			if err := judge.Verify(c.wait(t, before+1)[before].body, c.calls()[before].header); err != nil {
				t.Errorf("what is sent again: %v", err)
			}

			do("rotate")
			page.shows("There is a new secret").contains(t, "still signs as well")
			do("token")
			page.shows("There is a new token").contains(t, "whtk_")
			do("pause")
			page.shows("The endpoint is paused").contains(t, "until you resume it")
			do("resume")
			page.shows("The endpoint is called again")
			page.do(chromedp.Click(chromedp.CSS(`a[href*="/unsubscribe/"]`)), chromedp.WaitReady(chromedp.CSS(`body:not(:has(#field-state)) main form`)))
			page.shows("Remove this endpoint?").oneButton(t, "Remove this endpoint")
			page.press("main button")
			page.shows("The endpoint is removed")
			all, _, err := s.db.Subscribers(t.Context(), subscribers.Query{Address: c.URL + "/hook", Limit: 1})
			if err != nil || len(all) != 1 || all[0].State != subscribers.Unsubscribed {
				t.Errorf("it became %+v, %v", all, err)
			}
		})
	}
}
