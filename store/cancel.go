package store

import (
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

// cancelStep is how many deliveries are read at a time to be cancelled.
const cancelStep = 2000

// cancel ends everything that an incident still has to say, because it was
// withdrawn without a word: events that are not expanded never will be, and
// open deliveries end as cancelled, those in flight too. The fan-out waits
// meanwhile.
func (s *Store) cancel(tx *gorm.DB, incident string) error {
	if err := s.lockFanout(tx, false); err != nil {
		return err
	}
	if err := tx.Exec(`UPDATE events SET expanded_at = ? WHERE incident_id = ? AND expanded_at = 0`, micros(s.Now()), incident).Error; err != nil {
		return fmt.Errorf("stop the incident's fan-out: %w", err)
	}
	var open []int64
	if err := tx.Raw(`SELECT DISTINCT e.number FROM events AS e JOIN event_counts AS c ON c.event_number = e.number
		WHERE e.incident_id = ? AND c.unsettled > 0 ORDER BY e.number`, incident).Scan(&open).Error; err != nil {
		return fmt.Errorf("find the incident's open events: %w", err)
	}
	for _, event := range open {
		after, end := int64(notifier.MakeDeliveryID(event, 0)), int64(notifier.MakeDeliveryID(event+1, 0))
		for {
			l := s.ledger(tx)
			rows, err := l.lockBy(`WHERE id > ? AND id < ? AND state IN ('pending', 'sending', 'held') ORDER BY id LIMIT `+fmt.Sprint(cancelStep)+s.forUpdate(), after, end)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			for _, r := range rows {
				r.rest(notifier.Cancelled)
				r.Awaited = false // what waits behind it is the same incident's, and ends too
			}
			if err := l.save(); err != nil {
				return fmt.Errorf("cancel the incident's deliveries: %w", err)
			}
			after = rows[len(rows)-1].ID
		}
	}
	return s.bump(tx, "halts")
}
