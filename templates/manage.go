package templates

import (
	"html/template"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

// ManagePage is where a subscriber sees and changes everything that is kept about them.
type ManagePage struct {
	Path    string // of the page itself, with its token
	Leave   string // of the page with the button that ends it; "" where there is nothing to end
	Address string
	State   string    // active, paused and so on
	Until   time.Time // when a pause ends by itself
	Now     time.Time
	Done    string   // what was just done: saved, paused, resumed, moving, moving-again, stayed; "" for nothing
	Wrong   []string // fields that could not be taken, and why: timezone, address-often
	Only    string   // the title of the one incident that is followed; "" is every one
	Over    bool     // and that is over
	All     bool     // everything was chosen in its place, and could not be saved yet
	Ended   bool     // the subscription has ended with it
	Group   bool     // of an address that many read; whoever looks is its owner

	Parts    []notifier.Component
	Some     bool     // only what is in Chosen, not all
	Chosen   []string // keys of components
	Mine     bool     // to hear only of what touches them can be chosen
	OnlyMine bool     // and is
	Kinds    []notifier.Kind
	NoKind   bool // not one was chosen, which could not be saved; Kinds is empty then, which is else every one
	Severity notifier.Severity
	Cadence  string
	Cadences []string // those that can be had
	Hour     string   // of digests: 0 to 23; "" is the service's
	Weekday  string   // of weekly ones: monday and so on; "" is Monday
	Critical bool     // with digests: critical ones come at once all the same
	AllQuiet bool     // with digests: one comes although there is nothing new
	Timezone string
	Language string

	PauseUntil string // as it was entered, 2026-11-30
	MoveTo     string // as it was entered
	Movable    bool
	MovingTo   string    // the address of a move that waits
	Agreed     bool      // the old address agrees already
	MovingRest time.Time // it was asked for twice; from when on that brings new mails

	SecondOf      string // whose second address it is, veiled; "" for nobody's
	SecondAsked   bool   // a second address can be named
	SecondDomain  string // whose mail may be down
	SecondPhones  bool   // it may be a telephone number
	SecondHooks   bool   // it may be the URL of an endpoint
	Second        string // the one that was named; "" for none
	SecondState   string // pending, active and so on
	SecondUnused  bool   // nothing is sent there, though it was confirmed
	SecondNext    string // the one that takes its place once it is confirmed
	SecondEntered string // as it was entered

	Told []notifier.Told // newest first
}

// LinkPage asks for the address whose link is to be sent.
type LinkPage struct {
	Token   string // signed when it is shown
	Address string // as it was entered
	Wrong   bool   // it is none
	Expired bool   // the page stands where a link that is too old led
}

// option is one of several, in a form.
type option struct {
	Value, Label string
	On           bool
}

// toldLine is one row of what was sent.
type toldLine struct {
	What, URL, At, Became, Tone string
}

// problem is a field that could not be taken.
type problem struct{ Field, Text string }

// manage is what page/manage.html is given.
type manage struct {
	frame
	ManagePage
	Heading  string
	Standing string // where the subscription stands, in a sentence
	Problems []problem
	Groups   []partGroup
	Which    []option // kinds
	Levels   []option // severities
	Rhythms  []option // cadences
	Hours    []option
	Days     []option
	Tongues  []option // languages
	Zones    template.HTML
	First    string // the first day a pause may end on
	Lines    []toldLine
	Moving   string
	// SecondStands is the second address and how it stands; "" where there is none.
	SecondStands string
	NextStands   string // the one that is to take its place
	Rest         string // that the same move was asked for already, and when it brings new mails
}

// partGroup is components under their heading.
type partGroup struct {
	Name  string
	Parts []option
}

// Why is what is wrong with a field; "" where nothing is.
func (m manage) Why(field string) string {
	for _, p := range m.Problems {
		if p.Field == field {
			return p.Text
		}
	}
	return ""
}

func doings() []string {
	return []string{"saved", "paused", "resumed", "moving", "moving-again", "stayed", "second", "second-removed"}
}

// managed are the fields of the page that can be wrong.
func managed() []string {
	return []string{"components", "kinds", "severity", "cadence", "hour", "weekday", "timezone", "language", "until", "address", "address-often", "second", "second-same", "second-phone", "second-often", "state"}
}

func (p *Pages) manage(f frame, data ManagePage) manage {
	cat := f.cat
	times := Times{cat: cat, zone: p.set.location(data.Timezone)}
	m := manage{frame: f, ManagePage: data, First: data.Now.In(times.zone).AddDate(0, 0, 1).Format(time.DateOnly)}
	m.Zones = zoneOptions()
	m.Heading = cat.must("page.manage.title")
	if slices.Contains(doings(), data.Done) {
		m.Heading = cat.must("page.manage.done." + data.Done)
	}
	for _, w := range data.Wrong {
		field, _, _ := strings.Cut(w, "-")
		if slices.Contains(managed(), w) {
			m.Problems = append(m.Problems, problem{field, cat.must("page.manage.wrong." + w)})
		}
	}
	if len(m.Problems) > 0 {
		m.Heading = cat.must("page.manage.wrong")
	}
	m.Title = m.Heading + " · " + f.Title
	m.Standing = cat.must("page.manage.is." + standing(data.State))
	if data.Ended {
		m.Standing = cat.must("page.manage.is.ended")
	}
	if data.State == "paused" && !data.Until.IsZero() {
		m.Standing = cat.must("page.manage.is.paused-until", "time", times.Full(data.Until))
	}
	if data.MovingTo != "" {
		m.Moving = cat.must("page.manage.moving", "address", data.MovingTo)
	}
	if !data.MovingRest.IsZero() {
		m.Rest = cat.must("page.manage.moving-again", "time", times.Full(data.MovingRest))
	}
	if data.Second != "" {
		stands := "other"
		if data.SecondState == "pending" || data.SecondState == "active" && !data.SecondUnused {
			stands = data.SecondState
		}
		m.SecondStands = cat.must("page.manage.second-"+stands, "address", data.Second)
	}
	if data.SecondNext != "" {
		m.NextStands = cat.must("page.manage.second-pending", "address", data.SecondNext)
	}
	m.choices(cat)
	for _, t := range data.Told {
		m.Lines = append(m.Lines, p.told(cat, times, t))
	}
	return m
}

func standing(state string) string {
	if slices.Contains([]string{"pending", "paused", "quarantined", "unsubscribed"}, state) {
		return state
	}
	return "active"
}

func (m *manage) choices(cat *catalogue) {
	for _, c := range m.Parts {
		one := option{c.Key, c.Name, slices.Contains(m.Chosen, c.Key)}
		if n := len(m.Groups); n == 0 || m.Groups[n-1].Name != c.Group {
			m.Groups = append(m.Groups, partGroup{Name: c.Group})
		}
		last := &m.Groups[len(m.Groups)-1]
		last.Parts = append(last.Parts, one)
	}
	for _, k := range notifier.Kinds {
		m.Which = append(m.Which, option{string(k), cat.must("page.subscribe.kind." + string(k)), !m.NoKind && (len(m.Kinds) == 0 || slices.Contains(m.Kinds, k))})
	}
	for s := notifier.SeverityNone; s <= notifier.SeverityCritical; s++ {
		m.Levels = append(m.Levels, option{s.String(), cat.must("page.subscribe.severity." + s.String()), s == m.Severity})
	}
	for _, c := range m.Cadences {
		m.Rhythms = append(m.Rhythms, option{c, cat.must("page.subscribe.cadence." + c), c == m.Cadence})
	}
	for _, c := range cat.hours(m.Hour) {
		m.Hours = append(m.Hours, option{c.Value, c.Label, c.Chosen})
	}
	for _, c := range cat.days(m.Weekday) {
		m.Days = append(m.Days, option{c.Value, c.Label, c.Chosen})
	}
}

// tongues are the languages that there are texts in, each by its own name, and
// whatever else the subscriber's may be.
func (p *Pages) tongues(wanted string) []option {
	var out []option
	found := false
	for _, c := range p.set.languages.all {
		on := strings.EqualFold(c.code, wanted)
		found = found || on
		out = append(out, option{c.code, c.must("language.name"), on})
	}
	if wanted != "" && !found {
		out = append(out, option{wanted, wanted, true})
	}
	return out
}

func (p *Pages) told(cat *catalogue, times Times, t notifier.Told) toldLine {
	l := toldLine{What: t.Title, At: times.Full(t.AcceptedAt), Tone: toneSoft}
	switch t.Type {
	case notifier.SubscriberConfirm:
		l.What = cat.must("page.manage.told.confirm")
	case notifier.SubscriberLink, notifier.SubscriberOwner:
		l.What = cat.must("page.manage.told.link")
	case notifier.SubscriberMoveFrom, notifier.SubscriberMoveTo:
		l.What = cat.must("page.manage.told.move")
	case notifier.SubscriberSecond:
		l.What = cat.must("page.manage.told.second")
	case notifier.DigestDue:
		if l.What = cat.must("page.manage.told.digest"); t.Domain != "" {
			l.What = cat.must("digest.title.outage", "domain", t.Domain)
		}
	default:
		l.URL = p.set.incidentURL(t.IncidentID, "")
	}
	switch t.State {
	case notifier.Sent:
		l.At, l.Tone = times.Full(t.SentAt), toneOK
	case notifier.Failed, notifier.Bounced:
		l.Tone = toneMajor
	}
	l.Became = cat.must("page.manage.became." + became(t.State))
	return l
}

// became is the word for a delivery's state that a reader has a use for.
func became(s notifier.DeliveryState) string {
	if !s.Final() {
		return "waits"
	}
	return string(s)
}
