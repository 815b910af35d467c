package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/subscribers"
)

func TestADigestComesThroughTheWholeServiceOnItsSchedule(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		clock := &movingClock{}
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off")), now: clock.now})
		const n = 6
		follow(t, s.db, n, func(x *subscribers.Subscriber) {
			x.Timezone, x.Language = "Europe/Oslo", "en"
			if x.Address != "a1@example.com" {
				x.Cadence = subscribers.Daily
			}
		})
		var runs int
		eventually(t, "the schedule is planned", func() bool {
			s.digests.Nudge()
			all, err := s.db.DigestCalendar(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			runs = len(all)
			return runs == 1 && !all[0].At.IsZero()
		})
		incident, first := s.announce("imap7 is down", object{"body": "A shelf failed."})
		s.done(first)
		second := s.update(incident, "resolved", "All of it is back.")
		s.done(second)
		if got := relay.WaitFor(2); len(got) != 2 {
			t.Fatalf("%d mails at once", len(got))
		}
		clock.forward(25 * time.Hour)
		s.digests.Nudge()
		got := byReader(t, relay.WaitFor(2+n-1))
		for reader, mails := range got {
			if reader == "a1@example.com" {
				continue
			}
			if len(mails) != 1 {
				t.Fatalf("%s got %d mails", reader, len(mails))
			}
			m := mails[0]
			if m.subject != "Your daily digest: imap7 is down · Over" || m.references != "" || m.inReplyTo != "" || m.leave == "" {
				t.Errorf("%s got %q (references %q, to leave %q)", reader, m.subject, m.references, m.leave)
			}
			for _, want := range []string{"imap7 is down", "All of it is back.", "CET)", "/manage/"} {
				if !strings.Contains(m.text, want) && !(want == "CET)" && strings.Contains(m.text, "CEST)")) {
					t.Errorf("%s is not told %q", reader, want)
				}
			}
		}
		// Whoever turns to every word at once is owed what waits.
		s.announce("Mail is late", object{"body": "By minutes."})
		relay.WaitFor(2 + n - 1 + 1)
		who, err := findSubscriber(t.Context(), s.db, "a2@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.ChangeSubscriber(t.Context(), who.Number, func(x *subscribers.Subscriber) error {
			x.Cadence = subscribers.Instant
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		s.digests.Nudge()
		all := byReader(t, relay.WaitFor(2+n-1+2))
		if mails := all["a2@example.com"]; len(mails) != 2 || !strings.HasPrefix(mails[1].subject, "What waited for your next digest") || !strings.Contains(mails[1].text, "Mail is late") {
			t.Errorf("%+v", mails)
		}
	})
}

func TestDigestsAreLookedAtAndMadeByHand(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		environ := []string{"ALLCLEAR_DATABASE=" + dsn, "ALLCLEAR_DIGEST_HOUR=7", "ALLCLEAR_TIMEZONE=Europe/Oslo", "USER=kari"}
		run := func(args ...string) string {
			t.Helper()
			code, out, errs := runOnce(t, environ, args...)
			if code != 0 {
				t.Fatalf("%s: exit %d, %s", strings.Join(args, " "), code, errs)
			}
			return out
		}
		run("migrate")
		if out := run("digest", "calendar"); out != "nobody gets a digest within 7 days\n" {
			t.Errorf("%q", out)
		}
		run("subscriber", "add", "ann@example.com", "--active", "--cadence", "daily", "--zone", "Asia/Kathmandu")
		run("subscriber", "add", "bob@example.com", "--active", "--cadence", "weekly", "--hour", "18", "--weekday", "friday", "--critical")
		run("subscriber", "add", "cyd@example.com", "--active")
		if out := run("subscriber", "show", "bob@example.com"); !strings.Contains(out, "at 18:00 on Fridays; what is critical at once") {
			t.Errorf("%s", out)
		}
		out := run("digest", "calendar", "--json", "--days", "7")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if len(lines) != 8 {
			t.Fatalf("%d runs: %s", len(lines), out)
		}
		for _, line := range lines {
			var got comingRun
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatal(err)
			}
			ok := got.Cadence == subscribers.Daily && got.Spec == "CRON_TZ=Asia/Kathmandu 0 7 * * *" && got.Zone == "Asia/Kathmandu" && got.At.UTC().Format("15:04") == "01:15" && strings.HasSuffix(got.Local, " 07:00 UTC+5:45") ||
				got.Cadence == subscribers.Weekly && got.Spec == "CRON_TZ=Europe/Oslo 0 18 * * 5" && strings.HasPrefix(got.Local, "Fri ") && strings.Contains(got.Local, " 18:00 CE")
			if !ok || got.Readers != 1 {
				t.Errorf("%s", line)
			}
		}
		if out := run("digest", "preview", "--subscriber", "ann@example.com"); out != "ann@example.com has missed nothing; there would be no mail\n" {
			t.Errorf("%q", out)
		}
		run("subscriber", "add", "dan@example.com", "--active", "--cadence", "daily", "--all-quiet")
		if out := run("digest", "preview", "--subscriber", "dan@example.com"); !strings.HasPrefix(out, "Subject: Your daily digest: nothing new") {
			t.Errorf("who wants one on quiet days: %q", out)
		}
		run("subscriber", "erase", "dan@example.com", "--yes")
		run("incident", "open", "imap7 is down", "--severity", "critical", "-m", "A shelf failed.")
		// The fan-out is serve's: as nobody runs it, it is still to come.
		if out := run("digest", "preview", "--subscriber", "ann@example.com"); !strings.HasPrefix(out, "Subject: Your daily digest: imap7 is down · Still open\n") || !strings.Contains(out, "A shelf failed.") {
			t.Errorf("%q", out)
		}
		if _, out, errs := runOnce(t, append(environ, "ALLCLEAR_LISTEN=:9090"), "digest", "preview", "--subscriber", "ann@example.com"); !strings.Contains(out, "http://127.0.0.1:9090/incidents/") || errs != "" {
			t.Errorf("its links lead elsewhere than serve's would: %s\n%s", errs, out)
		}
		if code, _, errs := runOnce(t, environ, "digest", "preview", "--subscriber", "cyd@example.com"); code != exitFailed || !strings.Contains(errs, "its cadence is instant") {
			t.Errorf("exit %d, %s", code, errs)
		}
		if out := run("digest", "run"); !strings.HasPrefix(out, "made 0 digests; the next are due at ") {
			t.Errorf("%q", out)
		}
		// To bob, what is critical is still to come at once.
		at := time.Now().Add(10 * 24 * time.Hour).UTC().Format(time.RFC3339)
		var made struct{ Made int }
		if err := json.Unmarshal([]byte(run("digest", "run", "--at", at, "--json")), &made); err != nil || made.Made != 1 {
			t.Errorf("%+v, %v", made, err)
		}
		if out := run("digest", "run", "--at", at); !strings.HasPrefix(out, "made 0 digests") {
			t.Errorf("%q", out)
		}
		// The ten days are used up.
		if out := run("digest", "calendar", "--days", "7"); out != "nobody gets a digest within 7 days\n" {
			t.Errorf("%q", out)
		}
		var first comingRun
		if err := json.NewDecoder(strings.NewReader(run("digest", "calendar", "--json", "--days", "30"))).Decode(&first); err != nil || first.At.UTC().Format(time.RFC3339) <= at {
			t.Errorf("%+v, %v", first, err)
		}
		if out := run("told", "ann@example.com"); !strings.Contains(out, "daily digest of ") || !strings.Contains(out, string(notifier.Pending)) {
			t.Errorf("%q", out)
		}
		if code, _, errs := runOnce(t, environ, "digest", "run", "--at", "someday"); code != exitUsage && code != exitFailed || !strings.Contains(errs, "is no time") {
			t.Errorf("exit %d, %s", code, errs)
		}
	})
}

func TestTheServiceThatWasStartedLastDecidesWhenDigestsCome(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		start := func(hour, zone string) *service {
			settings := settingsFor(t, dsn, "mailbox:")
			settings.DigestHour, settings.Timezone = hour, zone
			return boot(t, programOptions{settings: settings})
		}
		first := start("9", "UTC")
		follow(t, first.db, 1, func(x *subscribers.Subscriber) { x.Cadence = subscribers.Daily })
		if strings.Contains(first.log.String(), "hour or zone") {
			t.Errorf("the first warns: %s", first.log)
		}
		second := start("17", "Asia/Tokyo")
		if text := second.log.String(); !strings.Contains(text, `before="9 UTC" now="17 Asia/Tokyo"`) {
			t.Errorf("the second does not warn: %s", text)
		}
		eventually(t, "the first follows and says so", func() bool {
			first.digests.Nudge()
			return strings.Contains(first.log.String(), `ours="9 UTC" theirs="17 Asia/Tokyo"`)
		})
		eventually(t, "the schedule is planned by the second's", func() bool {
			all, err := first.db.DigestCalendar(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(all) == 1 && all[0].At.UTC().Format("15:04") == "08:00"
		})
		if strings.HasPrefix(dsn, "postgres") { // a worker follows, whatever it was given
			settings := settingsFor(t, dsn, "smtp://127.0.0.1:9")
			settings.DigestHour, settings.BaseURL, settings.Listen = "5", "https://status.example.com", ""
			boot(t, programOptions{settings: settings, worker: true})
			if set, err := first.db.DigestSetting(t.Context()); err != nil || set != "17 Asia/Tokyo" {
				t.Errorf("a worker made it %q, %v", set, err)
			}
		}
		// Who starts one without them means to move nobody's.
		for _, given := range [][2]string{{"", ""}, {"17", ""}, {"", "Asia/Tokyo"}} {
			third := start(given[0], given[1])
			if set, err := third.db.DigestSetting(t.Context()); err != nil || set != "17 Asia/Tokyo" || strings.Contains(third.log.String(), "hour or zone") {
				t.Errorf("%v made it %q, %v: %s", given, set, err, third.log)
			}
			third.stop()
		}
		// A command that was not given the service's settings plans by them all the same.
		code, out, errs := runOnce(t, []string{"ALLCLEAR_DATABASE=" + dsn}, "digest", "run")
		if code != exitDone || !strings.Contains(out, "T08:00:00Z") && !strings.Contains(out, "08:00") || strings.Count(errs, `theirs="17 Asia/Tokyo"`) != 1 {
			t.Errorf("exit %d, %q, %q", code, out, errs)
		}
		if code, out, errs := runOnce(t, []string{"ALLCLEAR_DATABASE=" + dsn}, "digest", "calendar", "--days", "2"); code != exitDone || !strings.Contains(out, "Asia/Tokyo") {
			t.Errorf("exit %d, %q, %q", code, out, errs)
		}
	})
}

func TestAMistypedYearDoesNotUseUpEveryDigestUntilThen(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s := boot(t, programOptions{settings: settingsFor(t, dsn, "mailbox:")})
		follow(t, s.db, 1, func(x *subscribers.Subscriber) { x.Cadence = subscribers.Daily })
		code, out, errs := runOnce(t, []string{"ALLCLEAR_DATABASE=" + dsn}, "digest", "run", "--at", s.db.Now().AddDate(9, 0, 0).UTC().Format(time.RFC3339))
		if code != exitFailed || out != "" || !strings.Contains(errs, "at: lies more than a year ahead") {
			t.Errorf("exit %d, %q, %q", code, out, errs)
		}
	})
}
