package templates

import (
	"fmt"
	"html/template"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"allclear/notifier"
)

// chatSize is how much of one update a chat shows, in characters: a section of
// Slack holds 3,000.
const chatSize = 2_800

// chatUpdates is how many updates a chat shows at most: a message of Slack has
// 50 blocks.
const chatUpdates = 40

// chat is what the formats of chat programs are made of, in the reader's words.
// Nothing in it is escaped for any of them.
type chat struct {
	Title   string
	Tone    string
	Colour  string // as #14713d
	RTL     bool
	Brand   string
	Leads   []string
	Facts   []chatFact
	Updates []chatUpdate // newest first
	Older   string       // a sentence where some are left out
	Cut     string       // a sentence for where the end of one is left out
	URL     string       // "" for none
	Follow  string       // words for URL
	At      time.Time
}

type chatFact struct{ Label, Value string }

type chatUpdate struct {
	Head string // what state, and when; "" for a single one
	Body template.HTML
}

// chatBody makes a body that stays under bodySize: where it is too large, older
// updates are left to the page, then the ends of long ones.
func (s *Set) chatBody(story notifier.Story, c circumstances, format func(chat, int) any) ([]byte, error) {
	m, listed, err := s.chat(story, c)
	if err != nil {
		return nil, err
	}
	for most := chatSize; ; {
		if n := listed - len(m.Updates); n > 0 {
			m.Older = c.times.cat.count("older", n)
		}
		out, err := compact(format(m, most))
		switch {
		case err != nil || len(out) < bodySize:
			return out, err
		case len(m.Updates) > 1:
			m.Updates = m.Updates[:len(m.Updates)/2]
		case most > 10:
			most /= 2
		default:
			return nil, fmt.Errorf("a body of %d bytes; %d are allowed", len(out), bodySize)
		}
	}
}

// chatKeep is how many of the newest updates are tried: none that a body has
// surely no room for.
func chatKeep(updates []notifier.Update) int {
	size := 0
	for n, u := range slices.Backward(updates) {
		if size += min(len(u.Body), chatSize); size > bodySize*3/2 {
			return min(chatUpdates, len(updates)-n)
		}
	}
	return min(chatUpdates, len(updates))
}

// chat says what a mail would say, and of how many updates a mail would tell.
func (s *Set) chat(story notifier.Story, c circumstances) (chat, int, error) {
	updates := missed(story, c.since)
	m, err := s.mail(story, c, chatKeep(updates), false)
	if err != nil {
		return chat{}, 0, err
	}
	listed := len(updates)
	if listed > 1 {
		listed = len(saying(updates))
	}
	t := func(key string, args ...any) string { return m.cat.must(key, args...) }
	out := chat{
		Title: m.Subject, Tone: m.Tone, Colour: string(m.Colour(m.Tone)), RTL: m.Dir() == "rtl", Brand: m.Brand.Name,
		Cut: t("hook.cut"), URL: m.URL, Follow: t("follow"), At: story.Event.AcceptedAt,
	}
	if m.Reopened != "" {
		out.Leads = append(out.Leads, m.Reopened)
	}
	if m.Moved != "" {
		out.Leads = append(out.Leads, m.Moved)
	}
	switch e := story.Event.Type; {
	case e == notifier.IncidentCorrected:
		out.Leads = append(out.Leads, t("corrected.lead"))
	case e == notifier.IncidentRetracted:
		out.Leads = append(out.Leads, t("retracted.lead"))
	case e == notifier.MaintenanceExtended:
		out.Leads = append(out.Leads, t("extended.lead"))
	case e == notifier.MaintenanceCompleted && m.Lasted != "":
		out.Leads = append(out.Leads, t("completed.lead", "duration", m.Lasted))
	case e == notifier.IncidentResolved && m.Whole != "":
		out.Leads = append(out.Leads, m.Whole)
	case e == notifier.IncidentResolved:
		out.Leads = append(out.Leads, t("lasted", "duration", m.Lasted))
	}
	if story.Event.Type != notifier.IncidentRetracted {
		out.Leads = append(out.Leads, m.Impact...)
		out.Facts = chatFacts(m, story.Incident.Kind, t)
	}
	if story.Incident.Kind == notifier.KindPost || story.Event.Type.Closing() {
		out.Follow = t("read-post")
	}
	for _, u := range m.Updates {
		v := chatUpdate{Body: u.Body}
		if len(m.Updates) > 1 {
			v.Head = strings.Trim(u.State+" · "+u.At, " ·")
		}
		out.Updates = append(out.Updates, v)
	}
	return out, listed, nil
}

func chatFacts(m Mail, kind notifier.Kind, t func(string, ...any) string) []chatFact {
	var out []chatFact
	add := func(key, value string) {
		if value != "" {
			out = append(out, chatFact{strings.TrimRight(t(key), ": ：\u00a0\u202f"), value})
		}
	}
	if kind == notifier.KindPost {
		return nil
	}
	parts := m.Parts
	if parts == "" {
		parts = t("fact.everything")
	}
	ends := m.Ends
	if ends != "" && m.Takes != "" {
		ends += " · " + m.Takes
	}
	add("fact.parts", clip(parts, 600))
	add("hook.severity", m.Severity)
	add("fact.starts", m.Starts)
	add("fact.ends", ends)
	add("fact.began", m.Began)
	add("fact.over", m.Over)
	add("fact.as-of", m.AsOf)
	return out
}

// chatTest is the test of an endpoint.
func (s *Set) chatTest(words string, now time.Time, p Times) chat {
	return chat{
		Title: words, Tone: toneSoft, Colour: string(s.colours[toneSoft]), RTL: p.cat.dir() == "rtl", Brand: s.brand.Name,
		URL: s.base + "/", Follow: p.cat.must("hook.page"), At: now, Facts: []chatFact{{strings.TrimRight(p.cat.must("fact.as-of"), ": ：\u00a0\u202f"), p.Full(now)}},
	}
}

// calling is what chat programs take for a call of somebody: @here, @everyone,
// @ann. The at of a mail address calls nobody.
var calling = regexp.MustCompile(`(^|[^\pL\pN._%+-])@([\pL\pN_])`)

// unping takes the effect of calls away and leaves their looks.
func unping(s string) string { return calling.ReplaceAllString(s, "$1@\u200b$2") }

// units is the length of s as chat programs count it.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// fit is s as write writes it, in at most so many characters.
func fit(s string, most int, write func(string) string) string {
	out := write(s)
	for n := len([]rune(s)); units(out) > most && n > 1; out = write(clip(s, n)) {
		n = min(n-1, n*most/units(out)+1)
	}
	return out
}
