package main

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"allclear/store/storetest"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
)

// mailTo opens the newest mail to an address in the mailbox.
func (b *tab) mailTo(base, address string) {
	b.t.Helper()
	b.open(base+"/mailbox", http.StatusOK)
	b.do(chromedp.SendKeys(chromedp.CSS("input[name=to]"), address))
	b.press("form button")
	b.press("tbody a")
}

func TestAReaderManagesEverythingInARealBrowser(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			var clock movingClock
			s := boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay), now: clock.now})
			b := browse(t, scripts)
			id := s.call("POST", "/subscribers", object{"address": "ada@example.org", "state": "active"}, http.StatusCreated).text("id")
			field := func(name string) string {
				t.Helper()
				return s.call("GET", "/subscribers/"+id, nil, http.StatusOK).text(name)
			}
			_, event := s.announce("imap7 does not answer", nil)
			s.done(event)
			b.mailTo(s.URL(), "ada@")
			door := b.follow("/manage/")
			door.shows("Your subscription").contains(t, "imap7 does not answer")

			door.do(chromedp.Click(chromedp.CSS(`input[name=cadence][value=milestones]`)))
			door.press(`form.choices button`)
			door.shows("Your choices are saved")
			if got := field("cadence"); got != string(subscribers.Milestones) {
				t.Errorf("the cadence is %s", got)
			}
			door.press(`form:has(input[value=pause]) button`)
			door.shows("Mails are paused").contains(t, "until you resume them")
			door.press(`form:has(input[value=resume]) button`)
			door.shows("Mails come again")
			if got := field("state"); got != string(subscribers.Active) {
				t.Errorf("it is %s", got)
			}

			b.mailTo(s.URL(), "ada@")
			door = b.follow("/unsubscribe/")
			door.press("button")
			door.shows("You are unsubscribed")
			if got := field("state"); got != string(subscribers.Unsubscribed) {
				t.Errorf("it is %s", got)
			}
			door.press(`form[action^="/undo/"] button`)
			door.shows("Welcome back")
			if got := field("state"); got != string(subscribers.Active) {
				t.Errorf("it is %s", got)
			}

			b.open(s.URL()+"/link", http.StatusOK)
			clock.forward(gate.LeastAge)
			b.do(chromedp.SendKeys(chromedp.CSS("input[name=address]"), "ada@example.org"))
			b.press("main button")
			b.shows("Look into your mailbox")
			if err := s.mail.box.Wait(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
			b.mailTo(s.URL(), "ada@")
			b.shows("Your subscription to Fjordpost")
			door = b.follow("/manage/")
			door.shows("Your subscription")
			door.do(chromedp.Click(chromedp.CSS(`a[href$="/erase"]`)), chromedp.WaitReady(chromedp.CSS("main form")))
			door.shows("Erase everything").oneButton(t, "Erase everything")
			door.press("main button")
			door.shows("Everything is erased")
			s.call("GET", "/subscribers/"+id, nil, http.StatusNotFound)
		})
	}
}
