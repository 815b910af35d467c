package subscribers

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
)

// Digest reports whether what a subscriber hears is gathered into digests.
func (c Cadence) Digest() bool { return c == Daily || c == Weekly || c == Monthly }

// Hour is the hour of the day, by the subscriber's clock, at which digests
// come. The zero Hour is the service's.
type Hour int8

// HourOf is a chosen hour, 0 to 23; another number is an *notifier.Invalid.
func HourOf(h int) (Hour, error) {
	if h < 0 || h > 23 {
		return 0, notifier.Invalidf("hour", "%d is no hour of the day; write 0 to 23", h)
	}
	return Hour(h + 1), nil
}

// ParseHour reads what String writes.
func ParseHour(text string) (Hour, error) {
	if text = strings.TrimSpace(text); text == "" {
		return 0, nil
	}
	h, err := strconv.Atoi(text)
	if err != nil {
		return 0, notifier.Invalidf("hour", "%q is no hour of the day; write 0 to 23", notifier.Clip(text))
	}
	return HourOf(h)
}

// Or is the chosen hour, 0 to 23, or else the service's.
func (h Hour) Or(service int) int {
	if h == 0 {
		return service
	}
	return int(h) - 1
}

// String is the number of a chosen hour, and else empty.
func (h Hour) String() string {
	if h == 0 {
		return ""
	}
	return strconv.Itoa(int(h) - 1)
}

// MarshalJSON writes a number, or null where none is chosen.
func (h Hour) MarshalJSON() ([]byte, error) {
	if h == 0 {
		return []byte("null"), nil
	}
	return []byte(h.String()), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (h *Hour) UnmarshalJSON(b []byte) error {
	var n *int
	if err := json.Unmarshal(b, &n); err != nil {
		return notifier.Invalidf("hour", "is no number from 0 to 23")
	}
	if n == nil {
		*h = 0
		return nil
	}
	var err error
	*h, err = HourOf(*n)
	return err
}

// Weekday is the day of the week on which weekly digests come. "" is Monday.
type Weekday string

// Weekdays lists every day, Monday first.
var Weekdays = []Weekday{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// Day is the day as the calendar has it.
func (w Weekday) Day() time.Weekday {
	if i := slices.Index(Weekdays, w); i >= 0 {
		return time.Weekday((i + 1) % 7)
	}
	return time.Monday
}

// Schedule is when digests come, as subscribers chose it: those who chose alike
// share it.
type Schedule struct {
	Cadence  Cadence // Daily, Weekly or Monthly, which is the first day of a month
	Hour     Hour
	Weekday  Weekday // of a weekly one
	Timezone string  // IANA name; "" is the service's
}

// Schedule is when s gets its digests.
func (s *Subscriber) Schedule() Schedule {
	out := Schedule{Cadence: s.Cadence, Hour: s.Hour, Timezone: s.Timezone}
	if s.Cadence == Weekly {
		out.Weekday = s.Weekday
	}
	return out
}

// AtOnce reports whether an event that the filter lets through is sent at once.
func (s *Subscriber) AtOnce(e notifier.Event) bool {
	return s.Cadence.Wants(e) || s.Cadence.Digest() && s.Critical && e.Kind == notifier.KindIncident && e.Severity == notifier.SeverityCritical
}

// validateSchedule checks what is about digests.
func (s *Subscriber) validateSchedule() error {
	mail := s.Channel == notifier.Email
	switch {
	case s.Cadence.Digest() && !mail:
		return notifier.Invalidf("cadence", "is instant or milestones for %s; digests come by email only", s.Channel)
	case s.Hour < 0 || s.Hour > 24:
		return notifier.Invalidf("hour", "is no hour of the day; write 0 to 23")
	case s.Hour != 0 && !mail:
		return notifier.Invalidf("hour", "is only for email")
	case s.Weekday != "" && !slices.Contains(Weekdays, s.Weekday):
		return notifier.Invalidf("weekday", "%q is no day of the week; write monday, tuesday and so on", notifier.Clip(string(s.Weekday)))
	case s.Weekday != "" && !mail:
		return notifier.Invalidf("weekday", "is only for email")
	case s.Critical && !mail:
		return notifier.Invalidf("critical", "is only for email")
	case s.AllQuiet && !mail:
		return notifier.Invalidf("all_quiet", "is only for email")
	}
	return nil
}
