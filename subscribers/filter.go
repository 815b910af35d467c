package subscribers

import (
	"slices"
	"strconv"
	"strings"

	"allclear/notifier"
)

// Filter is what a subscriber wants to hear of. The zero Filter lets everything through.
type Filter struct {
	Components []string          // keys; empty means all
	Severity   notifier.Severity // lowest severity of incidents; others are not ranked
	Kinds      []notifier.Kind   // empty means all
	Incident   string            // the id of the only one to hear of; "" means all
	// Types are the events an endpoint is called for; empty means all. What
	// closes an incident it was told of comes anyway.
	Types []notifier.EventType
	// Mine: only what touches the reader. Of components on whose lists of members
	// others are, they do not want to hear.
	Mine bool
}

// maxIncident is the length of the longest id; ours have 16 characters.
const maxIncident = 64

// Match is the rule of who gets what. The store says the same in SQL (see
// store/expand.go); a property test holds the two equal. touches reports whether
// what happens to a component touches the reader: they are on its list of members,
// or it has none. nil: whatever it is.
func (f Filter) Match(e notifier.Event, touches func(component string) bool) bool {
	if e.Type == notifier.IncidentRetracted {
		return false // who never heard of the mistake need not hear that it was one; who did hears it anyway (EventType.Closing)
	}
	if f.Incident != "" && f.Incident != e.IncidentID {
		return false
	}
	if len(f.Types) > 0 && !slices.Contains(f.Types, e.Type) {
		return false
	}
	if len(f.Kinds) > 0 && !slices.Contains(f.Kinds, e.Kind) {
		return false
	}
	if e.Kind == notifier.KindIncident && e.Severity < f.Severity {
		return false
	}
	return f.Concerned(e.Components, touches)
}

// Concerned is the part of Match about what an announcement names: no component
// is everything, and that concerns everybody. One that the reader did not choose
// does not, though they live on it.
func (f Filter) Concerned(components []string, touches func(component string) bool) bool {
	if len(components) == 0 {
		return true
	}
	return slices.ContainsFunc(components, func(c string) bool {
		return (len(f.Components) == 0 || slices.Contains(f.Components, c)) && (!f.Mine || touches == nil || touches(c))
	})
}

// Wants is the cadence's half of the rule: whether an event is sent at once.
func (c Cadence) Wants(e notifier.Event) bool {
	switch c {
	case Instant:
		return true
	case Milestones:
		switch e.Type {
		case notifier.IncidentUpdated, notifier.IncidentCorrected:
			return e.Raised
		case notifier.MaintenanceExtended, notifier.MaintenanceReminder:
			return false
		}
		return true
	}
	return false
}

// Validate reports the first wrong field as a *notifier.Invalid, and drops repetitions.
func (f *Filter) Validate() error {
	for i, c := range f.Components {
		k := notifier.Component{Key: c}
		if err := k.Validate(); err != nil {
			return notifier.Invalidf("components["+strconv.Itoa(i)+"]", "%q is not a component key", c)
		}
	}
	for i, k := range f.Kinds {
		if !slices.Contains(notifier.Kinds, k) {
			return notifier.Invalidf("kinds["+strconv.Itoa(i)+"]", "%q is not one of incident, maintenance, post", k)
		}
	}
	if f.Severity < notifier.SeverityNone || f.Severity > notifier.SeverityCritical {
		return notifier.Invalidf("severity", "is not one of none, minor, major, critical")
	}
	if len(f.Incident) > maxIncident || strings.ContainsFunc(f.Incident, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return notifier.Invalidf("incident", "is not the id of an incident")
	}
	for i, t := range f.Types {
		if !slices.Contains(notifier.Announcements, t) {
			return notifier.Invalidf("types["+strconv.Itoa(i)+"]", "%q is no type of event; use one like incident.created", t)
		}
	}
	f.Types = distinct(f.Types)
	f.Components = distinct(f.Components)
	f.Kinds = distinct(f.Kinds)
	return nil
}

func distinct[T ~string](in []T) []T {
	var out []T
	for _, v := range in {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}
