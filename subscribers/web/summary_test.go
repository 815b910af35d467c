package web_test

import (
	"testing"
	"time"

	"allclear/notifier"
)

type summed struct {
	Page struct {
		ID, Name, URL string
		TimeZone      string    `json:"time_zone"`
		UpdatedAt     time.Time `json:"updated_at"`
	}
	Components []struct {
		ID, Name, Status string
		Group            bool
		GroupID          *string `json:"group_id"`
		Components       []string
	}
	Incidents   []summedIncident
	Maintenance []summedIncident `json:"scheduled_maintenances"`
	Status      struct{ Indicator, Description string }
}

type summedIncident struct {
	ID, Name, Status, Impact, Shortlink string
	ResolvedAt                          *time.Time `json:"resolved_at"`
	MonitoringAt                        *time.Time `json:"monitoring_at"`
	ScheduledFor                        *time.Time `json:"scheduled_for"`
	ScheduledUntil                      *time.Time `json:"scheduled_until"`
	Updates                             []struct {
		ID, Status, Body string
		DisplayAt        time.Time `json:"display_at"`
	} `json:"incident_updates"`
	Components []struct{ Name, Status string }
}

func TestTheSummaryIsStatuspages(t *testing.T) {
	h := newHouse(t)
	var s summed
	h.json("/api/v2/summary.json", &s)
	if s.Status.Indicator != "none" || s.Status.Description != "All Systems Operational" || s.Components == nil || s.Incidents == nil || s.Maintenance == nil || s.Page.Name != "Example Status" || s.Page.URL != "https://status.example.com/" || s.Page.TimeZone != "UTC" || len(s.Page.ID) != 12 {
		t.Errorf("%+v", s)
	}
	for _, c := range []notifier.Component{
		{Key: "imap7", Name: "imap7", Group: "Stores"}, {Key: "imap8", Name: "imap8", Group: "Stores", State: notifier.Degraded},
		{Key: "web", Name: "Web"}, {Key: "smtp", Name: "SMTP", State: notifier.Maintenance},
	} {
		if err := h.store.AddComponent(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	i := h.post(notifier.Announcement{Title: "imap7 is down", Severity: notifier.SeverityMajor, Components: []string{"imap7"}, Body: "The *disk* failed & we < look."})
	h.post(notifier.Announcement{Title: "Over", Status: notifier.Resolved})
	h.post(notifier.Announcement{Title: "News", Kind: notifier.KindPost, Body: "x"})
	m := h.post(notifier.Announcement{Title: "New shelf", Kind: notifier.KindMaintenance, StartsAt: h.clock().Add(time.Hour), Body: "x"})
	h.pass(time.Minute)
	h.say(i.ID, notifier.Saying{Status: notifier.Monitoring, Body: "Better."})
	h.say(m.ID, notifier.Saying{Status: notifier.Extended})
	h.json("/api/v2/summary.json", &s)
	states := map[string]string{}
	for _, c := range s.Components {
		states[c.Name] = c.Status
		if (c.Name == "Stores") != c.Group || c.Group && len(c.Components) != 2 || (c.Name == "imap7") && c.GroupID == nil {
			t.Errorf("%+v", c)
		}
	}
	for name, want := range map[string]string{"imap7": "partial_outage", "imap8": "degraded_performance", "Web": "under_maintenance", "SMTP": "under_maintenance", "Stores": "partial_outage"} {
		if states[name] != want {
			t.Errorf("%s is %s, not %s", name, states[name], want)
		}
	}
	if len(s.Incidents) != 1 || len(s.Maintenance) != 1 || s.Status.Indicator != "major" || !s.Page.UpdatedAt.Equal(h.clock()) {
		t.Fatalf("%+v", s)
	}
	x, w := s.Incidents[0], s.Maintenance[0]
	if x.ID != i.ID || x.Name != i.Title || x.Status != "monitoring" || x.Impact != "major" || x.Shortlink != "https://status.example.com/incidents/"+i.ID || x.ResolvedAt != nil || x.MonitoringAt == nil ||
		len(x.Updates) != 2 || x.Updates[0].Body != "Better." || x.Updates[1].Status != "investigating" || x.Updates[1].Body != "The *disk* failed & we < look." || len(x.Components) != 1 || x.Components[0].Name != "imap7" {
		t.Errorf("%+v", x)
	}
	if w.Status != "in_progress" || w.Impact != "maintenance" || w.ScheduledFor == nil || w.ScheduledUntil != nil {
		t.Errorf("%+v", w)
	}
}

func TestAnIncidentWithoutASeverityIsNotCalledNone(t *testing.T) {
	h := newHouse(t)
	h.post(notifier.Announcement{Title: "Mail is late"})
	var s summed
	h.json("/api/v2/summary.json", &s)
	if s.Status.Indicator != "minor" || s.Incidents[0].Impact != "none" {
		t.Errorf("%+v", s)
	}
}
