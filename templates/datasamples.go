package templates

import (
	"bytes"
	"encoding/json"

	"allclear/notifier"
)

// document is a JSON object whose fields stand in the order they came in.
type document struct {
	names  []string
	values []any
}

func (d *document) add(name string, value any) *document {
	d.names, d.values = append(d.names, name), append(d.values, value)
	return d
}

// MarshalJSON writes it.
func (d *document) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, name := range d.names {
		if i > 0 {
			out.WriteByte(',')
		}
		for j, v := range []any{name, d.values[i]} {
			if j > 0 {
				out.WriteByte(':')
			}
			text, err := compact(v)
			if err != nil {
				return nil, err
			}
			out.Write(text)
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// shownIncident is an incident as the API answers it.
func shownIncident(i notifier.Incident) *document {
	updates := []any{}
	for _, u := range i.Updates {
		updates = append(updates, (&document{}).add("id", u.ID).add("status", word(string(u.Status))).add("body", u.Body).add("at", instant(u.At)).
			add("severity", u.Severity).add("impact", u.Impact).add("starts_at", maybe(u.StartsAt)).add("ends_at", maybe(u.EndsAt)))
	}
	components := i.Components
	if components == nil {
		components = []string{}
	}
	return (&document{}).add("id", i.ID).add("title", i.Title).add("kind", i.Kind).add("severity", i.Severity).add("status", word(string(i.Status))).add("state", i.State).
		add("components", components).add("impact", i.Impact).add("starts_at", maybe(i.StartsAt)).add("ends_at", maybe(i.EndsAt)).
		add("opened_at", maybe(i.OpenedAt)).add("resolved_at", maybe(i.ResolvedAt)).add("updates", updates)
}

func shownDigest(s notifier.Story) *document {
	incidents := []any{}
	for _, p := range s.Digest.Parts {
		incidents = append(incidents, shownIncident(p.Story.Incident))
	}
	return (&document{}).add("cadence", s.Digest.Cadence).add("at", instant(s.Event.AcceptedAt)).add("missed", s.Digest.Missed).add("incidents", incidents)
}

func shownRowsOf(r notifier.Recipient) []any {
	rows := []any{}
	for _, row := range r.Rows {
		d := &document{}
		for _, f := range row {
			if n, ok := f.Value.(float64); ok {
				d.add(f.Name, n)
			} else {
				d.add(f.Name, f.Text)
			}
		}
		rows = append(rows, d)
	}
	return rows
}

var _ json.Marshaler = (*document)(nil)
