package digest

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func TestASettingIsReadAsItIsWritten(t *testing.T) {
	for _, zone := range []string{"UTC", "Europe/Oslo", "America/Argentina/Buenos_Aires"} {
		place, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		c, err := NewCalendar(17, place)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Parse(c.Setting()); err != nil || got.hour != 17 || got.zone.String() != zone {
			t.Errorf("%q: %+v, %v", c.Setting(), got, err)
		}
	}
	for _, wrong := range []string{"", "9", "9 ", "24 UTC", "-1 UTC", "x UTC", "9 Mars/Base", "UTC 9"} {
		if c, err := Parse(wrong); err == nil {
			t.Errorf("%q is read as %s", wrong, c.Setting())
		}
	}
}

// counted counts the steps that did something.
type counted struct {
	Store
	did int
}

func (c *counted) MakeDigests(ctx context.Context, calendar subscribers.Calendar, at time.Time, max int) (subscribers.MadeDigests, error) {
	step, err := c.Store.MakeDigests(ctx, calendar, at, max)
	if err == nil && !step.Idle {
		c.did++
	}
	return step, err
}

// Two processes have settings of their own: that of the one that was started
// last counts, the other says so once, and neither plans anew what is planned.
func TestProcessesWithDifferentSettingsPlanBySettingOfTheLastAndNotInTurns(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			now := at(t, "2026-11-23T12:00:00Z")
			clock := func() time.Time { return now }
			open := storetest.At(t, storetest.DSN(t, dialect))
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			db := open(storetest.Clock(clock))
			start := func(hour int, zone string) (*Maker, *counted, *bytes.Buffer) {
				place, err := time.LoadLocation(zone)
				must(err)
				c, err := NewCalendar(hour, place)
				must(err)
				db, log := open(storetest.Clock(clock)), &bytes.Buffer{}
				_, err = db.SetDigests(t.Context(), c.Setting())
				must(err)
				s := &counted{Store: db}
				return New(Options{Store: s, Calendar: c, Now: clock, Log: slog.New(slog.NewTextHandler(log, nil))}), s, log
			}
			first, one, said := start(9, "UTC")
			for _, zone := range []string{"", "Europe/Berlin"} {
				_, err := db.AddSubscriber(t.Context(), subscribers.Subscriber{
					Channel: notifier.Email, Address: "ann" + zone[:min(len(zone), 2)] + "@example.com", State: subscribers.Active, Cadence: subscribers.Daily, Timezone: zone,
				}, nil)
				must(err)
			}
			_, err := first.MakeDue(t.Context(), nil)
			must(err)
			second, two, silent := start(17, "Asia/Tokyo")
			one.did = 0
			for range 5 {
				for _, m := range []*Maker{first, second} {
					next, err := m.MakeDue(t.Context(), nil)
					must(err)
					if want := at(t, "2026-11-23T16:00:00Z"); !next.Equal(want) { // Berlin's 17:00; Tokyo's was at 8:00
						t.Fatalf("the next are due at %s, want %s", next, want)
					}
				}
			}
			if did := one.did + two.did; did != 2 {
				t.Errorf("two schedules were planned in %d steps", did)
			}
			if text := said.String(); strings.Count(text, "level=WARN") != 1 || !strings.Contains(text, `ours="9 UTC" theirs="17 Asia/Tokyo"`) {
				t.Errorf("the first said %q", text)
			}
			if silent.Len() > 0 {
				t.Errorf("the second said %q", silent)
			}
		})
	}
}

func TestASettingThatThisProgramCannotReadIsSaidAndNothingIsMade(t *testing.T) {
	s := storetest.At(t, storetest.DSN(t, "sqlite"))()
	for _, wrong := range []string{"9 Mars/Base", "09 UTC"} {
		if _, err := s.SetDigests(t.Context(), wrong); err != nil {
			t.Fatal(err)
		}
		m := New(Options{Store: s, Calendar: calendar(t), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if _, err := m.MakeDue(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "the setting of digests") {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}
