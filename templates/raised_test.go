package templates

import (
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
)

// A reader is told from what the severity was raised, once: not who never heard
// of it, nor who knows it already.
func TestAMailSaysFromWhatTheSeverityWasRaised(t *testing.T) {
	s, tale := newSet(t), story("incident-updated")
	tale.Previous[0].Severity, tale.Previous[1].Severity = notifier.SeverityNone, notifier.SeverityMinor
	for _, c := range []struct {
		since, told int64
		want        string
	}{{7, 6, "Monitoring · Major (raised from Minor)"}, {6, 5, "Monitoring · Major (raised)"}, {7, 0, "Monitoring · Major\n"}} {
		l := told(t, s, tale, c.since, c.told)
		contains(t, l.Text, c.want)
		contains(t, l.HTML, strings.TrimSpace(c.want))
	}
	tale.Previous[1].Severity = notifier.SeverityCritical
	contains(t, told(t, s, tale, 7, 6).Text, "Monitoring · Major\n")
	chat, _, err := s.chat(story("incident-updated"), circumstances{view: viewNamed("incident-updated"), since: 7, told: 6, times: s.Times("", "")})
	if err != nil || slices.ContainsFunc(chat.Facts, func(f chatFact) bool { return strings.Contains(f.Value, "raised") }) {
		t.Errorf("as bad as before: %+v %v", chat.Facts, err)
	}
}
