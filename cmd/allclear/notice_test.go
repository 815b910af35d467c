package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
)

// last is the last line of an output.
func last(out string) string {
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	return lines[len(lines)-1]
}

// tells runs a command that must succeed and may warn.
func (d *desktop) tells(args ...string) (out, errs string) {
	d.t.Helper()
	code, out, errs := runOnce(d.t, d.environ, args...)
	if code != exitDone {
		d.t.Fatalf("%v: exit %d\n%s%s", args, code, out, errs)
	}
	return out, errs
}

// status is what notice status --json prints.
func (d *desktop) status(id string) object {
	d.t.Helper()
	var o object
	if err := json.Unmarshal([]byte(d.ok("notice", "status", id, "--json")), &o); err != nil {
		d.t.Fatal(err)
	}
	return o
}

// audience sends a CSV file as whom a notice is for.
func (s *service) audience(id, file string, want int) object {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.URL()+"/api/v1/notices/"+id+"/audience", strings.NewReader(file))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.token)
	r.Header.Set("Content-Type", "text/csv")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var out object
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != want {
		s.t.Fatalf("audience: %s, want %d: %v %v", res.Status, want, out, err)
	}
	return out
}

func TestANoticeIsDraftedWithItsAudienceAtTheCommandLine(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		body := keep(t, "body.md", "Your mail of {{at \"-20m\"}} is back.\n\n{{rows}}\n")
		file := keep(t, "users.csv", "E-Mail;Betreff;Datum\nann@example.com;Eins;2026-11-23 16:11\nann@example.com;Zwei;\nBOB@Example.COM;Drei;\n;niemand;\nkaputt;Vier;\n")
		out, errs := d.tells("notice", "create", "--title", "Restore of imap7", "--template", "restore-completed", "--body", body, "--audience", file, "--map", "email:E-Mail", "--map", "subject:Betreff")
		if !strings.HasPrefix(out, "2 recipients, 3 rows, 1 rejected, 1 without an address\n") || !strings.HasPrefix(errs, "line 6: ") {
			t.Errorf("printed %q and %q", out, errs)
		}
		id := last(out)
		got := d.status(id)
		if got["recipients"] != 2.0 || got["rows"] != 3.0 || got["created_by"] != "local:kari" || got["state"] != "draft" {
			t.Errorf("status %v", got)
		}
		if back := d.ok("notice", "rejects", id); back != "E-Mail;Betreff;Datum\nkaputt;Vier;\n" {
			t.Errorf("rejects %q", back)
		}
		mended := keep(t, "mended.csv", "E-Mail;Betreff;Datum\ncaro@example.com;Vier;\n")
		out, errs = d.tells("notice", "audience", id, mended, "--append", "--map", "email:E-Mail", "--map", "subject:Betreff")
		if !strings.HasPrefix(out, "3 recipients, 4 rows") || !strings.HasPrefix(errs, `warning: audience: restore-completed needs the column "date", which the file has not; did you mean --map date:Datum?`) {
			t.Errorf("appended: %q and %q", out, errs)
		}
		if shown := shape(d.ok("notice", "list")); shown != ""+
			"ID                CREATED            STATE  RECIPIENTS  TRIED  TITLE\n"+
			"IDIDIDIDIDIDIDID  2026-11-23 16:11Z  draft           3      0  Restore of imap7\n" {
			t.Errorf("listed\n%s", shown)
		}
		if shown := d.ok("notice", "status", id); !strings.Contains(shown, "state       draft\n") || !strings.Contains(shown, "audience    3 recipients, 4 rows") {
			t.Errorf("shown\n%s", shown)
		}
		d.ok("notice", "delete", id)
		d.refused("no notice", "notice", "status", id)
		d.refused("no notice", "notice", "audience", id, file)
	})
}

func TestWhatIsWrongWithAFileLeavesNothingBehind(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	nobody := keep(t, "a.csv", "Kunde,E-Mail-Adresse\nAnn,ann@example.com\n")
	d.refused("map", "notice", "create", "--title", "x", "--template", "blank", "--audience", nobody)
	d.refused("line of its own", "notice", "create", "--title", "x", "--template", "restore-completed", "--body", keep(t, "body", "These are {{rows}}"))
	d.refused("template", "notice", "create", "--title", "x", "--template", "nosuch")
	d.refused("no such file", "notice", "create", "--title", "x", "--template", "blank", "--audience", filepath.Join(t.TempDir(), "nosuch"))
	if out := d.ok("notice", "list"); out != "none; allclear notice create makes one\n" {
		t.Errorf("left %q", out)
	}
}

func TestFilesOfOtherTeamsAreReadAsTheyAre(t *testing.T) {
	d := newDesktop(t, storetest.DSN(t, "sqlite"))
	id := last(d.ok("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Hello {{name}}")))
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune("email\tname\r\nann@example.com\tÅse\r\n")) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for name, c := range map[string]struct {
		text string
		more []string
	}{
		"UTF-16 with tabs": {string(wide), nil},
		"windows-1252":     {"email;name\nann@example.com;\xc5se\n", []string{"--encoding", "windows-1252"}},
		"a BOM":            {"\ufeffemail,name\nann@example.com,Åse\n", nil},
	} {
		file := filepath.Join(t.TempDir(), "file.csv")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := d.ok(append([]string{"notice", "audience", id, file}, c.more...)...); out != "1 recipient, 1 row\n" {
			t.Errorf("%s: %q", name, out)
		}
	}
	counted := keep(t, "counted.csv", "email;name;folder;Anzahl\nann@example.com;10023456;2026;1204\n")
	d.ok("notice", "audience", id, counted, "--map", "count:Anzahl", "--numbers", "count")
	if mail := d.ok("notice", "preview", id, "--lang", "de"); !strings.Contains(mail, "Hello 10023456") || !strings.Contains(mail, "2026") || strings.Contains(mail, "2.026") || !strings.Contains(mail, "1.204") {
		t.Errorf("previewed\n%s", mail)
	}
	d.refused(`the nearest is "Anzahl"`, "notice", "audience", id, counted, "--numbers", "anzal")
	lines := keep(t, "file.ndjson", `{"email":"ann@example.com","name":"Åse","visits":3}`+"\n"+`{"email":"bob@example.com"}`+"\n")
	if out := d.ok("notice", "audience", id, lines); out != "2 recipients, 2 rows\n" {
		t.Errorf("NDJSON: %q", out)
	}
	d.refused("exclude_notice", "notice", "audience", id, lines, "--exclude-notice", "nosuch")
	d.refused("not to a webhook", "notice", "audience", id, keep(t, "d.csv", "email,channel\nhttps://example.com/hook,webhook\n"))
	d.refused("write --map email:", "notice", "audience", id, keep(t, "e.csv", "email,Adresse\n,ann@example.com\n"))
	if shown := d.status(id); shown["recipients"] != 2.0 {
		t.Errorf("a file that reaches nobody left %v", shown)
	}
}

func TestWhoLivesOnAComponentCanBeAnAudience(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.ok("component", "add", "imap7")
		out, errs := d.tells("component", "members", "imap7", keep(t, "a", "ann@example.com\nbroken\nbob@example.com\n"))
		if out != "2 members of imap7, 1 rejected\n" || !strings.HasPrefix(errs, "line 2: ") {
			t.Errorf("printed %q and %q", out, errs)
		}
		id := last(d.ok("notice", "create", "--title", "x", "--template", "blank", "--body", keep(t, "b", "Hello")))
		if out := d.ok("notice", "audience", id, "--members", "imap7"); out != "2 recipients, 2 rows\n" {
			t.Errorf("printed %q", out)
		}
		d.ok("component", "members", "imap7", keep(t, "c.csv", "Name;Adresse\nCaro;caro@example.com\n"), "--email", "Adresse")
		if out := d.ok("notice", "audience", id, "--members", "imap7"); out != "1 recipient, 1 row\n" {
			t.Errorf("printed %q", out)
		}
		d.refused("nosuch", "component", "members", "nosuch", keep(t, "d", "ann@example.com\n"))
		d.refused("members", "notice", "audience", id, "--members", "nosuch")
		d.refused("added", "notice", "audience", id, "--members", "imap7", "--append")
	})
}

// restoredFile has what restore-completed needs, for two people.
const restoredFile = "email,subject,date,folder,language\nann@example.com,Invoice 17,2026-11-20,Inbox,en\nann@example.com,Minutes,2026-11-21 09:30,Work,en\nbo@example.org,Rechnung,2026-11-22,Post,de\n"

func TestAPreviewIsWhatTheRecipientWouldGet(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		id := last(d.ok("notice", "create", "--title", "Restore", "--template", "restore-completed", "--subject", "Back: {{subject}}", "--body", keep(t, "b", "It is done."), "--audience", keep(t, "a.csv", restoredFile)))
		mail := d.ok("notice", "preview", id, "--which", "largest")
		if !strings.HasPrefix(mail, "To: ann@example.com (2 rows)\nSubject: Back: Invoice 17\n\n") || !strings.Contains(mail, "Minutes") || strings.Contains(mail, "Rechnung") {
			t.Errorf("previewed\n%s", mail)
		}
		if mail := d.ok("notice", "preview", id, "--address", "bo@example.org", "--as", "html"); !strings.Contains(mail, "Rechnung") || !strings.Contains(mail, `lang="de"`) || strings.Contains(mail, "Minutes") {
			t.Errorf("previewed\n%s", mail)
		}
		if sms := d.ok("notice", "preview", id, "--as", "sms"); len(sms) < 10 || strings.Contains(sms, "<") {
			t.Errorf("previewed %q", sms)
		}
		d.environ = append(d.environ, "ALLCLEAR_RELAY=mailbox:")
		if p := d.ok("notice", "preflight", id); !strings.Contains(p, "2 recipients, 3 rows\nchannels    email 2\n") || !strings.Contains(p, "domains     example.com 1, example.org 1\n") || strings.Contains(p, "warning") {
			t.Errorf("preflight\n%s", p)
		}
		d.refused("is not among its recipients", "notice", "preview", id, "--address", "caro@example.com")
		bare, _ := d.tells("notice", "create", "--title", "Restore", "--template", "restore-completed", "--audience", keep(t, "b.csv", "email,subject\nann@example.com,x\n"))
		d.refused(`recipient 1 (ann@example.com) has no "date"`, "notice", "preview", last(bare))
	})
}

func TestATestOfANoticeGoesThroughTheTrueRelay(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	s := boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), relay.URL(""))})
	id := s.call("POST", "/notices", object{"title": "Restore", "template": "restore-completed", "body": "It is done."}, 201).text("id")
	s.audience(id, restoredFile, 202)
	said := s.call("POST", "/notices/"+id+"/test", object{"to": "staff@example.net", "address": "ann@example.com"}, 200)
	mails := relay.Messages()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	l := readLetter(t, mails[0])
	if l.to != "staff@example.net" || l.subject != said.text("subject") || !strings.HasPrefix(l.subject, "[TEST] ") || !strings.Contains(l.text, "Invoice 17") || strings.Contains(l.text, "Rechnung") {
		t.Errorf("mailed %q to %s\n%s", l.subject, l.to, l.raw)
	}
	p := s.call("GET", "/notices/"+id+"/preflight", nil, 200)
	if w, _ := p["warnings"].([]any); len(w) != 0 {
		t.Errorf("preflight warns of %v", w)
	}
	if c, _ := p["checks"].([]any); len(c) != 2 || !strings.Contains(fmt.Sprint(c[0]), "unsigned") || !strings.Contains(fmt.Sprint(c[1]), "answers") {
		t.Errorf("preflight found %v", p["checks"])
	}
}
