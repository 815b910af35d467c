package web

import (
	"net/url"
	"slices"
	"strings"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// The fields of the form that are not a subscriber's.
const (
	fieldToken     = "form"      // signed when the form was shown
	fieldChallenge = "challenge" // what was asked for during a rush
	fieldNumber    = "number"    // the work's answer
	fieldCode      = "code"      // the copied answer
	fieldTrap      = "leave_empty"
)

// entryFields are those that a person fills in, by the names of the columns.
var entryFields = []string{"address", "components", "severity", "kinds", "cadence", "hour", "weekday", "critical", "all_quiet", "mine", "timezone", "language", "incident"}

// readEntry makes a subscriber of what was entered, and says what of it is
// wrong; it looks at nothing but the form and the components there are.
func readEntry(in url.Values, known []notifier.Component, speaks func(lang string) bool) (subscribers.Subscriber, []templates.WrongField) {
	e := entry{in: in, fields: entryFields, channel: notifier.Email}
	e.refuse()
	who := subscribers.Subscriber{Channel: notifier.Email, State: subscribers.Pending}
	e.check("address", func(p *subscribers.Subscriber) { p.Address = e.one("address") }, func(p subscribers.Subscriber) { who.Address = p.Address })
	for _, name := range []string{"cadence", "timezone", "language", "incident"} {
		e.check(name, func(p *subscribers.Subscriber) { *e.field(p, name) = e.text(name) }, func(p subscribers.Subscriber) { *e.field(&who, name) = *e.field(&p, name) })
	}
	e.digest(&who)
	if who.Language != "" && !speaks(who.Language) {
		e.is("language", "language")
	}
	level, err := notifier.ParseSeverity(e.one("severity"))
	if err != nil {
		e.is("severity", "severity")
	}
	who.Filter.Severity = level
	for _, k := range e.many("kinds") {
		who.Filter.Kinds = append(who.Filter.Kinds, notifier.Kind(k))
	}
	who.Filter.Components, who.Filter.Mine = e.many("components"), e.ticked("mine")
	if slices.ContainsFunc(who.Filter.Components, func(key string) bool {
		return !slices.ContainsFunc(known, func(c notifier.Component) bool { return c.Key == key })
	}) {
		e.is("components", "components")
	}
	if slices.ContainsFunc(who.Filter.Kinds, func(k notifier.Kind) bool { return !slices.Contains(notifier.Kinds, k) }) {
		e.is("kinds", "kinds")
	}
	if e.wrong != nil {
		return who, e.wrong
	}
	if err := who.Validate(); err != nil { // nothing that was not found above
		e.is("", "other")
	}
	return who, e.wrong
}

// digest reads when digests come, and with what.
func (e *entry) digest(who *subscribers.Subscriber) {
	var err error
	if who.Hour, err = subscribers.ParseHour(e.one("hour")); err != nil {
		e.is("hour", "hour")
	}
	if who.Weekday = subscribers.Weekday(e.text("weekday")); who.Weekday != "" && !slices.Contains(subscribers.Weekdays, who.Weekday) {
		e.is("weekday", "weekday")
	}
	who.Critical, who.AllQuiet = e.ticked("critical"), e.ticked("all_quiet")
}

// ticked reads a box that is ticked or left.
func (e *entry) ticked(name string) bool {
	text := e.text(name)
	if text != "" && text != "true" {
		e.is(name, "critical")
	}
	return text == "true"
}

type entry struct {
	in      url.Values
	fields  []string         // of a subscriber, that the form has
	channel notifier.Channel // whose form it is
	wrong   []templates.WrongField
}

// is notes what is wrong with a field, once.
func (e *entry) is(field, why string) {
	if !slices.ContainsFunc(e.wrong, func(w templates.WrongField) bool { return w.Field == field }) {
		e.wrong = append(e.wrong, templates.WrongField{Field: field, Why: why})
	}
}

// refuse names the fields that the form does not have.
func (e *entry) refuse() {
	known := slices.Concat(e.fields, []string{"channel", fieldToken, fieldChallenge, fieldNumber, fieldCode, fieldTrap})
	var names []string
	for name := range e.in {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case slices.Contains(known, name):
		case slices.Contains([]string{"state", "group", "contact"}, name):
			e.is(name, "refused")
		case slices.Contains([]string{"hour", "weekday", "critical", "all_quiet", "mine", "format", "types"}, name):
			if strings.Join(e.in[name], "") != "" {
				e.is(name, "later")
			}
		default:
			e.is(notifier.Clip(strings.ToValidUTF8(name, "\ufffd")), "unknown")
		}
	}
	if c := e.one("channel"); c != "" && c != string(e.channel) {
		e.is("channel", "later")
	}
}

// one is the value of a field that has one.
func (e *entry) one(name string) string {
	values := e.in[name]
	if len(values) > 1 {
		e.is(name, "twice")
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func (e *entry) text(name string) string { return strings.TrimSpace(e.one(name)) }

// many are the values of a field that may be repeated, without empty ones.
func (e *entry) many(name string) []string {
	var out []string
	for _, v := range e.in[name] {
		if v != "" && !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// check tries a field by itself on somebody with whom all is well, so that
// every wrong field is named and not only the first.
func (e *entry) check(name string, set func(*subscribers.Subscriber), keep func(subscribers.Subscriber)) {
	probe := subscribers.Subscriber{Address: "someone@example.com"}
	set(&probe)
	if err := probe.Validate(); err != nil {
		e.is(name, name)
		return
	}
	keep(probe)
}

// field is the place of a field that holds a plain text.
func (e *entry) field(s *subscribers.Subscriber, name string) *string {
	switch name {
	case "cadence":
		return (*string)(&s.Cadence)
	case "timezone":
		return &s.Timezone
	case "language":
		return &s.Language
	}
	return &s.Filter.Incident
}

// entered is what a person filled in, to be shown again.
func entered(in url.Values) url.Values { return enteredOf(in, entryFields) }

func enteredOf(in url.Values, fields []string) url.Values {
	out := url.Values{}
	for _, name := range fields {
		for _, v := range in[name] {
			if v != "" {
				out.Add(name, strings.ToValidUTF8(v, "\ufffd"))
			}
		}
	}
	return out
}
