package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"regexp"
	"slices"

	"allclear/notifier"
	"allclear/templates"
)

// preview is what readers will get.
type preview struct {
	Subject  string
	HTML     string // the mail, for a frame
	Text     string // the same, plain
	SMS      string
	NoPhones bool // there is no gateway, so no text message is sent
	Segments int
	Encoding string
	Webhook  string
	styles   []string // sources of the mail's styles, for the policy
}

// preview renders a posting that was not written.
func (c *console) preview(q *request, p notifier.Posting) (*preview, error) {
	names, err := c.componentNames(q)
	if err != nil {
		return nil, err
	}
	story := storyOf(p, names)
	mail, err := c.o.Letters.Preview(story, templates.Preview{Channel: notifier.Email})
	if err != nil {
		return nil, err
	}
	hook, err := c.o.Letters.Preview(story, templates.Preview{Channel: notifier.Webhook})
	if err != nil {
		return nil, err
	}
	text, err := c.o.Letters.Preview(story, templates.Preview{Channel: notifier.SMS})
	if err != nil {
		return nil, err
	}
	measured := notifier.MeasureText(text.Text)
	out := &preview{
		Subject: mail.Subject, HTML: mail.HTML, Text: mail.Text, SMS: text.Text, Segments: measured.Segments, Encoding: string(measured.Encoding),
		NoPhones: !c.o.Phones, styles: styleSources(mail.HTML),
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, hook.Body, "", "  "); err != nil {
		return nil, err
	}
	out.Webhook = pretty.String()
	return out, nil
}

// storyOf is the story that a posting will be, as the next event of its incident.
func storyOf(p notifier.Posting, names map[string]string) notifier.Story {
	s := notifier.Story{Incident: p.Incident, Components: names}
	var last int64
	for _, u := range p.Incident.Updates {
		last = max(last, u.Event)
	}
	if p.Event != nil {
		s.Event = *p.Event
	} else { // told to nobody; shown as if it were
		s.Event = notifier.Event{ID: "preview", Type: typeOf(p), Lane: notifier.LaneIncident, Kind: p.Incident.Kind, IncidentID: p.Incident.ID}
		if p.Update != nil {
			s.Event.UpdateID, s.Event.AcceptedAt = p.Update.ID, p.Update.CreatedAt
		}
	}
	s.Event.Number = last + 1
	if last > 0 {
		s.Previous = []notifier.Event{{Number: last, ID: "preview", IncidentID: p.Incident.ID}}
	}
	if p.Update == nil { // a draft goes out: what it says is what is told
		s.Incident.Updates = slices.Clone(s.Incident.Updates)
		for i := range s.Incident.Updates {
			s.Incident.Updates[i].Event = s.Event.Number
		}
	}
	if p.Update != nil {
		u := *p.Update
		u.Event = s.Event.Number
		s.Incident.Updates = append(s.Incident.Updates[:len(s.Incident.Updates):len(s.Incident.Updates)], u)
	}
	return s
}

// typeOf is the type of event that a quiet posting would have been.
func typeOf(p notifier.Posting) notifier.EventType {
	switch {
	case p.Incident.Kind == notifier.KindPost:
		return notifier.PostPublished
	case p.Incident.Kind == notifier.KindMaintenance && p.Incident.Status == notifier.Completed:
		return notifier.MaintenanceCompleted
	case p.Incident.Kind == notifier.KindMaintenance && p.Incident.Status == notifier.Extended:
		return notifier.MaintenanceExtended
	case p.Incident.Kind == notifier.KindMaintenance && p.Incident.Status == notifier.InProgress:
		return notifier.MaintenanceStarted
	case p.Incident.Kind == notifier.KindMaintenance:
		return notifier.MaintenanceScheduled
	case p.Incident.Status == notifier.Resolved:
		return notifier.IncidentResolved
	case len(p.Incident.Updates) == 0:
		return notifier.IncidentCreated
	}
	return notifier.IncidentUpdated
}

var (
	styleAttribute = regexp.MustCompile(`\sstyle="([^"]*)"`)
	styleElement   = regexp.MustCompile(`(?s)<style[^>]*>(.*?)</style>`)
)

// styleSources are the sources by which a policy lets in exactly the styles
// that stand in a mail, which is shown in a frame of our own page.
func styleSources(mail string) []string {
	out, seen := []string{"'unsafe-hashes'"}, map[string]bool{}
	add := func(style string) {
		sum := sha256.Sum256([]byte(style))
		source := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		if !seen[source] {
			seen[source] = true
			out = append(out, source)
		}
	}
	for _, m := range styleAttribute.FindAllStringSubmatch(mail, -1) {
		add(html.UnescapeString(m[1]))
	}
	for _, m := range styleElement.FindAllStringSubmatch(mail, -1) {
		add(m[1])
	}
	return out
}
