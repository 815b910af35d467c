package templates

import (
	"testing"
	"time"

	"allclear/notifier"
)

// A maintenance that is put off is no new one: who was told of it is told that it
// moved, and from when; not who hears of it for the first time.
func TestAMaintenanceThatMovedIsCalledSo(t *testing.T) {
	s := newSet(t)
	inc := sampleMaintenance(notifier.MaintenanceScheduled)
	inc.StartsAt, inc.EndsAt = inc.StartsAt.Add(24*time.Hour), inc.EndsAt.Add(24*time.Hour)
	inc.Updates = append(inc.Updates, notifier.Update{ID: "u2", Status: notifier.Scheduled, At: sampleAt(12, 0), Body: "Later.", StartsAt: inc.StartsAt, EndsAt: inc.EndsAt})
	e := notifier.Event{Number: 7, ID: "ev7", Type: notifier.MaintenanceScheduled, IncidentID: inc.ID}
	tale := tellStory(e, inc, nil)

	l := told(t, s, tale, 7, 6)
	if l.Subject != "Moved: imap7 moves to a new disk shelf" {
		t.Errorf("subject %q", l.Subject)
	}
	for _, text := range []string{l.Text, l.HTML} {
		contains(t, text, "Moved · Planned maintenance", "Before, it was Tue 24 Nov 2026, 02:00 UTC.", "Wed 25 Nov 2026, 02:00 UTC")
	}
	lacks(t, told(t, s, tale, 6, 0).Text, "Moved", "Before, it was")
	chat, _, err := s.chat(tale, circumstances{view: viewNamed("maintenance-scheduled"), since: 7, told: 6, times: s.Times("", "")})
	if err != nil || len(chat.Leads) != 1 {
		t.Errorf("%+v %v", chat.Leads, err)
	}

	tale.Incident.Updates[0].StartsAt = inc.StartsAt // only words are new
	lacks(t, told(t, s, tale, 7, 6).Text, "Moved", "Before, it was")
}
