package templates

import (
	"encoding/json"
	"fmt"
	"html/template"
	"time"

	"allclear/notifier"
)

// hookVersion is the version of the standard body. It changes when a field is
// taken away or comes to mean something else; new fields may come without.
const hookVersion = 1

// The standard body, as docs/webhooks.md and webhook.schema.json describe it.
type (
	hookBody struct {
		Type      notifier.EventType `json:"type"`
		Version   int                `json:"version"`
		Timestamp string             `json:"timestamp"`
		Data      hookData           `json:"data"`
	}
	hookData struct {
		Page     hookPage      `json:"page"`
		Incident *hookIncident `json:"incident"`
		Update   *hookUpdate   `json:"update"`
		Missed   []hookUpdate  `json:"missed"`
		Sequence int           `json:"sequence"`
		Omitted  hookOmitted   `json:"omitted"`
		Message  string        `json:"message,omitempty"` // of a test
	}
	hookPage struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	}
	hookIncident struct {
		ID         string          `json:"id"`
		Title      string          `json:"title"`
		Kind       notifier.Kind   `json:"kind"`
		Severity   string          `json:"severity"`
		Status     *string         `json:"status"`
		Components []hookComponent `json:"components"`
		Impact     notifier.Impact `json:"impact"`
		URL        string          `json:"url"`
		OpenedAt   *string         `json:"opened_at"`
		ResolvedAt *string         `json:"resolved_at"`
		StartsAt   *string         `json:"starts_at"`
		EndsAt     *string         `json:"ends_at"`
	}
	hookComponent struct {
		Key  string `json:"key"`
		Name string `json:"name"`
	}
	hookUpdate struct {
		ID     string        `json:"id"`
		Status *string       `json:"status"`
		Text   string        `json:"body_text"`
		HTML   template.HTML `json:"body_html"`
		At     *string       `json:"at"`
		Cut    bool          `json:"truncated"`
	}
	hookOmitted struct {
		Missed     int `json:"missed"`
		Components int `json:"components"`
	}
)

const (
	componentsSize = 4_000                   // bytes of a body that components may take
	ownSize        = bodySize * 3 / 4        // and what is posted beside the missed updates
	missedSize     = 1_000                   // characters of a missed update, where all of it has no room
	missedCommas   = len(",") + len("00000") // beside its own bytes: a comma, and the count of omitted ones
)

func (s *Set) hookPage() hookPage { return hookPage{Name: clip(s.brand.Name, 200), URL: s.base + "/"} }

// standard renders the body that DESIGN.md section 8 describes.
func (s *Set) standard(story notifier.Story, c circumstances) ([]byte, error) {
	e := story.Event
	b := hookBody{Type: e.Type, Version: hookVersion, Timestamp: instant(e.AcceptedAt), Data: hookData{
		Page: s.hookPage(), Missed: []hookUpdate{}, Sequence: len(story.Previous) + 1,
	}}
	b.Data.Incident, b.Data.Omitted.Components = s.hookIncident(story)
	updates := missed(story, c.since)
	if len(updates) == 0 {
		return compact(b)
	}
	own := updates[len(updates)-1]
	updates = updates[:len(updates)-1]
	var out []byte
	for _, most := range []int{0, 8_000, 6_000, 4_000, 2_000, 1_000, 500, 250, 50} {
		u, err := s.hookUpdate(story, own, most, c.times)
		if err != nil {
			return nil, err
		}
		b.Data.Update, b.Data.Omitted.Missed = &u, len(updates)
		if out, err = compact(b); err != nil {
			return nil, err
		}
		if len(out) < ownSize || len(updates) == 0 && len(out) < bodySize {
			break
		}
	}
	return s.withMissed(b, story, updates, bodySize-len(out), c.times)
}

// withMissed adds what a reader missed to a body that has so many bytes to
// spare: of too many the newest, in their order.
func (s *Set) withMissed(b hookBody, story notifier.Story, updates []notifier.Update, spare int, p Times) ([]byte, error) {
	for len(updates) > 0 {
		u, size, err := s.hookMissed(story, updates[len(updates)-1], 0, p)
		if err == nil && size >= spare {
			u, size, err = s.hookMissed(story, updates[len(updates)-1], missedSize, p)
		}
		if err != nil {
			return nil, err
		}
		if spare -= size; spare <= 0 {
			break
		}
		b.Data.Missed = append([]hookUpdate{u}, b.Data.Missed...)
		updates = updates[:len(updates)-1]
	}
	b.Data.Omitted.Missed = len(updates)
	return compact(b)
}

// hookMissed is a missed update and how many bytes it adds to a body.
func (s *Set) hookMissed(story notifier.Story, u notifier.Update, most int, p Times) (hookUpdate, int, error) {
	out, err := s.hookUpdate(story, u, most, p)
	if err != nil {
		return out, 0, err
	}
	text, err := compact(out)
	return out, len(text) + missedCommas, err
}

func (s *Set) hookUpdate(story notifier.Story, u notifier.Update, most int, p Times) (hookUpdate, error) {
	text, html, cut, err := s.said(u, most, s.incidentURL(story.Incident.ID, u.ID), p)
	return hookUpdate{ID: u.ID, Status: word(string(u.Status)), Text: text, HTML: html, At: maybe(u.At), Cut: cut}, err
}

// hookIncident is the incident as it was at the event, and how many of its
// components are left out because there are very many.
func (s *Set) hookIncident(story notifier.Story) (*hookIncident, int) {
	i := story.Incident
	out := &hookIncident{
		ID: i.ID, Title: i.Title, Kind: i.Kind, Severity: i.Severity.String(), Status: word(string(i.Status)), Components: []hookComponent{}, Impact: i.Impact,
		URL: s.incidentURL(i.ID, ""), OpenedAt: maybe(i.OpenedAt), ResolvedAt: maybe(i.ResolvedAt), StartsAt: maybe(i.StartsAt), EndsAt: maybe(i.EndsAt),
	}
	size := 0
	for n, key := range i.Components {
		c := hookComponent{Key: key, Name: componentName(story, key)}
		text, err := json.Marshal(c)
		if size += len(text); err != nil || size > componentsSize {
			return out, len(i.Components) - n
		}
		out.Components = append(out.Components, c)
	}
	return out, 0
}

func componentName(story notifier.Story, key string) string {
	if name := story.Components[key]; name != "" {
		return name
	}
	return key
}

// EndpointTest is the body of a test of an endpoint in its format. It says in
// the words of a language (and zone) that it is one, and is no news of anything,
// so that a program that acts on bodies does nothing. A format that there is not
// is taken for the standard one.
func (s *Set) EndpointTest(f notifier.Format, now time.Time, language, zone string) []byte {
	p := s.Times(language, zone)
	words := p.cat.must("hook.test", "brand", s.brand.Name)
	var out []byte
	var err error
	switch f {
	case notifier.FormatStatuspage:
		out, err = compact(s.statuspageTest(words, now))
	case notifier.FormatSlack, notifier.FormatTeams, notifier.FormatDiscord:
		b := map[notifier.Format]func(chat, int) any{notifier.FormatSlack: slackBody, notifier.FormatTeams: teamsBody, notifier.FormatDiscord: discordBody}[f]
		out, err = compact(b(s.chatTest(words, now, p), chatSize))
	default:
		out, err = compact(hookBody{Type: notifier.EndpointTest, Version: hookVersion, Timestamp: instant(now), Data: hookData{
			Page: s.hookPage(), Missed: []hookUpdate{}, Message: words,
		}})
	}
	if err != nil {
		panic(fmt.Sprintf("templates: test of an endpoint: %v", err)) // not with these types
	}
	return out
}
