package templates

import (
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"slices"
	"strconv"

	"allclear/notifier"
)

// SubscribeForm is what a visitor fills in to follow the page: the box on other
// pages, and the data of PageSubscribe.
type SubscribeForm struct {
	Token      string               // signed when it is shown
	Only       *notifier.Incident   // follow this one and nothing else; nil is everything
	Components []notifier.Component // to choose from
	Mine       bool                 // to hear only of what touches them can be chosen
	Cadences   []string             // those that can be had
	Entered    url.Values           // what was entered, by field, where it is shown again
	Wrong      []WrongField         // what of it is wrong
	Endpoints  bool                 // an endpoint can be registered, too
	Phones     bool                 // a phone can, too
	Whole      bool                 // a page of its own, with a heading of its own
}

// WrongField is one that cannot be taken as it was entered.
type WrongField struct {
	Field string
	Why   string // the end of a page.subscribe.wrong key
}

// SubscribeStep is the data of PageSubscribeStep: the button again, and during
// a rush what is to be done before.
type SubscribeStep struct {
	Link      bool   // it stands before the link to manage, and not before a sign-up
	Door      string // "endpoints" or "phone" where it stands before those forms
	Token     string
	Entered   url.Values
	Challenge string // "" asks for the button alone
	Bits      int    // zero bits that the SHA-256 of challenge:number is to begin with
	Code      string // to be copied where no script runs
	Wrong     bool   // the code was not it
}

// subscribeBox is a SubscribeForm as the partial shows it.
type subscribeBox struct {
	Words
	Brand                     Brand
	Action, Token             string
	Incident, Only            string // id and title of the only one
	Address, Timezone         string
	Parts, Kinds              []choice
	Levels, Cadences, Tongues []choice
	Hours, Days               []choice      // of digests
	Critical                  bool          // critical ones come at once all the same
	AllQuiet                  bool          // one comes although there is nothing new
	Mine, OnlyMine            bool          // to hear only of what touches them can be chosen, and is
	Zones                     template.HTML // options
	Wrong                     []wrongShown
	Endpoints, Phones         string // where those are registered; "" where they cannot be
	Open                      bool   // what stands behind "more" is shown
	Lead                      bool   // it needs a heading, because it is not the page's own
}

type choice struct {
	Value, Label, Group string
	Chosen              bool
}

type wrongShown struct{ Field, ID, Text string }

// Why is what is wrong with a field; "" where nothing is.
func (b subscribeBox) Why(field string) string {
	for _, w := range b.Wrong {
		if w.Field == field {
			return w.Text
		}
	}
	return ""
}

// shownFields are those that have a place in the form, to which a summary can lead.
func shownFields() []string {
	return []string{"address", "components", "severity", "kinds", "cadence", "hour", "weekday", "critical", "all_quiet", "mine", "timezone", "language"}
}

func (p *Pages) subscribeBox(cat *catalogue, form SubscribeForm) subscribeBox {
	in := form.Entered
	b := subscribeBox{
		Words: Words{cat}, Brand: p.set.brand, Action: p.set.root + "/subscribe", Token: form.Token,
		Address: in.Get("address"), Timezone: in.Get("timezone"), Zones: zoneOptions(), Lead: !form.Whole,
	}
	if form.Endpoints && form.Only == nil {
		b.Endpoints = p.set.root + "/endpoints"
	}
	if form.Phones && form.Only == nil {
		b.Phones = p.set.root + "/phone"
	}
	if form.Only != nil {
		b.Incident, b.Only = form.Only.ID, form.Only.Title
	}
	for _, w := range form.Wrong {
		shown := wrongShown{Field: w.Field, Text: cat.must("page.subscribe.wrong."+w.Why, "field", w.Field)}
		if slices.Contains(shownFields(), w.Field) {
			shown.ID = "subscribe-" + w.Field
		}
		b.Wrong = append(b.Wrong, shown)
		b.Open = b.Open || w.Field != "address"
	}
	choose := func(field, value, label string) choice {
		return choice{Value: value, Label: label, Chosen: slices.Contains(in[field], value)}
	}
	group := ""
	for _, c := range form.Components {
		part := choose("components", c.Key, c.Name)
		if c.Group != group {
			part.Group, group = c.Group, c.Group
		}
		b.Parts = append(b.Parts, part)
	}
	for _, k := range notifier.Kinds {
		b.Kinds = append(b.Kinds, choose("kinds", string(k), cat.must("page.subscribe.kind."+string(k))))
	}
	for _, level := range []string{"none", "minor", "major", "critical"} {
		b.Levels = append(b.Levels, choose("severity", level, cat.must("page.subscribe.severity."+level)))
	}
	for _, c := range form.Cadences {
		b.Cadences = append(b.Cadences, choose("cadence", c, cat.must("page.subscribe.cadence."+c)))
	}
	b.Hours, b.Days, b.Critical = cat.hours(in.Get("hour")), cat.days(in.Get("weekday")), in.Get("critical") == "true"
	b.Mine, b.OnlyMine = form.Mine, in.Get("mine") == "true"
	b.AllQuiet = in.Get("all_quiet") == "true"
	for _, l := range p.set.languages.all {
		tongue := choose("language", l.code, l.must("language.name"))
		tongue.Chosen = tongue.Chosen || in.Get("language") == "" && l == cat
		b.Tongues = append(b.Tongues, tongue)
	}
	b.Open = b.Open || len(in) > 1 && form.Only == nil
	return b
}

// hours are those that digests can come at, the service's first.
func (c *catalogue) hours(chosen string) []choice {
	out := []choice{{Label: c.must("page.subscribe.hour-any"), Chosen: chosen == ""}}
	for h := range 24 {
		value := strconv.Itoa(h)
		out = append(out, choice{Value: value, Label: c.must("time.clock", "hour", fmt.Sprintf("%02d", h), "minute", "00"), Chosen: value == chosen})
	}
	return out
}

// weekdays are the days of the week as a subscriber's are written, Monday first.
var weekdays = [...]string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// days are those that weekly digests can come on.
func (c *catalogue) days(chosen string) []choice {
	var out []choice
	for i, day := range weekdays {
		value := day
		if i == 0 {
			value = "" // what it is unless another is chosen
		}
		out = append(out, choice{Value: value, Label: c.must("page.subscribe.weekday." + day), Chosen: value == chosen || day == chosen})
	}
	return out
}

// box is the form where a page has one.
func (p *Pages) box(cat *catalogue, form *SubscribeForm) *subscribeBox {
	if form == nil {
		return nil
	}
	b := p.subscribeBox(cat, *form)
	return &b
}

// Consent is what the form of a channel says that its button means, in the
// language that Page would choose for lang.
func (p *Pages) Consent(lang string, ch notifier.Channel) (language, words string) {
	cat := p.set.languages.find(lang)
	key := "page.subscribe.consent"
	switch ch {
	case notifier.Webhook:
		key = "page.endpoint.consent"
	case notifier.SMS:
		key = "page.phone.consent"
	}
	return cat.code, cat.must(key, "brand", p.set.brand.Name)
}

// Work is the script that does the work of PageSubscribeStep.
func (p *Pages) Work() Asset { return p.work }

type subscribePage struct {
	frame
	Subscribe subscribeBox
}

func (p *Pages) subscribePage(f frame, cat *catalogue, form SubscribeForm) subscribePage {
	m := subscribePage{frame: f, Subscribe: p.subscribeBox(cat, form)}
	title := cat.must("page.subscribe.title", "brand", p.set.brand.Name)
	if form.Only != nil {
		title = cat.must("page.subscribe.only", "title", form.Only.Title)
	}
	if len(form.Wrong) > 0 {
		title = cat.must("page.subscribe.wrong.title")
	}
	m.Title = title
	return m
}

type stepModel struct {
	frame
	SubscribeStep
	Action, Work string
	Hidden       [][2]string
}

func (p *Pages) subscribeStep(f frame, cat *catalogue, step SubscribeStep) stepModel {
	f.Title = cat.must("page.subscribe-step.again")
	if step.Challenge != "" {
		f.Title = cat.must("page.subscribe-step.title")
	}
	m := stepModel{frame: f, SubscribeStep: step, Action: p.set.root + "/subscribe", Work: p.set.root + p.work.Path + "?v=" + p.work.Hash}
	if step.Link {
		m.Action = p.set.root + "/link"
	}
	fields := append(shownFields(), "incident")
	if step.Door != "" {
		m.Action, fields = p.set.root+"/"+step.Door, slices.Sorted(maps.Keys(step.Entered))
	}
	for _, name := range fields {
		for _, v := range step.Entered[name] {
			m.Hidden = append(m.Hidden, [2]string{name, v})
		}
	}
	return m
}
