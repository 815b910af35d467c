package templates

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"allclear/notifier"
)

// The shape of what Statuspage posts of an incident, for programs that read it
// already. What we have no word for is left out. A component's own change of
// state (component_update there) is nothing that is announced here: components
// change with incidents.
type (
	statuspageBody struct {
		Meta     statuspageMeta     `json:"meta"`
		Page     statuspagePage     `json:"page"`
		Incident statuspageIncident `json:"incident"`
	}
	statuspageMeta struct {
		Unsubscribe   string `json:"unsubscribe"`
		Documentation string `json:"documentation"`
		GeneratedAt   string `json:"generated_at"`
	}
	statuspagePage struct {
		ID          string `json:"id"`
		Indicator   string `json:"status_indicator"`
		Description string `json:"status_description"`
	}
	statuspageIncident struct {
		ID             string                `json:"id"`
		Name           string                `json:"name"`
		Status         string                `json:"status"`
		Impact         string                `json:"impact"`
		ImpactOverride *string               `json:"impact_override"`
		Backfilled     bool                  `json:"backfilled"`
		CreatedAt      string                `json:"created_at"`
		UpdatedAt      string                `json:"updated_at"`
		MonitoringAt   *string               `json:"monitoring_at"`
		ResolvedAt     *string               `json:"resolved_at"`
		ScheduledFor   *string               `json:"scheduled_for"`
		ScheduledUntil *string               `json:"scheduled_until"`
		Shortlink      string                `json:"shortlink"`
		PageID         string                `json:"page_id"`
		Updates        []statuspageUpdate    `json:"incident_updates"` // newest first
		Components     []statuspageComponent `json:"components"`
	}
	statuspageUpdate struct {
		ID         string                `json:"id"`
		IncidentID string                `json:"incident_id"`
		Status     string                `json:"status"`
		Body       string                `json:"body"`
		CreatedAt  string                `json:"created_at"`
		UpdatedAt  string                `json:"updated_at"`
		DisplayAt  string                `json:"display_at"`
		Affected   []statuspageComponent `json:"affected_components"`
	}
	statuspageComponent struct {
		ID        string `json:"id,omitempty"`
		Code      string `json:"code,omitempty"` // its word for the id, in an update
		Name      string `json:"name"`
		Status    string `json:"status,omitempty"`
		NewStatus string `json:"new_status,omitempty"` // its word for the status, in an update
	}
)

// webhookDocs is where the bodies are described, on the service itself.
const webhookDocs = "/api/docs"

// statuspage renders a story as Statuspage would post it.
func (s *Set) statuspage(story notifier.Story, c circumstances, unsubscribe string) ([]byte, error) {
	inc, e := story.Incident, story.Event
	b := statuspageBody{Meta: s.statuspageMeta(unsubscribe, e.AcceptedAt), Page: s.statuspagePage(story)}
	b.Incident = statuspageIncident{
		ID: inc.ID, Name: inc.Title, Status: statuspageStatus(story, inc.Status), Impact: inc.Severity.String(),
		CreatedAt: milli(inc.CreatedAt), UpdatedAt: milli(e.AcceptedAt), ResolvedAt: maybeMilli(inc.ResolvedAt),
		Shortlink: s.incidentURL(inc.ID, ""), PageID: b.Page.ID, Updates: []statuspageUpdate{}, Components: []statuspageComponent{},
	}
	if inc.CreatedAt.IsZero() {
		b.Incident.CreatedAt = milli(inc.OpenedAt)
	}
	if e.Type == notifier.IncidentRetracted {
		b.Incident.Impact = notifier.SeverityNone.String()
	}
	if inc.Kind == notifier.KindMaintenance {
		b.Incident.Impact, b.Incident.ScheduledFor, b.Incident.ScheduledUntil = "maintenance", maybeMilli(inc.StartsAt), maybeMilli(inc.EndsAt)
	}
	size := 0
	affected := []statuspageComponent{}
	for _, key := range inc.Components {
		part := statuspageComponent{ID: key, Name: componentName(story, key), Status: partStatus(story)}
		if size += 2 * (len(key) + len(part.Name) + 50); size > componentsSize {
			break
		}
		b.Incident.Components = append(b.Incident.Components, part)
		affected = append(affected, statuspageComponent{Code: key, Name: part.Name, NewStatus: part.Status})
	}
	return s.statuspageUpdates(b, story, affected, c.times)
}

// statuspageUpdates adds the updates that fit, newest first.
func (s *Set) statuspageUpdates(b statuspageBody, story notifier.Story, affected []statuspageComponent, p Times) ([]byte, error) {
	out, err := compact(b)
	if err != nil {
		return nil, err
	}
	spare := bodySize - len(out)
	for n, u := range slices.Backward(story.Incident.Updates) {
		if u.Status == notifier.Monitoring && b.Incident.MonitoringAt == nil {
			b.Incident.MonitoringAt = maybeMilli(u.At)
		}
		v := statuspageUpdate{
			ID: u.ID, IncidentID: story.Incident.ID, Status: statuspageStatus(story, u.Status),
			CreatedAt: milli(u.CreatedAt), UpdatedAt: milli(u.CreatedAt), DisplayAt: milli(u.At), Affected: []statuspageComponent{},
		}
		newest := n == len(story.Incident.Updates)-1
		if newest {
			v.Affected = affected
		}
		fits := false
		for _, most := range []int{0, 2_000, 1_000, 500, 100} {
			if v.Body, _, _, err = s.said(u, most, s.incidentURL(story.Incident.ID, u.ID), p); err != nil {
				return nil, err
			}
			text, err := compact(v)
			if err != nil {
				return nil, err
			}
			if size := len(text) + len(`,"monitoring_at":"2006-01-02T15:04:05.000Z"`); size < spare {
				spare, fits = spare-size, true
				break
			}
			if !newest && most >= missedSize {
				break
			}
		}
		if !fits {
			break
		}
		b.Incident.Updates = append(b.Incident.Updates, v)
	}
	return compact(b)
}

// statuspageTest is a test in a shape that raises no alarm anywhere: something
// of no impact that is over.
func (s *Set) statuspageTest(words string, now time.Time) statuspageBody {
	id := "test"
	page := s.statuspagePage(notifier.Story{})
	return statuspageBody{Meta: s.statuspageMeta(s.base+"/", now), Page: page, Incident: statuspageIncident{
		ID: id, Name: words, Status: string(notifier.Resolved), Impact: notifier.SeverityNone.String(), CreatedAt: milli(now), UpdatedAt: milli(now), ResolvedAt: maybeMilli(now),
		Shortlink: s.base + "/", PageID: page.ID, Components: []statuspageComponent{}, Updates: []statuspageUpdate{{
			ID: id, IncidentID: id, Status: string(notifier.Resolved), Body: words, CreatedAt: milli(now), UpdatedAt: milli(now), DisplayAt: milli(now), Affected: []statuspageComponent{},
		}},
	}}
}

func (s *Set) statuspageMeta(unsubscribe string, at time.Time) statuspageMeta {
	return statuspageMeta{Unsubscribe: unsubscribe, Documentation: s.base + webhookDocs, GeneratedAt: milli(at)}
}

// statuspagePage says how the service is as far as this story goes: what else is
// open does not show in it. The id is the one that /api/v2/summary.json has.
func (s *Set) statuspagePage(story notifier.Story) statuspagePage {
	sum := sha256.Sum256([]byte(s.base + "/"))
	p := statuspagePage{ID: hex.EncodeToString(sum[:6]), Indicator: "none", Description: "All Systems Operational"}
	i := story.Incident
	switch {
	case story.Event.Type == notifier.IncidentRetracted || i.Status.Final() || i.Kind == notifier.KindPost || i.Kind == "":
	case i.Kind == notifier.KindMaintenance:
		if i.Status != notifier.Scheduled {
			p.Indicator, p.Description = "maintenance", "Service Under Maintenance"
		}
	case i.Severity == notifier.SeverityCritical:
		p.Indicator, p.Description = "critical", "Major Service Outage"
	case i.Severity == notifier.SeverityMajor:
		p.Indicator, p.Description = "major", "Partial System Outage"
	default:
		p.Indicator, p.Description = "minor", "Minor Service Outage"
	}
	return p
}

// statuspageStatus is its word for a status. What was withdrawn, and a post, is
// over for a program that opens and closes alarms by it.
func statuspageStatus(story notifier.Story, s notifier.Status) string {
	switch {
	case story.Event.Type == notifier.IncidentRetracted || s == "":
		return string(notifier.Resolved)
	case s == notifier.Extended:
		return string(notifier.InProgress)
	}
	return string(s)
}

// partStatus is its word for the state that an incident's components are in.
func partStatus(story notifier.Story) string {
	i := story.Incident
	switch {
	case story.Event.Type == notifier.IncidentRetracted || i.Status.Final() || i.Status == notifier.Scheduled || i.Kind == notifier.KindPost:
		return "operational"
	case i.Kind == notifier.KindMaintenance:
		return "under_maintenance"
	case i.Severity == notifier.SeverityCritical:
		return "major_outage"
	case i.Severity == notifier.SeverityMajor:
		return "partial_outage"
	}
	return "degraded_performance"
}

func milli(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func maybeMilli(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := milli(t)
	return &text
}
