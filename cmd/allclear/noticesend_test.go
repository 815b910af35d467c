package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
)

// crowd is a file of n recipients with 1 to 50 rows each, in an order that
// mixes them; every row holds a word that only its recipient may see.
func crowd(n int) (file string, rows int) {
	var b strings.Builder
	b.WriteString("email,account,subject,date,folder\n")
	for round := range 50 {
		for i := range n {
			if round > i%50 {
				continue
			}
			rows++
			fmt.Fprintf(&b, "a%d@example.com,acc%d,canary%dx%d,2026-11-20 09:%02d,Inbox\n", i, i, i, round, round)
		}
	}
	return b.String(), rows
}

func TestEverybodyGetsOneMailWithTheirOwnRowsOnly(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		const n = 120 // more than may be sent without a second person
		relay := emailtest.NewServer(t, emailtest.Options{})
		settings := settingsFor(t, dsn, relay.URL("tls=off"))
		settings.ApprovalAbove = "100"
		s := boot(t, programOptions{settings: settings})
		d := &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + dsn, "USER=kari", "ALLCLEAR_APPROVAL_ABOVE=100", "ALLCLEAR_FROM=status@fjordpost.example"}}
		file, rows := crowd(n)
		incident, _ := s.announce("imap7 is down", nil)
		id := last(d.ok("notice", "create", "--title", "Restore of imap7", "--incident", incident, "--template", "restore-completed", "--body", keep(t, "b", "It is done.\n\n{{rows}}"), "--audience", keep(t, "a.csv", file)))
		if out := d.ok("incident", "update", incident, "--after-notice", id, "-m", "{{notice.sent}} were told, {{notice.failed}} could not be."); !strings.Contains(out, "waits until everyone was tried of notice "+id) {
			t.Errorf("held %q", out)
		}
		if shown := d.ok("incident", "show", incident); !strings.Contains(shown, "waits for notice "+id+" (draft) to be tried") {
			t.Errorf("shown\n%s", shown)
		}
		code, out, errs := runOnce(t, d.environ, "notice", "send", id, "--yes")
		if code != exitFailed || out != "" || !strings.Contains(errs, "needs the approval of 1 other person") {
			t.Fatalf("sent without approval: exit %d %q %q", code, out, errs)
		}
		d.refused("never the second person", "notice", "approve", id)
		s.call("POST", "/notices/"+id+"/approve", nil, 202)
		status := d.ok("notice", "status", id)
		if !strings.Contains(status, "approved    by token:test") {
			t.Errorf("status\n%s", status)
		}
		eventually(t, "the notice is done", func() bool { return d.status(id)["state"] == "done" })
		for to, mails := range byReader(t, relay.Messages()) {
			if len(mails) != 1 {
				t.Fatalf("%s got %d mails", to, len(mails))
			}
			var i int
			if _, err := fmt.Sscanf(to, "a%d@example.com", &i); err != nil {
				t.Fatal(err)
			}
			own := strings.Count(string(mails[0].raw), fmt.Sprintf("canary%dx", i))
			if all := strings.Count(string(mails[0].raw), "canary"); own != all || own < 2*(i%50+1) {
				t.Fatalf("%s reads %d rows of its own and %d of others", to, own, all-own)
			}
			if mails[0].leave != "" || !strings.Contains(mails[0].id, d.status(id).text("event_id")) {
				t.Fatalf("%s: %s", to, mails[0].raw)
			}
		}
		if got := len(relay.Messages()); got != n {
			t.Fatalf("%d mails, want %d", got, n)
		}
		eventually(t, "the update that waited is published", func() bool {
			_, page := get(t, s.URL()+"/incidents/"+incident)
			return strings.Contains(page, fmt.Sprintf("%d were told, 0 could not be.", n))
		})
		got := d.status(id)
		if got["rows"] != float64(rows) || got["tried"] != float64(n) || got["counts"].(map[string]any)["sent"] != float64(n) || got["done_at"] == nil {
			t.Errorf("status %v", got)
		}
		report := filepath.Join(t.TempDir(), "report.csv")
		d.ok("notice", "report", id, "--out", report)
		text, err := os.ReadFile(report)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
		if err != nil || len(lines) != n+1 {
			t.Fatalf("%d lines, %v", len(lines), err)
		}
		ids := map[string]string{}
		for _, l := range byReader(t, relay.Messages()) {
			ids[l[0].to] = l[0].id
		}
		for _, line := range lines[1:] {
			if line[3] != "sent" || line[4] == "" || !strings.HasPrefix(line[6], "250") || line[9] != ids[line[0]] || !strings.HasPrefix(line[2], "acc") {
				t.Fatalf("reported %q, mailed %s", line, ids[line[0]])
			}
		}
		if _, viaAPI := get(t, s.URL()+"/api/v1/notices/"+id+"/report.csv", "Authorization", "Bearer "+s.token); viaAPI != string(text) {
			t.Error("the API reports otherwise than the command line")
		}
		if _, viaAPI := get(t, s.URL()+"/api/v1/notices/"+id, "Authorization", "Bearer "+s.token); viaAPI != d.ok("notice", "status", id, "--json") {
			t.Errorf("the API shows otherwise than the command line: %s", viaAPI)
		}
		if told := d.ok("told", "a7@example.com"); !strings.Contains(told, "notice.sent") || !strings.Contains(told, "Restore of imap7") {
			t.Errorf("told %q", told)
		}
	})
}

func TestWhatNobodyCouldBeWrittenIsRefusedBeforeItIsSent(t *testing.T) {
	relay := emailtest.NewServer(t, emailtest.Options{})
	s := boot(t, programOptions{settings: settingsFor(t, storetest.DSN(t, "sqlite"), relay.URL("tls=off"))})
	id := s.call("POST", "/notices", object{"title": "x", "template": "blank", "body": "Dear {{names}}."}, 201).text("id")
	s.audience(id, plainCrowd(2), 202)
	if said := s.call("POST", "/notices/"+id+"/send", object{"expect": 2}, 422); !strings.Contains(said.text("detail"), "did you mean {{name}}") {
		t.Errorf("refused with %v", said)
	}
	tools, err := s.noticeDesk()
	if err != nil {
		t.Fatal(err)
	}
	var invalid *notifier.Invalid
	if _, err := (careful{accepting{s.db, s.metrics}, tools}).OrderNotice(t.Context(), id, notifier.NoticeOrder{Expect: 2}, 1000, notifier.Event{ID: "e"}); !errors.As(err, &invalid) {
		t.Errorf("by the console: %v", err)
	}
}

func TestSendingAtTheCommandLineWaitsAndTellsTheAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{OnRcpt: func(_, to string) error {
			if strings.HasPrefix(to, "bad") {
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
			}
			return nil
		}})
		boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		d := &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + dsn, "USER=kari"}}
		id := last(d.ok("notice", "create", "--title", "Account", "--template", "account-affected", "--body", keep(t, "b", "Dear {{name}}, your account was affected."), "--audience",
			keep(t, "a.csv", "email,name\nann@example.com,Ann\nbad@example.com,Bob\n")))
		if code, _, errs := runOnce(t, d.environ, "notice", "send", id); code != exitFailed || !strings.Contains(errs, "domains     example.com 2\n") || !strings.Contains(errs, "nothing is sent without --yes") {
			t.Errorf("without --yes: exit %d\n%s", code, errs)
		}
		d.refused("3 recipients were expected, and it has 2", "notice", "send", id, "--yes", "--expect", "3")
		d.refused("1 rejected rows were accepted, and it has 0", "notice", "send", id, "--yes", "--accept-rejects", "1")
		code, out, errs := runOnce(t, d.environ, "notice", "send", id, "--yes", "--expect", "2", "--wait")
		if code != exitFailed || !strings.Contains(out, "goes out to 2 recipients") || !strings.Contains(last(out), "2 of 2 tried: 1 sent, 1 failed") ||
			!strings.Contains(errs, "1 recipient failed or bounced: allclear notice report "+id) {
			t.Errorf("exit %d, printed %q, %q", code, out, errs)
		}
		if told := d.ok("told", "bad@example.com"); !strings.Contains(told, "failed: 550") || strings.Contains(told, "(, ") {
			t.Errorf("told\n%s", told)
		}
		lacks := last(d.ok("notice", "create", "--title", "Account", "--template", "blank", "--body", keep(t, "b", "Dear {{name}}"), "--audience", keep(t, "l.csv", "email,name\nann@example.com,Ann\nbob@example.com,\n")))
		if out := d.ok("notice", "send", lacks, "--yes", "--accept-missing", "1", "--wait"); !strings.Contains(last(out), "1 sent, 1 failed") {
			t.Errorf("printed %q", out)
		}
		if told := d.ok("told", "bob@example.com"); !strings.Contains(told, `no "name" (delivery `) && !strings.Contains(told, `empty "name" (delivery `) {
			t.Errorf("told\n%s", told)
		}
		d.ok("suppression", "add", "caro@example.com")
		mixed := last(d.ok("notice", "create", "--title", "Account", "--template", "blank", "--body", keep(t, "m", "Dear {{name}}"), "--audience", keep(t, "m.csv", "email,name\nbob@example.com,\ncaro@example.com,\nbad@example.com,Bad\n")))
		code, out, errs = runOnce(t, d.environ, "notice", "send", mixed, "--yes", "--accept-missing", "2", "--wait")
		if code != exitFailed || !strings.Contains(errs, "1 recipient failed or bounced, beside those who lack") {
			t.Errorf("a failure hides behind who was accepted and is suppressed: exit %d, printed %q, %q", code, out, errs)
		}
		again := last(d.ok("notice", "create", "--title", "Correction", "--template", "account-affected", "--audience",
			keep(t, "e.csv", "email,name\nann@example.com,Ann\nbad@example.com,Bob\ncaro@example.com,Caro\n"), "--exclude-notice", id))
		if got := d.status(again); got["recipients"] != 2.0 {
			t.Errorf("whom the other notice reached was not left out: %v", got)
		}
		if out := d.ok("notice", "retry-failed", id); out != "failed deliveries that are tried again: 1\n" {
			t.Errorf("retried %q", out)
		}
		d.refused("no notice", "notice", "send", "nosuch", "--yes")
		later := last(d.ok("notice", "create", "--title", "Later", "--template", "blank", "--body", keep(t, "c", "x"), "--audience", keep(t, "d.csv", "email\nann@example.com\n")))
		if out := d.ok("notice", "send", later, "--yes", "--at", "2099-01-01 00:00 UTC"); !strings.Contains(out, "goes out at 2099-01-01 00:00:00Z") {
			t.Errorf("scheduled %q", out)
		}
		if out := d.ok("notice", "cancel", later); !strings.Contains(out, "is cancelled") {
			t.Errorf("cancelled %q", out)
		}
	})
}
