package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"allclear/notifier"
)

// posted is what a standard body says first.
type posted struct {
	Type    notifier.EventType
	Version int
	Data    struct {
		Incident *struct{ ID, Title string }
		Update   *struct {
			ID   string
			Text string `json:"body_text"`
		}
		Missed   []struct{ ID string }
		Sequence float64
		Message  string
	}
}

func readPosted(t *testing.T, c call) posted {
	t.Helper()
	var p posted
	if err := json.Unmarshal(c.body, &p); err != nil {
		t.Fatalf("%v: %s", err, c.body)
	}
	return p
}

func TestWhateverHappensIsPostedUnderTheTypeThatTheGuideNames(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		s, _ := hookService(t, dsn, nil)
		c := newCustomer(t)
		id, _ := s.endpoint(c.URL+"/hook", nil)
		starts := s.db.Now().Add(26 * time.Hour).UTC().Truncate(time.Second)
		at := func(d time.Duration) string { return starts.Add(d).Format(time.RFC3339) }
		say := func(incident string, body object) string {
			return s.call("POST", "/incidents/"+incident+"/updates", body, http.StatusCreated).text("event_id")
		}
		var incident, mistake, work, wrong string
		for i, step := range []struct {
			want notifier.EventType
			do   func() (event string)
		}{
			{notifier.IncidentCreated, func() (event string) { incident, event = s.announce("imap7 does not answer", nil); return event }},
			{notifier.IncidentUpdated, func() string {
				said := s.call("POST", "/incidents/"+incident+"/updates", object{"status": "identified", "body": "A fan has burnt out."}, http.StatusCreated)
				wrong = said.text("id")
				return said.text("event_id")
			}},
			{notifier.IncidentUpdated, func() string { return s.update(incident, "monitoring", "We have another.") }},
			{notifier.IncidentCorrected, func() string {
				return s.call("PATCH", "/incidents/"+incident+"/updates/"+wrong, object{"body": "A power supply has burnt out.", "notify": true}, http.StatusOK).text("event_id")
			}},
			{notifier.IncidentCorrected, func() string {
				return s.call("PATCH", "/incidents/"+incident, object{"title": "imap7 and imap8 do not answer", "notify": true}, http.StatusOK).text("event_id")
			}},
			{notifier.IncidentResolved, func() string { return s.update(incident, "resolved", "Everyone reads from the copy.") }},
			{notifier.IncidentUpdated, func() string { return s.update(incident, "resolved", "What it was, in full: a fuse.") }}, // an afterword
			{notifier.IncidentUpdated, func() string { return s.update(incident, "monitoring", "It is not over.") }},
			{notifier.IncidentResolved, func() string { return s.update(incident, "resolved", "Now it is.") }},
			{notifier.IncidentCreated, func() (event string) { mistake, event = s.announce("the test system is down", nil); return event }},
			{notifier.IncidentRetracted, func() string {
				return s.call("POST", "/incidents/"+mistake+"/retract", object{"body": "Meant for our test system.", "notify": true}, http.StatusOK).text("event_id")
			}},
			{notifier.MaintenanceScheduled, func() (event string) {
				work, event = s.announce("imap7 moves", object{"kind": "maintenance", "severity": "none", "starts_at": at(0), "ends_at": at(2 * time.Hour)})
				return event
			}},
			{notifier.MaintenanceStarted, func() string { return s.update(work, "in_progress", "We begin.") }},
			{notifier.MaintenanceExtended, func() string {
				return say(work, object{"status": "extended", "body": "It takes longer.", "ends_at": at(3 * time.Hour)})
			}},
			{notifier.MaintenanceCompleted, func() string { return s.update(work, "completed", "Done.") }},
			{notifier.PostPublished, func() (event string) {
				_, event = s.announce("We have a new page", object{"kind": "post", "severity": "none"})
				return event
			}},
			{notifier.EndpointTest, func() string {
				s.call("POST", "/subscribers/"+id+"/test", nil, http.StatusOK)
				return ""
			}},
		} {
			event := step.do()
			if event != "" {
				s.done(event)
			}
			calls := c.wait(t, i+1)
			if got := readPosted(t, calls[i]); got.Type != step.want || got.Version != 1 || len(calls) != i+1 {
				t.Fatalf("post %d of %d is %+v, want %s", i+1, len(calls), got, step.want)
			}
			if got := readPosted(t, calls[i]); i == 3 && (got.Data.Update.ID != wrong || got.Data.Update.Text != "A power supply has burnt out." || len(got.Data.Missed) != 0) {
				t.Errorf("the correction is %s", calls[i].body)
			}
		}
		var seen []notifier.EventType
		for _, got := range c.calls() {
			seen = append(seen, readPosted(t, got).Type)
		}
		for _, want := range notifier.Announcements {
			if !slices.Contains(seen, want) {
				t.Errorf("nothing makes %s", want)
			}
		}
	})
}
