package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTemplatesAreShownRenderedComparedAndChecked(t *testing.T) {
	d := &desktop{t: t}
	if out := d.ok("templates", "list"); !strings.Contains(out, "mail/incident-opened.html") || !strings.Contains(out, "  confirm\n") {
		t.Errorf("list:\n%s", out)
	}
	if out := d.ok("templates", "check"); !strings.HasPrefix(out, "ok: ") {
		t.Errorf("check: %q", out)
	}
	if out := d.ok("templates", "render", "incident-resolved", "--zone", "Asia/Tokyo"); !strings.HasPrefix(out, "Subject: ") || !strings.Contains(out, "UTC") {
		t.Errorf("render:\n%s", out)
	}
	if out := d.ok("templates", "render", "page/home"); !strings.Contains(out, "<html") {
		t.Errorf("render page:\n%s", out)
	}
	if out := d.ok("templates", "show", "restore-completed"); !strings.Contains(out, "needed:    subject, date, folder\n") {
		t.Errorf("the columns of a notice:\n%s", out)
	}
	if out := d.ok("templates", "render", "restore-completed", "--lang", "de"); !strings.HasPrefix(out, "Subject: Wiederherstellung abgeschlossen: ") || !strings.Contains(out, "- Betreff: ") {
		t.Errorf("a notice:\n%s", out)
	}
	source := d.ok("templates", "show", "mail/post.html")
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "mail"), 0o700); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(folder, "mail", "post.html")
	// show FILE > FOLDER/FILE: the shell makes it empty before we look.
	if err := os.WriteFile(mine, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := d.ok("templates", "show", "mail/post.html", "--templates", folder); out != source {
		t.Errorf("show where the override is empty: %q", out)
	}
	if code, _, errs := runOnce(t, nil, "templates", "check", "--templates", folder); code != exitFailed || errs != "allclear: 1 file of yours cannot be used\n" {
		t.Errorf("an empty override: exit %d, %q", code, errs)
	}
	if err := os.WriteFile(mine, []byte(source+"<!-- ours -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := runOnce(t, nil, "templates", "diff", "--templates", folder); code != exitFailed || errs != "" || !strings.HasPrefix(out, "--- embedded/mail/post.html\n+++ yours/mail/post.html\n@@ ") || !strings.Contains(out, "\n+<!-- ours -->\n") {
		t.Errorf("diff: exit %d, %s\n%s", code, errs, out)
	}
	if out := d.ok("templates", "diff", "mail/test.html", "--templates", folder); out != "" {
		t.Errorf("diff of another: %q", out)
	}
	if out := d.ok("templates", "diff"); out != "" {
		t.Errorf("diff of nothing: %q", out)
	}
	if err := os.WriteFile(mine, []byte("{{.Nonsense}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "mail", "tset.html"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := runOnce(t, nil, "templates", "check", "--templates", folder)
	if code != exitFailed || !strings.HasPrefix(out, "mail/post.html:1: ") || !strings.Contains(out, "\nmail/tset.html: overrides nothing: no embedded file has this name; did you mean mail/test.html?\n") || errs != "allclear: 2 files of yours cannot be used\n" {
		t.Errorf("broken templates: exit %d, %s\n%s", code, errs, out)
	}
	if out := d.ok("templates", "list", "--templates", folder); !strings.Contains(out, "embedded (yours is broken)") {
		t.Errorf("the list names nothing that is broken:\n%s", out)
	}
	if code, out, _ := runOnce(t, nil, "templates", "diff", "mail/post.html", "--templates", folder); code != exitFailed || !strings.Contains(out, "+{{.Nonsense}}") {
		t.Errorf("what is broken cannot be compared: exit %d\n%s", code, out)
	}
	words := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(words, "lang"), 0o700), os.WriteFile(filepath.Join(words, "lang", "de.json"), []byte(`{"impact.delay.whole": "Sehr lange."}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := runOnce(t, nil, "templates", "diff", "--templates", words); code != exitFailed || errs != "" || strings.Count(out, "\n") != 5 || !strings.HasSuffix(out, "\n+  \"impact.delay.whole\": \"Sehr lange.\"\n") {
		t.Errorf("diff of messages: exit %d, %s\n%s", code, errs, out)
	}
	if code, out, errs := runOnce(t, nil, "templates", "check", "--templates", words); code != exitDone || !strings.HasPrefix(out, "ok: ") || !strings.HasPrefix(errs, `warning: lang/de.json: message "impact.delay.whole" leaves out {by}`) {
		t.Errorf("check: exit %d, %s\n%s", code, errs, out)
	}
	d.refused(`no file "mail/none.html"`, "templates", "show", "mail/none.html")
	d.refused(`no file "mail/psot.html"; did you mean mail/post.html?`, "templates", "diff", "mail/psot.html")
	d.refused(`there is no view "none"`, "templates", "render", "none")
}
