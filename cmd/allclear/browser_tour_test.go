package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"allclear/notifier/email/mailbox"
	"allclear/store/storetest"
	"allclear/subscribers"
)

var update = flag.Bool("update", false, "write the golden files anew")

// tour is a service in the middle of its story, and a tab to look at it with.
type tour struct {
	*tab
	s         *service
	clock     *movingClock
	now, past string // incidents
	readers   int
}

// startTour boots a service on which nothing has happened, and a browser.
func startTour(t *testing.T) *tour {
	t.Helper()
	w := &tour{clock: &movingClock{}}
	// At noon no time of day is of another day, whoever's it is.
	now := time.Now().UTC()
	w.clock.forward(now.Truncate(24 * time.Hour).Add(36 * time.Hour).Sub(now))
	settings := settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)
	settings.WebhookAllow, settings.SMS = "127.0.0.0/8", deafGateway(t)
	w.s = boot(t, programOptions{settings: settings, now: w.clock.now})
	w.tab = browse(t, true)
	w.speak("en")
	return w
}

// speak opens a tab of a reader of a language, whose zone is UTC, so that every
// run shows the same.
func (w *tour) speak(lang string) {
	w.t.Helper()
	w.tab = newTab(w.tab.ctx, w.t)
	w.lang = lang
	w.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": lang}})
		return err
	}))
}

// tell has everything happen that pages tell of.
func (w *tour) tell() {
	w.t.Helper()
	for _, c := range []object{{"key": "imap", "name": "Reading mail", "group": "Mail"}, {"key": "smtp", "name": "Sending mail", "group": "Mail"}, {"key": "web", "name": "Web site"}} {
		w.s.call("POST", "/components", c, http.StatusCreated)
	}
	w.past, _ = w.s.announce("Web site was slow", object{"components": []string{"web"}, "severity": "minor", "notify": false, "body": "Pages take ten seconds."})
	w.s.update(w.past, "resolved", "A new machine took over. Nothing was lost.")
	w.s.announce("We have moved house", object{"kind": "post", "severity": "none", "notify": false, "body": "Write to us at the new address:\n\n- Quay 7\n- Bergen"})
	w.clock.forward(time.Minute)
	w.s.announce("New shelf", object{"kind": "maintenance", "severity": "none", "components": []string{"web"}, "notify": false, "starts_at": "2031-12-24T02:00:00Z", "ends_at": "2031-12-24T04:00:00Z", "body": "The site is away for a moment."})
	w.clock.forward(time.Minute)
	w.now, _ = w.s.announce("imap7 does not answer", object{"components": []string{"imap", "smtp"}, "notify": false, "body": "One of our servers is down.", "impact": object{"affected_share": 0.125, "delay_max_minutes": 20}})
	w.clock.forward(5 * time.Minute)
	w.s.update(w.now, "identified", "A **power supply** has burnt out. A new one is on its way.")
	w.clock.forward(5 * time.Minute)
}

// reader subscribes somebody, who has this page's language.
func (w *tour) reader(more object) subscribers.Number {
	w.t.Helper()
	w.readers++
	in := object{"address": w.address(), "state": "active", "language": w.lang, "timezone": "Africa/Lagos"}
	for k, v := range more {
		in[k] = v
	}
	id := w.s.call("POST", "/subscribers", in, http.StatusCreated).text("id")
	n, err := subscribers.ParseNumber(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// gone is a reader who has left.
func (w *tour) gone() subscribers.Number {
	w.t.Helper()
	n := w.reader(nil)
	w.s.call("PATCH", "/subscribers/"+n.String(), object{"state": "unsubscribed"}, http.StatusOK)
	return n
}

// at opens a page of the service.
func (w *tour) at(path string, status int64) {
	w.t.Helper()
	w.tab.open(w.s.URL()+path, status)
}

// by opens the page behind a link in a mail, good for life from now.
func (w *tour) by(page string, p subscribers.Purpose, n subscribers.Number, life time.Duration, status int64) {
	w.t.Helper()
	w.at("/"+page+"/"+w.s.links.Token(p, n, w.clock.now().Add(life)), status)
}

// managed opens the page to manage an active reader's subscription.
func (w *tour) managed(more object) {
	w.t.Helper()
	w.by("manage", subscribers.ForManage, w.reader(more), time.Hour, http.StatusOK)
}

// write puts a text into a field.
func (w *tour) write(selector, text string) {
	w.t.Helper()
	w.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

// send presses a button, whatever the browser itself thinks of the form.
func (w *tour) send(selector string, status int64) {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](`for (const f of document.forms) f.noValidate = true`))
	w.leave(chromedp.Click(chromedp.CSS(selector)), status, "press "+selector)
}

// unfold opens what is behind "more".
func (w *tour) unfold() {
	w.t.Helper()
	w.do(chromedp.Evaluate[chromedp.Void](`for (const d of document.querySelectorAll("details")) d.open = true`))
}

// mailed waits for a mail to somebody with a link that begins so, and returns
// the mail's number and the link.
func (w *tour) mailed(to, path string) (number int64, link string) {
	w.t.Helper()
	find := regexp.MustCompile(regexp.QuoteMeta(w.s.URL()+path) + `[A-Za-z0-9_-]+`)
	eventually(w.t, "a mail to "+to+" with a link to "+path, func() bool {
		err := w.s.mail.box.Walk(func(m mailbox.Mail) error {
			if found := find.FindString(strings.ReplaceAll(string(m.Data), "=\r\n", "")); found != "" && slices.Contains(m.To, to) {
				number, link = m.Number, found
			}
			return nil
		})
		if err != nil {
			w.t.Fatal(err)
		}
		return link != ""
	})
	return number, link
}

// letter opens the mail with a link that the last reader got, as a page of its
// own outside the mailbox's sandbox, in which nothing could judge it.
func (w *tour) letter(path string) {
	w.t.Helper()
	number, _ := w.mailed(w.address(), path)
	_, html := get(w.t, fmt.Sprintf("%s/mailbox/%d/html", w.s.URL(), number))
	w.do(chromedp.Navigate("about:blank"), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		frame, err := cdp.Call(ctx, t, cdppage.GetFrameTree, cdp.Empty{})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, cdppage.SetDocumentContent, cdppage.SetDocumentContentParams{FrameID: frame.FrameTree.Frame.ID, HTML: html})
		return err
	}))
}

// address is the last reader's.
func (w *tour) address() string { return fmt.Sprintf("ada%d@example.org", w.readers) }

// move has a reader ask for another address, and opens the link that one of the
// two got.
func (w *tour) move(newOne bool) {
	w.t.Helper()
	old := fmt.Sprintf("old%d@example.org", w.readers)
	w.managed(object{"address": old})
	to := "new-" + old
	w.write("#field-address", to)
	w.send("form:has(input[value=move]) button", http.StatusOK)
	if !newOne {
		to = old
	}
	_, link := w.mailed(to, "/move/")
	w.tab.open(link, http.StatusOK)
}
