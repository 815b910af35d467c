package templates

import (
	"net/url"
	"slices"
	"strings"

	"allclear/notifier"
)

// Choices is what a form asks whoever an endpoint or a phone belongs to, and
// what they chose so far.
type Choices struct {
	Components []notifier.Component
	Cadences   []string     // those that can be had; of a phone only
	Entered    url.Values   // what is chosen, by field
	Wrong      []WrongField // what cannot be taken
}

// choices is what page/partials/choices.html is given, and the forms around it.
type choices struct {
	Words
	Endpoint                  bool   // else of a phone
	Address, Contact          string // as they were entered
	Timezone, From, Until     string
	Parts, Kinds, Types       []choice
	Levels, Cadences, Tongues []choice
	Formats                   []choice
	Zones                     []string
	Wrong                     []wrongShown
	Open                      bool // what stands behind "more" is shown
}

// Why is what is wrong with a field; "" where nothing is.
func (c choices) Why(field string) string {
	for _, w := range c.Wrong {
		if w.Field == field {
			return w.Text
		}
	}
	return ""
}

// What can be wrong with endpoints and phones, beside what can be with any
// subscription: the ends of keys in the catalogue.
func endpointWrongs() []string {
	return []string{"address", "scheme", "port", "closed", "contact", "types", "format", "untaken", "since", "often", "rotated", "overlap", "many", "shown", "unproven", "state", "delivery", "until"}
}

func phoneWrongs() []string {
	return []string{"address", "kind", "country", "quiet", "digits", "code", "late", "tries", "old", "state", "until"}
}

// wrongs words what is wrong, and says where on the page it is.
func (p *Pages) wrongs(cat *catalogue, door string, own []string, all []WrongField) []wrongShown {
	var out []wrongShown
	for _, w := range all {
		key := "page.subscribe.wrong." + w.Why
		if slices.Contains(own, w.Why) {
			key = "page." + door + ".wrong." + w.Why
		}
		shown := wrongShown{Field: w.Field, Text: cat.must(key, "field", w.Field)}
		if slices.Contains(choiceFields(), w.Field) {
			shown.ID = "field-" + w.Field
		}
		out = append(out, shown)
	}
	return out
}

// choiceFields are those that have a place on the pages, to which a summary leads.
func choiceFields() []string {
	return []string{"address", "contact", "format", "types", "components", "kinds", "severity", "cadence", "quiet", "timezone", "language", "since", "until", "code", "state", "again"}
}

// formats are the shapes of posts by the names that their makers gave them.
var formats = map[notifier.Format]string{
	notifier.FormatStandard: "Standard Webhooks", notifier.FormatStatuspage: "Statuspage",
	notifier.FormatSlack: "Slack", notifier.FormatTeams: "Microsoft Teams", notifier.FormatDiscord: "Discord",
}

// typeKey is the end of the key that says in words when an endpoint is called.
func typeKey(t notifier.EventType) string {
	return strings.NewReplacer(".", "-", "_", "-").Replace(string(t))
}

func (p *Pages) choices(cat *catalogue, ch notifier.Channel, data Choices) choices {
	in := data.Entered
	c := choices{
		Words: Words{cat}, Endpoint: ch == notifier.Webhook, Address: in.Get("address"), Contact: in.Get("contact"), Timezone: in.Get("timezone"),
		From: in.Get("quiet_from"), Until: in.Get("quiet_until"), Zones: zones(),
	}
	door, own := "phone", phoneWrongs()
	if c.Endpoint {
		door, own = "endpoint", endpointWrongs()
	}
	c.Wrong = p.wrongs(cat, door, own, data.Wrong)
	c.Open = slices.ContainsFunc(data.Wrong, func(w WrongField) bool {
		return !slices.Contains([]string{"address", "contact", "format"}, w.Field)
	})
	choose := func(field, value, label string) choice {
		return choice{Value: value, Label: label, Chosen: slices.Contains(in[field], value)}
	}
	group := ""
	for _, x := range data.Components {
		part := choose("components", x.Key, x.Name)
		if x.Group != group {
			part.Group, group = x.Group, x.Group
		}
		c.Parts = append(c.Parts, part)
	}
	for _, level := range []string{"none", "minor", "major", "critical"} {
		c.Levels = append(c.Levels, choose("severity", level, cat.must("page.subscribe.severity."+level)))
	}
	for _, l := range p.set.languages.all {
		tongue := choose("language", l.code, l.must("language.name"))
		tongue.Chosen = tongue.Chosen || in.Get("language") == "" && l == cat
		c.Tongues = append(c.Tongues, tongue)
	}
	if !c.Endpoint {
		for _, k := range notifier.Kinds {
			c.Kinds = append(c.Kinds, choose("kinds", string(k), cat.must("page.subscribe.kind."+string(k))))
		}
		for _, x := range data.Cadences {
			c.Cadences = append(c.Cadences, choose("cadence", x, cat.must("page.subscribe.cadence."+x)))
		}
		return c
	}
	for _, t := range notifier.Announcements {
		c.Types = append(c.Types, choose("types", string(t), cat.must("page.endpoint.type."+typeKey(t))))
	}
	for _, f := range notifier.Formats {
		c.Formats = append(c.Formats, choose("format", string(f), formats[f]))
	}
	return c
}
