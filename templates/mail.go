package templates

import (
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// Mail is what the views in mail/ are given. Every text in it is in the
// reader's language and escaped by the template; times are printed already.
type Mail struct {
	Words
	View    string // such as incident-opened
	Subject string
	Preview string // first words, which inboxes show beside the subject
	Brand   Brand
	Home    string // address of the public page

	Title    string
	State    string // in a word: Identified
	Tone     string // its colour: ok, minor, major, critical, plan, soft
	Severity string // in a word, and what it was raised from; "" for none
	Parts    string // names of the components; "" for all of the service

	Began  string // incidents: when it began
	Over   string // when it ended; "" while it goes on
	Lasted string // how long; "" while it goes on
	Whole  string // a sentence that tells all of it to who never heard that it began; else ""
	Starts string // maintenance: planned start and end; "" where none is given
	Ends   string
	Takes  string // how long it is planned to take
	AsOf   string // when this was so, where no other time here says it

	Reopened string // a sentence where the reader was told that it was over, and it is not; else ""

	Moved string // a sentence where a maintenance begins at another time than the reader was told; else ""

	Impact  []string // sentences
	Updates []MailUpdate
	Several string // how many updates since when, in words; "" for one
	Older   string // a sentence where older updates, or the end of a long one, are left out

	URL     string // this announcement on the public page
	Leave   string // unsubscribe; "" where leaving makes no sense
	Manage  string // look at and change what the reader chose; "" where Leave is, and where the mail is about it
	Confirm string // confirm the subscription; only in that view
	Only    string // confirm: the title of the one incident that is followed; "" is everything
	First   string // whose second address this is, veiled; "" for nobody's
	Link    string // what another mail for one reader is about
	Stop    string // owner: end the group's subscription

	Endpoint MailEndpoint // what the mail is about, where that is an endpoint

	Digest MailDigest // what a digest tells

	Notice MailNotice // what a notice says
	Why    string     // a notice: why it comes to somebody who need not follow the page

	Dark template.CSS // the style sheet of dark mode and narrow screens

	colours map[string]template.CSS
}

// MailUpdate is one thing that was said.
type MailUpdate struct {
	State string // in a word; "" for posts
	Tone  string
	At    string
	Body  template.HTML
	URL   string
}

// Colour is a tone's colour on light ground, for a style attribute.
func (m Mail) Colour(tone string) template.CSS { return m.colours[tone] }

// circumstances are what a mail depends on beside its story.
type circumstances struct {
	view  view
	since int64
	told  int64
	times Times

	first   string           // whose second address it goes to, veiled; "" for nobody's
	channel notifier.Channel // "" is email
	format  notifier.Format  // of a webhook
}

// mail prepares a story for its view. keep is how many of the newest updates
// are shown (0: all); brief cuts a very long body.
func (s *Set) mail(story notifier.Story, c circumstances, keep int, brief bool) (Mail, error) {
	inc, cat, p := story.Incident, c.times.cat, c.times
	m := s.blankMail(c)
	updates := missed(story, c.since)
	newest := notifier.Update{Status: inc.Status, Severity: inc.Severity, At: story.Event.AcceptedAt, StartsAt: inc.StartsAt, EndsAt: inc.EndsAt}
	if n := len(updates); n > 0 {
		newest = updates[n-1]
	}
	m.Title, m.State, m.Severity = inc.Title, cat.status(newest.Status), cat.raised(story, newest.Severity, c.told)
	m.Tone = tone(inc.Kind, newest.Status, newest.Severity)
	word := m.State // in the subject
	if reopened(story, updates, c.told) {
		word, m.Reopened = cat.must("state.reopened"), cat.must("reopened.lead")
		m.State = word + " · " + m.State
	}
	if from := movedFrom(story, newest, c.told); !from.IsZero() {
		word, m.Moved = cat.must("state.moved"), cat.must("moved.lead", "time", p.Full(from))
		m.State = word + " · " + m.State
	}
	m.Parts = cat.parts(inc.Components, story.Components)
	m.URL = s.incidentURL(inc.ID, newest.ID)
	if story.Event.Type == notifier.IncidentRetracted {
		word, m.Tone, m.Severity = cat.must("state.retracted"), toneSoft, ""
		m.State = word
	}
	several, listed := len(updates) > 1, updates
	if several {
		listed = saying(updates)
	}
	own := len(listed) > 0 && listed[len(listed)-1].ID == newest.ID // the newest is on the list
	s.mailTimes(&m, story, newest, several && own, p)
	m.Impact = p.impact(inc.Felt(), false, "")
	if newest.Status.Final() {
		m.Severity = ""
		m.Impact = p.impact(inc.Impact, true, feltFor(inc, p)) // the worst there was, not the last
	}
	if story.Event.Type == notifier.IncidentRetracted {
		m.Impact = nil
	}
	if story.Event.Type == notifier.IncidentResolved && c.told == 0 && !inc.OpenedAt.IsZero() && !inc.ResolvedAt.IsZero() {
		m.Whole = cat.must("lasted.whole", "when", p.Span(inc.OpenedAt, inc.ResolvedAt, story.Event.AcceptedAt), "duration", m.Lasted)
	}
	if several && len(listed) > 0 {
		key := "several.first"
		if c.told != 0 {
			key = "several.since"
		}
		m.Several = cat.count(key, len(listed))
	}
	shown := listed
	if keep > 0 && len(listed) > keep {
		shown = listed[len(listed)-keep:]
		m.Older = cat.count("older", len(listed)-keep)
	}
	slices.Reverse(shown)
	for _, u := range shown {
		v, err := s.mailUpdate(inc, u, newest, several, p)
		if err != nil {
			return m, err
		}
		if u.ID == newest.ID && story.Event.Type == notifier.IncidentRetracted {
			v.State, v.Tone = m.State, m.Tone
		}
		if brief {
			if v.Body, err = cut(v.Body, s.styles); err != nil {
				return m, err
			}
			m.Older = cat.must("cut")
		}
		m.Updates = append(m.Updates, v)
	}
	m.Subject = oneLine(cat.must("subject."+c.view.name, "title", inc.Title, "state", word))
	m.Preview = s.preview(m)
	return m, nil
}

// blankMail is a mail with what every view has.
func (s *Set) blankMail(c circumstances) Mail {
	cat := c.times.cat
	return Mail{
		Words: Words{cat}, View: c.view.name, Brand: s.brand, Home: s.base + "/", colours: s.colours, Tone: toneSoft, Dark: template.CSS(s.dark), //nolint:gosec // the operator's own file
		Subject: oneLine(cat.must("subject."+c.view.name, "brand", s.brand.Name, "title", "", "state", "")),
	}
}

// missed is what the reader has not read, oldest first, on a slice of its own.
// A correction may be about an update from before; then it is that one.
func missed(story notifier.Story, since int64) []notifier.Update {
	if since <= 0 || since > story.Event.Number {
		since = story.Event.Number
	}
	if out := story.Missed(since); len(out) > 0 {
		return slices.Clone(out)
	}
	all := story.Incident.Updates
	for _, u := range all {
		if u.ID == story.Event.UpdateID {
			return []notifier.Update{u}
		}
	}
	return slices.Clone(all[max(0, len(all)-1):])
}

// saying leaves out of several updates, oldest first, those without a text that
// would only say again what stands right above them: the mail's own state, or
// that of the update after.
func saying(updates []notifier.Update) []notifier.Update {
	var out []notifier.Update
	for i, u := range updates {
		last := i == len(updates)-1
		if strings.TrimSpace(u.Body) == "" && (last || u.Status == updates[i+1].Status) {
			continue
		}
		out = append(out, u)
	}
	return out
}

// reopened reports whether updates tell a reader for the first time that what
// they were told was over is not.
func reopened(story notifier.Story, updates []notifier.Update, told int64) bool {
	all := story.Incident.Updates
	if t := story.Event.Type; t == notifier.IncidentCorrected || t == notifier.IncidentRetracted || len(updates) == 0 {
		return false
	}
	n := slices.IndexFunc(all, func(u notifier.Update) bool { return u.ID == updates[len(updates)-1].ID })
	again := ""
	for ; n >= 0 && !all[n].Status.Final(); n-- {
		again = all[n].ID
	}
	if again == "" || !slices.ContainsFunc(updates, func(u notifier.Update) bool { return u.ID == again }) {
		return false
	}
	for ; n >= 0 && all[n].Status.Final(); n-- {
		if e := all[n].Event; e != 0 && e <= told {
			return true
		}
	}
	return false
}

func (s *Set) mailTimes(m *Mail, story notifier.Story, newest notifier.Update, listed bool, p Times) {
	inc := story.Incident
	end := inc.ResolvedAt
	if newest.Status.Final() && end.IsZero() {
		end = newest.At
	}
	if !listed {
		m.AsOf = p.Full(newest.At)
	}
	switch inc.Kind {
	case notifier.KindIncident:
		if !inc.OpenedAt.IsZero() {
			m.Began = p.Full(inc.OpenedAt)
		}
		if newest.Status.Final() {
			m.Over, m.Lasted = p.Full(end), p.Between(inc.OpenedAt, end)
		}
		if newest.At.Equal(inc.OpenedAt) || newest.Status.Final() {
			m.AsOf = ""
		}
	case notifier.KindMaintenance:
		starts, ends := inc.StartsAt, inc.EndsAt // a correction may have moved them since the update
		if starts.IsZero() {
			starts, ends = newest.StartsAt, newest.EndsAt
		}
		if !starts.IsZero() {
			m.Starts = p.Full(starts)
		}
		if !ends.IsZero() {
			m.Ends, m.Takes = p.Full(ends), p.Between(starts, ends)
		}
		if newest.Status.Final() {
			began := workBegan(inc, starts)
			m.Began, m.Over = p.Full(began), p.Full(end)
			m.Starts, m.Ends, m.Takes, m.AsOf = "", "", "", ""
			if end.After(began) {
				m.Lasted = p.Between(began, end)
			}
		}
	}
}

// workBegan is when a maintenance really started: when somebody said so, else as planned.
func workBegan(inc notifier.Incident, planned time.Time) time.Time {
	for _, u := range inc.Updates {
		if u.Status == notifier.InProgress {
			return u.At
		}
	}
	return planned
}

func (s *Set) mailUpdate(inc notifier.Incident, u, newest notifier.Update, several bool, p Times) (MailUpdate, error) {
	at := p.Full(u.At)
	if several {
		at = p.Moment(u.At, newest.At)
	}
	body, err := s.markdown.html(u.Body, p.within(u.Body, u.At), s.styles)
	return MailUpdate{
		State: p.cat.status(u.Status), Tone: tone(inc.Kind, u.Status, u.Severity), At: at,
		Body: body, URL: s.incidentURL(inc.ID, u.ID),
	}, err
}

func (s *Set) incidentURL(id, update string) string {
	u := s.base + "/incidents/" + url.PathEscape(id)
	if update != "" {
		u += "#" + url.PathEscape(update)
	}
	return u
}

// preview is the first words of the mail: how long it lasted, then what was said.
func (s *Set) preview(m Mail) string {
	var words []string
	if m.Whole != "" {
		words = append(words, m.Whole)
	} else if m.Lasted != "" {
		if text, err := m.T("lasted", "duration", m.Lasted); err == nil {
			words = append(words, text)
		}
	}
	if m.Reopened != "" {
		words = append(words, m.Reopened)
	}
	if m.Moved != "" {
		words = append(words, m.Moved)
	}
	words = append(words, m.Impact...)
	for _, u := range m.Updates {
		if text, err := plainText(string(u.Body)); err == nil {
			words = append(words, text)
		}
	}
	return clip(oneLine(strings.Join(words, " ")), 140)
}

// cutAt is how much of one very long body a mail shows, in characters.
const cutAt = 6000

// cut shortens a body to its first characters, as plain paragraphs.
func cut(body template.HTML, styles map[string]string) (template.HTML, error) {
	return cutTo(body, cutAt, styles)
}

func cutTo(body template.HTML, most int, styles map[string]string) (template.HTML, error) {
	text, err := plainText(string(body))
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, p := range strings.Split(clip(text, most), "\n\n") {
		out.WriteString(`<p style="` + template.HTMLEscapeString(styles["p"]) + `">` + template.HTMLEscapeString(p) + "</p>\n")
	}
	return template.HTML(out.String()), nil //nolint:gosec // escaped right above
}

// clip cuts s to at most max characters, at a space where there is one near.
func clip(s string, max int) string {
	r := []rune(s)
	if len(r) <= max {
		return s
	}
	cut := string(r[:max-1])
	if i := strings.LastIndexAny(cut, " \n"); i > len(cut)*3/4 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " \n.,;:") + "…"
}

// oneLine joins the lines of s.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
