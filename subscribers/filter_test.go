package subscribers

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
)

func TestMatchIsWhoGetsWhat(t *testing.T) {
	incident := func(s notifier.Severity, components ...string) notifier.Event {
		return notifier.Event{Kind: notifier.KindIncident, Severity: s, Components: components}
	}
	post := notifier.Event{Kind: notifier.KindPost}
	work := notifier.Event{Kind: notifier.KindMaintenance, Components: []string{"imap"}}
	for _, c := range []struct {
		about string
		f     Filter
		e     notifier.Event
		want  bool
	}{
		{"no wishes: everything", Filter{}, incident(notifier.SeverityNone, "imap"), true},
		{"no wishes: posts too", Filter{}, post, true},
		{"a component of theirs", Filter{Components: []string{"smtp", "imap"}}, incident(0, "imap"), true},
		{"a component of others", Filter{Components: []string{"smtp"}}, incident(0, "imap"), false},
		{"one of several touched", Filter{Components: []string{"smtp"}}, incident(0, "imap", "smtp"), true},
		{"an incident of everything reaches everyone", Filter{Components: []string{"smtp"}}, incident(0), true},
		{"a key within another key is not it", Filter{Components: []string{"imap"}}, incident(0, "imap7"), false},
		{"severe enough", Filter{Severity: notifier.SeverityMajor}, incident(notifier.SeverityMajor), true},
		{"worse than asked", Filter{Severity: notifier.SeverityMajor}, incident(notifier.SeverityCritical), true},
		{"not severe enough", Filter{Severity: notifier.SeverityMajor}, incident(notifier.SeverityMinor), false},
		{"maintenance has no rank", Filter{Severity: notifier.SeverityCritical}, work, true},
		{"nor has a post", Filter{Severity: notifier.SeverityCritical}, post, true},
		{"a kind they chose", Filter{Kinds: []notifier.Kind{notifier.KindMaintenance}}, work, true},
		{"a kind they did not", Filter{Kinds: []notifier.Kind{notifier.KindMaintenance}}, post, false},
		{"the one incident they follow", Filter{Incident: "a"}, notifier.Event{Kind: notifier.KindIncident, IncidentID: "a"}, true},
		{"another one", Filter{Incident: "a"}, notifier.Event{Kind: notifier.KindIncident, IncidentID: "b"}, false},
		{"all wishes at once", Filter{Components: []string{"imap"}, Severity: notifier.SeverityMinor, Kinds: []notifier.Kind{notifier.KindIncident}}, incident(notifier.SeverityMajor, "imap"), true},
	} {
		if got := c.f.Match(c.e, nil); got != c.want {
			t.Errorf("%s: %v", c.about, got)
		}
	}
}

var keys = []string{"imap", "imap7", "smtp", "web"}

func drawFilter(t *rapid.T) Filter {
	return Filter{
		Components: rapid.SliceOfN(rapid.SampledFrom(keys), 0, 3).Draw(t, "components"),
		Severity:   notifier.Severity(rapid.IntRange(0, 3).Draw(t, "severity")),
		Kinds:      rapid.SliceOfN(rapid.SampledFrom(notifier.Kinds), 0, 3).Draw(t, "kinds"),
		Incident:   rapid.SampledFrom([]string{"", "", "one", "two"}).Draw(t, "incident"),
	}
}

func drawEvent(t *rapid.T) notifier.Event {
	return notifier.Event{
		Kind:       rapid.SampledFrom(notifier.Kinds).Draw(t, "kind"),
		Severity:   notifier.Severity(rapid.IntRange(0, 3).Draw(t, "rank")),
		Components: rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 0, 3, rapid.ID[string]).Draw(t, "touched"),
		IncidentID: rapid.SampledFrom([]string{"one", "two"}).Draw(t, "of"),
	}
}

// The SQL twin in store leans on each of these.
func TestMatchHoldsItsLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f, e := drawFilter(t), drawEvent(t)
		got := f.Match(e, nil)
		if !(Filter{}).Match(e, nil) {
			t.Fatal("the empty filter holds something back")
		}
		tidy := f
		tidy.Components, tidy.Kinds = slices.Clone(f.Components), slices.Clone(f.Kinds)
		if err := tidy.Validate(); err != nil || tidy.Match(e, nil) != got {
			t.Fatalf("checking the filter changes what it lets through: %v", err)
		}
		slices.Reverse(tidy.Components)
		if tidy.Match(e, nil) != got {
			t.Fatal("the order of components matters")
		}
		if e.Kind == notifier.KindIncident && got && e.Severity < notifier.SeverityCritical {
			worse := e
			worse.Severity++
			if !f.Match(worse, nil) {
				t.Fatal("it got worse and they hear nothing")
			}
		}
		wider := e
		wider.Components = nil
		if got && !f.Match(wider, nil) {
			t.Fatal("it touches everything and they hear nothing")
		}
	})
}

func TestABadFilterNamesItsField(t *testing.T) {
	for field, f := range map[string]Filter{
		"components[0]": {Components: []string{"IMAP"}}, "components[1]": {Components: []string{"imap", "a;b"}},
		"kinds[0]": {Kinds: []notifier.Kind{"outage"}}, "severity": {Severity: 4}, "incident": {Incident: "a b"},
	} {
		err := f.Validate()
		var invalid *notifier.Invalid
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestRepetitionsAreDropped(t *testing.T) {
	f := Filter{Components: []string{"b", "a", "b"}, Kinds: []notifier.Kind{"post", "post"}}
	if err := f.Validate(); err != nil || !slices.Equal(f.Components, []string{"b", "a"}) || len(f.Kinds) != 1 {
		t.Errorf("%+v %v", f, err)
	}
}

func TestTheCadenceDecidesWhatIsSentAtOnce(t *testing.T) {
	between := []notifier.EventType{notifier.IncidentUpdated, notifier.IncidentCorrected, notifier.MaintenanceExtended}
	for _, e := range []notifier.EventType{
		notifier.IncidentCreated, notifier.IncidentUpdated, notifier.IncidentResolved, notifier.IncidentCorrected, notifier.IncidentRetracted,
		notifier.MaintenanceScheduled, notifier.MaintenanceStarted, notifier.MaintenanceExtended, notifier.MaintenanceCompleted, notifier.PostPublished,
	} {
		if !Instant.Wants(notifier.Event{Type: e}) {
			t.Errorf("instant does not want %s", e)
		}
		if Milestones.Wants(notifier.Event{Type: e}) == slices.Contains(between, e) {
			t.Errorf("milestones wants %s: %v", e, !slices.Contains(between, e))
		}
		for _, c := range []Cadence{Daily, Weekly, Monthly, "", "hourly"} {
			if c.Wants(notifier.Event{Type: e, Raised: true}) {
				t.Errorf("%q wants %s at once", c, e)
			}
		}
	}
}

func TestMilestonesAreBeginningsEndsAndWhatMakesItWorse(t *testing.T) {
	for _, e := range []notifier.EventType{notifier.IncidentUpdated, notifier.IncidentCorrected} {
		raised := notifier.Event{Type: e, Kind: notifier.KindIncident, Raised: true}
		if !Milestones.Wants(raised) || !Instant.Wants(raised) {
			t.Errorf("%s that makes it worse is no milestone", e)
		}
		if who := (Subscriber{Cadence: Milestones}); !who.AtOnce(raised) {
			t.Errorf("%s that makes it worse does not come at once", e)
		}
		if who := (Subscriber{Cadence: Daily}); who.AtOnce(raised) {
			t.Errorf("%s comes at once to who gets digests", e)
		}
	}
}
