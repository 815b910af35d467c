package notifier

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits on what staff write.
const (
	maxTitle = 200    // characters
	maxBody  = 20_000 // characters of Markdown

	maxAhead = 10 * time.Minute // of what happened, before our clock
)

func (i *Incident) check() error {
	seen := map[string]bool{}
	for n, c := range i.Components {
		field := "components[" + strconv.Itoa(n) + "]"
		if !componentKey.MatchString(c) {
			return Invalidf(field, "%q is not a component key", c)
		}
		if seen[c] {
			return Invalidf(field, "%q is named twice", c)
		}
		seen[c] = true
	}
	if i.Severity < SeverityNone || i.Severity > SeverityCritical {
		return Invalidf("severity", "is not one of none, minor, major, critical")
	}
	if i.Kind != KindMaintenance && !i.StartsAt.IsZero() {
		return Invalidf("starts_at", "only a maintenance has a start and an end; use at")
	}
	if i.Kind != KindMaintenance && !i.EndsAt.IsZero() {
		return Invalidf("ends_at", "only a maintenance has a start and an end; use at")
	}
	if i.Kind == KindMaintenance && i.StartsAt.IsZero() {
		return Invalidf("starts_at", "a maintenance needs a start")
	}
	if !i.EndsAt.IsZero() && !i.EndsAt.After(i.StartsAt) {
		return Invalidf("ends_at", "must lie after starts_at")
	}
	return i.Impact.check()
}

func checkTitle(title string) error {
	if title == "" {
		return Invalidf("title", "must not be empty")
	}
	return line("title", title, maxTitle)
}

func checkBody(body string) error {
	if n := utf8.RuneCountInString(body); n > maxBody {
		return Invalidf("body", "%d characters; at most %d are allowed", n, maxBody)
	}
	for n, l := range strings.Split(body, "\n") {
		if err := line("body", strings.ReplaceAll(l, "\t", " "), maxBody); err != nil {
			return Invalidf("body", "line %d holds a control character or broken UTF-8", n+1)
		}
	}
	return nil
}

// checkAt allows for a clock that is off, not for announcing what is to come:
// an all-clear of tomorrow would be sent today.
func checkAt(at, now time.Time) error {
	if at.After(now.Add(maxAhead)) {
		return Invalidf("at", "lies more than 10 minutes ahead; use starts_at for what is to come")
	}
	return nil
}

func checkStatus(k Kind, s Status) error {
	allowed := Statuses(k)
	if s == "" && len(allowed) == 0 || slices.Contains(allowed, s) {
		return nil
	}
	if len(allowed) == 0 {
		return Invalidf("status", "a %s has no status", k)
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return Invalidf("status", "%q is not one of %s", s, strings.Join(names, ", "))
}
