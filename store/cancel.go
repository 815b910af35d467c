package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"gorm.io/gorm"

	"allclear/notifier"
)

// notWithdrawn is a condition on deliveries: nothing of an event that was
// withdrawn may start any more, however many of its deliveries are still open.
const notWithdrawn = ` AND event_number NOT IN (SELECT number FROM events WHERE withdrawn)`

// cancel takes back everything that an incident still has to say, because it
// was withdrawn without a word. That takes as long as marking its events: those
// that are not expanded never will be, and from the commit on no delivery of
// them is claimed, nor started by a worker that has it already. The deliveries
// themselves, which may be a million, are ended by cancelSome.
func (s *Store) cancel(tx *gorm.DB, incident string) error {
	if err := tx.Exec(`UPDATE events SET withdrawn = true, progress = 0, expanded_at = CASE WHEN expanded_at = 0 THEN CAST(? AS bigint) ELSE expanded_at END
		WHERE incident_id = ?`, micros(s.Now()), incident).Error; err != nil {
		return fmt.Errorf("withdraw the incident's events: %w", err)
	}
	return s.bump(tx, "work", "halts")
}

// cancelSome cancels at most max more open deliveries of an event that was
// withdrawn, those in flight too, and reports whether there was such an event.
// Where it came to is kept with the event, so that whoever comes next goes on.
func (s *Store) cancelSome(ctx context.Context, max int) (did bool, err error) {
	var some int
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM (SELECT 1 FROM events WHERE withdrawn LIMIT 1) AS one`).Scan(&some).Error; err != nil {
		return false, fmt.Errorf("look for withdrawn events: %w", translate(err))
	}
	if some == 0 {
		return false, nil
	}
	err = s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		did = false
		// Alone, so that no retry that began before the withdrawal is half-way.
		if err := s.lockFanout(tx, false); err != nil {
			return err
		}
		var event, reader int64
		err := tx.Raw(`SELECT number, progress FROM events WHERE withdrawn ORDER BY number LIMIT 1`+s.skipLocked()).Row().Scan(&event, &reader)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("choose a withdrawn event: %w", err)
		}
		did = true
		last, err := s.cancelBehind(tx, event, reader, max)
		if err != nil {
			return fmt.Errorf("cancel deliveries of event %d: %w", event, err)
		}
		if err := tx.Exec(`UPDATE events SET progress = ?, withdrawn = ? WHERE number = ?`, last, last < math.MaxUint32, event).Error; err != nil {
			return fmt.Errorf("note how far it came: %w", err)
		}
		return nil
	})
	return did, err
}

// cancelBehind cancels open deliveries of readers behind one, and returns the
// last it looked at. Nothing opens behind the cursor again: no claim, no retry
// and no fan-out touches a withdrawn event.
func (s *Store) cancelBehind(tx *gorm.DB, event, reader int64, max int) (last int64, err error) {
	var open bool
	if err := tx.Raw(`SELECT count(*) > 0 FROM event_counts WHERE event_number = ? AND unsettled > 0`, event).Scan(&open).Error; err != nil {
		return 0, err
	}
	if !open {
		return math.MaxUint32, nil // without looking at all that was sent
	}
	l := s.ledger(tx)
	rows, err := l.lockBy(`WHERE id > ? AND id <= ? AND state IN ('pending', 'sending', 'held') ORDER BY id LIMIT ?`+s.forUpdate(),
		int64(notifier.MakeDeliveryID(event, reader)), int64(notifier.MakeDeliveryID(event, math.MaxUint32)), max)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		r.rest(notifier.Cancelled)
	}
	if err := l.follow(rows); err != nil { // what waited is withdrawn as well, and has its turn
		return 0, err
	}
	if err := l.save(); err != nil || len(rows) < max {
		return math.MaxUint32, err
	}
	return rows[len(rows)-1].reader(), nil
}
