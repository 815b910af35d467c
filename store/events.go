package store

import (
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

// accept writes an event to the outbox and gives it its number. From here to
// the end of the transaction everyone else who accepts an event waits: call it
// last.
func (s *Store) accept(tx *gorm.DB, e *notifier.Event) error {
	components := e.Components
	if components == nil {
		components = []string{}
	}
	keys, err := json.Marshal(components)
	if err != nil {
		return fmt.Errorf("write the event's components: %w", err)
	}
	row := eventRow{
		ID: e.ID, Type: string(e.Type), Lane: int(e.Lane), Kind: string(e.Kind), Severity: int(e.Severity), Components: string(keys),
		UpdateID: e.UpdateID, Reader: e.Reader, NoticeID: e.NoticeID, AcceptedAt: micros(e.AcceptedAt), ExpiresAt: micros(e.ExpiresAt), HeldUntil: micros(e.HeldUntil),
	}
	if e.IncidentID != "" {
		row.IncidentID = &e.IncidentID
		if row.HeldUntil == 0 && e.Kind == notifier.KindIncident {
			if row.HeldUntil, err = s.heldBefore(tx, e.IncidentID); err != nil {
				return err
			}
			e.HeldUntil = instant(row.HeldUntil)
		}
	}
	if e.MayRaise() {
		last, err := lastMilestone(tx, e.IncidentID)
		if err != nil {
			return err
		}
		if last >= 0 {
			e.Raised = e.Severity > notifier.Severity(last)
		}
	}
	row.Raised = e.Raised
	if row.Number, err = next(tx, "event", 1); err != nil {
		return err
	}
	if err := tx.Create(&row).Error; err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	e.Number = row.Number
	return s.bump(tx, "work")
}

// lastMilestone is how bad an incident was when readers of milestones were last told
// of it; -1: they never were. It may have become better since, which they are not
// told, or worse without a word, or what told it was taken back.
func lastMilestone(tx *gorm.DB, incident string) (int, error) {
	var last []int
	if err := tx.Raw(`SELECT severity FROM events WHERE incident_id = ? AND (raised OR type NOT IN ?) AND (expanded_at = 0 OR held_until <= expanded_at) AND NOT withdrawn
		ORDER BY number DESC LIMIT 1`, incident, []notifier.EventType{notifier.IncidentUpdated, notifier.IncidentCorrected}).Scan(&last).Error; err != nil {
		return 0, fmt.Errorf("look how bad it was when it was last told of: %w", err)
	}
	if len(last) == 0 {
		return -1, nil
	}
	return last[0], nil
}
