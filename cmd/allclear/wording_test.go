package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// edited keeps an edit as another process would.
func edited(t *testing.T, db *store.Store, name, text string) {
	t.Helper()
	was := ""
	edits, _, err := db.TemplateEdits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		if e.Name == name {
			was = notifier.HashTemplate(e.Text)
		}
	}
	if err := db.SaveTemplate(t.Context(), notifier.TemplateEdit{Name: name, Text: text}, was); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatHoldsOtherTextsMakesANoticeAnotherOne(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		folder, mark := t.TempDir(), ""
		embedded, err := os.ReadFile("../../templates/mail/notice.html")
		if err != nil {
			t.Fatal(err)
		}
		for start, other := range []bool{false, false, true} {
			if other {
				if err := errors.Join(os.Mkdir(filepath.Join(folder, "mail"), 0o700), os.WriteFile(filepath.Join(folder, "mail", "notice.html"), append(embedded, '\n'), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			settings := settingsFor(t, dsn, "mailbox:")
			settings.Templates = folder
			s := boot(t, programOptions{settings: settings})
			if start == 0 {
				if err := s.db.CreateNotice(t.Context(), notifier.Notice{ID: "n", Title: "x", Template: notifier.BlankNotice}); err != nil {
					t.Fatal(err)
				}
			}
			n, err := s.db.Notice(t.Context(), "n")
			if err != nil {
				t.Fatal(err)
			}
			if was := mark; start > 0 && (was == n.Mark()) == other {
				t.Errorf("start %d: %s, before it %s", start, n.Mark(), was)
			}
			mark = n.Mark()
			s.stop()
		}
	})
}

func TestAnEditedTextIsUsedByARunningServiceAndABrokenOneHoldsNoMailBack(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		follow(t, s.db, 1, func(x *subscribers.Subscriber) { x.Language = "en" })
		_, first := s.announce("One", object{"body": "As it came."})
		s.done(first)
		if m := relay.WaitFor(1); strings.Contains(string(m[0].Data), "Ours:") {
			t.Fatal("an edit before there was one")
		}
		edited(t, s.db, "mail/incident-opened.html", "<h1>Ours: {{.Title}}</h1>{{if eq .Title \"Three\"}}{{index .Updates 99}}{{end}}")
		edited(t, s.db, "page/confirm.html", "<p>Our page</p>")
		eventually(t, "the edit is taken up", func() bool {
			set, problems := s.words.desk("").Now()
			text, err := set.Source("mail/incident-opened.html")
			return err == nil && strings.Contains(text, "Ours:") && len(problems) == 0
		})
		_, second := s.announce("Two", object{"body": "As we say it."})
		s.done(second)
		if m := relay.WaitFor(2); !strings.Contains(string(m[1].Data), "Ours: Two") {
			t.Errorf("the edit is not used:\n%s", m[1].Data)
		}
		if n := len(s.words.troubles(s.db.Now(), "")); n != 0 {
			t.Errorf("%d troubles", n)
		}
		// What breaks on one incident's own words goes out by the embedded text, and is told.
		_, third := s.announce("Three", object{"body": "It goes out."})
		s.done(third)
		if m := relay.WaitFor(3); strings.Contains(string(m[2].Data), "Ours:") || !strings.Contains(string(m[2].Data), "It goes out.") {
			t.Errorf("%s", m[2].Data)
		}
		found := s.words.troubles(s.db.Now(), "")
		if len(found) != 1 || found[0].Key != "view:incident-opened" || !strings.Contains(found[0].Text, "mail/incident-opened.html:1") || strings.Contains(found[0].Text, "out of range") {
			t.Errorf("%+v", found)
		}
		// What cannot be used at all, as after an update, is left out and told.
		edited(t, s.db, "mail/incident-opened.html", "{{.Gone}}")
		eventually(t, "the broken edit is left out", func() bool {
			set, problems := s.words.desk("").Now()
			text, err := set.Source("mail/incident-opened.html")
			return err == nil && len(problems) == 1 && !strings.Contains(text, "Gone")
		})
		found = append(found, s.words.troubles(s.db.Now(), "")...)
		if last := found[len(found)-1]; !strings.Contains(last.Title+last.Text, "mail/incident-opened.html") {
			t.Errorf("%+v", found)
		}
		_, fourth := s.announce("Four", object{"body": "It goes out too."})
		s.done(fourth)
		if m := relay.WaitFor(4); !strings.Contains(string(m[3].Data), "It goes out too.") {
			t.Errorf("%s", m[3].Data)
		}
	})
}

func TestTextsAreSavedAndTakenBackOnTheCommandLine(t *testing.T) {
	d := newDesktop(t, filepath.Join(t.TempDir(), "allclear.db"))
	file := filepath.Join(t.TempDir(), "post.html")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("<p>ours: {{.Title}}</p>\n")
	d.ok("templates", "save", "mail/post.html", file)
	if out := d.ok("templates", "show", "mail/post.html"); out != "<p>ours: {{.Title}}</p>\n" {
		t.Errorf("%s", out)
	}
	if out := d.ok("templates", "render", "post"); !strings.Contains(out, "ours: What we learned") {
		t.Errorf("%s", out)
	}
	if out := d.ok("templates", "list"); !strings.Contains(out, "edited") {
		t.Errorf("%s", out)
	}
	write("<p>ours\n{{.Nope}}</p>\n")
	d.refused("mail/post.html:2:", "templates", "save", "mail/post.html", file)
	write("<p>again: {{.Title}}</p>\n")
	d.ok("templates", "save", "mail/post.html", file)
	d.refused(`did you mean mail/post.html?`, "templates", "save", "mail/psot.html", file)
	d.refused("cannot be edited", "templates", "save", "asset/allclear.css", file)
	d.ok("templates", "reset", "mail/post.html")
	d.refused("mail/post.html is not edited", "templates", "reset", "mail/post.html")
	if out := d.ok("templates", "diff"); out != "" {
		t.Errorf("%s", out)
	}
}

func TestATextThatWritesTooMuchOrNeverEndsIsGivenUp(t *testing.T) {
	s := boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), mailboxRelay)})
	for text, why := range map[string]string{`{{printf "%9000000d" 1}}`: "8 MiB", "{{range 100000000}}{{.}} more and more and more {{end}}": "a loop over a number"} {
		set, wrong, err := s.words.try(t.Context(), "mail/post.html", text)
		if set != nil || err != nil || !strings.Contains(wrong.Text, why) || wrong.File != "mail/post.html" {
			t.Errorf("%s: %+v, %v", text, wrong, err)
		}
	}
	if res, err := http.Get(s.URL() + "/healthz"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("%v", err)
	} else {
		_ = res.Body.Close()
	}
}
