package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"allclear/notifier/email/emailtest"
)

func TestTheProgramRemindsOfMaintenance(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay, clock := emailtest.NewServer(t, emailtest.Options{}), &movingClock{}
		o := programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off")), now: clock.now}
		s := boot(t, o)
		follow(t, s.db, 2)
		starts := clock.now().Add(25 * time.Hour)
		said := s.call("POST", "/incidents", object{
			"title": "A new shelf", "kind": "maintenance", "body": "You will have to log in again.",
			"starts_at": starts.Format(time.RFC3339), "ends_at": starts.Add(2 * time.Hour).Format(time.RFC3339),
		}, http.StatusCreated)
		s.done(said.text("event_id"))
		s.stop()
		clock.forward(90 * time.Minute)
		next := boot(t, o) // it looks at its start
		relay.WaitFor(4)
		mail := string(relay.Messages()[3].Data)
		if !strings.Contains(mail, "Subject: Reminder: A new shelf") || !strings.Contains(mail, "A reminder: this work begins on") || !strings.Contains(mail, said.text("id")+"@") {
			t.Errorf("it says:\n%s", mail)
		}
		next.stop()
	})
}

func TestRemindersAreLookedForEveryFewSecondsAndTroubleIsToldOfOnce(t *testing.T) {
	var log lockedBuffer
	ctx, end := context.WithCancel(t.Context())
	defer end()
	answers := []error{errors.New("away"), errors.New("away"), nil}
	asked := 0
	reminding{
		before: []time.Duration{time.Hour}, log: slog.New(slog.NewTextHandler(&log, nil)),
		remind: func(_ context.Context, before []time.Duration) (int, error) {
			if len(before) != 1 {
				t.Errorf("%v", before)
			}
			asked++
			return 1, answers[asked-1]
		},
		rest: func(_ context.Context, d time.Duration) bool { return d == remindEvery && asked < len(answers) },
	}.run(ctx)
	if asked != 3 || strings.Count(log.String(), "remind of maintenance") != 1 || !strings.Contains(log.String(), "reminded of maintenance") {
		t.Errorf("asked %d times:\n%s", asked, &log)
	}
}

func TestTheSettingOfRemindersIsRead(t *testing.T) {
	for given, want := range map[string]int{"": 2, "24h,1h": 2, "off": 0, "48h": 1, "2h, 30m,1m": 3} {
		if got, err := (&Reminding{given}).reminders(); err != nil || len(got) != want {
			t.Errorf("%q: %v, %v", given, got, err)
		}
	}
}
