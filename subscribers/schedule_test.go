package subscribers

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
)

func TestAnHourIsOneOfTheDayOrTheServices(t *testing.T) {
	for text, want := range map[string]int{"": 9, " ": 9, "0": 0, "7": 7, "23": 23} {
		h, err := ParseHour(text)
		if err != nil || h.Or(9) != want {
			t.Errorf("%q is %d, %v; want %d", text, h.Or(9), err, want)
		}
		if again, err := ParseHour(h.String()); again != h || err != nil {
			t.Errorf("%q becomes %q", text, h)
		}
		raw, err := json.Marshal(h)
		if err != nil {
			t.Fatal(err)
		}
		var back Hour
		if err := json.Unmarshal(raw, &back); err != nil || back != h {
			t.Errorf("%q comes back from %s as %q, %v", text, raw, back, err)
		}
	}
	for _, text := range []string{"24", "-1", "noon", "9:00"} {
		if h, err := ParseHour(text); err == nil {
			t.Errorf("%q is %d", text, h)
		}
	}
	var h Hour
	if err := json.Unmarshal([]byte(`24`), &h); err == nil {
		t.Error("24 is an hour")
	}
	if err := json.Unmarshal([]byte(`"9"`), &h); err == nil {
		t.Error("a text is an hour")
	}
}

func TestADayOfTheWeekIsMondayUnlessChosen(t *testing.T) {
	if (Weekday("")).Day() != time.Monday {
		t.Error("not Monday")
	}
	for i, d := range Weekdays {
		if got := d.Day(); got != time.Weekday((i+1)%7) {
			t.Errorf("%s is %s", d, got)
		}
	}
}

func TestWhatIsCriticalComesAtOnceToWhoAsksForIt(t *testing.T) {
	critical := notifier.Event{Type: notifier.IncidentUpdated, Kind: notifier.KindIncident, Severity: notifier.SeverityCritical}
	for _, c := range []struct {
		who   Subscriber
		event notifier.Event
		want  bool
	}{
		{Subscriber{Cadence: Instant}, critical, true},
		{Subscriber{Cadence: Milestones, Critical: true}, critical, false}, // what they chose stands
		{Subscriber{Cadence: Daily}, critical, false},
		{Subscriber{Cadence: Weekly, Critical: true}, critical, true},
		{Subscriber{Cadence: Weekly, Critical: true}, notifier.Event{Type: notifier.IncidentCreated, Kind: notifier.KindIncident, Severity: notifier.SeverityMajor}, false},
		{Subscriber{Cadence: Weekly, Critical: true}, notifier.Event{Type: notifier.PostPublished, Kind: notifier.KindPost, Severity: notifier.SeverityCritical}, false},
	} {
		if got := c.who.AtOnce(c.event); got != c.want {
			t.Errorf("%+v of %+v: %t", c.who, c.event, got)
		}
	}
}

// What a digest tells, and what was known before it, are never the same; what
// the filter lets through is always in one of the two, unless it was a mistake
// that nobody heard of.
func TestADigestTellsEverythingOnceAndNothingElse(t *testing.T) {
	types := []notifier.EventType{notifier.IncidentCreated, notifier.IncidentUpdated, notifier.IncidentResolved, notifier.IncidentRetracted}
	rapid.Check(t, func(r *rapid.T) {
		var events []notifier.Event
		for i := range rapid.IntRange(0, 12).Draw(r, "events") {
			events = append(events, notifier.Event{
				Number: int64(i + 1), IncidentID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "incident"), Kind: notifier.KindIncident,
				Type: rapid.SampledFrom(types).Draw(r, "type"), Severity: notifier.Severity(rapid.IntRange(0, 3).Draw(r, "severity")),
			})
		}
		atOnce := rapid.SliceOfN(rapid.Bool(), 13, 13).Draw(r, "at once")
		before := map[string]bool{"a": rapid.Bool().Draw(r, "told of a")}
		who := Subscriber{Filter: Filter{Severity: notifier.Severity(rapid.IntRange(0, 3).Draw(r, "lowest"))}}
		heard := map[string]int64{} // an end may have come at once behind what the digest is of
		for i, id := range []string{"a", "b", "c"} {
			if rapid.IntRange(0, 9).Draw(r, "later") == 0 {
				heard[id] = int64(100 + i)
			}
		}
		for _, e := range events {
			if atOnce[e.Number] {
				heard[e.IncidentID] = max(heard[e.IncidentID], e.Number)
			}
		}
		got := who.Missed(Backlog{Events: events, Heard: func(id string) int64 { return heard[id] }, Told: func(id string) bool { return before[id] }})
		if !slices.IsSorted(got) {
			r.Fatalf("not in their order: %v", got)
		}
		known := map[string]bool{"a": before["a"]}
		for _, e := range events {
			told := slices.Contains(got, e.Number)
			mistake := slices.ContainsFunc(events, func(x notifier.Event) bool {
				return x.IncidentID == e.IncidentID && x.Type == notifier.IncidentRetracted && x.Number >= e.Number
			})
			switch {
			case told && e.Number <= heard[e.IncidentID]:
				r.Fatalf("%d is told, and at once they heard of it, or of something later", e.Number)
			case told && e.Type == notifier.IncidentRetracted && !known[e.IncidentID]:
				r.Fatalf("%d takes back what nobody heard of", e.Number)
			case told && !who.Filter.Match(e, nil) && !e.Type.Closing():
				r.Fatalf("%d is told to who does not want it", e.Number)
			case !told && e.Number > heard[e.IncidentID] && who.Filter.Match(e, nil) && !mistake:
				r.Fatalf("%d is lost: %v", e.Number, got)
			case !told && e.Number > heard[e.IncidentID] && e.Type.Closing() && known[e.IncidentID]:
				r.Fatalf("the end %d is lost", e.Number)
			}
			known[e.IncidentID] = known[e.IncidentID] || atOnce[e.Number] || told
		}
	})
}
