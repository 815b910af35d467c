package notifier

import "time"

// ReminderPlan is what is known of the reminders of one maintenance.
type ReminderPlan struct {
	IncidentID string
	StartsAt   time.Time
	PlannedAt  time.Time // since when it is to start then
	RemindedAt time.Time // when the last reminder was due; zero: there was none
}

// Due is the reminder that is to be sent at a time: of several the last, for one
// says it all. What was due before the plan was made, and what is too late, is none.
func (p ReminderPlan) Due(before []time.Duration, now time.Time) (due time.Time, ok bool) {
	if !now.Before(p.StartsAt) {
		return time.Time{}, false
	}
	for _, b := range before {
		at := p.StartsAt.Add(-b)
		if at.After(now) || !at.After(p.PlannedAt) || !at.After(p.RemindedAt) || at.Before(due) {
			continue
		}
		due, ok = at, true
	}
	return due, ok
}

// Remindable reports whether readers may be reminded of i: a maintenance that is
// still to begin.
func (i *Incident) Remindable(now time.Time) bool {
	return i.Kind == KindMaintenance && i.State == Published && i.Status == Scheduled && i.StartsAt.After(now)
}

// Reminder is the event that reminds of a maintenance. It is worth sending until
// that begins, and says again what was said last.
func (i *Incident) Reminder(d Desk) *Event {
	last := ""
	if n := len(i.Updates); n > 0 {
		last = i.Updates[n-1].ID
	}
	e := i.event(MaintenanceReminder, last, d)
	e.ExpiresAt = i.StartsAt
	return e
}
