package notifier

import (
	"slices"
	"strings"
)

// News reports whether an update says or changes anything, or tells what was said
// quietly: nobody is mailed that things are as they were told already.
func (i *Incident) News(s Saying) bool {
	if strings.TrimSpace(s.Body) != "" || s.Status != "" && s.Status != i.Status {
		return true
	}
	if n := len(i.Updates); !s.Quiet && n > 0 && i.Updates[n-1].Event == 0 {
		return true
	}
	switch {
	case s.Severity != nil && *s.Severity != i.Severity:
	case s.Components != nil && !sameKeys(*s.Components, i.Components):
	case s.StartsAt != nil && !s.StartsAt.Equal(i.StartsAt):
	case s.EndsAt != nil && !s.EndsAt.Equal(i.EndsAt):
	case s.Impact != nil && s.Impact.news(i.Impact):
	default:
		return false
	}
	return true
}

// noNews refuses an update that says and changes nothing.
func (i *Incident) noNews() error {
	word := strings.ReplaceAll(string(i.Status), "_", " ")
	if i.ResolvedAt.IsZero() {
		return Invalidf("status", "this is %s already, and nothing else is new; say something, or change something", word)
	}
	return Invalidf("status", "this is %s already, since %s, and nothing else is new; say something, or correct the update that says when it ended",
		word, i.ResolvedAt.UTC().Format("2006-01-02 15:04 UTC"))
}

func sameKeys(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// news reports whether a figure is given that is not known.
func (i Impact) news(known Impact) bool {
	for n, f := range i.figures() {
		if k := known.figures()[n]; f != nil && (k == nil || *k != *f) {
			return true
		}
	}
	return false
}

func (i Impact) figures() []*float64 {
	return []*float64{i.DelayMinMinutes, i.DelayMaxMinutes, i.ErrorRate, i.AffectedShare, i.PerSecond}
}
