package main

import (
	"crypto/hmac"
	"crypto/sha1" // what RFC 6238 uses
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

const deskPassword = "four words put together"

// startDesk boots a service on which nothing has happened, where one recipient
// alone may be written to without a second person, and a browser.
func startDesk(t *testing.T, scripts bool) *tour {
	t.Helper()
	w := &tour{clock: &movingClock{}}
	now := time.Now().UTC()
	w.clock.forward(now.Truncate(24 * time.Hour).Add(36 * time.Hour).Sub(now))
	settings := settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)
	settings.DKIM, settings.WebhookAllow, settings.SMS, settings.ApprovalAbove = makeKeys(t), "127.0.0.0/8", deafGateway(t), "1"
	w.s = boot(t, programOptions{settings: settings, now: w.clock.now})
	w.tab = browse(t, scripts)
	w.speak("en")
	return w
}

// authenticator is somebody's second factor, by RFC 6238.
type authenticator []byte

func (a authenticator) code(now time.Time) string {
	mac := hmac.New(sha1.New, a)
	_ = binary.Write(mac, binary.BigEndian, now.Unix()/30)
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&0x7fffffff%1_000_000)
}

// hire adds a person and sets them up by their link, as they would.
func (w *tour) hire(name string, role notifier.Role, look func(page string)) authenticator {
	w.t.Helper()
	path, hash := newSetUp()
	if _, err := w.s.db.AddStaff(w.t.Context(), notifier.Staff{Name: name, Role: role, LinkUntil: w.clock.now().Add(time.Hour)}, hash); err != nil {
		w.t.Fatal(err)
	}
	w.at(path, http.StatusOK)
	look("set-up")
	w.send("main form button", http.StatusOK)
	look("set-up-key")
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(ask(w.tab, chromedp.Text(chromedp.CSS("#key"))), " ", ""))
	if err != nil {
		w.t.Fatal(err)
	}
	a := authenticator(key)
	w.write("#password", deskPassword)
	w.write("#again", deskPassword+"x")
	w.write("#code", a.code(w.clock.now()))
	w.send("main form button", http.StatusUnprocessableEntity)
	look("set-up-wrong")
	w.write("#password", deskPassword)
	w.write("#again", deskPassword)
	w.write("#code", a.code(w.clock.now()))
	w.send("main form button", http.StatusOK)
	look("codes")
	w.shows("Your recovery codes")
	return a
}

// signIn signs a person in on the page.
func (w *tour) signIn(name string, a authenticator, status int64) {
	w.t.Helper()
	w.clock.forward(time.Minute) // a code is taken once
	w.at("/console/sign-in", http.StatusOK)
	w.write("#name", name)
	w.write("#password", deskPassword)
	code := a.code(w.clock.now())
	if status != http.StatusOK {
		code = "000000"
	}
	w.write("#code", code)
	w.send("main form button", status)
}

// TestTheConsoleIsForEveryoneOnTheStaff sets people up, announces, and sends a
// notice with a second person's word, in a real browser; axe-core judges every
// page on a telephone and on a desk, by day and by night.
func TestTheConsoleIsForEveryoneOnTheStaff(t *testing.T) {
	judge := axe(t)
	w := startDesk(t, true)
	w.t, w.s.t = t, t
	see := func(name string) { w.t.Helper(); w.judged(judge, "console-"+name, true) }

	w.hire("ann", notifier.RoleAdmin, see)
	w.press("main a.button")
	w.shows("Now")
	see("now-empty")
	for _, page := range []string{"incidents", "components", "notices", "subscribers", "deliveries", "queue", "endpoints", "suppressions"} {
		w.at("/console/"+page, http.StatusOK)
		see(page + "-empty")
	}

	w.tell()
	follow(t, w.s.db, 40)
	hook := w.s.call("POST", "/subscribers", object{"channel": "webhook", "address": "https://hooks.example.com/status", "contact": "ops@example.com", "state": "active"}, http.StatusCreated).text("id")

	w.at("/console/incidents/new", http.StatusOK)
	see("write")
	w.do(chromedp.SetValue(chromedp.CSS("#severity"), "major"))
	w.write("#title", "Mail is delayed")
	w.write("#body", "Since 16:11 mail arrives *late*. Nothing is lost.")
	w.do(chromedp.SendKeys(chromedp.CSS("#body"), " It comes."))
	// A moment after the last key it is shown beside the form as readers would get it.
	eventually(t, "the preview follows what is typed", func() bool {
		return strings.Contains(ask(w.tab, chromedp.Evaluate[string](`((document.querySelector("iframe.frame").contentDocument || {}).body || {innerText: ""}).innerText`)), "Mail is delayed")
	})
	see("write-typed")
	w.unfold()
	w.write("#error_rate", "2.5")
	w.send("button[value=preview]", http.StatusOK)
	w.shows("Write").contains(t, "has no time zone")
	if mail := ask(w.tab, chromedp.AttributeValue(chromedp.CSS(`iframe[title="The mail"]`), "srcdoc")); !strings.Contains(mail.Value, "2.5% of requests fail") {
		t.Errorf("the preview's frame holds %q", mail.Value)
	}
	see("preview")
	w.send("button[value=post]", http.StatusOK)
	w.shows("Mail is delayed").contains(t, "Posted.")
	eventually(t, "everybody was told", func() bool {
		events, err := w.s.db.LatestEvents(t.Context(), "", 1)
		if err != nil || len(events) == 0 {
			t.Fatal(err)
		}
		p, err := w.s.db.Progress(t.Context(), events[0].ID)
		return err == nil && p.Counts[notifier.Sent] >= 40
	})
	see("incident")
	w.press("table a")
	see("event")
	w.at("/console", http.StatusOK)
	see("now")
	w.at("/console/incidents/"+w.now+"/update?status=monitoring", http.StatusOK)
	see("update")
	w.at("/console/incidents/"+w.now+"/correct", http.StatusOK)
	see("correct")
	w.at("/console/incidents/"+w.now+"/retract", http.StatusOK)
	see("retract")
	if err := w.s.db.Suppress(t.Context(), subscribers.Suppression{Channel: notifier.Email, Address: "gone@example.com", Reason: subscribers.ReasonBounce, Note: "550 5.1.1 no such user"}); err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{
		"incidents", "components", "subscribers", "subscribers/s1", "subscribers/s1/edit", "subscribers/" + hook, "endpoints", "suppressions", "deliveries", "queue", "staff", "tokens", "audit", "settings", "account", "nosuch",
	} {
		status := int64(http.StatusOK)
		if page == "nosuch" {
			status = http.StatusNotFound
		}
		w.at("/console/"+page, status)
		see(strings.ReplaceAll(page, "/", "-"))
	}

	for _, more := range []func(func(string)){w.imported, w.alarmed, w.drafted, w.template, w.members, w.notice} {
		more(see)
	}
}

// template edits a mail as its preview follows, and looks at what digests will tell.
func (w *tour) template(see func(string)) {
	t := w.t
	weekly := w.s.call("POST", "/subscribers", object{"address": "weekly@example.org", "state": "active", "cadence": "weekly", "timezone": "Asia/Kathmandu"}, http.StatusCreated).text("id")
	eventually(t, "the schedule is planned", func() bool {
		w.s.digests.Nudge()
		all, err := w.s.db.DigestCalendar(t.Context())
		return err == nil && len(all) == 1 && !all[0].At.IsZero()
	})
	w.at("/console/digests", http.StatusOK)
	w.shows("Digests").contains(t, "Asia/Kathmandu")
	see("digests")
	w.s.announce("imap7 is slow", object{"body": "A disk is full."})
	w.at("/console/subscribers/"+weekly+"/digest", http.StatusOK)
	w.shows("Digest").contains(t, "Your weekly digest")
	see("digest")
	w.at("/console/templates", http.StatusOK)
	see("templates")
	const file = "/console/templates/edit?file=mail/incident-opened.html"
	w.at(file, http.StatusOK)
	see("template")
	framed := func(says string) {
		w.t.Helper()
		eventually(t, "the preview says "+says, func() bool {
			return strings.Contains(ask(w.tab, chromedp.Evaluate[string](`((document.querySelector("iframe.frame").contentDocument || {}).body || {innerText: ""}).innerText`)), says)
		})
	}
	framed("Subject: ")
	// A moment after the last key the preview follows.
	w.do(chromedp.SendKeys(chromedp.CSS("#text"), "<p>Ours.</p>{{.Nope}}"))
	framed("Line ")
	w.send("button[value=save]", http.StatusUnprocessableEntity)
	w.quiet("template-wrong", "the server responded with a status of 422")
	w.shows("mail/incident-opened.html").contains(t, "Nope")
	w.write("#text", "<h1 class=\"title\">Ours: {{.Title}}</h1>\n")
	w.send("button[value=save]", http.StatusOK)
	w.shows("mail/incident-opened.html").contains(t, "Saved.")
	framed("Subject: ")
	see("template-edited")
	w.at("/console/templates/preview?file=mail/incident-opened.html", http.StatusOK)
	see("template-frame")
	w.at(file, http.StatusOK)
	w.send("button[value=drop]", http.StatusOK)
	w.shows("mail/incident-opened.html").contains(t, "Taken back.")
}

// notice writes a notice, has another person agree to it, and watches it go out.
func (w *tour) notice(see func(string)) {
	t := w.t
	file := filepath.Join(t.TempDir(), "restored.csv")
	if err := os.WriteFile(file, []byte("E-Mail,Betreff,date,folder\nada@example.org,Hello,2026-11-23 16:11,Inbox\nada@example.org,Minutes,2026-11-22 09:00,Work\nbob@example.org,Invoice,2026-11-21 10:00,Inbox\nnobody,Lost,2026-11-21 10:00,Inbox\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.at("/console/notices/new", http.StatusOK)
	see("draft")
	w.write("#title", "Restore of imap7")
	w.write("#body", "Everything is back.")
	w.send("main form button", http.StatusOK)
	w.shows("Restore of imap7").contains(t, "Kept as a draft")
	see("notice-draft")
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	if zone := ask(w.tab, chromedp.Evaluate[string](`document.getElementById("zone").value`)); zone != "" {
		t.Errorf("the page's script enters that times of a file are in %q", zone)
	}
	w.send("form[enctype] button", http.StatusUnprocessableEntity)
	w.quiet("notice-unread", "the server responded with a status of 422")
	w.shows("Restore of imap7").contains(t, `write at "Which column is what": email:E-Mail`)
	see("notice-unread")
	w.write("#map", "email:E-Mail,subject:Betreff")
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	w.send("form[enctype] button", http.StatusOK)
	w.shows("Restore of imap7").contains(t, "Send it to 2, leaving 1 row out")
	see("notice-audience")
	here := ask(w.tab, chromedp.Location())
	here = strings.TrimPrefix(strings.SplitN(here, "?", 2)[0], w.s.URL())
	w.at(here+"/preview?which=largest", http.StatusOK)
	w.shows("Preview").contains(t, "ada@example.org")
	see("notice-preview")
	w.at(here+"/edit", http.StatusOK)
	see("notice-edit")
	w.at(here, http.StatusOK)
	w.send(`form[action$="/send"] > button`, http.StatusOK)
	w.shows("Restore of imap7").contains(t, "Whoever wrote a notice")
	see("notice-awaiting")
	w.signOut()
	see("sign-in")

	kari := w.hire("kari", notifier.RoleApprover, w.mended)
	w.signOut()
	w.signIn("kari", kari, http.StatusUnprocessableEntity)
	see("sign-in-wrong")
	w.shows("Sign in").contains(t, "is wrong")
	w.signIn("kari", kari, http.StatusOK)
	w.at("/console/staff", http.StatusForbidden)
	see("refused")
	w.shows("Not for your role")
	w.at(here, http.StatusOK)
	see("notice-agree")
	w.send(`form[action$="/approve"] button`, http.StatusOK)
	w.shows("Restore of imap7")
	// Nobody loads the page again: it is told.
	eventually(t, "the page shows that everybody was sent theirs", func() bool {
		return strings.Contains(ask(w.tab, chromedp.Text(chromedp.CSS("#live"))), "Tried\n2")
	})
	see("notice-sent")
	w.at("/console/notices", http.StatusOK)
	see("notices")
}
