package main

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"allclear/notifier"
	"allclear/notifier/email/mailbox"
)

// TestStaffNeedNoScripts is an incident and a notice by two people whose browser
// runs no script: every step is a link or a form, and a page that is loaded again
// tells what the live one would.
func TestStaffNeedNoScripts(t *testing.T) {
	w := startDesk(t, false)
	w.t, w.s.t = t, t
	follow(t, w.s.db, 3)
	ann := w.hire("ann", notifier.RoleSender, w.mended)
	w.signOut()
	w.signIn("ann", ann, http.StatusUnprocessableEntity)
	w.mended("sign-in")
	w.shows("Sign in").contains(t, "is wrong")
	w.signIn("ann", ann, http.StatusOK)
	w.shows("Now")

	w.press(`main a.button[href$="/incidents/new"]`)
	w.shows("Write")
	w.do(chromedp.SetValue(chromedp.CSS("#severity"), "major"))
	w.write("#title", "imap7 does not answer")
	w.write("#body", "One of our servers is down.")
	w.send("button[value=preview]", http.StatusOK)
	w.shows("Write").contains(t, "Post to those concerned, of 3 followers")
	if mail := ask(w.tab, chromedp.AttributeValue(chromedp.CSS(`iframe[title="The mail"]`), "srcdoc")); !strings.Contains(mail.Value, "One of our servers is down.") {
		t.Errorf("the preview's frame holds %q", mail.Value)
	}
	w.send("button[value=post]", http.StatusOK)
	w.shows("imap7 does not answer").contains(t, "Posted.")
	w.reloads("everybody was told", ".wide", "done\t3\t3\t0")

	file := filepath.Join(t.TempDir(), "restored.csv")
	if err := os.WriteFile(file, []byte("email,subject,date,folder\nada@example.org,Hello,2026-11-23 16:11,Inbox\nbob@example.org,Invoice,2026-11-21 10:00,Inbox\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.press(`nav a[href$="/notices"]`)
	w.press(`main a[href$="/notices/new"]`)
	w.write("#title", "Restore of imap7")
	w.write("#body", "Everything is back.")
	w.send("main form button", http.StatusOK)
	w.shows("Restore of imap7").contains(t, "Kept as a draft")
	w.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}))
	w.send("form[enctype] > button", http.StatusOK)
	w.shows("Restore of imap7").contains(t, "Send it to 2")
	w.press(`main a[href$="/preview"]`)
	w.shows("Preview").contains(t, "@example.org")
	w.press(`main a[href*="/notices/"]:not([href*="preview"])`)
	w.send(`form[action$="/send"] > button`, http.StatusOK)
	w.shows("Restore of imap7").contains(t, "waits for the approval of 1 other person")
	w.signOut()

	kari := w.hire("kari", notifier.RoleAdmin, w.mended)
	w.signOut()
	w.signIn("kari", kari, http.StatusOK)
	w.shows("Now").contains(t, "awaiting approval")
	w.press(`main h3 a[href*="/notices/"]`)
	w.shows("Restore of imap7").contains(t, "as staff:ann asked")
	w.send(`form[action$="/approve"] button`, http.StatusOK)
	w.shows("Restore of imap7").contains(t, "staff:kari")
	w.reloads("everybody was sent theirs", "#live", "done")
	w.shows("Restore of imap7")
	if got := ask(w.tab, chromedp.Text(chromedp.CSS("#live .figures"))); !strings.Contains(got, "Recipients\n2\nTried\n2\nSent\n2\nFailed\n0") {
		t.Errorf("the page counts %q", got)
	}
	for to, has := range map[string]string{"ada@example.org": "Hello", "bob@example.org": "Invoice"} {
		if got := w.lettersTo(to); len(got) != 1 || !strings.Contains(got[0], has) || !strings.Contains(got[0], "Everything is back.") {
			t.Errorf("%s got %q", to, got)
		}
	}
	w.imported(func(string) {})
}

// mended is a look at a page on which something is to be mended on purpose.
func (w *tour) mended(page string) {
	w.t.Helper()
	w.quiet(page, "the server responded with a status of 422")
}

func (w *tour) signOut() {
	w.t.Helper()
	w.send("header form button", http.StatusOK)
	w.shows("Sign in")
}

// reloads loads the page again until what a selector finds says so.
func (w *tour) reloads(what, selector, says string) {
	w.t.Helper()
	here := strings.SplitN(ask(w.tab, chromedp.Location()), "?", 2)[0]
	eventually(w.t, what, func() bool {
		w.open(here, http.StatusOK)
		return strings.Contains(ask(w.tab, chromedp.Text(chromedp.CSS(selector))), says)
	})
}

// lettersTo are the mails to an address.
func (w *tour) lettersTo(to string) (all []string) {
	w.t.Helper()
	if err := w.s.mail.box.Walk(func(m mailbox.Mail) error {
		if slices.Contains(m.To, to) {
			all = append(all, string(m.Data))
		}
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}
