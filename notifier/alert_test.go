package notifier

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// monitored is a monitor's incident and what was made of it, kept as the store keeps it.
type monitored struct {
	t         interface{ Fatal(...any) }
	now       time.Time
	n         int
	memory    Memory
	incidents []Incident
}

func watch(t interface{ Fatal(...any) }) *monitored {
	return &monitored{t: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
}

// at is a moment some minutes from the beginning.
func at(minutes int) time.Time {
	return time.Date(2026, 11, 23, 10, minutes, 0, 0, time.UTC)
}

func (m *monitored) desk() Desk {
	return Desk{Now: m.now, Zone: time.UTC, NewID: func() string { m.n++; return fmt.Sprint("id", m.n) }}
}

// last is the incident that the memory names.
func (m *monitored) last() *Incident {
	for n := range m.incidents {
		if m.incidents[n].ID == m.memory.IncidentID {
			return &m.incidents[n]
		}
	}
	return nil
}

func (m *monitored) take(r Report) Step {
	m.now = m.now.Add(time.Second)
	if r.Opening.Title == "" {
		r.Opening.Title = "Disks are full"
	}
	next, step := r.Weigh(m.memory, m.last(), m.desk())
	if step.Open != nil {
		p, err := Open(*step.Open, m.desk())
		if err != nil {
			m.t.Fatal(err)
		}
		p.Incident.Updates = []Update{*p.Update}
		m.incidents = append(m.incidents, p.Incident)
		next.IncidentID = p.Incident.ID
	}
	m.memory = next
	for _, say := range step.Say {
		m.say(say)
	}
	return step
}

func (m *monitored) say(s Saying) {
	i := m.last()
	p, err := i.Say(s, m.desk())
	if err != nil {
		m.t.Fatal(err)
	}
	p.Incident.Updates = append(i.Updates, *p.Update)
	*i = p.Incident
}

func (m *monitored) open() (n int) {
	for _, i := range m.incidents {
		if !i.Status.Final() {
			n++
		}
	}
	return n
}

func fires(name string, start int, severity Severity, components ...string) Alert {
	return Alert{Fingerprint: name, StartsAt: at(start), Severity: severity, Components: components, Body: name + " is full."}
}

func ends(name string, start, end int) Alert {
	return Alert{Fingerprint: name, StartsAt: at(start), EndsAt: at(end)}
}

func report(over bool, alerts ...Alert) Report { return Report{Alerts: alerts, Over: over} }

func outcome(t *testing.T, got Step, want Outcome, why string) {
	t.Helper()
	if got.Outcome != want || got.Reason != why {
		t.Errorf("%s (%s), want %s (%s)", got.Outcome, got.Reason, want, why)
	}
}

func TestAnIncidentOfAMonitorBeginsAndEndsWhenTheTroubleDid(t *testing.T) {
	m := watch(t)
	outcome(t, m.take(report(false, fires("a", 5, SeverityMinor, "web"), fires("b", 3, SeverityMajor, "imap7", "web"))), ReportOpened, "")
	i := m.last()
	if !i.OpenedAt.Equal(at(3)) || i.Severity != SeverityMajor || fmt.Sprint(i.Components) != "[web imap7]" || i.Updates[0].Body != "a is full.\n\nb is full." {
		t.Errorf("%+v", i)
	}
	outcome(t, m.take(report(false, ends("a", 5, 20), fires("b", 3, SeverityMajor))), ReportUnchanged, whyRepeat)
	outcome(t, m.take(report(true, ends("b", 3, 25))), ReportResolved, "")
	if !i.ResolvedAt.Equal(at(25)) || i.Status != Resolved {
		t.Errorf("%+v", i)
	}
}

func TestARepeatedAlertChangesNothingAndANewOneOpensAnother(t *testing.T) {
	m := watch(t)
	firing, over := report(false, fires("a", 5, SeverityMinor)), report(true, ends("a", 5, 20))
	outcome(t, m.take(firing), ReportOpened, "")
	outcome(t, m.take(firing), ReportUnchanged, whyRepeat)
	outcome(t, m.take(over), ReportResolved, "")
	outcome(t, m.take(over), ReportUnchanged, whyRepeat)
	outcome(t, m.take(firing), ReportUnchanged, whyStale)
	outcome(t, m.take(report(false, fires("a", 20, SeverityMinor))), ReportUnchanged, whyStale)
	outcome(t, m.take(report(false, fires("a", 21, SeverityMinor))), ReportOpened, "")
	if len(m.incidents) != 2 || m.open() != 1 {
		t.Errorf("%d incidents, %d open", len(m.incidents), m.open())
	}
}

func TestAnEndThatComesBeforeItsBeginningOpensNothing(t *testing.T) {
	m := watch(t)
	outcome(t, m.take(report(true, ends("a", 5, 20))), ReportUnchanged, whyUnknown)
	outcome(t, m.take(report(false, fires("a", 5, SeverityMinor))), ReportUnchanged, whyStale)
	if len(m.incidents) != 0 {
		t.Errorf("%+v", m.incidents)
	}
}

func TestALateEndOfWhatFiresAnewEndsNothing(t *testing.T) {
	m := watch(t)
	m.take(report(false, fires("a", 5, SeverityMinor)))
	m.take(report(false, fires("a", 30, SeverityMinor)))
	outcome(t, m.take(report(true, ends("a", 5, 20))), ReportUnchanged, whyRepeat)
	if m.open() != 1 {
		t.Error("what is wrong since 10:30 was resolved by an end at 10:20")
	}
}

func TestWhatStaffClosedIsNotOpenedByARepeat(t *testing.T) {
	m := watch(t)
	m.take(report(false, fires("a", 5, SeverityMinor)))
	m.now = at(40)
	m.say(Saying{Status: Resolved})
	outcome(t, m.take(report(false, fires("a", 5, SeverityCritical))), ReportUnchanged, whyClosed)
	outcome(t, m.take(report(false, fires("a", 5, SeverityMinor), fires("b", 39, SeverityCritical))), ReportUnchanged, whyClosed)
	if m.open() != 0 || len(m.incidents) != 1 {
		t.Error("the monitor opened what staff had closed")
	}
	m.now = at(42)
	outcome(t, m.take(report(false, fires("a", 5, SeverityMinor), fires("c", 41, SeverityMajor))), ReportOpened, "")
	if i := m.last(); !i.OpenedAt.Equal(at(41)) || i.Severity != SeverityMajor {
		t.Errorf("news: %+v", i)
	}
	outcome(t, m.take(report(true, ends("a", 5, 50), ends("b", 39, 50), ends("c", 41, 50))), ReportResolved, "")
}

func TestTheEndOfWhatStaffClosedOrRetractedSaysNothing(t *testing.T) {
	for _, state := range []PublishState{Published, Draft, Retracted} {
		m := watch(t)
		m.take(report(false, fires("a", 5, SeverityMinor)))
		if i := m.last(); state == Retracted {
			i.State = Retracted
		} else {
			i.State = state
			m.say(Saying{Status: Resolved})
		}
		was := len(m.last().Updates)
		outcome(t, m.take(report(true, ends("a", 5, 20))), ReportUnchanged, whyClosed)
		if len(m.last().Updates) != was {
			t.Errorf("%s: %+v", state, m.last().Updates)
		}
		outcome(t, m.take(report(false, fires("a", 21, SeverityMinor))), ReportOpened, "")
	}
}

func TestOnlyWhatIsWorseOrTouchesMoreIsSaid(t *testing.T) {
	m := watch(t)
	m.take(report(false, fires("a", 5, SeverityMinor, "web")))
	outcome(t, m.take(report(false, fires("a", 5, SeverityMinor, "web"), fires("b", 6, SeverityMinor, "web"))), ReportUnchanged, whyRepeat)
	step := m.take(report(false, fires("a", 5, SeverityMinor, "web"), fires("c", 7, SeverityCritical, "imap7")))
	outcome(t, step, ReportUpdated, "")
	if i := m.last(); i.Severity != SeverityCritical || fmt.Sprint(i.Components) != "[web imap7]" || i.Updates[1].Body != "c is full." || i.Status != Investigating {
		t.Errorf("%+v", i)
	}
	// Staff know better, and the monitor says nothing new.
	m.last().Severity, m.last().Components = SeverityMinor, []string{"web"}
	outcome(t, m.take(report(false, fires("c", 7, SeverityCritical, "imap7"))), ReportUnchanged, whyRepeat)
	if i := m.last(); i.Severity != SeverityMinor || len(i.Components) != 1 {
		t.Errorf("%+v", i)
	}
}

func TestWhatWasSilentWhenItsGroupEndedIsNoOldNews(t *testing.T) {
	m := watch(t)
	m.take(report(false, fires("a", 5, SeverityMinor), fires("b", 6, SeverityMinor)))
	outcome(t, m.take(report(true, ends("a", 5, 20))), ReportResolved, "")
	outcome(t, m.take(report(false, fires("b", 6, SeverityMinor))), ReportOpened, "")
	// Nor is something an end that a group's message, cut short, did not name.
	outcome(t, m.take(report(false, ends("a", 5, 20))), ReportUnchanged, whyRepeat)
}

func TestAClockThatIsAheadIsNotTakenForTheFuture(t *testing.T) {
	m := watch(t)
	m.take(report(false, Alert{Fingerprint: "a", StartsAt: m.now.Add(time.Hour)}))
	m.take(report(true, Alert{Fingerprint: "a", StartsAt: m.now.Add(time.Hour), EndsAt: m.now.Add(2 * time.Hour)}))
	if i := m.last(); i.OpenedAt.After(m.now) || i.ResolvedAt.After(m.now) || m.open() != 0 {
		t.Errorf("%+v", i)
	}
}

func TestNotesBecomeUpdatesInOrderEachOnce(t *testing.T) {
	m := watch(t)
	note := func(id string, s Status, minute int) Note { return Note{ID: id, Status: s, Body: id, At: at(minute)} }
	of := func(start, end int, notes ...Note) Report {
		a := Alert{StartsAt: at(start)}
		if end > 0 {
			a.EndsAt = at(end)
		}
		return Report{Alerts: []Alert{a}, Notes: notes}
	}
	one, two, three, four := note("one", Investigating, 1), note("two", Identified, 5), note("three", Resolved, 9), note("four", Investigating, 12)
	outcome(t, m.take(of(5, 0, two, one)), ReportOpened, "")
	outcome(t, m.take(of(5, 0, two, one)), ReportUnchanged, whyRepeat)
	outcome(t, m.take(of(5, 9, three, two, one)), ReportResolved, "")
	outcome(t, m.take(of(5, 0, two, one)), ReportUnchanged, whyRepeat)
	outcome(t, m.take(of(12, 9, four, three, two, one)), ReportUpdated, "")
	late := note("late", Identified, 7)
	outcome(t, m.take(of(7, 0, late)), ReportUpdated, "")
	var said []string
	for _, u := range m.last().Updates {
		said = append(said, u.Body+" "+string(u.Status))
	}
	if got := strings.Join(said, ", "); got != "one investigating, two identified, three resolved, four investigating, late investigating" || len(m.incidents) != 1 {
		t.Errorf("%s in %d incidents", got, len(m.incidents))
	}
	m.say(Saying{Status: Resolved, Body: "staff"})
	outcome(t, m.take(of(20, 9, note("five", Identified, 20))), ReportUnchanged, whyClosed)
}

// Whatever is repeated and however it is mixed up, what is open in the end is
// what is wrong in the end.
func TestNoOrderAndNoRepetitionOfReportsEndsInAnotherTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var history []Report
		var truth bool
		names, episodes := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "alerts")], 0
		since := map[string]int{}
		for minute := range rapid.IntRange(1, 14).Draw(t, "length") {
			name := rapid.SampledFrom(names).Draw(t, "alert")
			start, on := since[name]
			var alerts []Alert
			if on {
				delete(since, name)
				alerts = append(alerts, ends(name, start, minute))
			} else {
				if len(since) == 0 {
					episodes++
				}
				since[name] = minute
			}
			for _, other := range names {
				if s, on := since[other]; on {
					alerts = append(alerts, fires(other, s, SeverityMajor))
				}
			}
			truth = len(since) > 0
			history = append(history, report(!truth, alerts...))
		}
		right := watch(t)
		for _, r := range history {
			right.take(r)
		}
		if len(right.incidents) != episodes || right.open() > 0 != truth {
			t.Fatalf("in order: %d incidents for %d outages", len(right.incidents), episodes)
		}
		mixed := watch(t)
		for _, r := range rapid.Permutation(append(history, history...)).Draw(t, "order") {
			mixed.take(r)
			if mixed.open() > 1 {
				t.Fatal("two incidents of one alert are open at once")
			}
		}
		if (mixed.open() == 1) != truth {
			t.Fatalf("%d are open in the end, and it is wrong: %v", mixed.open(), truth)
		}
		was := len(mixed.incidents)
		for _, r := range history {
			if step := mixed.take(r); step.Outcome != ReportUnchanged {
				t.Fatalf("a repeat of what was heard: %s", step.Outcome)
			}
		}
		if len(mixed.incidents) != was {
			t.Fatal("a repeat opened an incident")
		}
	})
}

func TestWhateverAMonitorWritesCanBePublished(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wild := rapid.SliceOfN(rapid.SampledFrom([]string{"{{at \"", "\"}}", "now", "{{ at", "x", "\x00", "\r\n", "\t", "\u2028", "\ufffd", "é", " ", "\x85", strings.Repeat("long ", 3000)}), 0, 12)
		text := strings.Join(wild.Draw(t, "text"), "")
		a := Alert{StartsAt: at(1), Body: MonitorBody(text, desk())}
		title := MonitorTitle(text)
		if title == "" {
			title = "x"
		}
		r := Report{Alerts: []Alert{a}, Opening: Announcement{Title: title}}
		_, step := r.Weigh(Memory{}, nil, desk())
		if _, err := Open(*step.Open, desk()); err != nil {
			t.Fatal(err)
		}
		if name := Fingerprint(text); len(name) > 200 {
			t.Fatal(name)
		}
	})
}
