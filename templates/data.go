package templates

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"allclear/notifier"
)

// Data is what a view is rendered with in the place of its sample. The shape is
// that of docs/templates.md: incidents are as the API answers them.
type Data struct {
	story     notifier.Story
	recipient notifier.Recipient // of a notice
	missed    int                // updates that the reader has not read, the newest; 0 is 1
	language  string
	zone      string
}

// sampleOf is a view's own sample as data.
func sampleOf(name string) *Data {
	if v := viewNamed(name); v.name != "" {
		return &Data{story: sampleStory(v), missed: 1}
	}
	n, r := sampleNotice(name)
	return &Data{story: notifier.Story{Event: notifier.Event{Number: 9, ID: "ev9sample", Type: notifier.NoticeSent, Lane: notifier.LaneBulk}, Notice: n}, recipient: r}
}

// dataFields are the fields that a view's data has.
func dataFields(name string) []string {
	out := []string{"language", "timezone"}
	v := viewNamed(name)
	switch {
	case v.name == "":
		return append(out, "notice", "recipient", "rows")
	case v.on == notifier.DigestDue:
		return append(out, "digest", "components")
	case v.on == notifier.SubscriberConfirm && !aboutEndpoint(v):
		return append(out, "only")
	case aboutEndpoint(v):
		return append(out, "endpoint")
	case v.on.Personal():
		return out
	case v.on == "":
		return append(out, "at")
	}
	return append(out, "incident", "components", "missed")
}

// ReadData reads a view's data from JSON. What it does not hold is the
// sample's. Errors are *notifier.Invalid, and name the field by its path.
func (s *Set) ReadData(name string, in []byte) (*Data, error) {
	if !slices.Contains(s.dataViews(), name) {
		return nil, s.noView(name)
	}
	d := json.NewDecoder(bytes.NewReader(in))
	d.UseNumber()
	doc, err := decode(d)
	if err != nil {
		at := d.InputOffset()
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = syntax.Offset
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("it ends too soon")
		}
		return nil, notifier.Invalidf("data", "line %d: no JSON: %s", 1+bytes.Count(in[:min(int64(len(in)), at)], []byte("\n")), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, notifier.Invalidf("data", "there is more than one JSON value")
	}
	if doc == nil {
		return nil, notifier.Invalidf("data", "is null; it must be an object")
	}
	if err := s.fill(name, doc); err != nil {
		return nil, err
	}
	fields, err := datum{v: doc}.object(dataFields(name)...)
	if err != nil {
		return nil, err
	}
	out := sampleOf(name)
	r := &reading{}
	out.language = ask(r, fields["language"].text)
	out.zone = ask(r, fields["timezone"].text)
	if r.err == nil && out.language != "" && !s.Speaks(out.language) {
		r.err = fields["language"].wrong("there are no texts in %q", out.language)
	}
	if _, err := time.LoadLocation(out.zone); r.err == nil && (err != nil || out.zone == "Local") {
		r.err = fields["timezone"].wrong("%q is no time zone; use a name like Europe/Oslo", out.zone)
	}
	out.read(r, name, fields)
	return out, r.err
}

// ask is take of what a datum answers.
func ask[T any](r *reading, read func() (T, error)) T {
	v, err := read()
	return take(r, v, err)
}

func (d *Data) read(r *reading, name string, fields map[string]datum) {
	v := viewNamed(name)
	names := d.story.Components
	if p, ok := fields["components"]; ok {
		names = ask(r, p.names)
	}
	if p, ok := fields["missed"]; ok {
		n, err := p.count(1000)
		d.missed = max(1, take(r, n, err))
	}
	switch {
	case v.name == "":
		d.readNotice(r, fields)
	case v.on == notifier.DigestDue:
		d.readDigest(r, fields, names)
	case fields["endpoint"].v != nil:
		fields["endpoint"].endpoint(r, &d.story.Endpoint)
	case fields["only"].v != nil:
		d.story.Incident.Title = ask(r, fields["only"].text)
	case fields["at"].v != nil:
		d.story.Event.AcceptedAt = ask(r, fields["at"].when)
	case fields["incident"].v != nil:
		inc := fields["incident"].incident(r, v.on)
		if r.err == nil {
			e := d.story.Event
			e.Number, e.IncidentID = max(7, int64(len(inc.Updates))), inc.ID
			d.story = tellStory(e, inc, names)
		}
	default:
		d.story.Components = names
	}
}

// RenderData writes a view for a channel (and a webhook's format), in the data's
// language and zone where p names none; nil data is the view's sample. Links
// that would be a reader's own lead nowhere.
func (s *Set) RenderData(name string, d *Data, p Preview) (*notifier.Letter, error) {
	if !slices.Contains(s.dataViews(), name) {
		return nil, s.noView(name)
	}
	if d == nil {
		d = sampleOf(name)
	}
	if p.Language == "" {
		p.Language = d.language
	}
	if p.Zone == "" {
		p.Zone = d.zone
	}
	times := s.Times(p.Language, p.Zone)
	v := viewNamed(name)
	if v.name == "" {
		return s.renderNotice(name, d, p, times)
	}
	if p.Channel != notifier.Email && p.Channel != "" && !slices.Contains(notifier.Announcements, v.on) {
		return nil, notifier.Invalidf("format", "%s is only ever a mail", name)
	}
	n := d.story.Event.Number
	since := n - int64(min(max(d.missed, 1), len(d.story.Incident.Updates)+1)-1)
	c := circumstances{view: v, since: since, told: since - 1, times: times, channel: p.Channel, format: formatOf(p.Format)}
	l, err := s.letter(d.story, c, "sample")
	if err != nil {
		return nil, err
	}
	return shown(l), nil
}

func (s *Set) renderNotice(name string, d *Data, p Preview, times Times) (*notifier.Letter, error) {
	n, r := d.story.Notice, d.recipient
	n.Template = name
	switch p.Channel {
	case notifier.SMS:
		r.Channel = notifier.SMS
	case notifier.Webhook:
		return nil, notifier.Invalidf("format", "notices go by mail and as text messages only")
	}
	made, err := s.prepareNotice(n, times)
	if err != nil {
		return nil, err
	}
	if err := made.check(); err != nil {
		return nil, err
	}
	made.event, made.tried = d.story.Event, true
	l, err := made.letter(r)
	var lacks *lackingError
	if errors.As(err, &lacks) {
		return nil, notifier.Invalidf("rows", "%s", lacks.what())
	}
	return l, err
}

// dataViews are the views that data is for: all but pages.
func (s *Set) dataViews() []string {
	return slices.DeleteFunc(s.Views(), func(v string) bool { return len(v) > 5 && v[:5] == "page/" })
}

func (s *Set) noView(name string) error {
	hint := ""
	if n := nearest(name, s.Views()); n != "" {
		hint = "; did you mean " + n + "?"
	}
	return notifier.Invalidf("view", "there is no view %q%s", notifier.Clip(name), hint)
}

// SampleData is a view's own sample, as ReadData takes it; its reader has the
// service's language and zone.
func (s *Set) SampleData(name string) ([]byte, error) {
	if !slices.Contains(s.dataViews(), name) {
		return nil, s.noView(name)
	}
	d := sampleOf(name)
	out := &document{}
	for _, field := range dataFields(name) {
		switch field {
		case "incident":
			out.add(field, shownIncident(d.story.Incident))
		case "components":
			names := d.story.Components
			for _, p := range d.story.Digest.Parts {
				names = p.Story.Components
			}
			out.add(field, names)
		case "missed":
			out.add(field, 1)
		case "digest":
			out.add(field, shownDigest(d.story))
		case "notice":
			n := d.story.Notice
			out.add(field, (&document{}).add("title", n.Title).add("subject", n.Subject).add("body", n.Body).add("incident_id", n.IncidentID))
		case "recipient":
			out.add(field, (&document{}).add("address", d.recipient.Address).add("account", d.recipient.Account))
		case "rows":
			out.add(field, shownRowsOf(d.recipient))
		case "only":
			out.add(field, "")
		case "endpoint":
			e := d.story.Endpoint
			out.add(field, (&document{}).add("host", e.Host).add("disabled_why", word(e.DisabledWhy)).add("disabled_at", maybe(e.DisabledAt)).add("failing_since", maybe(e.FailingSince)))
		case "at":
			out.add(field, instant(d.story.Event.AcceptedAt))
		}
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return nil, fmt.Errorf("templates: write the sample of %s: %w", name, err)
	}
	return text.Bytes(), nil
}
