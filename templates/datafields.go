package templates

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// names reads {"key": "name"} of components.
func (p datum) names() (map[string]string, error) {
	fields, err := p.object()
	out := map[string]string{}
	for key, f := range fields {
		name, err := f.text()
		if err != nil {
			return nil, err
		}
		out[key] = name
	}
	return out, err
}

// kindOf is the kind of announcement that an event is of.
func kindOf(t notifier.EventType) notifier.Kind {
	switch {
	case t == notifier.PostPublished:
		return notifier.KindPost
	case strings.HasPrefix(string(t), "maintenance."):
		return notifier.KindMaintenance
	}
	return notifier.KindIncident
}

// incident reads an incident as the API answers it, told by an event of a type
// ("" is any).
func (p datum) incident(r *reading, on notifier.EventType) notifier.Incident {
	// Those that no view shows are let pass, so that an answer of the API can be used as it is.
	fields := ask(r, func() (map[string]datum, error) {
		return p.object("id", "title", "kind", "severity", "status", "state", "components", "impact", "starts_at", "ends_at", "opened_at", "resolved_at", "updates",
			"url", "created_at", "updated_at", "held_until", "event_id", "held", "warnings")
	})
	var inc notifier.Incident
	if r.err != nil {
		return inc
	}
	kind := kindOf(on)
	inc.ID, inc.Title = cmp.Or(ask(r, fields["id"].text), "7kq2m9"), ask(r, fields["title"].text)
	if r.err == nil && strings.TrimSpace(inc.Title) == "" {
		r.err = datum{p.at + ".title", nil}.wrong("must not be empty")
	}
	inc.Kind = notifier.Kind(ask(r, func() (string, error) { return fields["kind"].oneOf("incident", "maintenance", "post") }))
	if inc.Kind == "" {
		inc.Kind = kind
	}
	if on != "" && inc.Kind != kind && r.err == nil {
		r.err = datum{p.at + ".kind", nil}.wrong("is %s; this view is of kind %s", inc.Kind, kind)
	}
	inc.Severity = fields["severity"].severity(r)
	inc.State = notifier.PublishState(cmp.Or(ask(r, func() (string, error) { return fields["state"].oneOf("draft", "published", "retracted") }), "published"))
	if on == notifier.IncidentRetracted {
		inc.State = notifier.Retracted
	}
	inc.Components = ask(r, fields["components"].texts)
	inc.Impact = fields["impact"].impact(r)
	inc.StartsAt, inc.EndsAt, inc.OpenedAt, inc.ResolvedAt = ask(r, fields["starts_at"].when), ask(r, fields["ends_at"].when), ask(r, fields["opened_at"].when), ask(r, fields["resolved_at"].when)
	for _, u := range ask(r, fields["updates"].list) {
		inc.Updates = append(inc.Updates, u.update(r, inc, len(inc.Updates)))
	}
	if r.err == nil && len(inc.Updates) == 0 {
		r.err = datum{p.at + ".updates", nil}.wrong("must hold one at the least")
	}
	if r.err != nil {
		return inc
	}
	if fields["impact"].v == nil {
		inc.Impact = notifier.FeltAfter(inc.Updates)
	}
	last := inc.Updates[len(inc.Updates)-1]
	inc.Status = notifier.Status(cmp.Or(fields["status"].status(r, inc.Kind), string(last.Status)))
	if (on == notifier.IncidentResolved || on == notifier.MaintenanceCompleted) && !inc.Status.Final() && r.err == nil {
		r.err = datum{p.at + ".status", nil}.wrong("is %q; this view is of what is over", inc.Status)
	}
	if inc.OpenedAt.IsZero() {
		inc.OpenedAt = inc.Updates[0].At
	}
	if inc.Status.Final() && inc.ResolvedAt.IsZero() {
		inc.ResolvedAt = last.At
	}
	inc.CreatedAt, inc.UpdatedAt = inc.OpenedAt, last.At
	return inc
}

// update reads what was said of an incident.
func (p datum) update(r *reading, inc notifier.Incident, n int) notifier.Update {
	fields := ask(r, func() (map[string]datum, error) {
		return p.object("id", "status", "body", "at", "severity", "impact", "starts_at", "ends_at", "incident_id", "event_id", "created_at")
	})
	var u notifier.Update
	if r.err != nil {
		return u
	}
	u.ID = cmp.Or(ask(r, fields["id"].text), "u"+string(rune('1'+n%9)))
	u.Status = notifier.Status(fields["status"].status(r, inc.Kind))
	u.At = ask(r, fields["at"].when)
	if r.err == nil && u.At.IsZero() {
		r.err = datum{p.at + ".at", nil}.wrong("must be a time, such as 2026-11-23T16:11:00Z")
	}
	if r.err == nil && u.Status == "" && inc.Kind != notifier.KindPost {
		r.err = datum{p.at + ".status", nil}.wrong("must be one of %s", statusWords(inc.Kind))
	}
	body := ask(r, fields["body"].text)
	if r.err == nil {
		var err error
		if u.Body, _, err = notifier.ResolveTimes(body, u.At, time.UTC); err != nil {
			r.err = fields["body"].wrong("%s", err)
		}
	}
	u.Severity = inc.Severity
	if fields["severity"].v != nil {
		u.Severity = fields["severity"].severity(r)
	}
	u.Impact = fields["impact"].impact(r)
	u.StartsAt, u.EndsAt = ask(r, fields["starts_at"].when), ask(r, fields["ends_at"].when)
	if u.StartsAt.IsZero() {
		u.StartsAt, u.EndsAt = inc.StartsAt, inc.EndsAt
	}
	return u
}

func statusWords(k notifier.Kind) string {
	var out []string
	for _, s := range notifier.Statuses(k) {
		out = append(out, string(s))
	}
	return strings.Join(out, ", ")
}

func (p datum) status(r *reading, k notifier.Kind) string {
	s := ask(r, p.text)
	if r.err == nil && s != "" && !slices.Contains(notifier.Statuses(k), notifier.Status(s)) {
		r.err = p.wrong("%q is not one of %s", notifier.Clip(s), statusWords(k))
		if k == notifier.KindPost {
			r.err = p.wrong("a post has none")
		}
	}
	return s
}

func (p datum) severity(r *reading) notifier.Severity {
	s := ask(r, func() (string, error) { return p.oneOf("none", "minor", "major", "critical") })
	level, _ := notifier.ParseSeverity(s) // one of them
	return level
}

func (p datum) impact(r *reading) notifier.Impact {
	var i notifier.Impact
	f := ask(r, func() (map[string]datum, error) {
		return p.object("delay_min_minutes", "delay_max_minutes", "error_rate", "affected_share", "per_second")
	})
	if r.err == nil {
		i.DelayMinMinutes, i.DelayMaxMinutes = ask(r, f["delay_min_minutes"].figure), ask(r, f["delay_max_minutes"].figure)
		i.ErrorRate, i.AffectedShare, i.PerSecond = ask(r, f["error_rate"].figure), ask(r, f["affected_share"].figure), ask(r, f["per_second"].figure)
	}
	return i
}

func (p datum) endpoint(r *reading, e *notifier.EndpointNews) {
	f := ask(r, func() (map[string]datum, error) {
		return p.object("host", "disabled_why", "disabled_at", "failing_since")
	})
	if r.err != nil {
		return
	}
	e.Host = cmp.Or(ask(r, f["host"].text), e.Host)
	e.DisabledWhy = ask(r, func() (string, error) { return f["disabled_why"].oneOf("gone", "failing", "staff") })
	e.DisabledAt, e.FailingSince = ask(r, f["disabled_at"].when), ask(r, f["failing_since"].when)
}

// readDigest reads what a digest tells: each incident as it stands.
func (d *Data) readDigest(r *reading, fields map[string]datum, names map[string]string) {
	if names == nil && len(d.story.Digest.Parts) > 0 {
		names = d.story.Digest.Parts[0].Story.Components
	}
	p, ok := fields["digest"]
	if !ok {
		for i := range d.story.Digest.Parts {
			d.story.Digest.Parts[i].Story.Components = names
		}
		return
	}
	f := ask(r, func() (map[string]datum, error) { return p.object("cadence", "at", "missed", "incidents") })
	if r.err != nil {
		return
	}
	d.story.Digest.Cadence = ask(r, func() (string, error) { return f["cadence"].oneOf("daily", "weekly", "monthly") })
	if at := ask(r, f["at"].when); !at.IsZero() {
		d.story.Event.AcceptedAt = at
	}
	n, err := f["missed"].count(1000)
	d.story.Digest.Missed = take(r, n, err)
	d.story.Digest.Parts = nil
	for i, one := range ask(r, f["incidents"].list) {
		inc := one.incident(r, "")
		if r.err != nil {
			return
		}
		number := int64(100 - i) // the first is the newest
		e := notifier.Event{Number: number, ID: "evsample", Type: typeOfIncident(inc), IncidentID: inc.ID, Kind: inc.Kind, Severity: inc.Severity}
		d.story.Digest.Parts = append(d.story.Digest.Parts, notifier.DigestPart{Story: tellStory(e, inc, names), Since: number - 1})
	}
}

// typeOfIncident is what an incident's last event was.
func typeOfIncident(i notifier.Incident) notifier.EventType {
	switch {
	case i.Kind == notifier.KindPost:
		return notifier.PostPublished
	case i.State == notifier.Retracted:
		return notifier.IncidentRetracted
	case i.Kind == notifier.KindMaintenance:
		return map[notifier.Status]notifier.EventType{notifier.InProgress: notifier.MaintenanceStarted, notifier.Extended: notifier.MaintenanceExtended, notifier.Completed: notifier.MaintenanceCompleted, notifier.Scheduled: notifier.MaintenanceScheduled}[i.Status]
	case i.Status.Final():
		return notifier.IncidentResolved
	case len(i.Updates) == 1:
		return notifier.IncidentCreated
	}
	return notifier.IncidentUpdated
}

// readNotice reads what staff wrote, and one recipient's rows.
func (d *Data) readNotice(r *reading, fields map[string]datum) {
	n := ask(r, func() (map[string]datum, error) {
		return fields["notice"].object("title", "subject", "body", "incident_id")
	})
	who := ask(r, func() (map[string]datum, error) { return fields["recipient"].object("address", "account") })
	if r.err != nil {
		return
	}
	for name, to := range map[string]*string{"title": &d.story.Notice.Title, "subject": &d.story.Notice.Subject, "body": &d.story.Notice.Body, "incident_id": &d.story.Notice.IncidentID} {
		if p, ok := n[name]; ok {
			*to = ask(r, p.text)
		}
	}
	for name, to := range map[string]*string{"address": &d.recipient.Address, "account": &d.recipient.Account} {
		if p, ok := who[name]; ok {
			*to = ask(r, p.text)
		}
	}
	if body, _, err := notifier.ResolveTimes(d.story.Notice.Body, sampleAt(18, 30), time.UTC); err == nil {
		d.story.Notice.Body = body
	} else if r.err == nil {
		r.err = n["body"].wrong("%s", err)
	}
	p, ok := fields["rows"]
	if !ok {
		return
	}
	d.recipient.Rows = nil
	for _, row := range ask(r, p.list) {
		cells := ask(r, func() (map[string]datum, error) { return row.object() })
		var fields []notifier.Field
		if r.err != nil || row.v == nil {
			return
		}
		for _, name := range row.v.(*document).names { //nolint:forcetypeassert // it is an object
			fields = append(fields, cells[name].cell(r, name))
		}
		d.recipient.Rows = append(d.recipient.Rows, fields)
	}
}

// cell reads a cell as files of audiences in NDJSON have it.
func (p datum) cell(r *reading, name string) notifier.Field {
	switch v := p.v.(type) {
	case nil:
		return notifier.Field{Name: name}
	case string:
		for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02 15:04", time.DateTime} {
			if t, err := time.Parse(layout, v); err == nil {
				return notifier.Field{Name: name, Text: v, Value: t}
			}
		}
		return notifier.Field{Name: name, Text: v}
	case json.Number:
		f, _ := v.Float64() // JSON's own number
		return notifier.Field{Name: name, Text: v.String(), Value: f}
	}
	if r.err == nil {
		r.err = p.wrong("is %s; a cell is a text or a number", p.kindOf())
	}
	return notifier.Field{}
}
