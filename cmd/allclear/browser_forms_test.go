package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"allclear/notifier"
)

// alarmed is the first page while something of the service itself is wrong.
func (w *tour) alarmed(see func(string)) {
	t := w.t
	if err := w.s.db.NoteTroubles(t.Context(), []notifier.Trouble{
		{Key: "relay:a:25", About: "relay:a:25", Title: "Relay smtp.a-rather-long-name-of-a-relay.example:587 is down", Ended: "it works again", URL: w.s.URL() + "/console/queue", Since: w.clock.now()},
		{Key: "disk", About: "disk", Title: "The disk is nearly full", Ended: "it is not", Since: w.clock.now(), Once: true},
	}); err != nil {
		t.Fatal(err)
	}
	w.at("/console", http.StatusOK)
	w.shows("Now").contains(t, "Relay smtp.a-rather-long-name-of-a-relay.example:587 is down")
	see("now-alarm")
}

// drafted is what was written and is not published yet.
func (w *tour) drafted(see func(string)) {
	w.at("/console/incidents/new", http.StatusOK)
	w.write("#title", "Web site is slow")
	w.write("#body", "Since {{at \"-20m\"}} pages take ten seconds.\n\n| machine | seconds |\n|---|---|\n| web1.a-rather-long-name.example | 10 |\n")
	w.send("button[value=draft]", http.StatusOK)
	w.shows("Web site is slow").contains(w.t, "As readers will get it")
	w.unfold()
	see("incident-draft")
}

// imported brings a file of subscribers in, once it was looked at.
func (w *tour) imported(see func(string)) {
	t := w.t
	file := filepath.Join(t.TempDir(), "followers.csv")
	if err := os.WriteFile(file, []byte("address,cadence\nida@example.org,instant\nodd@example.org,hourly\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.at("/console/subscribers", http.StatusOK)
	w.press(`main a.button[href$="/import"]`)
	w.shows("Import subscribers")
	see("import")
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	w.send("form:has(#file) > button", http.StatusOK)
	w.shows("Import subscribers").contains(t, "hourly")
	see("import-looked")
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#again"), []string{file}))
	w.send("form:has(#again) > button", http.StatusOK)
	w.shows("Import subscribers").contains(t, "Brought in: 1 added")
	see("import-done")
}

// members writes to who lives on a component, to a part of them first, on one
// person's word; an update waits for it.
func (w *tour) members(see func(string)) {
	t := w.t
	w.live(t, "imap", "eva@example.org", "finn@example.org", "gro@example.org", "hal@example.org")
	id := w.s.call("POST", "/notices", object{"incident_id": w.now, "title": "Who lives on imap7", "template": "blank", "subject": "Your mailbox", "body": "It is slow."}, http.StatusCreated).text("id")
	w.at("/console/notices/"+id, http.StatusOK)
	w.unfold()
	see("notice-members-form")
	w.do(chromedp.SetValue(chromedp.CSS("#members"), "imap"))
	w.send(`form[action$="/members"] button`, http.StatusOK)
	w.shows("Who lives on imap7").contains(t, "Send it to 4")
	w.unfold()
	see("notice-members")
	w.write("#canary_share", "a few")
	w.send(`form[action$="/send"] > button`, http.StatusUnprocessableEntity)
	w.quiet("notice-wrong", "the server responded with a status of 422")
	w.shows("Who lives on imap7").contains(t, "a few")
	see("notice-wrong")
	if kept := ask(w.tab, chromedp.Value(chromedp.CSS("details[open] #canary_share[aria-invalid]"))); kept != "a few" {
		t.Errorf("the form has %q", kept)
	}
	w.write("#canary_share", "50")
	w.write("#canary_wait", "30")
	w.send(`form[action$="/send"] > button`, http.StatusOK)
	w.unfold()
	see("notice-alone")
	w.write("#reason", "The outage is now.")
	w.send("button[value=override]", http.StatusOK)
	eventually(t, "the share that is tried first was tried", func() bool {
		return strings.Contains(ask(w.tab, chromedp.Text(chromedp.CSS("#live"))), "Tried\n2")
	})
	w.shows("Who lives on imap7").contains(t, "canary")
	see("notice-canary")
	w.send("button[value=pause]", http.StatusOK)
	see("notice-paused")

	w.at("/console/incidents/"+w.now+"/update?status=monitoring", http.StatusOK)
	w.write("#body", "{{notice.sent}} were written to.")
	w.do(chromedp.SetValue(chromedp.CSS("#after"), "tried "+id))
	w.unfold()
	see("update-waits")
	w.send("button[value=preview]", http.StatusOK)
	w.send("button[value=post]", http.StatusOK)
	w.shows("imap7 does not answer").contains(t, "Waits for a notice")
	see("incident-waits")
}

// live brings the list of who lives on a component.
func (w *tour) live(t *testing.T, component string, addresses ...string) {
	t.Helper()
	edition, err := w.s.db.BeginMembers(t.Context(), component)
	if err == nil {
		err = w.s.db.AddMembers(t.Context(), edition, addresses)
	}
	if err == nil {
		_, err = w.s.db.FinishMembers(t.Context(), edition)
	}
	if err != nil {
		t.Fatal(err)
	}
}
