package api

import (
	"slices"
	"strconv"
	"time"

	"allclear/notifier"
)

// statuspageHook is what Statuspage posts to webhook subscribers about an
// incident or a maintenance, or about a component; and an incident as its API
// shows it, where only that is sent.
type statuspageHook struct {
	Incident        *statuspageIncident `json:"incident"`
	ComponentUpdate *struct {
		ComponentID string `json:"component_id"`
	} `json:"component_update"`
	Component *struct {
		Name string `json:"name"`
	} `json:"component"`
	statuspageIncident
}

type statuspageIncident struct {
	ID             string                `json:"id"`
	Name           string                `json:"name"`
	Status         string                `json:"status"`
	Impact         string                `json:"impact"`
	CreatedAt      *string               `json:"created_at"`
	UpdatedAt      *string               `json:"updated_at"`
	ScheduledFor   *string               `json:"scheduled_for"`
	ScheduledUntil *string               `json:"scheduled_until"`
	Updates        []statuspageUpdate    `json:"incident_updates"`
	Components     []statuspageComponent `json:"components"`
}

type statuspageUpdate struct {
	ID        string  `json:"id"`
	Status    string  `json:"status"`
	Body      string  `json:"body"`
	CreatedAt *string `json:"created_at"`
}

type statuspageComponent struct {
	Name string `json:"name"`
}

// statuspageStatuses are their words in ours. A postmortem says something about
// what is over.
var statuspageStatuses = map[string]notifier.Status{
	"investigating": notifier.Investigating, "identified": notifier.Identified, "monitoring": notifier.Monitoring, "resolved": notifier.Resolved, "postmortem": "",
	"scheduled": notifier.Scheduled, "in_progress": notifier.InProgress, "verifying": notifier.InProgress, "completed": notifier.Completed,
}

// statuspageReports makes an incident of an incident: its id names it for good,
// so that one which is opened again there is so here, and its updates become
// ours, each once.
func statuspageReports(in *intake) ([]notifier.Report, error) {
	var hook statuspageHook
	if err := in.read(&hook); err != nil {
		return nil, err
	}
	at, field := hook.Incident, "incident."
	switch {
	case at != nil:
	case hook.ComponentUpdate != nil || hook.Component != nil:
		// An error would have Statuspage give up on us.
		in.warn("what becomes of single components is not taken; their incidents are")
		return nil, nil
	case hook.ID != "":
		at, field = &hook.statuspageIncident, ""
	default:
		return nil, notifier.Invalidf("incident", "must not be empty")
	}
	id, err := name(field+"id", at.ID)
	if err != nil {
		return nil, err
	}
	r := notifier.Report{Source: in.rules.from("statuspage"), Fingerprint: id, Opening: in.rules.opening(at.Name)}
	if r.Opening.Title == "" {
		return nil, notifier.Invalidf(field+"name", "must not be empty")
	}
	if _, known := statuspageStatuses[at.Status]; !known {
		return nil, notifier.Invalidf(field+"status", "%q is not one that Statuspage knows", notifier.Clip(at.Status))
	}
	begun, err := in.when(field+"created_at", at.CreatedAt)
	if err != nil {
		return nil, err
	}
	if r.Notes, err = in.statuspageNotes(field, at, begun); err != nil {
		return nil, err
	}
	if err := in.statuspageKind(field, at, &r); err != nil {
		return nil, err
	}
	whole := notifier.Alert{StartsAt: begun, Severity: in.statuspageSeverity(at.Impact)}
	for _, n := range r.Notes {
		switch {
		case n.Status.Final():
			whole.EndsAt = latest(whole.EndsAt, n.At)
		case n.Status != "":
			whole.StartsAt = latest(whole.StartsAt, n.At)
		}
	}
	for _, c := range at.Components {
		if key, ok := in.rules.find(c.Name); ok && !slices.Contains(whole.Components, key) {
			whole.Components = append(whole.Components, key)
		} else if !ok {
			in.warn("there is no component " + strconv.Quote(notifier.Clip(c.Name)) + "; the incident names none for it")
		}
	}
	r.Alerts = []notifier.Alert{whole}
	return []notifier.Report{r}, nil
}

// statuspageNotes are an incident's updates; where it has none, its status is one.
func (in *intake) statuspageNotes(field string, at *statuspageIncident, begun time.Time) ([]notifier.Note, error) {
	updates := at.Updates
	if len(updates) == 0 {
		said := at.UpdatedAt
		if said == nil {
			said = at.CreatedAt
		}
		only := statuspageUpdate{ID: at.Status, Status: at.Status, CreatedAt: said}
		if said != nil {
			only.ID += " " + *said
		}
		updates = []statuspageUpdate{only}
	}
	var out []notifier.Note
	for n, u := range updates {
		place := field + "incident_updates[" + strconv.Itoa(n) + "]."
		id, err := name(place+"id", u.ID)
		if err != nil {
			return nil, err
		}
		status, known := statuspageStatuses[u.Status]
		if !known {
			return nil, notifier.Invalidf(place+"status", "%q is not one that Statuspage knows", notifier.Clip(u.Status))
		}
		when, err := in.when(place+"created_at", u.CreatedAt)
		if err != nil {
			return nil, err
		}
		if when.IsZero() {
			when = begun
		}
		if when.IsZero() {
			when = in.desk.Now
		}
		out = append(out, notifier.Note{ID: id, Status: status, Body: notifier.MonitorBody(u.Body, in.desk), At: when})
	}
	return out, nil
}

// statuspageKind tells maintenance from incidents, and gives it its time.
func (in *intake) statuspageKind(field string, at *statuspageIncident, r *notifier.Report) error {
	kind := notifier.KindIncident
	if at.Impact == "maintenance" || slices.Contains(notifier.Statuses(notifier.KindMaintenance), statuspageStatuses[at.Status]) || at.ScheduledFor != nil && *at.ScheduledFor != "" {
		kind = notifier.KindMaintenance
	}
	for n, note := range r.Notes {
		if note.Status != "" && !slices.Contains(notifier.Statuses(kind), note.Status) {
			return notifier.Invalidf(field+"incident_updates["+strconv.Itoa(n)+"].status", "%q does not fit a %s", note.Status, kind)
		}
	}
	r.Opening.Kind = kind
	if kind != notifier.KindMaintenance {
		return nil
	}
	starts, err := planned(field+"scheduled_for", at.ScheduledFor)
	if err != nil {
		return err
	}
	ends, err := planned(field+"scheduled_until", at.ScheduledUntil)
	if err != nil {
		return err
	}
	if starts.IsZero() {
		starts = r.Notes[0].At
	}
	if !ends.After(starts) {
		ends = time.Time{}
	}
	r.Opening.StartsAt, r.Opening.EndsAt = starts, ends
	return nil
}

// planned is a time that may lie ahead.
func planned(field string, s *string) (time.Time, error) {
	if s == nil {
		return time.Time{}, nil
	}
	return instant(field, *s)
}

func (in *intake) statuspageSeverity(impact string) notifier.Severity {
	switch impact {
	case "", "none", "maintenance":
		return notifier.SeverityNone
	}
	return in.rank(impact)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
