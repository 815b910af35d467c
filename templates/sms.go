package templates

import (
	"fmt"
	"strings"
	"time"

	"allclear/notifier"
)

// shortSize is the length of the token of a link in an SMS.
const shortSize = 16

// smsSegments is how many parts a message may be charged as.
const smsSegments = 3

// brandSize is how much of the brand's name an SMS begins with, in characters.
const brandSize = 40

// Phones makes what messages to phones hold beside words.
type Phones interface {
	// Short is the token of a link to what a reader chose: 16 characters of A-Z a-z 0-9 _ -.
	Short(reader int64) string
	// Code is the code of 6 digits by which a reader who asked at that moment confirms.
	Code(reader int64, asked time.Time) string
}

// quiet is why a phone is not to ring now; nil where it may. What its owner
// asked for itself passes, and what is critical, but not the news that it is
// over: that can wait till the morning.
func (r *Renderer) quiet(e notifier.Event, d notifier.Delivery) error {
	if e.Type.Personal() || e.Severity == notifier.SeverityCritical && !e.Type.Closing() {
		return nil
	}
	if until, ok := d.Quiet.Until(r.set.now(), r.set.location(d.Zone)); ok {
		return &notifier.NotBeforeError{Until: until}
	}
	return nil
}

// text is the letter of an announcement for phones.
func (s *Set) text(story notifier.Story, c circumstances, key string) (*notifier.Letter, error) {
	l := &notifier.Letter{Key: key, Lane: story.Event.Lane, Type: story.Event.Type, EventID: story.Event.ID, ThreadID: story.Event.IncidentID}
	short := mark("short", key)[:shortSize]
	l.Blanks = []notifier.Blank{{Mark: short}}
	story.Incident.Updates = wordless(story.Incident.Updates)
	title := []rune(story.Incident.Title)
	for n := len(title); ; n = n * 9 / 10 {
		story.Incident.Title = clip(string(title), max(n, 1))
		m, err := s.mail(story, c, 1, false)
		if err != nil {
			return nil, fmt.Errorf("templates: sms: %w", err)
		}
		for _, when := range []string{smsWhen(story, m, c.times), ""} {
			l.Text = s.smsText(m.Subject, when, s.base+"/s/"+short, c)
			if notifier.MeasureText(l.Text).Segments <= smsSegments || n <= 1 && when == "" {
				return l, nil
			}
		}
	}
}

// wordless are updates without their words, which an SMS has no room for.
func wordless(updates []notifier.Update) []notifier.Update {
	out := make([]notifier.Update, len(updates))
	for i, u := range updates {
		u.Body = ""
		out[i] = u
	}
	return out
}

// smsText puts a message together: who speaks, what is, where to read on, and
// in the first of an incident how to stop.
func (s *Set) smsText(what, when, link string, c circumstances) string {
	cat := c.times.cat
	parts := []string{cat.must("sms.lead", "brand", clip(s.brand.Name, brandSize), "what", what)}
	if when != "" {
		parts = append(parts, when)
	}
	parts = append(parts, link)
	if c.told == 0 {
		parts = append(parts, cat.must("sms.stop"))
	}
	return forPhone(strings.Join(parts, " "))
}

// smsWhen is the time that the news is about, where it is about one.
func smsWhen(story notifier.Story, m Mail, p Times) string {
	i := story.Incident
	switch t := story.Event.Type; {
	case (t == notifier.MaintenanceScheduled || t == notifier.MaintenanceReminder || t == notifier.MaintenanceExtended) && !i.StartsAt.IsZero() && !i.EndsAt.IsZero():
		return p.cat.must("sms.when", "when", p.Span(i.StartsAt, i.EndsAt, story.Event.AcceptedAt))
	case (t == notifier.MaintenanceScheduled || t == notifier.MaintenanceReminder) && m.Starts != "":
		return p.cat.must("sms.when", "when", p.Moment(i.StartsAt, story.Event.AcceptedAt))
	case (t == notifier.IncidentResolved || t == notifier.MaintenanceCompleted) && m.Lasted != "":
		return p.cat.must("sms.lasted", "duration", m.Lasted)
	}
	return ""
}

// personalText is the message that one reader asked for.
func (r *Renderer) personalText(t tale, d notifier.Delivery) (*notifier.Letter, error) {
	e, cat := t.story.Event, r.set.Times(d.Language, d.Zone).cat
	l := &notifier.Letter{Lane: e.Lane, Type: e.Type, EventID: e.ID}
	brand := clip(r.set.brand.Name, brandSize)
	switch e.Type {
	case notifier.SubscriberConfirm:
		code := r.set.phones.Code(d.ID.Reader(), d.AcceptedAt)
		if l.Text = cat.must("sms.code", "brand", brand, "code", code); t.story.Unasked {
			l.Text = cat.must("sms.code-link", "brand", brand, "code", code, "link", r.set.base+"/s/"+r.set.phones.Short(d.ID.Reader()))
		}
	case notifier.SubscriberLink:
		l.Text = cat.must("sms.link", "brand", brand, "link", r.set.base+"/s/"+r.set.phones.Short(d.ID.Reader()))
	default:
		return nil, fmt.Errorf("no text for phones for events of type %q", e.Type)
	}
	l.Text = forPhone(l.Text)
	return l, nil
}

// unisolated takes away the marks that set text of the other direction off:
// phones show them as boxes, and each costs as much as a letter.
var unisolated = strings.NewReplacer("\u2066", "", "\u2067", "", "\u2068", "", "\u2069", "", "\u200b", "")

// forPhone writes a text as it is sent.
func forPhone(s string) string { return notifier.PlainText(oneLine(unisolated.Replace(s))) }
