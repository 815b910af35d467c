package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-smtp"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

func TestAfterwardsEveryoneCanBeToldWhatBecameOfTheirMail(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		var mended atomic.Bool
		relay := emailtest.NewServer(t, emailtest.Options{OnRcpt: func(_, to string) error {
			if to == "a2@example.com" && !mended.Load() {
				return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user here"}
			}
			return nil
		}})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		d := &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + dsn, "USER=kari"}}
		follow(t, s.db, 3)
		incident, event := s.announce("Mail is late", nil)
		if c := s.done(event); c[notifier.Failed] != 1 || c[notifier.Sent] != 2 {
			t.Fatalf("counts %v", c)
		}
		for address, state := range map[string]string{"a1@example.com": "sent", "a2@example.com": "failed"} {
			out := d.ok("told", address)
			if !strings.HasPrefix(out, "ACCEPTED") || !strings.Contains(out, "Z  "+state+" ") || !strings.Contains(out, "incident.created  Mail is late") {
				t.Errorf("told %s:\n%s", address, out)
			}
		}
		if out := d.ok("told", "a2@example.com"); !strings.Contains(out, ", failed: 550 5.1.1 no such user here ("+relay.Addr+", delivery ") {
			t.Errorf("told of a failed one:\n%s", out)
		}
		// The domain counts in any case; what stands before the @ as it is written.
		if out := d.ok("told", "A1@Example.COM"); out != "nothing was sent to exactly A1@example.com; a1@example.com differs in case only: ask for that\n" {
			t.Errorf("told of another case: %q", out)
		}
		var row struct {
			ID, State, Reply, Relay, Title string
			EventID                        string `json:"event_id"`
		}
		if err := json.Unmarshal([]byte(d.ok("told", "a2@example.com", "--json")), &row); err != nil || row.State != "failed" || !strings.Contains(row.Reply, "no such user here") || row.Relay != relay.Addr || row.EventID != event || row.Title != "Mail is late" {
			t.Fatalf("told as JSON: %+v, %v", row, err)
		}
		shown := d.ok("incident", "show", incident)
		if want := "  failed: " + row.ID + "  550 5.1.1 no such user here (" + relay.Addr + ")\n"; !strings.Contains(shown, want) {
			t.Errorf("no %q in:\n%s", want, shown)
		}
		if !strings.Contains(shown, "mail: done, 2 sent, 1 failed (event "+event+")") {
			t.Errorf("incident show:\n%s", shown)
		}
		mended.Store(true)
		if out := d.ok("queue", "retry", event); out != "failed deliveries that are tried again: 1\n" {
			t.Errorf("retry: %q", out)
		}
		if c := s.done(event); c[notifier.Sent] != 3 {
			t.Fatalf("after the retry: %v", c)
		}
		d.refused("", "queue", "retry", row.ID)

		var data struct {
			Subscriber  map[string]any   `json:"subscriber"`
			Suppression map[string]any   `json:"suppression"`
			Deliveries  []map[string]any `json:"deliveries"`
		}
		d.ok("suppression", "add", "a2@example.com", "--note", "asked by phone")
		if err := json.Unmarshal([]byte(d.ok("subscriber", "data", "a2@example.com")), &data); err != nil {
			t.Fatal(err)
		}
		if data.Subscriber["address"] != "a2@example.com" || data.Suppression["note"] != "asked by phone" || len(data.Deliveries) != 1 {
			t.Errorf("data: %+v", data)
		}
		if out := d.ok("told", "a2@example.com"); !strings.HasPrefix(out, "a2@example.com is suppressed (manual, ") {
			t.Errorf("told of a suppressed one:\n%s", out)
		}
		// A file that names it does not revive it.
		file := keep(t, "again.csv", "address,state\na2@example.com,active\n")
		if out := d.ok("subscriber", "import", file, "--overwrite"); !strings.Contains(out, "1 suppressed") {
			t.Errorf("import: %q", out)
		}
	})
}

func TestAPauseHoldsBackOnlyWhatItNames(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		d := &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + dsn, "USER=kari"}}
		follow(t, s.db, 4)
		d.ok("queue", "pause", "lane", "routine")
		before, err := s.db.Pulse(t.Context())
		if err != nil || !before.Paused(notifier.PauseLane, "routine") {
			t.Fatalf("pulse %+v, %v", before, err)
		}
		_, post := s.announce("More room", object{"kind": "post", "severity": "none"})
		_, urgent := s.announce("Mail is late", nil)
		s.done(urgent)
		p, err := s.db.Progress(t.Context(), post)
		if err != nil || p.Counts[notifier.Sent] != 0 {
			t.Fatalf("of the paused lane %d were sent, %v", p.Counts[notifier.Sent], err)
		}
		waitProgress(t, s.db, post, func(p notifier.Progress) bool { return p.Total == 4 })
		if out := d.ok("queue", "status"); !strings.Contains(out, "email    routine        4        0     0") {
			t.Errorf("status:\n%s", out)
		}
		var shown struct {
			Depths []struct{ Lane, Channel string }
			Pauses []struct{ Scope, Key, By string }
		}
		if err := json.Unmarshal([]byte(d.ok("queue", "status", "--json")), &shown); err != nil || len(shown.Pauses) != 1 || shown.Pauses[0].By != "local:kari" {
			t.Errorf("status as JSON: %+v, %v", shown, err)
		}
		d.ok("queue", "resume", "lane", "routine")
		if c := s.done(post); c[notifier.Sent] != 4 {
			t.Errorf("after resuming: %v", c)
		}
		d.ok("queue", "pause", "relay", relay.Addr)
		eventually(t, "the relay is paused", func() bool { return s.pool.Relays()[0].Paused })
		_, held := s.announce("Mail is late again", nil)
		waitProgress(t, s.db, held, func(p notifier.Progress) bool { return p.Total == 4 })
		d.ok("queue", "resume", "relay", relay.Addr)
		if c := s.done(held); c[notifier.Sent] != 4 {
			t.Errorf("after resuming the relay: %v", c)
		}
	})
}

func TestARepeatedPostIsAcceptedOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		follow(t, s.db, 3)
		ids := map[string]bool{}
		for range 3 {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL()+"/api/v1/incidents", strings.NewReader(`{"title":"Mail is late","body":"Late."}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+s.token)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Idempotency-Key", "once")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			var said object
			err = json.NewDecoder(res.Body).Decode(&said)
			_ = res.Body.Close()
			if err != nil || res.StatusCode != http.StatusCreated {
				t.Fatalf("%s, %v", res.Status, err)
			}
			ids[said.text("event_id")] = true
		}
		if len(ids) != 1 {
			t.Fatalf("%d events", len(ids))
		}
		for id := range ids {
			s.done(id)
		}
		if n := len(relay.Messages()); n != 3 {
			t.Errorf("%d mails, want 3", n)
		}
	})
}

func TestWhoIsAddedWhileAnIncidentGoesOnIsToldOfItsEndOnlyIfTheyWereTold(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		d := &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + dsn, "USER=kari"}}
		d.ok("component", "add", "imap7")
		d.ok("component", "add", "web")
		d.ok("subscriber", "add", "told@example.com", "--active", "-c", "imap7")
		d.ok("subscriber", "add", "other@example.com", "--active", "-c", "web")
		incident, opened := s.announce("imap7 does not answer", object{"components": []string{"imap7"}})
		s.done(opened)
		// By now it touches the web only; who was told of it hears of the end all the same (I4).
		said := s.call("POST", "/incidents/"+incident+"/updates", object{"status": "resolved", "body": "Over.", "components": []string{"web"}}, http.StatusCreated)
		s.done(said.text("event_id"))
		if got := byReader(t, relay.Messages())["told@example.com"]; len(got) != 2 || !strings.Contains(got[1].subject, "Resolved") {
			t.Errorf("who was told got %d mails", len(got))
		}
	})
}
