package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"allclear/store/storetest"
	"allclear/subscribers/web/gate"
)

// Whoever looks after endpoints and lost the links to their pages gets them by
// mail: one for each endpoint, and one for the subscription of the same address.
func TestTheContactOfEndpointsGetsTheLinksToTheirPagesInARealBrowser(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			var clock movingClock
			settings := settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)
			settings.WebhookAllow = "127.0.0.0/8"
			s := boot(t, programOptions{settings: settings, now: clock.now})
			c := newCustomer(t)
			s.endpoint(c.URL+"/first", nil)
			s.endpoint(c.URL+"/second", nil)
			s.endpoint(c.URL+"/another", object{"contact": "somebody@else.example"})
			_, event := s.announce("imap7 does not answer", nil)
			s.done(event)

			b := browse(t, scripts)
			b.open(s.URL()+"/link", http.StatusOK)
			clock.forward(gate.LeastAge)
			b.do(chromedp.SendKeys(chromedp.CSS("input[name=address]"), "ops@customer.example"))
			b.press("main button")
			b.shows("Look into your mailbox")
			if err := s.mail.box.Wait(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			b.open(s.URL()+"/mailbox", http.StatusOK)
			b.shows("Mailbox").contains(t, "2 mails")
			b.mailTo(s.URL(), "ops@")
			b.shows("Your endpoint for Fjordpost")
			door := b.follow("/manage/")
			shown := door.shows("Your endpoint")
			shown.contains(t, "incident.created")
			if strings.Contains(shown.Text, "/first") == strings.Contains(shown.Text, "/second") {
				t.Errorf("a page of one endpoint shows\n%s", shown.Text)
			}

			door.press(`form:has(input[name=do][value=test]) button`)
			door.shows("The endpoint took the test").contains(t, "endpoint.test")
			// Asked for again by somebody who is no contact, the answer is the same and nothing is sent.
			b.open(s.URL()+"/link", http.StatusOK)
			clock.forward(gate.LeastAge)
			b.do(chromedp.SendKeys(chromedp.CSS("input[name=address]"), "nobody@customer.example"))
			b.press("main button")
			b.shows("Look into your mailbox")
			b.open(s.URL()+"/mailbox", http.StatusOK)
			b.shows("Mailbox").contains(t, "2 mails")
		})
	}
}
