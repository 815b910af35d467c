package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
)

func TestANoticeThatCouldBeWrittenToNobodyIsSentByNoWay(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	dsn := storetest.DSN(t, "sqlite")
	s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL(""))})
	d := newDesktop(t, dsn)
	d.ok("component", "add", "imap7")
	d.ok("component", "members", "imap7", keep(t, "m", "ann@example.com\nbob@example.com\n"))
	tools, err := s.noticeDesk()
	if err != nil {
		t.Fatal(err)
	}
	console := careful{accepting{s.db, s.metrics}, tools}
	for name, c := range map[string]struct{ template, body, says string }{
		"an empty text":           {"blank", "", "is empty"},
		"a column of a member":    {"blank", "Dear {{name}}", "nobody's row has {{name}}"},
		"an account of a member":  {"blank", "Dear {{account}}", `nobody of the audience has "account"`},
		"what the template needs": {"restore-completed", "", `needs the column`},
	} {
		args := []string{"notice", "create", "--title", name, "--template", c.template}
		if c.body != "" {
			args = append(args, "--body", keep(t, "b", c.body))
		}
		id := last(d.ok(args...))
		d.ok("notice", "audience", id, "--members", "imap7")
		if p := d.ok("notice", "preflight", id); !strings.Contains(p, c.says) {
			t.Errorf("%s: preflight\n%s", name, p)
		}
		d.refused(c.says, "notice", "send", id, "--yes")
		s.call("POST", "/notices/"+id+"/send", object{"expect": 2}, 422)
		if _, err := console.OrderNotice(t.Context(), id, notifier.NoticeOrder{Expect: 2}, 1000, notifier.Event{ID: "e" + id}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: the console sends it: %v", name, err)
		}
		if got := d.status(id); got["state"] != "draft" {
			t.Errorf("%s: it is %v", name, got["state"])
		}
	}
	if n := len(relay.Messages()); n != 0 {
		t.Errorf("%d mails", n)
	}
}

func TestRecipientsWhoLackSomethingAreNamedBeforeTheOthersAreWrittenTo(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	id := last(d.ok("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Dear {{name}}"), "--audience", keep(t, "a.csv", "email,name,language\nann@example.com,Ann,pl\nbob@example.com,,en\n")))
	if p := d.ok("notice", "preflight", id); !strings.Contains(p, `1 recipient has no "name"`) || !strings.Contains(p, "1 recipient reads pl, which mails do not speak") {
		t.Errorf("preflight\n%s", p)
	}
	if report := d.ok("notice", "report", id); !strings.Contains(report, "ann@example.com,email,,not sent,") {
		t.Errorf("reported\n%s", report)
	}
	d.refused("that time is past", "notice", "send", id, "--yes", "--accept-missing", "1", "--at", "2026-11-20T09:00:00Z")
	d.refused("accept 1 missing", "notice", "send", id, "--yes")
	d.ok("notice", "send", id, "--yes", "--accept-missing", "1")
	if out := d.ok("notice", "cancel", id); !strings.Contains(out, "is cancelled: 0 were sent, 2 cancelled\n") {
		t.Errorf("cancelled: %q", out)
	}
}

func TestWhoeverLacksACellInAnyRowIsCountedBeforeTheOthersAreWrittenTo(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	file := func(q1, q2, date string) string {
		return keep(t, "m.csv", "email,subject,date,folder\nq1@example.com,,2026-11-20 09:12,"+q1+"\nq2@example.com,a,2026-11-20 09:12,INBOX\nq2@example.com,b,"+date+","+q2+"\nq4@example.com,c,2026-11-20,INBOX\n")
	}
	id := last(d.ok("notice", "create", "--title", "x", "--template", "restore-completed", "--audience", file("", " ", "2026-11-20")))
	if p := d.ok("notice", "preflight", id); !strings.Contains(p, `2 recipients have no "folder" in one of their rows and can be sent nothing`) {
		t.Errorf("preflight\n%s", p)
	}
	d.refused("accept 2 missing", "notice", "send", id, "--yes", "--accept-missing", "1")
	d.ok("notice", "audience", id, file("INBOX", "INBOX", ""))
	if p := d.ok("notice", "preflight", id); !strings.Contains(p, `1 recipient has no "date" in one of their rows`) || strings.Contains(p, `"subject"`) || strings.Contains(p, `"folder"`) {
		t.Errorf("preflight\n%s", p)
	}
	d.refused("accept 1 missing", "notice", "send", id, "--yes")
	d.ok("notice", "audience", id, "--append", keep(t, "n.csv", "email,subject,date\nq4@example.com,d,2026-11-20\n"))
	if p := d.ok("notice", "preflight", id); !strings.Contains(p, `1 recipient has no "folder" in one of their rows`) {
		t.Errorf("preflight\n%s", p)
	}
	d.ok("notice", "send", id, "--yes", "--accept-missing", "2") // one lacks a date, another a folder
}

func TestWhoeverGetsNothingIsCountedOnceWhateverTheyLack(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		file := keep(t, "a.csv", `email,subject,date,folder,name,account
whole@example.com,a,2026-11-20,INBOX,Ann,c1
whole@example.com,b,2026-11-20,INBOX,,
quiet@example.com,,2026-11-20,INBOX,Bo,c2
folder@example.com,a,2026-11-20,INBOX,Caro,c3
folder@example.com,b,2026-11-20,,Caro,c3
date@example.com,a,,INBOX,Di,c4
name@example.com,a,2026-11-20,INBOX,,c5
account@example.com,a,2026-11-20,INBOX,Eve,
all@example.com,a,2026-11-20,,,
`)
		for body, want := range map[string][]string{
			"":                            {"folder", "date", "all"},
			"Dear {{Name}}, {{folder}}":   {"folder", "date", "name", "all"},
			"Dear {{name}} ({{account}})": {"folder", "date", "name", "account", "all"},
			"{{account}}":                 {"folder", "date", "account", "all"},
			"{{subject}} of {{ name }}":   {"folder", "date", "name", "all", "quiet"},
		} {
			args := []string{"notice", "create", "--title", "x", "--template", "restore-completed", "--audience", file}
			if body != "" {
				args = append(args, "--body", keep(t, "b", body))
			}
			id := last(d.ok(args...))
			for _, who := range []string{"whole", "quiet", "folder", "date", "name", "account", "all"} {
				look := []string{"notice", "preview", id, "--address", who + "@example.com"}
				if slices.Contains(want, who) {
					d.refused("recipient", look...)
				} else {
					d.ok(look...)
				}
			}
			n := len(want)
			if p := d.ok("notice", "preflight", id); !strings.Contains(p, fmt.Sprintf("get nothing %d recipients, who lack what the mail needs (--accept-missing %d)", n, n)) {
				t.Errorf("%q: preflight\n%s", body, p)
			}
			d.refused(fmt.Sprintf("together that is %d recipients, who are sent nothing: mend the file, or accept %d missing", n, n), "notice", "send", id, "--yes", "--accept-missing", fmt.Sprint(n-1))
			d.ok("notice", "send", id, "--yes", "--accept-missing", fmt.Sprint(n))
		}
	})
}

func TestRejectsComeBackInTheFilesEncodingAndAreReadAgainByTheSameOptions(t *testing.T) {
	wide := func(big bool, text string) string {
		out := []byte{}
		for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
			if big {
				out = append(out, byte(u>>8), byte(u))
			} else {
				out = append(out, byte(u), byte(u>>8))
			}
		}
		return string(out)
	}
	narrow := func(text string) string {
		return strings.NewReplacer("ø", "\xf8", "Ø", "\xd8", "€", "\x80").Replace(text)
	}
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		for name, c := range map[string]struct {
			as    func(string) string
			flags []string
		}{
			"windows-1252": {narrow, []string{"--encoding", "windows-1252"}},
			"utf-16le":     {func(s string) string { return wide(false, s) }, nil},
			"utf-16be":     {func(s string) string { return wide(true, s) }, []string{"--encoding", "utf-16"}},
			"utf-8":        {func(s string) string { return s }, nil},
		} {
			id := last(d.ok("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Hello")))
			d.tells(append([]string{"notice", "audience", id, keep(t, "a.csv", c.as("email,name,pays\nann@example.com,Ann,\nbjørn,Bjørn Ø,€ 5\n"))}, c.flags...)...)
			back := d.ok("notice", "rejects", id)
			if want := c.as("email,name,pays\nbjørn,Bjørn Ø,€ 5\n"); back != want {
				t.Errorf("%s: %q, want %q", name, back, want)
			}
			mended := strings.Replace(back, c.as("bjørn,"), c.as("bo@example.com,"), 1)
			if strings.HasPrefix(name, "utf-16") { // whose mark stands at the beginning only
				mended = c.as("email,name,pays\nbo@example.com,Bjørn Ø,€ 5\n")
			}
			d.ok(append([]string{"notice", "audience", id, "--append", keep(t, "m.csv", mended)}, c.flags...)...)
			if got := d.ok("notice", "preview", id, "--address", "bo@example.com"); !strings.Contains(got, "Bjørn Ø") || !strings.Contains(got, "€ 5") {
				t.Errorf("%s:\n%s", name, got)
			}
			d.tells("notice", "audience", id, "--append", keep(t, "n.csv", "email,name,pays\nbo@example.com,Bo,\nзоя,Зоя,\n"))
			if back := d.ok("notice", "rejects", id); name != "utf-8" && !strings.HasSuffix(back, "зоя,Зоя,\n") {
				t.Errorf("%s and UTF-8 came back as %q", name, back)
			}
		}
	})
}

func TestMendedRowsNeedNotBeAcceptedForEverAndHintsAreFlags(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		id := last(d.ok("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Hello")))
		d.refused("write --map email:E-Mail", "notice", "audience", id, keep(t, "a.csv", "id,E-Mail\n1,ann@example.com\n"))
		d.refused("write --map 'email:E-Mail Adresse'", "notice", "audience", id, keep(t, "a.csv", "id;E-Mail Adresse\n1;ann@example.com\n"))
		d.tells("notice", "audience", id, keep(t, "a.csv", "email\nann@example.com\nbroken\n"))
		d.ok("notice", "audience", id, "--append", keep(t, "b.csv", "email\nbob@example.com\n"))
		if out := d.ok("notice", "rejects", id, "--forget"); out != "2 recipients, 2 rows\n" {
			t.Errorf("printed %q", out)
		}
		if out := d.ok("notice", "rejects", id); out != "" {
			t.Errorf("left %q", out)
		}
		out, _ := d.tells("notice", "audience", id, "--append", keep(t, "c.csv", "email\nbroken\ncaro@example.com\n"))
		if back := d.ok("notice", "rejects", id); back != "email\nbroken\n" || !strings.Contains(out, "1 rejected") {
			t.Errorf("after it %q, %q", out, back)
		}
		d.ok("notice", "rejects", id, "--forget")
		d.ok("notice", "send", id, "--yes", "--accept-rejects", "0")
	})
}

func TestAPreflightWarnsOfTimesThatAreNotUnderstood(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.environ = append(d.environ, "ALLCLEAR_RELAY=mailbox:")
		id := last(d.ok("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Hello"), "--audience", keep(t, "a.csv", "email,date,update note\nann@example.com,20.11.2026,x\nbob@example.com,2026-11-20T09:12,y\ncaro@example.com,,z\n")))
		p := d.ok("notice", "preflight", id)
		if !strings.Contains(p, `1 of the first 3 rows have a "date" that is not understood as a time, such as "20.11.2026"`) || strings.Count(p, "warning:") != 1 {
			t.Errorf("preflight\n%s", p)
		}
	})
}

func TestAnUpdateOfACancelledNoticeIsShownAsNeverPublished(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	id := last(d.ok("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Hello"), "--audience", keep(t, "a.csv", "email\nann@example.com\n")))
	incident := regexp.MustCompile(`[a-z2-7]{16}`).FindString(d.ok("incident", "open", "imap7 is down", "--severity", "major", "-m", "x"))
	d.ok("incident", "update", incident, "--after-notice", id, "-m", "All were told.")
	d.ok("notice", "send", id, "--yes")
	d.ok("notice", "cancel", id)
	if shown := d.ok("incident", "show", incident); !strings.Contains(shown, "waited for notice "+id+", which was cancelled: it is never published") || !strings.Contains(shown, "All were told.") {
		t.Errorf("shown\n%s", shown)
	}
}
