package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"allclear/notifier"
	"allclear/templates"
)

// The shape of Statuspage's summary, for tools that read it. What we have no
// word for is left out or null, as it is there.
type (
	pageSummary struct {
		Page        summaryPage        `json:"page"`
		Components  []summaryComponent `json:"components"`
		Incidents   []summaryIncident  `json:"incidents"`
		Maintenance []summaryIncident  `json:"scheduled_maintenances"`
		Status      summaryStatus      `json:"status"`
	}
	summaryPage struct {
		ID        string `json:"id"`
		Name      string `json:"name"`
		URL       string `json:"url"`
		Zone      string `json:"time_zone"`
		UpdatedAt string `json:"updated_at"`
	}
	summaryComponent struct {
		ID          string   `json:"id"`
		Name        string   `json:"name"`
		Status      string   `json:"status"`
		CreatedAt   string   `json:"created_at"`
		UpdatedAt   string   `json:"updated_at"`
		Position    int      `json:"position"`
		Description *string  `json:"description"`
		Showcase    bool     `json:"showcase"`
		GroupID     *string  `json:"group_id"`
		PageID      string   `json:"page_id"`
		Group       bool     `json:"group"`
		OnlyIf      bool     `json:"only_show_if_degraded"`
		Components  []string `json:"components,omitempty"` // of a group
	}
	summaryIncident struct {
		ID           string             `json:"id"`
		Name         string             `json:"name"`
		Status       string             `json:"status"`
		Impact       string             `json:"impact"`
		CreatedAt    string             `json:"created_at"`
		UpdatedAt    string             `json:"updated_at"`
		StartedAt    string             `json:"started_at"`
		MonitoringAt *string            `json:"monitoring_at"`
		ResolvedAt   *string            `json:"resolved_at"`
		For          *string            `json:"scheduled_for,omitempty"`
		Until        *string            `json:"scheduled_until,omitempty"`
		Shortlink    string             `json:"shortlink"`
		PageID       string             `json:"page_id"`
		Updates      []summaryUpdate    `json:"incident_updates"` // newest first
		Components   []summaryComponent `json:"components"`
	}
	summaryUpdate struct {
		ID         string `json:"id"`
		IncidentID string `json:"incident_id"`
		Status     string `json:"status"`
		Body       string `json:"body"`
		CreatedAt  string `json:"created_at"`
		UpdatedAt  string `json:"updated_at"`
		DisplayAt  string `json:"display_at"`
	}
	summaryStatus struct {
		Indicator   string `json:"indicator"`
		Description string `json:"description"`
	}
)

// summary is what is going on, at Statuspage's address and in its words.
func (s *site) summary(r *http.Request) (answer, error) {
	return s.forPrograms(r, "summary", func(ctx context.Context, lang string) (leaf, error) {
		open, _, err := s.posts.Incidents(ctx, notifier.IncidentQuery{State: notifier.Published, Open: true, Limit: 200, Updates: true})
		if err != nil {
			return leaf{}, err
		}
		parts, err := s.posts.Components(ctx)
		if err != nil {
			return leaf{}, err
		}
		_, changed, err := s.announced(ctx, notifier.IncidentQuery{Limit: postsPerFeed})
		if err != nil {
			return leaf{}, err
		}
		feed, err := s.pages.Feed(lang, open, parts)
		if err != nil {
			return leaf{}, err
		}
		glance := s.pages.Glance(lang, templates.Home{Open: append([]notifier.Incident{}, open...), Components: parts})
		return jsonLeaf(summarise(feed, open, glance.Components, changed), "application/json; charset=utf-8")
	})
}

func summarise(feed templates.Feed, open []notifier.Incident, parts []notifier.Component, changed time.Time) pageSummary {
	page := shortID(feed.Home)
	out := pageSummary{
		Page:       summaryPage{ID: page, Name: feed.Title, URL: feed.Home, Zone: feed.Zone, UpdatedAt: milli(changed)},
		Components: summariseParts(page, parts), Incidents: []summaryIncident{}, Maintenance: []summaryIncident{}, Status: indicator(open, parts),
	}
	for n, i := range open {
		x := summaryIncident{
			ID: i.ID, Name: i.Title, Status: string(i.Status), Impact: i.Severity.String(), CreatedAt: milli(i.CreatedAt), UpdatedAt: milli(i.UpdatedAt),
			StartedAt: milli(i.OpenedAt), Shortlink: feed.Entries[n].URL, PageID: page, Updates: []summaryUpdate{}, Components: []summaryComponent{},
		}
		for k := len(i.Updates) - 1; k >= 0; k-- {
			u := i.Updates[k]
			x.Updates = append(x.Updates, summaryUpdate{
				ID: u.ID, IncidentID: i.ID, Status: statuspage(u.Status), Body: feed.Entries[n].Updates[k].Text,
				CreatedAt: milli(u.CreatedAt), UpdatedAt: milli(u.CreatedAt), DisplayAt: milli(u.At),
			})
			if u.Status == notifier.Monitoring && x.MonitoringAt == nil {
				x.MonitoringAt = at(u.At)
			}
		}
		for _, c := range out.Components {
			if slices.Contains(i.Components, c.ID) {
				x.Components = append(x.Components, c)
			}
		}
		if i.Kind != notifier.KindMaintenance {
			out.Incidents = append(out.Incidents, x)
			continue
		}
		x.Status, x.Impact, x.For, x.Until = statuspage(i.Status), "maintenance", at(i.StartsAt), at(i.EndsAt)
		out.Maintenance = append(out.Maintenance, x)
	}
	return out
}

// summariseParts lists the components, and the groups that they are in. A group
// is as bad as its worst.
func summariseParts(page string, parts []notifier.Component) []summaryComponent {
	out := []summaryComponent{}
	worst := map[string]notifier.ComponentState{}
	for n, c := range parts {
		x := summaryComponent{
			ID: c.Key, Name: c.Name, Status: partStatus(c.State), CreatedAt: milli(c.CreatedAt), UpdatedAt: milli(c.CreatedAt),
			Position: n + 1, PageID: page,
		}
		if c.Group != "" {
			id := shortID(c.Group)
			x.GroupID = &id
			g := slices.IndexFunc(out, func(o summaryComponent) bool { return o.Group && o.ID == id })
			if g < 0 {
				g, worst[id] = len(out), c.State
				out = append(out, summaryComponent{
					ID: id, Name: c.Group, Status: x.Status, CreatedAt: x.CreatedAt, UpdatedAt: x.UpdatedAt, Position: n + 1, PageID: page, Group: true,
				})
			}
			out[g].Components = append(out[g].Components, c.Key)
			if c.State.Worse(worst[id]) {
				worst[id], out[g].Status = c.State, x.Status
			}
		}
		out = append(out, x)
	}
	return out
}

// partStatus is Statuspage's word for a state of a component.
func partStatus(s notifier.ComponentState) string {
	switch s {
	case notifier.Degraded:
		return "degraded_performance"
	case notifier.Maintenance:
		return "under_maintenance"
	}
	return string(s)
}

// indicator sums up as Statuspage does. An incident of no severity counts as a
// minor one: a tool must not call fine what the page calls trouble.
func indicator(open []notifier.Incident, parts []notifier.Component) summaryStatus {
	severity, work := notifier.SeverityNone, false
	for _, i := range open {
		switch {
		case i.Kind == notifier.KindIncident:
			severity = max(severity, i.Severity, notifier.SeverityMinor)
		case i.Status == notifier.InProgress || i.Status == notifier.Extended:
			work = true
		}
	}
	for _, c := range parts {
		switch c.State {
		case notifier.Degraded:
			severity = max(severity, notifier.SeverityMinor)
		case notifier.PartialOutage:
			severity = max(severity, notifier.SeverityMajor)
		case notifier.MajorOutage:
			severity = max(severity, notifier.SeverityCritical)
		case notifier.Maintenance:
			work = true
		}
	}
	switch {
	case severity == notifier.SeverityMinor:
		return summaryStatus{"minor", "Minor Service Outage"}
	case severity == notifier.SeverityMajor:
		return summaryStatus{"major", "Partial System Outage"}
	case severity == notifier.SeverityCritical:
		return summaryStatus{"critical", "Major Service Outage"}
	case work:
		return summaryStatus{"maintenance", "Service Under Maintenance"}
	}
	return summaryStatus{"none", "All Systems Operational"}
}

// statuspage is its word for a status of ours: a maintenance that takes longer
// is one that is in progress.
func statuspage(s notifier.Status) string {
	if s == notifier.Extended {
		s = notifier.InProgress
	}
	return string(s)
}

func milli(t time.Time) string {
	if t.IsZero() {
		t = time.Unix(0, 0)
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func at(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := milli(t)
	return &s
}

// shortID is an id for what has none of its own.
func shortID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:6])
}
