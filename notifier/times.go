package notifier

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	atTag    = regexp.MustCompile(`\{\{\s*at\s+"([^"\n]*)"\s*\}\}`)
	atBroken = regexp.MustCompile(`\{\{\s*at\b`)
	// instant is a full date and time with its offset: clear to everyone.
	instant    = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)`)
	moreDigits = regexp.MustCompile(`^[.:][0-9a-fA-F:]`)
	// clock is a time of day, or two with a word between them, and the zone
	// behind: one that everyone knows, or letters that only some do.
	clock = regexp.MustCompile(`\b(` + hhmm + `)(?: ?(?:-|–|—|to|and|until) ?` + hhmm + `)?\b(?:( ?(?:UTC|GMT|Z)\b)| ?\b([A-Z]{2,5})\b)?`)
	// halfDay is a time of day on twelve hours: 3pm, 3:30 p.m.
	halfDay = regexp.MustCompile(`(?i)\b(0?[1-9]|1[0-2])(?::([0-5]\d))? ?([ap])(?:m\b|\.m\.)((?-i: ?(?:UTC|GMT|Z)\b))?`)
	// braces begin what looks like a tag and is none.
	braces = regexp.MustCompile(`\{\{[^}\n]{0,40}\}{0,2}`)
)

const hhmm = `(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?`

// ResolveTimes replaces every {{at "..."}} of a body by {{at "INSTANT"}} with
// the instant in RFC 3339 UTC, so that a tired writer's "20 minutes ago" stays
// true for ever. It understands now, -20m, 16:11, 2026-11-23 16:11, each clock
// time with a zone name behind it or in zone, and RFC 3339. A clock time
// without a date is the one nearest to now. One that the change of the clocks
// left out is refused; of one that came twice the nearer to now is taken, and
// said so. The warnings also name clock times that stand bare: readers
// elsewhere would misread them. A tag that cannot be read is an *Invalid for
// body, with its line.
func ResolveTimes(body string, now time.Time, zone *time.Location) (string, []string, error) {
	var bad error
	var warnings []string
	out := atTag.ReplaceAllStringFunc(body, func(tag string) string {
		arg := atTag.FindStringSubmatch(tag)[1]
		t, twice, err := parseAt(arg, now, zone)
		if y := t.UTC().Year(); err == nil && (y < 1970 || y > 9999) {
			err = fmt.Errorf("the year %d is not between 1970 and 9999", y)
		}
		if err != nil && bad == nil {
			bad = Invalidf("body", "line %d: {{at %q}}: %s", lineOf(body, tag), arg, err)
		}
		if twice {
			warnings = append(warnings, fmt.Sprintf("%s came twice when the clocks went back; %s UTC was taken", strings.TrimSpace(arg), t.UTC().Format("15:04")))
		}
		return `{{at "` + utc(t).Format(time.RFC3339Nano) + `"}}`
	})
	if bad != nil {
		return "", nil, bad
	}
	rest := atTag.ReplaceAllString(out, " ")
	if loc := atBroken.FindStringIndex(rest); loc != nil {
		return "", nil, Invalidf("body", `a time must be written as {{at "16:11"}}, with straight quotes`)
	}
	return out, append(warnings, bareClocks(rest)...), nil
}

// bareClocks warns of the times of day that name no zone, or one that few know,
// and of what looks like a tag, each once. Numbers with colons that are parts of
// something else (ports, addresses) are none.
func bareClocks(text string) []string {
	var warnings []string
	text = instant.ReplaceAllString(text, " ")
	warn := func(w string) {
		if !slices.Contains(warnings, w) {
			warnings = append(warnings, w)
		}
	}
	for _, tag := range braces.FindAllString(text, -1) {
		warn(fmt.Sprintf(`%s is no time and goes out as written; times are written {{at "16:11"}} or {{at "-20m"}}`, tag))
	}
	text = braces.ReplaceAllString(text, " ")
	for _, m := range halfDay.FindAllStringSubmatch(text, -1) {
		if m[4] == "" {
			warn(fmt.Sprintf(`%s has no time zone; write {{at %q}} so that every reader sees their own time`, m[0], onTheWall(m[1], m[2], m[3])))
		}
	}
	text = halfDay.ReplaceAllString(text, " ")
	for _, m := range clock.FindAllStringSubmatchIndex(text, -1) {
		before, _ := utf8.DecodeLastRuneInString(text[:m[0]])
		part := strings.ContainsRune(".:/+#@", before) || moreDigits.MatchString(text[m[1]:])
		if zoned := m[4] >= 0; zoned || part {
			continue
		}
		if m[6] >= 0 {
			warn(fmt.Sprintf(`%s is in a zone that not every reader knows; write {{at %q}}, with a name like Europe/Oslo behind the time where it is not the service's zone, so that every reader sees their own time`,
				text[m[0]:m[1]], text[m[2]:m[3]]))
			continue
		}
		warn(fmt.Sprintf(`%s has no time zone; write {{at %q}} so that every reader sees their own time`, text[m[0]:m[1]], text[m[2]:m[3]]))
	}
	return warnings
}

// onTheWall writes a time on twelve hours as one on twenty-four.
func onTheWall(hour, minute, half string) string {
	h, _ := strconv.Atoi(hour)
	h %= 12
	if strings.EqualFold(half, "p") {
		h += 12
	}
	if minute == "" {
		minute = "00"
	}
	return fmt.Sprintf("%02d:%s", h, minute)
}

// earliest is the first instant that the tags of a resolved body name.
func earliest(body string) (first time.Time, ok bool) {
	for _, m := range atTag.FindAllStringSubmatch(body, -1) {
		if t, err := time.Parse(time.RFC3339Nano, m[1]); err == nil && (!ok || t.Before(first)) {
			first, ok = t, true
		}
	}
	return first, ok
}

// PrintTimes replaces every resolved {{at "INSTANT"}} by what show says.
func PrintTimes(body string, show func(time.Time) string) string {
	return atTag.ReplaceAllStringFunc(body, func(tag string) string {
		t, err := time.Parse(time.RFC3339Nano, atTag.FindStringSubmatch(tag)[1])
		if err != nil {
			return tag
		}
		return show(t)
	})
}

// parseAt reads what stands in a tag; twice says that the clock showed it two times.
func parseAt(arg string, now time.Time, zone *time.Location) (t time.Time, twice bool, err error) {
	s := strings.TrimSpace(arg)
	if zone == nil {
		zone = time.UTC
	}
	if s == "now" {
		return now, false, nil
	}
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		d, err := time.ParseDuration(s)
		if err != nil {
			return now, false, fmt.Errorf("write -20m, -1h30m or +2h")
		}
		return now.Add(d), false, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, false, nil
	}
	words := strings.Fields(s)
	if n := len(words); n > 1 && !strings.Contains(words[n-1], ":") {
		z, err := time.LoadLocation(words[n-1])
		if err != nil || words[n-1] == "Local" {
			return now, false, fmt.Errorf("%q is no time zone; write a name like Europe/Oslo", words[n-1])
		}
		zone, words = z, words[:n-1]
	}
	unreadable := fmt.Errorf(`write "now", "-20m", "16:11" or "2026-11-23 16:11 Europe/Oslo"`)
	if len(words) == 0 || len(words) > 2 {
		return now, false, unreadable
	}
	wall, err := time.Parse("15:04", words[len(words)-1])
	if err != nil {
		wall, err = time.Parse("15:04:05", words[len(words)-1])
	}
	if err != nil {
		return now, false, unreadable
	}
	y, m, d := now.In(zone).Date()
	today := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	days := []time.Time{today.AddDate(0, 0, -1), today, today.AddDate(0, 0, 1)}
	if len(words) == 2 {
		day, err := time.Parse(time.DateOnly, words[0])
		if err != nil {
			return now, false, unreadable
		}
		days = []time.Time{day}
	}
	return nearest(days, wall, zone, now)
}

// nearest is the moment closest to now at which clocks in zone showed the time
// of day of wall on one of days.
func nearest(days []time.Time, wall time.Time, zone *time.Location, now time.Time) (best time.Time, twice bool, err error) {
	for n, d := range days {
		shown := time.Date(d.Year(), d.Month(), d.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, time.UTC)
		when := moments(shown, zone)
		missing := len(when) == 0
		if missing {
			when = []time.Time{time.Date(d.Year(), d.Month(), d.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)}
		}
		for m, t := range when {
			if (n > 0 || m > 0) && t.Sub(now).Abs() >= best.Sub(now).Abs() {
				continue
			}
			best, twice, err = t, len(when) > 1, nil
			if missing {
				err = fmt.Errorf("%s did not exist on %s in %s (the clocks went forward)", shown.Format("15:04"), shown.Format(time.DateOnly), zone)
			}
		}
	}
	return best, twice, err
}

// moments are the instants at which clocks in zone showed what shown says in
// UTC: one, two where they were turned back, none where they were turned forward.
func moments(shown time.Time, zone *time.Location) []time.Time {
	var out []time.Time
	for _, around := range []time.Duration{-24 * time.Hour, 0, 24 * time.Hour} {
		_, offset := shown.Add(around).In(zone).Zone()
		t := shown.Add(-time.Duration(offset) * time.Second)
		if _, o := t.In(zone).Zone(); o == offset && !slices.ContainsFunc(out, t.Equal) {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}

func lineOf(body, part string) int {
	before, _, _ := strings.Cut(body, part)
	return strings.Count(before, "\n") + 1
}

// utc keeps microseconds, which is what both databases keep (I8).
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// TimeField is how warnings name where the time of an announcement is given;
// pages that call it something else put their own word in its place.
const TimeField = "the field at (flag --at)"
