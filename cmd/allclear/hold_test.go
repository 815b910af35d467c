package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

// holding is a service that holds news down for ten minutes, its relay, and its
// staff's command line.
func holding(t *testing.T, dsn string, clock *movingClock) (*service, *emailtest.Server, *desktop) {
	t.Helper()
	relay := emailtest.NewServer(t, emailtest.Options{})
	settings := settingsFor(t, dsn, relay.URL("tls=off"))
	settings.HoldDown = "10m"
	s := boot(t, programOptions{settings: settings, now: clock.now})
	return s, relay, &desktop{t: t, environ: []string{"ALLCLEAR_DATABASE=" + dsn, "USER=kari", "ALLCLEAR_HOLD_DOWN=10m"}}
}

func TestAnIncidentThatIsOverWithinTheHoldDownIsOneMail(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s, relay, d := holding(t, dsn, &movingClock{})
		follow(t, s.db, 3)
		incident, event := s.announce("Mail is slow", nil)
		shown := s.call("GET", "/events/"+event, nil, http.StatusOK)
		if shown.text("state") != "expanding" || shown.text("held_until") == "" {
			t.Errorf("while it is held: %v", shown)
		}
		if out := d.ok("incident", "show", incident); !strings.Contains(out, "mail: held until ") || !strings.Contains(out, "nobody told yet") {
			t.Errorf("incident show:\n%s", out)
		}
		res, err := http.Get(s.URL() + "/incidents/" + incident)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("the public page: %v, %v", res, err)
		} else {
			res.Body.Close()
		}
		over := s.update(incident, "resolved", "All is well.")
		if c := s.done(over); c[notifier.Sent] != 3 {
			t.Errorf("the all-clear: %v", c)
		}
		if c := s.done(event); c[notifier.Superseded] != 3 || c[notifier.Sent] != 0 {
			t.Errorf("what it took the place of: %v", c)
		}
		mails := relay.Messages()
		if len(mails) != 3 {
			t.Fatalf("%d mails", len(mails))
		}
		if text := string(mails[0].Data); !strings.Contains(text, "Subject: Resolved: Mail is slow") || !strings.Contains(text, "There was a disturbance from") || !strings.Contains(text, "It began") {
			t.Errorf("it says:\n%s", text)
		}
	})
}

// The process that took it in is gone when its time is over.
func TestWhatIsHeldGoesOutByTheNextProcess(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		clock := &movingClock{}
		s, first, _ := holding(t, dsn, clock)
		follow(t, s.db, 2)
		_, event := s.announce("Mail is slow", nil)
		s.stop()
		clock.forward(11 * time.Minute)
		next, relay, _ := holding(t, dsn, clock)
		if c := next.done(event); c[notifier.Sent] != 2 || len(relay.Messages()) != 2 || len(first.Messages()) != 0 {
			t.Errorf("%v; %d mails, and %d before", c, len(relay.Messages()), len(first.Messages()))
		}
	})
}

func TestStaffAtTheCommandLineHoldAndSendNow(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s, _, d := holding(t, dsn, &movingClock{})
		follow(t, s.db, 1)
		out := d.ok("incident", "open", "Mail is slow")
		if !strings.Contains(out, "held until ") || !strings.Contains(out, "allclear incident release ") {
			t.Fatalf("incident open:\n%s", out)
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(out, "opened incident "), ":")
		_, rest, _ := strings.Cut(out, "(event ")
		event, _, _ := strings.Cut(rest, ")")
		if out := d.ok("queue", "status"); !strings.HasPrefix(out, "held until ") || !strings.Contains(out, ": Mail is slow; allclear incident release "+id) {
			t.Errorf("queue status:\n%s", out)
		}
		if out := d.ok("queue", "status", "--json"); !strings.Contains(out, `"incident_id": "`+id+`"`) {
			t.Errorf("queue status:\n%s", out)
		}
		if out := d.ok("incident", "release", id); !strings.HasPrefix(out, "what was held goes out now") {
			t.Errorf("incident release: %q", out)
		}
		if c := s.done(event); c[notifier.Sent] != 1 {
			t.Errorf("%v", c)
		}
		d.refused("nothing of this incident is held back", "incident", "release", id)
		d.refused("no incident", "incident", "release", "none")

		id, _, _ = strings.Cut(strings.TrimPrefix(d.ok("incident", "open", "A mistake"), "opened incident "), ":")
		d.ok("incident", "retract", id)
		if out := d.ok("incident", "show", id); !strings.Contains(out, "taken back while it was held, nobody was told") {
			t.Errorf("incident show:\n%s", out)
		}
		id, _, _ = strings.Cut(strings.TrimPrefix(d.ok("incident", "open", "Worse than it seemed"), "opened incident "), ":")
		if out := d.ok("incident", "correct", id, "--title", "Much worse"); !strings.Contains(out, "nobody is mailed") {
			t.Errorf("incident correct:\n%s", out)
		}
		if out := d.ok("incident", "correct", id, "--severity", "critical"); !strings.Contains(out, "what was held goes out now") || strings.Contains(out, "nobody") {
			t.Errorf("incident correct:\n%s", out)
		}
		if out := d.ok("incident", "open", "Everything is down", "--severity", "critical"); !strings.Contains(out, "telling everyone who asked") {
			t.Errorf("critical:\n%s", out)
		}
	})
}
