package web

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// choices is what the form of choices says.
type choices struct {
	filter             subscribers.Filter
	some               bool // only some components
	none               bool // not one kind
	cadence            subscribers.Cadence
	hour               subscribers.Hour
	weekday            subscribers.Weekday
	critical, allQuiet bool
	timezone, language string
}

func (c choices) put(s *subscribers.Subscriber) {
	s.Filter, s.Cadence, s.Timezone, s.Language = c.filter, c.cadence, c.timezone, c.language
	s.Hour, s.Weekday, s.Critical, s.AllQuiet = c.hour, c.weekday, c.critical, c.allQuiet
}

// readChoices reads the form, and names the fields that are wrong. What a
// component was that is there no longer is left out.
func readChoices(form url.Values, parts []notifier.Component) (c choices, wrong []string) {
	c.some = form.Get("scope") == "some"
	if c.some {
		for _, key := range form["components"] {
			known := slices.ContainsFunc(parts, func(p notifier.Component) bool { return p.Key == key })
			if known && !slices.Contains(c.filter.Components, key) {
				c.filter.Components = append(c.filter.Components, key)
			}
		}
		if len(c.filter.Components) == 0 {
			wrong = append(wrong, "components")
		}
	}
	for _, k := range notifier.Kinds {
		if slices.Contains(form["kinds"], string(k)) {
			c.filter.Kinds = append(c.filter.Kinds, k)
		}
	}
	switch len(c.filter.Kinds) {
	case 0:
		c.none, wrong = true, append(wrong, "kinds")
	case len(notifier.Kinds):
		c.filter.Kinds = nil // all, and whatever comes
	}
	var err error
	if c.filter.Severity, err = notifier.ParseSeverity(form.Get("severity")); err != nil {
		wrong = append(wrong, "severity")
	}
	c.cadence = subscribers.Cadence(form.Get("cadence"))
	if !slices.Contains(cadences(notifier.Email), string(c.cadence)) {
		wrong = append(wrong, "cadence")
	}
	if c.hour, err = subscribers.ParseHour(form.Get("hour")); err != nil {
		wrong = append(wrong, "hour")
	}
	if c.weekday = subscribers.Weekday(form.Get("weekday")); c.weekday != "" && !slices.Contains(subscribers.Weekdays, c.weekday) {
		c.weekday, wrong = "", append(wrong, "weekday")
	}
	c.filter.Mine = form.Get("mine") == "true"
	c.critical, c.allQuiet = form.Get("critical") == "true", form.Get("all_quiet") == "true"
	c.timezone, c.language = strings.TrimSpace(form.Get("timezone")), strings.TrimSpace(form.Get("language"))
	if probe := (subscribers.Subscriber{Address: "someone@example.com", Timezone: c.timezone}); probe.Validate() != nil {
		wrong = append(wrong, "timezone")
	}
	return c, wrong
}

// cadences are those that a subscriber on a channel can have.
func cadences(ch notifier.Channel) []string {
	offered := subscribers.Offered(ch)
	out := make([]string, len(offered))
	for i, c := range offered {
		out[i] = string(c)
	}
	return out
}

// longestPause is how far away its end may be.
const longestPause = 2 * 366 * 24 * time.Hour

// readDay reads the day on which a pause ends: the instant it begins in a zone.
// No day is the zero time, which is no end.
func readDay(text string, zone *time.Location, now time.Time) (time.Time, error) {
	if strings.TrimSpace(text) == "" {
		return time.Time{}, nil
	}
	day, err := time.ParseInLocation(time.DateOnly, strings.TrimSpace(text), zone)
	if err != nil || !day.After(now) || day.Sub(now) > longestPause {
		return time.Time{}, notifier.Invalidf("until", "is no day from tomorrow on and within two years")
	}
	return day.UTC(), nil
}

// wrongField names the field that an error is about, as the page has it; ""
// where it is about none.
func wrongField(err error) string {
	var bad *notifier.Invalid
	if !errors.As(err, &bad) {
		return ""
	}
	field, _, _ := strings.Cut(bad.Field, "[")
	if !slices.Contains([]string{"components", "kinds", "severity", "cadence", "hour", "weekday", "timezone", "language", "until", "address", "address-often", "second", "second-same", "second-phone", "second-often"}, field) {
		field = "state"
	}
	return field
}
