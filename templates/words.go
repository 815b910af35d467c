package templates

import (
	"time"

	"allclear/notifier"
)

// Tones are the colours of states, as classes in both style sheets.
const (
	toneOK       = "ok"
	toneMinor    = "minor"
	toneMajor    = "major"
	toneCritical = "critical"
	tonePlan     = "plan"
	toneSoft     = "soft"
)

func tones() []string {
	return []string{toneOK, toneMinor, toneMajor, toneCritical, tonePlan, toneSoft}
}

func severityTone(s notifier.Severity) string {
	switch s {
	case notifier.SeverityMinor:
		return toneMinor
	case notifier.SeverityMajor:
		return toneMajor
	case notifier.SeverityCritical:
		return toneCritical
	}
	return toneSoft
}

// tone is the colour of a state of one kind of announcement.
func tone(k notifier.Kind, s notifier.Status, v notifier.Severity) string {
	switch {
	case s.Final():
		return toneOK
	case k == notifier.KindMaintenance:
		return tonePlan
	case k == notifier.KindPost:
		return toneSoft
	}
	return severityTone(v)
}

func (c *catalogue) status(s notifier.Status) string {
	if s == "" {
		return ""
	}
	return c.must("status." + string(s))
}

// severity is the word for one; none has none.
func (c *catalogue) severity(s notifier.Severity) string {
	if s == notifier.SeverityNone {
		return ""
	}
	return c.must("severity." + s.String())
}

// parts lists the names of components; "" where all of the service is meant.
func (c *catalogue) parts(keys []string, names map[string]string) string {
	var out []string
	for _, k := range keys {
		if n := names[k]; n != "" {
			k = n
		}
		out = append(out, c.isolate(k))
	}
	return c.list(out)
}

// some reports whether a figure is known and more than nothing.
func some(f *float64) bool { return f != nil && *f > 0 }

// impact says in sentences what readers feel, or felt once it is over; lasted is
// for how long mail was late, where that is known. Of a figure of zero it says
// nothing.
func (p Times) impact(i notifier.Impact, over bool, lasted string) []string {
	tense := ".now"
	if over {
		tense = ".over"
	}
	var out []string
	if by := p.delay(i); by != "" && over && lasted != "" {
		out = append(out, p.cat.must("impact.delay.whole", "by", by, "duration", lasted))
	} else if by != "" {
		out = append(out, p.cat.must("impact.delay"+tense, "by", by))
	}
	if some(i.AffectedShare) {
		out = append(out, p.cat.must("impact.affected"+tense, "share", p.cat.percent(*i.AffectedShare)))
	}
	if some(i.ErrorRate) {
		out = append(out, p.cat.must("impact.errors"+tense, "share", p.cat.percent(*i.ErrorRate)))
	}
	if some(i.PerSecond) {
		out = append(out, p.cat.must("impact.rate"+tense, "rate", p.cat.value(*i.PerSecond)))
	}
	return out
}

// delay is "5 to 10 minutes", "up to 10 minutes", "2 h to 3 h"; "" where nothing is known.
func (p Times) delay(i notifier.Impact) string {
	low, high := i.DelayMinMinutes, i.DelayMaxMinutes
	switch {
	case !some(low) && !some(high):
		return ""
	case low == nil:
		return p.cat.must("delay.most", "most", p.minutes(*high))
	case high == nil:
		return p.cat.must("delay.least", "least", p.minutes(*low))
	case *low == *high:
		return p.minutes(*high)
	case *low == 0:
		return p.cat.must("delay.most", "most", p.minutes(*high))
	case *high < 120:
		return p.cat.must("delay.range", "least", p.cat.value(*low), "most", p.minutes(*high))
	}
	return p.cat.must("delay.range", "least", p.minutes(*low), "most", p.minutes(*high))
}

func (p Times) minutes(m float64) string {
	if m >= 120 {
		return p.Duration(time.Duration(m * float64(time.Minute)))
	}
	key := "minutes.other"
	if m == float64(int(m)) {
		key = p.cat.plural("minutes", int(m))
	}
	return p.cat.must(key, "n", m)
}
