package templates

import (
	"html/template"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
)

type homeModel struct {
	frame
	Headline, Tag, Tone string
	Since               template.HTML
	Followers           string
	Articles            []article
	Parts               []part
	Older               string
	History             string
	Subscribe           *subscribeBox
}

type part struct{ Group, Name, State, Tone string }

func (p *Pages) home(f frame, times Times, data Home, now time.Time) (homeModel, error) {
	cat := times.cat
	m := homeModel{frame: f, Subscribe: p.box(cat, data.Subscribe), History: p.set.root + "/history", Followers: cat.must("page.home.nobody")}
	if data.Followers > 0 {
		m.Followers = cat.count("page.home.followers", int(data.Followers))
	}
	if data.Older != "" {
		m.Older = p.set.root + data.Older
	}
	open := data.open()
	components := affected(data.Components, open)
	p.headline(&m, times, components, open, now)
	m.Title = m.Headline + " · " + f.Title
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
	m.Since = template.HTML(template.HTMLEscapeString(cat.must("page.home.calm"))) //nolint:gosec // escaped
	if !oldest.IsZero() {
		const here = "\ue000"
		since := template.HTMLEscapeString(cat.must("page.home.since", "time", here, "duration", times.Between(oldest, now)))
		m.Since = template.HTML(strings.Replace(since, here, string(stamp(oldest, time.Time{}, times.Moment(oldest, now))), 1)) //nolint:gosec // both were escaped
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
			if named := len(i.Components) == 0 || slices.Contains(i.Components, out[n].Key); named && state.Worse(out[n].State) {
				out[n].State = state
			}
		}
	}
	return out
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
