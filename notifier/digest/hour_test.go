package digest

import (
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// The service's hour or zone changes after the day's digests were made: the same
// day is not made again, and the next days are made as ever.
func TestDigestsGoOnAfterTheServicesHourOrZoneChanges(t *testing.T) {
	for _, c := range []struct {
		name string
		hour int
		zone string
		next string // run after the change
	}{
		{"a later hour", 17, "UTC", "2026-11-25T17:00:00Z"},
		{"an earlier hour", 8, "UTC", "2026-11-25T08:00:00Z"},
		{"a zone to the west", 9, "America/Los_Angeles", "2026-11-25T17:00:00Z"},
		{"a zone to the east", 9, "Asia/Tokyo", "2026-11-25T00:00:00Z"},
	} {
		for _, dialect := range storetest.Dialects() {
			t.Run(c.name+"/"+dialect, func(t *testing.T) { changedHour(t, dialect, c.hour, c.zone, at(t, c.next)) })
		}
	}
}

func changedHour(t *testing.T, dialect string, hour int, zone string, next time.Time) {
	now, ids := at(t, "2026-11-23T12:00:00Z"), 0
	s := storetest.At(t, storetest.DSN(t, dialect))(storetest.Clock(func() time.Time { return now }))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	happens := func() {
		t.Helper()
		p, err := notifier.Open(notifier.Announcement{Title: "Something", Severity: notifier.SeverityMajor, Status: notifier.Investigating},
			notifier.Desk{Now: now, Zone: time.UTC, NewID: func() string { ids++; return fmt.Sprintf("id%06d", ids) }})
		must(err)
		_, err = s.OpenIncident(t.Context(), p)
		must(err)
		for {
			slice, err := s.ExpandSlice(t.Context(), 100)
			must(err)
			if slice.Idle {
				return
			}
		}
	}
	made := func(c *Calendar) (n int, next time.Time) {
		t.Helper()
		for {
			step, err := s.MakeDigests(t.Context(), c, now, 3)
			must(err)
			if n += step.Made; step.Idle {
				return n, step.Next
			}
		}
	}
	_, err := s.AddSubscriber(t.Context(), subscribers.Subscriber{
		Channel: notifier.Email, Address: "ann@example.com", State: subscribers.Active, Cadence: subscribers.Daily,
	}, nil)
	must(err)
	made(calendar(t))
	happens()
	now = at(t, "2026-11-24T09:00:00Z")
	if n, _ := made(calendar(t)); n != 1 {
		t.Fatalf("made %d before the change", n)
	}
	// Somebody else has missed something of the day that was made.
	_, err = s.AddSubscriber(t.Context(), subscribers.Subscriber{
		Channel: notifier.Email, Address: "bob@example.com", State: subscribers.Active, Cadence: subscribers.Daily,
	}, nil)
	must(err)
	happens()
	place, err := time.LoadLocation(zone)
	must(err)
	changed, err := NewCalendar(hour, place)
	must(err)
	if n, due := made(changed); n != 0 || !due.Equal(next) {
		t.Errorf("made %d right after the change, the next are due at %s; want %s", n, due, next)
	}
	now = at(t, "2026-11-24T23:00:00Z")
	if n, _ := made(changed); n != 0 {
		t.Errorf("made %d again on the same day", n)
	}
	now = next
	if n, _ := made(changed); n != 2 {
		t.Errorf("made %d at the changed hour, want 2", n)
	}
	happens()
	now = now.AddDate(0, 0, 1)
	if n, _ := made(changed); n != 2 {
		t.Errorf("made %d on the day after, want 2", n)
	}
}
