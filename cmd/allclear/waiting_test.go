package main

import (
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

func TestWhatWaitsForQuietHoursOrAnotherDaysBudgetShowsUntilWhen(t *testing.T) {
	now := time.Date(2026, 11, 23, 22, 30, 0, 0, time.UTC)
	morning := time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		d    notifier.Delivery
		want string
	}{
		{notifier.Delivery{State: notifier.Pending, DueAt: morning}, "waits till 2026-11-24 06:00Z"},
		{notifier.Delivery{State: notifier.Pending, DueAt: now}, "-"},
		{notifier.Delivery{State: notifier.Pending, DueAt: notifier.UntilResumed}, "-"},
		{notifier.Delivery{State: notifier.Pending, DueAt: morning, TriedAt: now}, "again 06:00Z"},
		{notifier.Delivery{State: notifier.Sent, SentAt: now}, "22:30:00Z"},
	} {
		if got := became(c.d, now); got != c.want {
			t.Errorf("%+v: %q, want %q", c.d, got, c.want)
		}
	}
}

func TestAnAnswerIsToldWithTheTimeOfTheTryItIsFor(t *testing.T) {
	accepted := time.Date(2026, 11, 27, 23, 57, 57, 0, time.UTC)
	d := notifier.Delivery{State: notifier.Held, AcceptedAt: accepted, TriedAt: accepted.Add(90 * time.Minute), Relay: "mx:25"}
	if got := answer(d, "550 5.7.1"); !strings.HasPrefix(got, "2026-11-28 01:27:57Z, held: 550 5.7.1 (mx:25, delivery ") {
		t.Errorf("tried later: %s", got)
	}
	d.TriedAt, d.Relay = time.Time{}, ""
	if got := answer(d, "nothing to say"); !strings.HasPrefix(got, "2026-11-27 23:57:57Z, held: nothing to say (delivery ") {
		t.Errorf("never tried: %s", got)
	}
}

func TestTheQueueTellsThatADaysBudgetOfTextsIsUsedUp(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		d := newDesktop(t, dsn)
		d.environ = append(d.environ, "ALLCLEAR_SMS=kannel://u:p@127.0.0.1:13013?from=+4759440000&budget=500")
		today := time.Now().UTC()
		spend := func(n string) {
			for _, day := range []time.Time{today, today.AddDate(0, 0, 1)} { // midnight may pass meanwhile
				storetest.Exec(t, dsn, `INSERT INTO segments (day, spent) VALUES ('`+day.Format(time.DateOnly)+`', `+n+`) ON CONFLICT (day) DO UPDATE SET spent = excluded.spent`)
			}
		}
		spend("497")
		if got := d.ok("queue", "status"); got != "nothing waits\n" {
			t.Errorf("%q", got)
		}
		spend("499")
		if got := shape(d.ok("queue", "status")); !strings.Contains(got, "texts: the day's budget is used up (499 of 500 parts); what does not fit waits until 2026-11-23 16:11:00Z\n") {
			t.Errorf("%q", got)
		}
	})
}

func TestACountryThatThereIsNotIsRefusedByItsName(t *testing.T) {
	d := Doors{SMS: "kannel://u:p@127.0.0.1:13013?from=+4759440000&countries=NO,XX"}
	if _, err := d.sms(); err == nil || !strings.Contains(err.Error(), "names XX, which is no country's code") {
		t.Error(err)
	}
	d.SMS = strings.TrimSuffix(d.SMS, ",XX")
	if _, err := d.sms(); err != nil {
		t.Error(err)
	}
}
