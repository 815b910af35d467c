package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"allclear/store/storetest"
	"allclear/subscribers"
	"allclear/subscribers/web/gate"
)

// TestEverythingCanBeDoneByKeyboardAlone is the whole life of a subscription
// with Tab, Enter, Space and an address that is typed, with scripts and without.
func TestEverythingCanBeDoneByKeyboardAlone(t *testing.T) {
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			w := &tour{clock: &movingClock{}}
			w.s = boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay), now: w.clock.now})
			w.tab = browse(t, scripts)
			w.speak("en")
			w.tell()
			is := func(want subscribers.State) {
				t.Helper()
				if got := w.who("cy@example.org").text("state"); got != string(want) {
					t.Errorf("it is %s, want %s", got, want)
				}
			}

			w.at("/", http.StatusOK)
			w.tabTo("a.skip")
			w.key(kb.Enter)
			w.tabTo("#subscribe-address")
			w.clock.forward(gate.LeastAge)
			w.key("cy at example")
			w.tabTo("summary")
			w.key(" ")
			w.tabTo("input[name=kinds][value=maintenance]")
			w.key(" ")
			// The browser itself would not let such an address pass.
			w.do(chromedp.Evaluate[chromedp.Void](`for (const f of document.forms) f.noValidate = true`))
			w.enter("form.subscribe button", http.StatusUnprocessableEntity, "Something is to be corrected")
			w.told("#subscribe-address", "Write one mail address")
			w.toField("#subscribe-address")
			w.tabTo("form.subscribe button")
			w.tabBack("#subscribe-address") // what stands there is marked by coming back to it
			w.key("cy@example.org")
			w.clock.forward(gate.LeastAge)
			w.enter("form.subscribe button", http.StatusOK, "Now look at your mail")

			_, link := w.mailed("cy@example.org", "/confirm/")
			w.tab.open(link, http.StatusOK)
			is(subscribers.Pending)
			w.enter("main button", http.StatusOK, "You are subscribed")
			is(subscribers.Active)

			n, err := subscribers.ParseNumber(w.who("cy@example.org").text("id"))
			if err != nil {
				t.Fatal(err)
			}
			w.by("manage", subscribers.ForManage, n, subscribers.ManageLife, http.StatusOK)
			w.tabTo("input[name=kinds][value=post]")
			w.key(" ")
			w.tabTo("#field-timezone")
			w.key("Mars/Olympus")
			w.enter("form.choices button", http.StatusUnprocessableEntity, "Something could not be saved")
			w.told("#field-timezone", "")
			w.toField("#field-timezone")
			w.tabTo("form.choices button")
			w.tabBack("#field-timezone")
			w.key("Asia/Tokyo")
			w.enter("form.choices button", http.StatusOK, "Your choices are saved")
			w.enter("form:has(input[value=pause]) button", http.StatusOK, "Mails are paused")
			is(subscribers.Paused)
			w.enter("form:has(input[value=resume]) button", http.StatusOK, "Mails come again")
			is(subscribers.Active)
			w.enter(`a[href^="/unsubscribe/"]`, http.StatusOK, "")
			w.enter("main button", http.StatusOK, "You are unsubscribed")
			is(subscribers.Unsubscribed)
			w.enter(`form[action^="/undo/"] button`, http.StatusOK, "Welcome back")
			is(subscribers.Active)
		})
	}
}

// who is the subscriber with an address.
func (w *tour) who(address string) object {
	w.t.Helper()
	found, _ := w.s.call("GET", "/subscribers?address="+address, nil, http.StatusOK)["items"].([]any)
	if len(found) != 1 {
		w.t.Fatalf("%s is %v", address, found)
	}
	one, _ := found[0].(map[string]any)
	return one
}

// key presses keys where the focus is.
func (w *tour) key(keys string) {
	w.t.Helper()
	w.do(chromedp.KeyEvent(keys))
}

// toField follows the first error to its field. A key is down and up at once, so
// that none of it is left for where the focus goes.
func (w *tour) toField(selector string) {
	w.t.Helper()
	w.tabTo(".wrongs a")
	w.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, is := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
			if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: is, Key: "Enter", Code: "Enter", WindowsVirtualKeyCode: 13}); err != nil {
				return err
			}
		}
		return nil
	}), chromedp.WaitReady(chromedp.CSS(selector+":focus")))
}

// focus is where the keyboard is, and whether one can see it.
type focus struct {
	Here, Ring, Seen bool
	What             string
}

const focused = `(selector => {
	const e = document.activeElement, s = getComputedStyle(e), r = e.getBoundingClientRect()
	if (e === document.body) return {Ring: true, Seen: true, What: "the browser itself"} // behind the end of the page
	const picker = e.type === "date" && !e.matches(":focus-visible") // the browser's own, with its own ring
	return {
		Here: e.matches(selector), What: e.outerHTML.slice(0, 120),
		Ring: picker || s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 && !/, 0\)$|transparent/.test(s.outlineColor),
		Seen: r.width > 0 && r.height > 0 && r.right > 0 && r.left < innerWidth && r.bottom > 0 && r.top < innerHeight,
	}
})(%q)`

// tabTo presses Tab until the focus is at what a selector finds, and wants to
// see it at every step of the way.
func (w *tour) tabTo(selector string) { w.t.Helper(); w.walk(kb.Tab, selector) }

func (w *tour) tabBack(selector string) {
	w.t.Helper()
	w.walk(kb.Tab, selector, chromedp.KeyModifiers(chromedp.ModifierShift))
}

func (w *tour) walk(key, selector string, how ...chromedp.KeyOption) {
	w.t.Helper()
	last := ""
	for range 60 {
		w.do(chromedp.KeyEvent(key, how...))
		at := ask(w.tab, chromedp.Evaluate[focus](fmt.Sprintf(focused, selector)))
		if !at.Ring || !at.Seen {
			w.t.Errorf("the focus cannot be seen (ring %v, in the window %v): %s", at.Ring, at.Seen, at.What)
		}
		if at.Here {
			return
		}
		last = at.What
	}
	w.t.Fatalf("60 times Tab do not lead to %s but to %s", selector, last)
}

// enter goes to a button or a link, presses it and wants the outcome: in the
// title, and in the heading that has the focus.
func (w *tour) enter(selector string, status int64, outcome string) {
	w.t.Helper()
	w.tabTo(selector)
	w.leave(chromedp.KeyEvent(kb.Enter), status, "Enter on "+selector)
	if outcome == "" {
		return
	}
	// The browser moves the focus with the first frame, which is after the page is there.
	eventually(w.t, fmt.Sprintf("focus and title both say %q", outcome), func() bool {
		p := ask(w.tab, chromedp.Evaluate[page](lookAt))
		head := ask(w.tab, chromedp.Evaluate[string](`document.activeElement.matches("h1") ? document.activeElement.innerText.trim() : ""`))
		return head == outcome && strings.HasPrefix(p.Title, outcome)
	})
}

// told wants a field to be marked as wrong, and what is wrong to be told of it.
func (w *tour) told(selector, begin string) {
	w.t.Helper()
	got := ask(w.tab, chromedp.Evaluate[string](fmt.Sprintf(`(e => e.getAttribute("aria-invalid") + ": " + (e.getAttribute("aria-describedby") || "").split(" ").map(id => document.getElementById(id)?.innerText).join(" "))(document.querySelector(%q))`, selector)))
	if !strings.HasPrefix(got, "true: "+begin) || len(got) < len("true: ")+10 {
		w.t.Errorf("of %s is told %q", selector, got)
	}
}
