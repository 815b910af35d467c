package digest

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"allclear/notifier"
	"allclear/subscribers"
)

// Calendar finds when the digests of a schedule are due.
type Calendar struct {
	hour int
	zone *time.Location
}

// NewCalendar makes one: hour (0 to 23) and zone are of those who chose none.
func NewCalendar(hour int, zone *time.Location) (*Calendar, error) {
	if hour < 0 || hour > 23 {
		return nil, notifier.Invalidf("hour", "%d is no hour of the day", hour)
	}
	return &Calendar{hour: hour, zone: zone}, nil
}

// Setting is the service's hour and zone, as Parse reads them.
func (c *Calendar) Setting() string { return strconv.Itoa(c.hour) + " " + c.zone.String() }

// Parse makes a Calendar of another one's setting.
func Parse(setting string) (*Calendar, error) {
	hour, name, _ := strings.Cut(setting, " ")
	h, err := strconv.Atoi(hour)
	if err != nil || name == "" {
		return nil, fmt.Errorf("read the setting of digests: %q is no hour and zone", setting)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("read the setting of digests: %w", err)
	}
	return NewCalendar(h, zone)
}

// Zone is where the readers of a schedule are.
func (c *Calendar) Zone(s subscribers.Schedule) (*time.Location, error) {
	if s.Timezone == "" {
		return c.zone, nil
	}
	zone, err := time.LoadLocation(s.Timezone)
	if err != nil {
		return nil, fmt.Errorf("find the zone of a schedule: %w", err)
	}
	return zone, nil
}

// Spec is a schedule as cron writes it.
func (c *Calendar) Spec(s subscribers.Schedule) (string, error) {
	zone, err := c.Zone(s)
	if err != nil {
		return "", err
	}
	var days string
	switch s.Cadence {
	case subscribers.Daily:
		days = "* * *"
	case subscribers.Weekly:
		days = "* * " + strconv.Itoa(int(s.Weekday.Day()))
	case subscribers.Monthly:
		days = "1 * *"
	default:
		return "", notifier.Invalidf("cadence", "%q has no digests", s.Cadence)
	}
	return fmt.Sprintf("CRON_TZ=%s 0 %d %s", zone, s.Hour.Or(c.hour), days), nil
}

// Next is the first run after a time: at the schedule's hour of each of its days
// by the clock of its zone. Where that clock skips the hour, it is the first
// instant after the gap; where it shows the hour twice, the first time. A
// day that a zone skips altogether has no daily digest; a weekly or monthly one
// of it comes at the first instant after.
func (c *Calendar) Next(s subscribers.Schedule, after time.Time) (subscribers.Run, error) {
	zone, err := c.Zone(s)
	if err != nil {
		return subscribers.Run{}, err
	}
	text, err := c.Spec(s)
	if err != nil {
		return subscribers.Run{}, err
	}
	parsed, err := cron.ParseStandard(text)
	if err != nil {
		return subscribers.Run{}, fmt.Errorf("read the schedule %q: %w", text, err)
	}
	days, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return subscribers.Run{}, fmt.Errorf("read the schedule %q: it has no days", text)
	}
	// On a calendar without changes of clocks, cron is right.
	days.Location = time.UTC
	own := after.In(zone)
	// Two days back: a clock may have been set back over midnight, or a day skipped.
	for wall := asUTC(own).AddDate(0, 0, -2); ; {
		if wall = days.Next(wall); wall.IsZero() {
			return subscribers.Run{}, fmt.Errorf("the schedule %q has no next time", text)
		}
		at := firstShown(wall, zone)
		// A day that there was shows some time of it, if not this hour: where a gap goes
		// over midnight, its digest comes on the next.
		if day := wall.Truncate(24 * time.Hour); s.Cadence == subscribers.Daily && firstShown(day, zone).Format(time.DateOnly) != day.Format(time.DateOnly) {
			continue
		}
		if at.After(after) {
			return subscribers.Run{At: at.UTC(), Day: wall.Format(time.DateOnly)}, nil
		}
	}
}

// asUTC is what a clock shows, as if it were UTC's.
func asUTC(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// firstShown is the first instant at which the clock of a zone shows a time (of
// UTC's calendar) or a later one.
func firstShown(wall time.Time, zone *time.Location) time.Time {
	// No zone is more than 14 hours ahead of UTC or 12 behind it today, and none was ever 16.
	for t := wall.Add(-16 * time.Hour).In(zone); ; {
		_, offset := t.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(zone)
		_, end := t.ZoneBounds()
		switch {
		case at.Before(t): // the clock went over it
			return t
		case end.IsZero() || at.Before(end):
			return at
		}
		t = end
	}
}
