package digest

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/subscribers"
)

func calendar(t testing.TB) *Calendar {
	t.Helper()
	c, err := NewCalendar(9, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func hour(t testing.TB, h int) subscribers.Hour {
	t.Helper()
	out, err := subscribers.HourOf(h)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	out, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEveryDayOfAScheduleHasOneRunWhateverTheClocksDo(t *testing.T) {
	for _, c := range []struct {
		name     string
		schedule subscribers.Schedule
		after    string
		want     []string // instants, with the offset that the clock then has
		days     []string
	}{
		{"the hour that Berlin skips comes at the first instant after", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 2), Timezone: "Europe/Berlin"},
			"2026-03-27T12:00:00Z", []string{"2026-03-28T02:00:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"}, []string{"2026-03-28", "2026-03-29", "2026-03-30"}},
		{"the hour that Berlin has twice comes once", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 2), Timezone: "Europe/Berlin"},
			"2026-10-24T12:00:00Z", []string{"2026-10-25T02:00:00+02:00", "2026-10-26T02:00:00+01:00"}, []string{"2026-10-25", "2026-10-26"}},
		{"Lord Howe's clock moves by half an hour over two", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 2), Timezone: "Australia/Lord_Howe"},
			"2026-10-02T20:00:00Z", []string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:00:00+11:00"}, []string{"2026-10-04", "2026-10-05"}},
		{"and back into one", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 1), Timezone: "Australia/Lord_Howe"},
			"2026-04-03T20:00:00Z", []string{"2026-04-05T01:00:00+11:00", "2026-04-06T01:00:00+10:30"}, []string{"2026-04-05", "2026-04-06"}},
		{"Kathmandu is a quarter of an hour off", subscribers.Schedule{Cadence: subscribers.Weekly, Timezone: "Asia/Kathmandu"},
			"2026-11-27T00:00:00Z", []string{"2026-11-30T09:00:00+05:45", "2026-12-07T09:00:00+05:45"}, []string{"2026-11-30", "2026-12-07"}},
		{"Apia had no 30 December in 2011", subscribers.Schedule{Cadence: subscribers.Daily, Timezone: "Pacific/Apia"},
			"2011-12-29T00:00:00Z", []string{"2011-12-29T09:00:00-10:00", "2011-12-31T09:00:00+14:00"}, []string{"2011-12-29", "2011-12-31"}},
		{"what Apia has weekly on the day that it skipped comes right after", subscribers.Schedule{Cadence: subscribers.Weekly, Weekday: "friday", Timezone: "Pacific/Apia"},
			"2011-12-24T00:00:00Z", []string{"2011-12-31T00:00:00+14:00", "2012-01-06T09:00:00+14:00"}, []string{"2011-12-30", "2012-01-06"}},
		{"months of Apia go over the day that it skipped", subscribers.Schedule{Cadence: subscribers.Monthly, Timezone: "Pacific/Apia"},
			"2011-11-30T00:00:00Z", []string{"2011-12-01T09:00:00-10:00", "2012-01-01T09:00:00+14:00"}, []string{"2011-12-01", "2012-01-01"}},
		{"Samoa, which is Pago Pago, kept its side of the line and its 30 December", subscribers.Schedule{Cadence: subscribers.Daily, Timezone: "US/Samoa"},
			"2011-12-29T21:00:00Z", []string{"2011-12-30T09:00:00-11:00", "2011-12-31T09:00:00-11:00"}, []string{"2011-12-30", "2011-12-31"}},
		{"Tokelau skipped the same day", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 0), Timezone: "Pacific/Fakaofo"},
			"2011-12-28T12:00:00Z", []string{"2011-12-29T00:00:00-11:00", "2011-12-31T00:00:00+13:00"}, []string{"2011-12-29", "2011-12-31"}},
		{"Lord Howe's three in the morning is there on both days", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 3), Timezone: "Australia/Lord_Howe"},
			"2026-10-02T20:00:00Z", []string{"2026-10-04T03:00:00+11:00", "2026-10-05T03:00:00+11:00"}, []string{"2026-10-04", "2026-10-05"}},
		{"Sao Paulo had no midnight on the first day of summer", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 0), Timezone: "America/Sao_Paulo"},
			"2018-11-02T12:00:00Z", []string{"2018-11-03T00:00:00-03:00", "2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"}, []string{"2018-11-03", "2018-11-04", "2018-11-05"}},
		{"and 23 o'clock twice on the last", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 23), Timezone: "America/Sao_Paulo"},
			"2019-02-16T12:00:00Z", []string{"2019-02-16T23:00:00-02:00", "2019-02-17T23:00:00-03:00"}, []string{"2019-02-16", "2019-02-17"}},
		{"what Sao Paulo has weekly at the midnight that was not", subscribers.Schedule{Cadence: subscribers.Weekly, Hour: hour(t, 0), Weekday: "sunday", Timezone: "America/Sao_Paulo"},
			"2018-10-30T12:00:00Z", []string{"2018-11-04T01:00:00-02:00", "2018-11-11T00:00:00-02:00"}, []string{"2018-11-04", "2018-11-11"}},
		{"a month that begins with a midnight that is not", subscribers.Schedule{Cadence: subscribers.Monthly, Hour: hour(t, 0), Timezone: "America/Asuncion"},
			"2017-09-15T12:00:00Z", []string{"2017-10-01T01:00:00-03:00", "2017-11-01T00:00:00-03:00"}, []string{"2017-10-01", "2017-11-01"}},
		{"Kathmandu moved by a quarter of an hour at midnight in 1986", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 0), Timezone: "Asia/Kathmandu"},
			"1985-12-30T20:00:00Z", []string{"1986-01-01T00:15:00+05:45", "1986-01-02T00:00:00+05:45"}, []string{"1986-01-01", "1986-01-02"}},
		{"midnight does not exist where Cairo's clock moves at it", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 0), Timezone: "Africa/Cairo"},
			"2026-04-23T12:00:00Z", []string{"2026-04-24T01:00:00+03:00", "2026-04-25T00:00:00+03:00"}, []string{"2026-04-24", "2026-04-25"}},
		{"midnight comes twice where Cairo's goes back", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 23), Timezone: "Africa/Cairo"},
			"2026-10-28T22:00:00Z", []string{"2026-10-29T23:00:00+03:00", "2026-10-30T23:00:00+02:00"}, []string{"2026-10-29", "2026-10-30"}},
		{"the hour before the midnight that Nuuk's clock skips comes with the next day, for the day before", subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, 23), Timezone: "America/Nuuk"},
			"2027-03-26T12:00:00Z", []string{"2027-03-26T23:00:00-02:00", "2027-03-28T00:00:00-01:00", "2027-03-28T23:00:00-01:00"}, []string{"2027-03-26", "2027-03-27", "2027-03-28"}},
		{"as the weekly one does", subscribers.Schedule{Cadence: subscribers.Weekly, Hour: hour(t, 23), Weekday: "saturday", Timezone: "America/Nuuk"},
			"2027-03-26T12:00:00Z", []string{"2027-03-28T00:00:00-01:00", "2027-04-03T23:00:00-01:00"}, []string{"2027-03-27", "2027-04-03"}},
		{"months are the calendar's", subscribers.Schedule{Cadence: subscribers.Monthly, Timezone: "America/New_York"},
			"2027-01-31T23:00:00Z", []string{"2027-02-01T09:00:00-05:00", "2027-03-01T09:00:00-05:00", "2027-04-01T09:00:00-04:00"}, []string{"2027-02-01", "2027-03-01", "2027-04-01"}},
		{"who chose nothing has the service's hour and zone, and Monday", subscribers.Schedule{Cadence: subscribers.Weekly},
			"2026-11-30T09:00:00Z", []string{"2026-12-07T09:00:00Z"}, []string{"2026-12-07"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			from := at(t, c.after)
			for i, want := range c.want {
				run, err := calendar(t).Next(c.schedule, from)
				if err != nil {
					t.Fatal(err)
				}
				if !run.At.Equal(at(t, want)) || run.Day != c.days[i] {
					t.Fatalf("run %d is at %s of %s, want %s of %s", i, run.At, run.Day, want, c.days[i])
				}
				from = run.At
			}
		})
	}
}

// naive walks along the zone's clock in steps of a quarter of an hour.
func naive(zone *time.Location, h int, after time.Time) (time.Time, string) {
	day, done := "", map[string]bool{}
	for t := after.Add(-50 * time.Hour).Truncate(15 * time.Minute); ; t = t.Add(15 * time.Minute) {
		own := t.In(zone)
		d := own.Format(time.DateOnly)
		if day == "" { // what was of the first day is past
			day, done[d] = d, true
		}
		// The first instant of each local day at which its clock is at the hour, or
		// over it; of one that ended before that, the first of the next.
		for _, of := range []string{day, d} {
			if !done[of] && (of < d || own.Hour() >= h) {
				if done[of] = true; t.After(after) {
					return t, of
				}
			}
		}
		day = d
	}
}

func TestDailyRunsAreThoseThatAClockOnTheWallWouldShow(t *testing.T) {
	zones := []string{"Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia", "America/St_Johns", "Africa/Cairo", "America/Havana", "Asia/Beirut", "Pacific/Chatham", "America/Santiago", "Africa/Casablanca", "Asia/Tehran", "America/Sao_Paulo", "America/Asuncion", "Pacific/Pago_Pago", "Pacific/Fakaofo", "Antarctica/Troll", "America/Nuuk", "America/Scoresbysund"}
	c := calendar(t)
	rapid.Check(t, func(r *rapid.T) {
		name := rapid.SampledFrom(zones).Draw(r, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			r.Fatal(err)
		}
		h := rapid.IntRange(0, 23).Draw(r, "hour")
		after := time.Date(2009, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 18*365*24*60).Draw(r, "minutes")) * time.Minute)
		want, day := naive(zone, h, after)
		got, err := c.Next(subscribers.Schedule{Cadence: subscribers.Daily, Hour: hour(t, h), Timezone: name}, after)
		if err != nil {
			r.Fatal(err)
		}
		if !got.At.Equal(want) || got.Day != day {
			r.Fatalf("%s at %d after %s: %s of %s, want %s of %s", name, h, after, got.At.In(zone), got.Day, want.In(zone), day)
		}
	})
}

func TestAScheduleIsWrittenAsCronWritesIt(t *testing.T) {
	got, err := calendar(t).Spec(subscribers.Schedule{Cadence: subscribers.Weekly, Weekday: "sunday", Timezone: "Europe/Oslo"})
	if err != nil || got != "CRON_TZ=Europe/Oslo 0 9 * * 0" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := calendar(t).Spec(subscribers.Schedule{Cadence: subscribers.Instant}); err == nil {
		t.Error("a cadence without digests has a schedule")
	}
}
