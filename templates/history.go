package templates

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"allclear/notifier"
)

// History is what began in one month.
type History struct {
	Month      time.Time           // its first instant, in UTC
	Incidents  []notifier.Incident // a page of published ones with their updates
	Components []notifier.Component
	Earlier    bool   // something began before this month
	Later      bool   // the next month has begun
	Part       bool   // Incidents is not all of the month
	Older      string // path and query of the month's next page; "" at the end
}

type historyModel struct {
	frame
	Heading, Sum string
	Articles     []article
	Older        string
	Earlier      *monthLink // nil where there is nothing
	Later        *monthLink
}

type monthLink struct{ Name, URL string }

// HistoryPath is where a month has its page.
func HistoryPath(month time.Time) string { return "/history/" + month.UTC().Format("2006-01") }

func (p *Pages) history(f frame, times Times, data History, now time.Time) (historyModel, error) {
	cat := times.cat
	m := historyModel{frame: f, Heading: cat.month(data.Month)}
	switch {
	case data.Part:
		m.Title = m.Heading
	case len(data.Incidents) == 0:
		m.Sum = cat.must("page.history.none")
		m.Title = cat.must("page.history.title", "month", m.Heading, "what", m.Sum)
	default:
		m.Sum = cat.count("page.history.posts", len(data.Incidents))
		m.Title = cat.must("page.history.title", "month", m.Heading, "what", m.Sum)
	}
	m.Title += " · " + f.Title
	link := func(months int) *monthLink {
		to := data.Month.AddDate(0, months, 0)
		return &monthLink{Name: cat.month(to), URL: p.set.root + HistoryPath(to)}
	}
	if data.Earlier {
		m.Earlier = link(-1)
	}
	if data.Later {
		m.Later = link(1)
	}
	if data.Older != "" {
		m.Older = p.set.root + data.Older
	}
	known := names(data.Components)
	all := slices.Clone(data.Incidents)
	slices.SortStableFunc(all, func(a, b notifier.Incident) int { return cmp.Compare(b.OpenedAt.UnixMicro(), a.OpenedAt.UnixMicro()) })
	for _, i := range all {
		impact := impactOf(i, times)
		if n := len(i.Updates); n > 1 {
			i.Updates = i.Updates[n-1:] // how it ended; the rest is on its own page
		}
		a, err := p.article(i, known, times, now)
		if err != nil {
			return m, err
		}
		a.Impact = impact
		m.Articles = append(m.Articles, a)
	}
	return m, nil
}

// month names a month with its year: "November 2026".
func (c *catalogue) month(t time.Time) string {
	t = t.UTC()
	return c.must("page.history.month", "month", c.must("page.history.name."+strconv.Itoa(int(t.Month()))), "year", strconv.Itoa(t.Year()))
}
