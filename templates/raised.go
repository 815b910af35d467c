package templates

import (
	"allclear/notifier"
)

// raised is the word for a severity, with what it was where a reader who was last
// sent told hears for the first time that it is worse.
func (c *catalogue) raised(story notifier.Story, now notifier.Severity, told int64) string {
	word := c.severity(now)
	if story.Event.Type != notifier.IncidentUpdated || told <= 0 {
		return word
	}
	known, was := false, notifier.SeverityNone
	for _, e := range story.Previous {
		if e.Number <= told && e.Type != notifier.IncidentRetracted {
			known, was = true, e.Severity
		}
	}
	switch {
	case !known || now <= was:
		return word
	case was == notifier.SeverityNone:
		return c.must("severity.raised", "severity", word)
	}
	return c.must("severity.raised.from", "severity", word, "before", c.severity(was))
}
