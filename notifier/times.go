package notifier

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	atTag     = regexp.MustCompile(`\{\{\s*at\s+"([^"\n]*)"\s*\}\}`)
	atBroken  = regexp.MustCompile(`\{\{\s*at\b`)
	bareClock = regexp.MustCompile(`\b([01]?\d|2[0-3]):[0-5]\d\b( ?(UTC|GMT|Z)\b)?`)
)

// ResolveTimes replaces every {{at "..."}} of a body by {{at "INSTANT"}} with
// the instant in RFC 3339 UTC, so that a tired writer's "20 minutes ago" stays
// true for ever. It understands now, -20m, 16:11, 2026-11-23 16:11, each clock
// time with a zone name behind it or in zone, and RFC 3339. A clock time
// without a date is the one nearest to now. The warnings name clock times that
// stand bare: readers elsewhere would misread them. A tag that cannot be read
// is an *Invalid for body, with its line.
func ResolveTimes(body string, now time.Time, zone *time.Location) (string, []string, error) {
	var bad error
	out := atTag.ReplaceAllStringFunc(body, func(tag string) string {
		arg := atTag.FindStringSubmatch(tag)[1]
		t, err := parseAt(arg, now, zone)
		if err != nil && bad == nil {
			bad = Invalidf("body", "line %d: {{at %q}}: %s", lineOf(body, tag), arg, err)
		}
		return `{{at "` + utc(t).Format(time.RFC3339Nano) + `"}}`
	})
	if bad != nil {
		return "", nil, bad
	}
	rest := atTag.ReplaceAllString(out, "")
	if loc := atBroken.FindStringIndex(rest); loc != nil {
		return "", nil, Invalidf("body", `a time must be written as {{at "16:11"}}, with straight quotes`)
	}
	var warnings []string
	for _, m := range bareClock.FindAllStringSubmatch(rest, -1) {
		if m[2] == "" {
			warnings = append(warnings, fmt.Sprintf(`%s has no time zone; write {{at %q}} so that every reader sees their own time`, m[0], m[0]))
		}
	}
	return out, warnings, nil
}

// PrintTimes replaces every resolved {{at "INSTANT"}} by what print says.
func PrintTimes(body string, print func(time.Time) string) string {
	return atTag.ReplaceAllStringFunc(body, func(tag string) string {
		t, err := time.Parse(time.RFC3339Nano, atTag.FindStringSubmatch(tag)[1])
		if err != nil {
			return tag
		}
		return print(t)
	})
}

func parseAt(arg string, now time.Time, zone *time.Location) (time.Time, error) {
	s := strings.TrimSpace(arg)
	if zone == nil {
		zone = time.UTC
	}
	if s == "now" {
		return now, nil
	}
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		d, err := time.ParseDuration(s)
		if err != nil {
			return now, fmt.Errorf("write -20m, -1h30m or +2h")
		}
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	words := strings.Fields(s)
	if n := len(words); n > 1 && !strings.Contains(words[n-1], ":") {
		z, err := time.LoadLocation(words[n-1])
		if err != nil || words[n-1] == "Local" {
			return now, fmt.Errorf("%q is no time zone; write a name like Europe/Oslo", words[n-1])
		}
		zone, words = z, words[:n-1]
	}
	switch text := strings.Join(words, " "); len(words) {
	case 1:
		t, err := time.Parse("15:04", text)
		if err != nil {
			break
		}
		return nearest(t.Hour(), t.Minute(), now.In(zone)), nil
	case 2:
		if t, err := time.ParseInLocation("2006-01-02 15:04", text, zone); err == nil {
			return t, nil
		}
	}
	return now, fmt.Errorf(`write "now", "-20m", "16:11" or "2026-11-23 16:11 Europe/Oslo"`)
}

// nearest is the time of day h:m closest to now, in now's zone.
func nearest(h, m int, now time.Time) time.Time {
	var best time.Time
	for day := -1; day <= 1; day++ {
		t := time.Date(now.Year(), now.Month(), now.Day()+day, h, m, 0, 0, now.Location())
		if best.IsZero() || t.Sub(now).Abs() < best.Sub(now).Abs() {
			best = t
		}
	}
	return best
}

func lineOf(body, part string) int {
	before, _, _ := strings.Cut(body, part)
	return strings.Count(before, "\n") + 1
}
