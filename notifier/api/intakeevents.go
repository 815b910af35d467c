package api

import (
	"cmp"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"allclear/notifier"
)

// cloudEventTypes are the bodies that CloudEvents' HTTP binding knows
// (github.com/cloudevents/spec, 1.0.2): one event, several, and an event's data
// alone, with its attributes in headers.
var cloudEventTypes = []string{"application/cloudevents+json", "application/cloudevents-batch+json", "application/json"}

// maxEvents is how many events one request may bring. They are taken in one
// transaction, which others wait for.
const maxEvents = 100

// cloudEvent is an event by its attributes. Extensions are attributes like any
// other.
type cloudEvent map[string]any

func cloudEventReports(in *intake) ([]notifier.Report, error) {
	media, _, _ := mime.ParseMediaType(in.Header.Get("Content-Type"))
	var events []cloudEvent
	switch {
	case media == "application/cloudevents-batch+json":
		if err := in.read(&events); err != nil {
			return nil, err
		}
	case media == "application/json" && in.Header.Get("ce-specversion") != "":
		var data any
		if err := in.read(&data); err != nil {
			return nil, err
		}
		e, err := headerEvent(in, data)
		if err != nil {
			return nil, err
		}
		events = []cloudEvent{e}
	default:
		var e cloudEvent
		if err := in.read(&e); err != nil {
			return nil, err
		}
		events = []cloudEvent{e}
	}
	if len(events) > maxEvents {
		return nil, notifier.Invalidf("", "%d events; at most %d may come at once", len(events), maxEvents)
	}
	var out []notifier.Report
	for n, e := range events {
		field := ""
		if media == "application/cloudevents-batch+json" {
			field = "[" + strconv.Itoa(n) + "]."
		}
		r, err := in.cloudEvent(field, e)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// headerEvent reads an event in binary mode. Values are percent-encoded
// (HTTP binding 3.1.3.2).
func headerEvent(in *intake, data any) (cloudEvent, error) {
	e := cloudEvent{"data": data}
	for header, values := range in.Header {
		attribute, ok := strings.CutPrefix(strings.ToLower(header), "ce-")
		if !ok {
			continue
		}
		value, err := url.PathUnescape(values[0])
		if err != nil || len(values) > 1 {
			return nil, notifier.Invalidf(notifier.Clip(strings.ToLower(header)), "stands there more than once, or is not percent-encoded")
		}
		e[attribute] = value
	}
	return e, nil
}

// cloudEvent makes a report of an event. What goes on is named by the event's
// source and, of these, the first that is there: data.fingerprint, the subject,
// the type without its last word; so an event without any of that, whose types
// are disk.failed and disk.resolved, is about the disk.
func (in *intake) cloudEvent(field string, e cloudEvent) (notifier.Report, error) {
	none := notifier.Report{}
	for _, must := range []string{"specversion", "id", "source", "type"} {
		if s, ok := e[must].(string); !ok || s == "" {
			return none, notifier.Invalidf(field+must, "must be a text that is not empty")
		}
	}
	if v := e.text("specversion"); v != "1.0" {
		return none, notifier.Invalidf(field+"specversion", "%q is not 1.0", notifier.Clip(v))
	}
	if e["data_base64"] != nil {
		return none, notifier.Invalidf(field+"data_base64", "is not read; send data as JSON")
	}
	if strings.ContainsAny(e.text("source"), " \t\r\n") {
		return none, notifier.Invalidf(field+"source", "must be a URI reference")
	}
	id, err := name(field+"id", e.text("id"))
	if err != nil {
		return none, err
	}
	data, labels := e.data()
	topic := cmp.Or(data["fingerprint"], e.text("subject"), topicOf(e.text("type")))
	key, err := name(field+"subject", e.text("source")+" "+topic)
	if err != nil {
		return none, err
	}
	r := notifier.Report{Source: in.rules.from("events"), Fingerprint: key, ID: id}
	r.Opening = in.rules.opening(cmp.Or(data["title"], data["summary"], e.text("subject"), e.text("type")))
	if r.Opening.Title == "" {
		r.Opening.Title = notifier.MonitorTitle(e.text("type") + " " + id)
	}
	a, err := in.cloudEventAlert(field, e, data, labels)
	r.Alerts = []notifier.Alert{a}
	return r, err
}

// cloudEventAlert reads the times that data has; else the event's own counts,
// else ours.
func (in *intake) cloudEventAlert(field string, e cloudEvent, data, labels map[string]string) (a notifier.Alert, err error) {
	over, err := ended(field, cmp.Or(data["status"], data["state"]), e.text("type"))
	if err != nil {
		return a, err
	}
	spoke, starts, ends := e.text("time"), cmp.Or(data["starts_at"], data["startsAt"]), cmp.Or(data["ends_at"], data["endsAt"])
	said, err := in.when(field+"time", &spoke)
	if err != nil {
		return a, err
	}
	if said.IsZero() {
		said = in.desk.Now
	}
	if a.StartsAt, err = in.when(field+"data.starts_at", &starts); err != nil {
		return a, err
	}
	if over {
		if a.EndsAt, err = in.when(field+"data.ends_at", &ends); err != nil {
			return a, err
		}
		if a.EndsAt.IsZero() {
			a.EndsAt = said
		}
		a.EndsAt = latest(a.EndsAt, a.StartsAt)
		return a, nil
	}
	if a.StartsAt.IsZero() {
		a.StartsAt, a.Undated = said, true
	}
	a.Severity, a.Components = in.severity(labels), in.component(labels)
	a.Body = notifier.MonitorBody(cmp.Or(data["description"], data["body"], data["message"]), in.desk)
	return a, nil
}

func (e cloudEvent) text(attribute string) string {
	s, _ := e[attribute].(string)
	return s
}

// data are the texts in an event's data, and all that can serve as a label: the
// event's extensions, those texts, and data.labels, the last first.
func (e cloudEvent) data() (data, labels map[string]string) {
	data, labels = map[string]string{}, map[string]string{}
	object, _ := e["data"].(map[string]any)
	for attribute := range e {
		labels[attribute] = e.text(attribute)
	}
	for k, v := range object {
		if s, ok := v.(string); ok {
			data[k], labels[k] = s, s
		}
	}
	more, _ := object["labels"].(map[string]any)
	for k, v := range more {
		if s, ok := v.(string); ok {
			labels[k] = s
		}
	}
	return data, labels
}

// The words by which an event says that something is over, or goes on.
var (
	endings    = []string{"resolved", "resolve", "recovered", "recovery", "closed", "cleared", "clear", "ok", "ended", "up", "inactive"}
	beginnings = []string{"firing", "open", "opened", "alerting", "active", "triggered", "failed", "down", "problem", "critical", "error", "warning", "investigating"}
)

// ended reports whether an event is about an end: by the state it gives, else
// by the last word of its type.
func ended(field, state, kind string) (bool, error) {
	if state = strings.ToLower(strings.TrimSpace(state)); state != "" {
		over := slices.Contains(endings, state)
		if !over && !slices.Contains(beginnings, state) {
			return false, notifier.Invalidf(field+"data.status", "%q is neither firing nor resolved", notifier.Clip(state))
		}
		return over, nil
	}
	return slices.Contains(endings, strings.ToLower(kind[strings.LastIndexByte(kind, '.')+1:])), nil
}

// topicOf is a type without its last word.
func topicOf(kind string) string {
	if i := strings.LastIndexByte(kind, '.'); i > 0 {
		return kind[:i]
	}
	return kind
}
