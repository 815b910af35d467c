package templates

import (
	"html/template"
	"net/url"
	"slices"
	"time"

	"allclear/notifier"
)

type homeModel struct {
	frame
	Headline, Since, Tag, Tone string
	Followers                  string
	Articles                   []article
	Parts                      []part
	Older                      string
}

type part struct{ Group, Name, State, Tone string }

// article is one announcement as a page shows it.
type article struct {
	Title, URL  string
	State, Tone string
	About       string // components, when, how long
	Impact      []string
	Updates     []pageUpdate
}

type pageUpdate struct {
	ID, State   string
	At, Machine string // for people, for programs
	URL         string
	Body        template.HTML
}

func (p *Pages) home(f frame, times Times, data Home, now time.Time) (homeModel, error) {
	cat := times.cat
	m := homeModel{frame: f, Followers: cat.must("page.home.nobody")}
	if data.Followers > 0 {
		m.Followers = cat.count("page.home.followers", int(data.Followers))
	}
	if data.Older != "" {
		m.Older = p.set.root + data.Older
	}
	open := data.Open
	if open == nil {
		open = slices.DeleteFunc(slices.Clone(data.Incidents), func(i notifier.Incident) bool { return !i.Open() })
	}
	components := affected(data.Components, open)
	p.headline(&m, times, components, open, now)
	m.Title = m.Headline + " · " + f.Brand.Name
	group := ""
	for _, c := range components {
		shown := part{Name: c.Name, State: cat.must("component." + string(c.State)), Tone: componentTone(c.State)}
		if c.Group != group {
			shown.Group, group = c.Group, c.Group
		}
		m.Parts = append(m.Parts, shown)
	}
	known := names(data.Components)
	for _, i := range data.Incidents {
		a, err := p.article(i, known, times, now)
		if err != nil {
			return m, err
		}
		m.Articles = append(m.Articles, a)
	}
	return m, nil
}

// headline sums up in one line how things are.
func (p *Pages) headline(m *homeModel, times Times, components []notifier.Component, open []notifier.Incident, now time.Time) {
	cat := times.cat
	var oldest time.Time
	worst, incidents, work := notifier.SeverityNone, 0, false
	for _, i := range open {
		switch {
		case i.Kind == notifier.KindIncident:
			incidents++
			worst = max(worst, i.Severity)
			if oldest.IsZero() || i.OpenedAt.Before(oldest) {
				oldest = i.OpenedAt
			}
		case i.Status == notifier.InProgress || i.Status == notifier.Extended:
			work = true
		}
	}
	troubled, tone := 0, toneOK
	for _, c := range components {
		if c.State != notifier.Operational && c.State != notifier.Maintenance {
			troubled++
			if tone != toneMajor {
				tone = componentTone(c.State)
			}
		}
	}
	if worst > notifier.SeverityNone {
		tone = severityTone(worst)
	} else if tone == toneOK && incidents > 0 {
		tone = toneSoft
	}
	m.Tone, m.Tag = tone, cat.severity(worst)
	switch {
	case troubled > 0:
		m.Headline = cat.count("page.home.trouble", troubled)
	case incidents > 0:
		m.Headline = cat.must("page.home.service")
	case work:
		m.Headline, m.Tone = cat.must("page.home.maintenance"), tonePlan
	default:
		m.Headline = cat.must("page.home.fine")
	}
	m.Since = cat.must("page.home.calm")
	if !oldest.IsZero() {
		m.Since = cat.must("page.home.since", "time", times.Moment(oldest, now), "duration", times.Between(oldest, now))
	}
}

// affected is the components with what open incidents say of them, so that the
// list does not call working what the article beside it calls broken.
func affected(all []notifier.Component, open []notifier.Incident) []notifier.Component {
	out := slices.Clone(all)
	for _, i := range open {
		state := notifier.Operational
		switch {
		case i.Kind == notifier.KindMaintenance:
			if i.Status == notifier.InProgress || i.Status == notifier.Extended {
				state = notifier.Maintenance
			}
		case i.Severity == notifier.SeverityMinor:
			state = notifier.Degraded
		case i.Severity == notifier.SeverityMajor:
			state = notifier.PartialOutage
		case i.Severity == notifier.SeverityCritical:
			state = notifier.MajorOutage
		}
		for n := range out {
			if named := len(i.Components) == 0 || slices.Contains(i.Components, out[n].Key); named && worse(state, out[n].State) {
				out[n].State = state
			}
		}
	}
	return out
}

func worse(a, b notifier.ComponentState) bool {
	if b == notifier.Operational {
		return a != notifier.Operational
	}
	return a != notifier.Maintenance && slices.Index(notifier.ComponentStates, a) > slices.Index(notifier.ComponentStates, b)
}

func componentTone(s notifier.ComponentState) string {
	switch s {
	case notifier.Operational:
		return toneOK
	case notifier.Maintenance:
		return tonePlan
	case notifier.MajorOutage:
		return toneMajor
	}
	return toneMinor
}

func (p *Pages) article(i notifier.Incident, known map[string]string, times Times, now time.Time) (article, error) {
	cat := times.cat
	a := article{
		Title: i.Title, URL: p.set.root + "/incidents/" + url.PathEscape(i.ID), State: cat.status(i.Status),
		Tone: tone(i.Kind, i.Status, i.Severity), Impact: times.impact(i.Impact, !i.Open()),
	}
	switch {
	case i.State == notifier.Retracted:
		a.State, a.Tone, a.Impact = cat.must("state.retracted"), toneSoft, nil
	case i.Kind == notifier.KindPost:
		a.State = cat.must("page.post")
	}
	a.About = p.about(i, known, times, now)
	for n := len(i.Updates) - 1; n >= 0; n-- {
		u := i.Updates[n]
		body, err := p.set.markdown.html(u.Body, func(t time.Time) string { return times.Moment(t, u.At) }, nil)
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
func (p *Pages) about(i notifier.Incident, known map[string]string, times Times, now time.Time) string {
	var words []string
	if parts := times.cat.parts(i.Components, known); parts != "" {
		words = append(words, parts)
	}
	if i.Kind == notifier.KindMaintenance && !i.Status.Final() && !i.StartsAt.IsZero() {
		if i.EndsAt.IsZero() {
			words = append(words, times.Moment(i.StartsAt, now))
		} else {
			words = append(words, times.Span(i.StartsAt, i.EndsAt, now))
		}
	}
	if i.Kind == notifier.KindIncident && i.Status.Final() && !i.ResolvedAt.IsZero() {
		words = append(words, times.cat.must("page.lasted", "duration", times.Between(i.OpenedAt, i.ResolvedAt)))
	}
	out := ""
	for n, w := range words {
		if n > 0 {
			out += " · "
		}
		out += w
	}
	return out
}

func names(all []notifier.Component) map[string]string {
	out := map[string]string{}
	for _, c := range all {
		out[c.Key] = c.Name
	}
	return out
}
