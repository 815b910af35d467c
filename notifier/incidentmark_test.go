package notifier_test

import (
	"testing"
	"time"

	"allclear/notifier"
)

func TestAnIncidentsMarkIsAnotherOnceAnythingItSaysIsAnother(t *testing.T) {
	half := 0.5
	draft := func() notifier.Incident {
		return notifier.Incident{
			ID: "i1", Title: "Mail is slow", Kind: notifier.KindIncident, State: notifier.Draft, Severity: notifier.SeverityMinor, Status: notifier.Investigating, Components: []string{"imap"},
			Updates: []notifier.Update{{ID: "u1", Status: notifier.Investigating, Body: "We look."}},
		}
	}
	first, seen := draft(), map[string]bool{}
	seen[first.Mark()] = true
	if same := draft(); same.Mark() != first.Mark() {
		t.Error("the same has another mark")
	}
	for says, change := range map[string]func(i *notifier.Incident){
		"the title": func(i *notifier.Incident) { i.Title = "Mail is late" }, "the severity": func(i *notifier.Incident) { i.Severity = notifier.SeverityMajor },
		"a component": func(i *notifier.Incident) { i.Components = nil }, "a figure": func(i *notifier.Incident) { i.Impact.ErrorRate = &half },
		"the text": func(i *notifier.Incident) { i.Updates[0].Body = "We look on." }, "when it began": func(i *notifier.Incident) { i.OpenedAt = time.Unix(1, 0) },
		"the end": func(i *notifier.Incident) { i.EndsAt = time.Unix(1, 0) }, "the state": func(i *notifier.Incident) { i.State = notifier.Published },
		"one more update": func(i *notifier.Incident) { i.Updates = append(i.Updates, notifier.Update{ID: "u2"}) },
	} {
		other := draft()
		if change(&other); seen[other.Mark()] {
			t.Errorf("another %s has a mark that was there", says)
		}
		seen[other.Mark()] = true
	}
}
