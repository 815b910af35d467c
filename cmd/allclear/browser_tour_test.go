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
	page_ "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"allclear/notifier/email/mailbox"
	"allclear/store/storetest"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
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

// stop is a page that somebody may meet. It is led to and left standing.
type stop struct {
	name string
	tree bool // what a screen reader is told of it is a golden file
	lead func(*tour)
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

// before is the public page of a service on which nothing has happened.
var before = []stop{
	{"home-clear", true, func(w *tour) { w.at("/", http.StatusOK) }},
}

// stops are the pages. Each begins with people of its own.
var stops = []stop{
	{"home", true, func(w *tour) { w.at("/", http.StatusOK) }},
	{"home-unfolded", false, func(w *tour) { w.at("/", http.StatusOK); w.unfold() }},
	{"incident-open", true, func(w *tour) { w.at("/incidents/"+w.now, http.StatusOK) }},
	{"incident-over", true, func(w *tour) { w.at("/incidents/"+w.past, http.StatusOK) }},
	{"history", true, func(w *tour) { w.at("/history", http.StatusOK) }},
	{"subscribe", true, func(w *tour) { w.at("/subscribe", http.StatusOK); w.unfold() }},
	{"subscribe-only", false, func(w *tour) { w.at("/subscribe?incident="+w.now, http.StatusOK); w.unfold() }},
	{"subscribe-wrong", true, func(w *tour) {
		w.at("/subscribe", http.StatusOK)
		w.write("#subscribe-address", "ada at example")
		w.write("#subscribe-timezone", "Mars/Olympus")
		w.send("form.subscribe button", http.StatusUnprocessableEntity)
	}},
	{"subscribe-early", false, func(w *tour) {
		w.at("/subscribe", http.StatusOK)
		w.write("#subscribe-address", "ben@example.org")
		w.send("form.subscribe button", http.StatusUnprocessableEntity)
	}},
	{"subscribe-sent", true, func(w *tour) {
		w.at("/subscribe", http.StatusOK)
		w.clock.forward(gate.LeastAge)
		w.write("#subscribe-address", "ben@example.org")
		w.send("form.subscribe button", http.StatusOK)
	}},
	{"confirm", true, func(w *tour) {
		w.by("confirm", subscribers.ForConfirm, w.reader(object{"state": "pending"}), time.Hour, http.StatusOK)
	}},
	{"confirmed", true, func(w *tour) {
		w.by("confirm", subscribers.ForConfirm, w.reader(object{"state": "pending"}), time.Hour, http.StatusOK)
		w.send("main button", http.StatusOK)
	}},
	{"confirm-late", false, func(w *tour) {
		w.by("confirm", subscribers.ForConfirm, w.reader(object{"state": "pending"}), -time.Hour, http.StatusGone)
	}},
	{"confirm-left", false, func(w *tour) {
		w.by("confirm", subscribers.ForConfirm, w.gone(), time.Hour, http.StatusGone)
	}},
	{"manage", true, func(w *tour) { w.managed(nil) }},
	{"manage-some", false, func(w *tour) {
		w.managed(object{"components": []string{"imap"}, "severity": "major", "kinds": []string{"incident"}, "cadence": "milestones"})
	}},
	{"manage-saved", true, func(w *tour) { w.managed(nil); w.send("form.choices button", http.StatusOK) }},
	{"manage-wrong", true, func(w *tour) {
		w.managed(nil)
		w.do(chromedp.Click(chromedp.CSS(`input[name=scope][value=some]`)))
		w.do(chromedp.Evaluate[chromedp.Void](`for (const k of document.querySelectorAll("input[name=kinds]")) k.checked = false`))
		w.write("#field-timezone", "Mars/Olympus")
		w.send("form.choices button", http.StatusUnprocessableEntity)
	}},
	{"manage-until-wrong", false, func(w *tour) {
		w.managed(nil)
		w.write("#field-until", "2001-01-01")
		w.send("form:has(input[value=pause]) button", http.StatusUnprocessableEntity)
	}},
	{"manage-paused", true, func(w *tour) { w.managed(nil); w.send("form:has(input[value=pause]) button", http.StatusOK) }},
	{"manage-moving", false, func(w *tour) {
		w.managed(nil)
		w.write("#field-address", "new@example.org")
		w.send("form:has(input[value=move]) button", http.StatusOK)
	}},
	{"move", false, func(w *tour) { w.move(true) }},
	{"move-agreed", false, func(w *tour) { w.move(false); w.send("main button", http.StatusOK) }},
	{"moved", false, func(w *tour) {
		w.move(false)
		w.send("main button", http.StatusOK)
		_, link := w.mailed(fmt.Sprintf("new-old%d@example.org", w.readers-1), "/move/")
		w.tab.open(link, http.StatusOK)
		w.send("main button", http.StatusOK)
	}},
	{"manage-pending", false, func(w *tour) { w.managed(object{"state": "pending"}) }},
	{"manage-left", false, func(w *tour) { w.by("manage", subscribers.ForManage, w.gone(), time.Hour, http.StatusOK) }},
	{"erase", false, func(w *tour) {
		w.managed(nil)
		w.do(chromedp.Click(chromedp.CSS(`a[href$="/erase"]`)), chromedp.WaitReady(chromedp.CSS(`body:not(:has(#field-cadence)) main form`)))
	}},
	{"erased", false, func(w *tour) {
		w.managed(nil)
		w.do(chromedp.Click(chromedp.CSS(`a[href$="/erase"]`)), chromedp.WaitReady(chromedp.CSS(`body:not(:has(#field-cadence)) main form`)))
		w.send("main button", http.StatusOK)
	}},
	{"group", true, func(w *tour) { w.managed(object{"group": true, "contact": "owner@example.org"}) }},
	{"group-asked", false, func(w *tour) {
		w.managed(object{"group": true, "contact": "owner@example.org"})
		w.send("main button", http.StatusOK)
	}},
	{"group-owner", false, func(w *tour) {
		n := w.reader(object{"group": true, "contact": "owner@example.org"})
		w.at("/manage/"+w.s.links.TokenAbout(subscribers.ForOwner, n, w.clock.now().Add(time.Hour), "owner@example.org"), http.StatusOK)
	}},
	{"leave", true, func(w *tour) {
		w.by("unsubscribe", subscribers.ForUnsubscribe, w.reader(nil), time.Hour, http.StatusOK)
	}},
	{"left", true, func(w *tour) {
		w.by("unsubscribe", subscribers.ForUnsubscribe, w.reader(nil), time.Hour, http.StatusOK)
		w.send("main button", http.StatusOK)
	}},
	{"left-why", false, func(w *tour) {
		w.by("unsubscribe", subscribers.ForUnsubscribe, w.reader(nil), time.Hour, http.StatusOK)
		w.send("main button", http.StatusOK)
		w.write("#field-reason", "It is quiet enough.")
		w.send("form:has(#field-reason) button", http.StatusOK)
	}},
	{"undo", false, func(w *tour) {
		n := w.reader(nil)
		w.by("unsubscribe", subscribers.ForUnsubscribe, n, time.Hour, http.StatusOK)
		w.send("main button", http.StatusOK)
		w.by("undo", subscribers.ForUndo, n, time.Hour, http.StatusOK)
	}},
	{"undone", true, func(w *tour) {
		w.by("unsubscribe", subscribers.ForUnsubscribe, w.reader(nil), time.Hour, http.StatusOK)
		w.send("main button", http.StatusOK)
		w.send(`form[action^="/undo/"] button`, http.StatusOK)
	}},
	{"link", true, func(w *tour) { w.at("/link", http.StatusOK) }},
	{"link-wrong", false, func(w *tour) {
		w.at("/link", http.StatusOK)
		w.write("#field-address", "ada at example")
		w.send("main button", http.StatusUnprocessableEntity)
	}},
	{"link-sent", false, func(w *tour) {
		w.at("/link", http.StatusOK)
		w.clock.forward(gate.LeastAge)
		w.write("#field-address", "nobody@example.org")
		w.send("main button", http.StatusOK)
	}},
	{"link-late", false, func(w *tour) { w.by("manage", subscribers.ForManage, w.reader(nil), -time.Hour, http.StatusGone) }},
	{"endpoint", true, func(w *tour) { w.at("/endpoints", http.StatusOK); w.unfold() }},
	{"endpoint-wrong", false, func(w *tour) {
		w.at("/endpoints", http.StatusOK)
		w.write("#field-address", "example.com/hook")
		w.write("#field-contact", "ada at example")
		w.write("#field-timezone", "Mars/Olympus")
		w.send("main form button", http.StatusUnprocessableEntity)
	}},
	{"endpoint-sent", false, func(w *tour) {
		w.at("/endpoints", http.StatusOK)
		w.clock.forward(gate.LeastAge)
		w.write("#field-address", "http://127.0.0.1:9/sent")
		w.write("#field-contact", "ops@example.org")
		w.send("main form button", http.StatusOK)
	}},
	{"endpoint-confirm", false, func(w *tour) { w.endpoint("confirm", subscribers.ForConfirm, "pending") }},
	{"endpoint-confirmed", false, func(w *tour) {
		w.endpoint("confirm", subscribers.ForConfirm, "pending")
		w.send("main button", http.StatusOK)
	}},
	{"endpoint-manage", true, func(w *tour) { w.endpoint("manage", subscribers.ForManage, "active") }},
	{"endpoint-tested", false, func(w *tour) {
		w.endpoint("manage", subscribers.ForManage, "active")
		w.send("form:has(input[value=test]) button", http.StatusOK)
		w.unfold()
	}},
	{"endpoint-secret", false, func(w *tour) {
		w.endpoint("manage", subscribers.ForManage, "active")
		w.send("form:has(input[value=rotate]) button", http.StatusOK)
	}},
	{"endpoint-manage-wrong", false, func(w *tour) {
		w.endpoint("manage", subscribers.ForManage, "active")
		w.send("form:has(input[value=recover]) button", http.StatusUnprocessableEntity)
	}},
	{"endpoint-leave", false, func(w *tour) { w.endpoint("unsubscribe", subscribers.ForUnsubscribe, "active") }},
	{"endpoint-left", false, func(w *tour) {
		w.endpoint("unsubscribe", subscribers.ForUnsubscribe, "active")
		w.send("main button", http.StatusOK)
	}},
	{"phone", true, func(w *tour) { w.at("/phone", http.StatusOK); w.unfold() }},
	{"phone-wrong", false, func(w *tour) {
		w.at("/phone", http.StatusOK)
		w.write("#field-address", "40000000")
		w.write("#field-quiet-from", "22:00")
		w.send("main form button", http.StatusUnprocessableEntity)
	}},
	{"phone-code", true, func(w *tour) { w.phoneCode() }},
	{"phone-code-wrong", false, func(w *tour) {
		w.phoneCode()
		w.write("#field-code", "12")
		w.send("main form button", http.StatusUnprocessableEntity)
	}},
	{"phone-manage", false, func(w *tour) { w.phone("manage", subscribers.ForManage) }},
	{"phone-paused", false, func(w *tour) {
		w.phone("manage", subscribers.ForManage)
		w.send("form:has(input[value=pause]) button", http.StatusOK)
	}},
	{"phone-left", false, func(w *tour) {
		w.phone("unsubscribe", subscribers.ForUnsubscribe)
		w.send("main button", http.StatusOK)
	}},
	{"error-missing", true, func(w *tour) { w.at("/nothing", http.StatusNotFound) }},
	{"error-link", false, func(w *tour) { w.at("/undo/made-up", http.StatusNotFound) }},
	{"mail-confirm", false, func(w *tour) {
		w.reader(object{"state": "pending"})
		w.letter("/confirm/")
	}},
	{"mail-update", false, func(w *tour) {
		w.reader(nil)
		w.s.update(w.now, "monitoring", "The new power supply is in.")
		w.letter("/manage/")
	}},
	{"told", true, func(w *tour) {
		n := w.reader(nil)
		w.s.announce("All of it was moved", object{"kind": "post", "severity": "none", "components": []string{"web"}, "body": "Nothing changes for you."})
		path := "/manage/" + w.s.links.Token(subscribers.ForManage, n, w.clock.now().Add(time.Hour))
		eventually(w.t, "the mail is noted as sent", func() bool {
			_, page := get(w.t, w.s.URL()+path)
			return strings.Contains(page, `<td class="ok">`)
		})
		w.at(path, http.StatusOK)
	}},
}

// desks are pages that only speak English.
var desks = []stop{
	{"mailbox", false, func(w *tour) { w.at("/mailbox", http.StatusOK) }},
	{"mailbox-mail", false, func(w *tour) {
		w.reader(object{"state": "pending"})
		number, _ := w.mailed(w.address(), "/confirm/")
		w.at(fmt.Sprintf("/mailbox/%d", number), http.StatusOK)
	}},
	{"api-docs", false, func(w *tour) { w.at("/api/docs", http.StatusOK) }},
}

// letter opens the mail with a link that the last reader got, as a page of its
// own outside the mailbox's sandbox, in which nothing could judge it.
func (w *tour) letter(path string) {
	w.t.Helper()
	number, _ := w.mailed(w.address(), path)
	_, html := get(w.t, fmt.Sprintf("%s/mailbox/%d/html", w.s.URL(), number))
	w.do(chromedp.Navigate("about:blank"), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		frame, err := cdp.Call(ctx, t, page_.GetFrameTree, cdp.Empty{})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, t, page_.SetDocumentContent, page_.SetDocumentContentParams{FrameID: frame.FrameTree.Frame.ID, HTML: html})
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
