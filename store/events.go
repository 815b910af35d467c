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
	if row.Number, err = next(tx, "event", 1); err != nil {
		return err
	}
	if err := tx.Create(&row).Error; err != nil {
		return fmt.Errorf("write the event: %w", err)
	}
	e.Number = row.Number
	return s.bump(tx, "work")
}
