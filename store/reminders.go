package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

type reminderRow struct {
	IncidentID                      string
	StartsAt, PlannedAt, RemindedAt int64
}

func (r reminderRow) plan() notifier.ReminderPlan {
	return notifier.ReminderPlan{IncidentID: r.IncidentID, StartsAt: instant(r.StartsAt), PlannedAt: instant(r.PlannedAt), RemindedAt: instant(r.RemindedAt)}
}

const reminderColumns = `incident_id, starts_at, planned_at, reminded_at`

// planReminders keeps the plan of a maintenance as it now is. One comes with its
// announcement, begins anew where it is to start at another time, and goes where
// nobody is to be reminded any more.
func (s *Store) planReminders(tx *gorm.DB, i notifier.Incident, announced bool) error {
	if i.Kind != notifier.KindMaintenance {
		return nil
	}
	now := s.Now()
	var err error
	switch start := micros(i.StartsAt); {
	case !i.Remindable(now):
		err = tx.Exec(`DELETE FROM reminder_plans WHERE incident_id = ?`, i.ID).Error
	case announced:
		err = tx.Exec(`INSERT INTO reminder_plans (incident_id, starts_at, planned_at) VALUES (?, ?, ?)
			ON CONFLICT (incident_id) DO UPDATE SET starts_at = excluded.starts_at, planned_at = excluded.planned_at, reminded_at = 0
			WHERE reminder_plans.starts_at <> excluded.starts_at`, i.ID, start, micros(now)).Error
	default:
		err = tx.Exec(`UPDATE reminder_plans SET starts_at = ?, planned_at = ?, reminded_at = 0 WHERE incident_id = ? AND starts_at <> ?`,
			start, micros(now), i.ID, start).Error
	}
	return wrapped("plan reminders", err)
}

// Remind accepts the reminders of maintenance that are due so long before it
// begins, each once, however many processes ask, and returns how many it did.
func (s *Store) Remind(ctx context.Context, before []time.Duration) (did int, err error) {
	if len(before) == 0 {
		return 0, nil
	}
	now := s.Now()
	var rows []reminderRow
	if err := s.conn(ctx).Raw(`SELECT `+reminderColumns+` FROM reminder_plans WHERE starts_at <= ? ORDER BY starts_at, incident_id LIMIT 1000`,
		micros(now.Add(slices.Max(before)))).Scan(&rows).Error; err != nil {
		return 0, translate(fmt.Errorf("look for reminders: %w", err))
	}
	var failed []error // of one: the others are reminded of all the same
	for _, r := range rows {
		if _, due := r.plan().Due(before, now); !due && r.StartsAt > micros(now) {
			continue
		}
		told := false
		if err := s.work(ctx, func(_ context.Context, tx *gorm.DB) (err error) {
			told, err = s.remindOf(tx, r.IncidentID, before)
			return err
		}); err != nil {
			failed = append(failed, fmt.Errorf("remind of maintenance %s: %w", r.IncidentID, err))
		}
		if told {
			did++
		}
	}
	return did, errors.Join(failed...)
}

// remindOf does what is due of one maintenance, which it locks: another process
// may have been quicker, and somebody may have changed it.
func (s *Store) remindOf(tx *gorm.DB, incident string, before []time.Duration) (bool, error) {
	i, err := lockIncident(tx, incident)
	if err != nil {
		return false, err
	}
	var rows []reminderRow
	if err := tx.Raw(`SELECT `+reminderColumns+` FROM reminder_plans WHERE incident_id = ?`, incident).Scan(&rows).Error; err != nil || len(rows) == 0 {
		return false, err
	}
	now := s.Now()
	if !i.Remindable(now) { // it is to have begun
		return false, tx.Exec(`DELETE FROM reminder_plans WHERE incident_id = ?`, incident).Error
	}
	due, ok := rows[0].plan().Due(before, now)
	if !ok {
		return false, nil
	}
	if err := tx.Exec(`UPDATE reminder_plans SET reminded_at = ? WHERE incident_id = ?`, micros(due), incident).Error; err != nil {
		return false, err
	}
	e := i.Reminder(notifier.Desk{Now: now, Zone: time.UTC, NewID: randomText})
	return true, s.accept(tx, e)
}

// reminded are those whom a reminder is for: people, and not who waits for what was
// said before it. That says when it begins, too, and it is worth sending for longer.
func (x *expansion) reminded() string {
	if x.event.Type == notifier.MaintenanceReminder {
		return ` AND s.channel <> 'webhook'` + x.unsaid()
	}
	return ``
}

// unsaid leaves out of a reminder who waits for something else of the maintenance.
func (x *expansion) unsaid() string {
	if x.event.Type == notifier.MaintenanceReminder {
		return ` AND s.since IS NULL AND s.flying = 0`
	}
	return ``
}
