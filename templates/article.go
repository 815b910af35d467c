package templates

import (
	"html/template"
	"net/url"
	"strings"
	"time"

	"allclear/notifier"
)

// article is one announcement as a page shows it.
type article struct {
	Title, URL  string
	State, Tone string
	About       template.HTML // components, when, how long
	Impact      []string
	Updates     []pageUpdate
}

type pageUpdate struct {
	ID, State   string
	At, Machine string // for people, for programs
	URL         string
	Body        template.HTML
}

// feltFor is for how long mail was late by an incident that is over, as far as it
// was told; "" of all else: an incident lasts longer than what it brings.
func feltFor(i notifier.Incident, times Times) string {
	if d := i.Delayed(); d >= time.Minute {
		return times.Duration(d)
	}
	return ""
}

// impactOf is what an announcement with all that was said of it means to readers.
func impactOf(i notifier.Incident, times Times) []string {
	if i.State == notifier.Retracted {
		return nil
	}
	if i.Open() {
		return times.impact(i.Felt(), false, "")
	}
	return times.impact(i.Impact, true, feltFor(i, times))
}

// article shows an announcement at an instant, with links below the public path.
func (p *Pages) article(i notifier.Incident, known map[string]string, times Times, now time.Time) (article, error) {
	return p.articleBelow(p.set.root, i, known, times, now)
}

func (p *Pages) articleBelow(root string, i notifier.Incident, known map[string]string, times Times, now time.Time) (article, error) {
	cat := times.cat
	a := article{
		Title: i.Title, URL: root + "/incidents/" + url.PathEscape(i.ID), State: cat.status(i.Status),
		Tone: tone(i.Kind, i.Status, i.Severity), Impact: impactOf(i, times),
	}
	switch {
	case i.State == notifier.Retracted:
		a.State, a.Tone = cat.must("state.retracted"), toneSoft
	case i.Kind == notifier.KindPost:
		a.State = cat.must("page.post")
	}
	a.About = p.about(i, known, times, now)
	for n := len(i.Updates) - 1; n >= 0; n-- {
		u := i.Updates[n]
		body, err := p.set.markdown.page(u.Body, times.within(u.Body, u.At))
		if err != nil {
			return a, err
		}
		state := cat.status(u.Status)
		if withdrawal(i, n) {
			state = a.State
		}
		a.Updates = append(a.Updates, pageUpdate{
			ID: u.ID, State: state, At: times.Moment(u.At, now), Machine: u.At.UTC().Format(time.RFC3339),
			URL: a.URL + "#" + url.PathEscape(u.ID), Body: body,
		})
	}
	return a, nil
}

// withdrawal reports whether the n-th update is the one with which the incident
// was withdrawn: the last one, written with the last change of the incident.
func withdrawal(i notifier.Incident, n int) bool {
	return i.State == notifier.Retracted && n == len(i.Updates)-1 && !i.Updates[n].CreatedAt.Before(i.UpdatedAt)
}

// about is the line beside the state: components, planned time, how long it lasted.
func (p *Pages) about(i notifier.Incident, known map[string]string, times Times, now time.Time) template.HTML {
	var words []string
	if parts := times.cat.parts(i.Components, known); parts != "" {
		words = append(words, template.HTMLEscapeString(parts))
	}
	if i.Kind == notifier.KindMaintenance && !i.Status.Final() && !i.StartsAt.IsZero() {
		if i.EndsAt.IsZero() {
			words = append(words, string(stamp(i.StartsAt, time.Time{}, times.Moment(i.StartsAt, now))))
		} else {
			words = append(words, string(stamp(i.StartsAt, i.EndsAt, times.Span(i.StartsAt, i.EndsAt, now))))
		}
	}
	if i.Kind == notifier.KindIncident && i.Status.Final() && !i.ResolvedAt.IsZero() {
		words = append(words, template.HTMLEscapeString(times.cat.must("page.lasted", "duration", times.Between(i.OpenedAt, i.ResolvedAt))))
	}
	return template.HTML(strings.Join(words, " · ")) //nolint:gosec // every word was escaped
}

// stamp marks up an instant, or the span of two, so that a program finds it in
// the text: a browser's script adds the visitor's own zone. until may be zero.
func stamp(t, until time.Time, text string) template.HTML {
	machine := `<time datetime="` + t.UTC().Format(time.RFC3339) + `"`
	if !until.IsZero() {
		machine += ` data-until="` + until.UTC().Format(time.RFC3339) + `"`
	}
	// A page has an element for what sets a text off, and needs no marks.
	switch inner := strings.TrimSuffix(text, endIsolate); {
	case strings.HasPrefix(text, byItself):
		machine, text = machine+` dir="auto"`, strings.TrimPrefix(inner, byItself)
	case strings.HasPrefix(text, fromRight):
		machine, text = machine+` dir="rtl"`, strings.TrimPrefix(inner, fromRight)
	}
	return template.HTML(machine + ">" + template.HTMLEscapeString(text) + "</time>") //nolint:gosec // escaped
}

func names(all []notifier.Component) map[string]string {
	out := map[string]string{}
	for _, c := range all {
		out[c.Key] = c.Name
	}
	return out
}
