package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chromedp/chromedp"

	"allclear/subscribers"
	"allclear/subscribers/web/gate"
)

// stop is a page that somebody may meet. It is led to and left standing.
type stop struct {
	name string
	tree bool // what a screen reader is told of it is a golden file
	lead func(*tour)
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
