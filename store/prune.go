package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// pruneLock is the advisory lock of the one process that forgets deliveries:
// the letters "allclear", and two more.
const pruneLock = 0x616c6c636c656174

// pruneEvents is how many events one step looks at: most have one reader each.
const pruneEvents = 100

// Prune forgets at most max old deliveries in one short transaction, and
// returns how many, posts to endpoints among them, 0 when there is nothing left to forget or another process is
// at it. Kept answers whose day is over and
// alerts that were not spoken of since before go too, and are not counted. Events keep
// their accounts.
//
// The deliveries of an event go when everything of its incident was accepted,
// sent and settled before the time, and the incident is over. As long as it is
// not, its resolution goes to everyone who was told of it (I4), and only their
// deliveries say who that is.
func (s *Store) Prune(ctx context.Context, before time.Time, max int) (int, error) {
	if max < 1 {
		return 0, fmt.Errorf("forget old deliveries: %d at a time", max)
	}
	for {
		// A look first: where even an empty transaction would keep others from writing.
		event, _, err := s.prunable(s.conn(ctx), before)
		if err != nil {
			return 0, translate(err)
		}
		var answers int
		if err := s.conn(ctx).Raw(`SELECT count(*) FROM (SELECT 1 FROM answers WHERE created_at < ? LIMIT 1) AS one`,
			micros(s.Now().Add(-answerLife))).Scan(&answers).Error; err != nil {
			return 0, fmt.Errorf("look for old answers: %w", translate(err))
		}
		var attempts int
		if err := s.conn(ctx).Raw(`SELECT count(*) FROM (`+oldAttempts+` LIMIT 1) AS one`, micros(before)).Scan(&attempts).Error; err != nil {
			return 0, fmt.Errorf("look for old attempts: %w", translate(err))
		}
		var alerts int
		if err := s.conn(ctx).Raw(oldAlerts, micros(before), micros(before), micros(before)).Scan(&alerts).Error; err != nil {
			return 0, fmt.Errorf("look for old alerts: %w", translate(err))
		}
		if event == 0 && answers == 0 && attempts == 0 && alerts == 0 {
			return 0, nil
		}
		n, mine := 0, false
		err = s.work(ctx, func(_ context.Context, tx *gorm.DB) (err error) {
			if mine, err = s.tryPruneLock(tx); err != nil || !mine {
				return err
			}
			n, err = s.pruneSome(tx, before, max)
			return err
		})
		if err != nil || n > 0 || !mine {
			return n, err
		}
	}
}

func (s *Store) tryPruneLock(tx *gorm.DB) (mine bool, err error) {
	if s.dialect != postgres {
		return true, nil
	}
	if err := tx.Raw(`SELECT pg_try_advisory_xact_lock(?)`, int64(pruneLock)).Scan(&mine).Error; err != nil {
		return false, fmt.Errorf("lock the forgetting: %w", err)
	}
	return mine, nil
}

func (s *Store) pruneSome(tx *gorm.DB, before time.Time, max int) (n int, err error) {
	// Nobody may start an old delivery again between our look and our deletion.
	if err := s.lockFanout(tx, true); err != nil {
		return 0, err
	}
	if _, err = s.dropAnswers(tx, micros(s.Now()), max); err != nil {
		return 0, err
	}
	if err = s.forgetAlerts(tx, before, max); err != nil {
		return 0, err
	}
	if n, err = s.pruneAttempts(tx, micros(before), max); err != nil {
		return 0, err
	}
	for range pruneEvents {
		event, upTo, err := s.prunable(tx, before)
		if err != nil || event == 0 || n >= max {
			return n, err
		}
		gone, err := s.pruneEvent(tx, event, upTo, max-n)
		if err != nil {
			return n, fmt.Errorf("forget deliveries of event %d: %w", event, err)
		}
		n += gone
	}
	return n, nil
}

// prunable is the oldest event that may be forgotten, and the reader up to whom
// its deliveries are still there; 0 where there is none.
func (s *Store) prunable(tx *gorm.DB, before time.Time) (event, upTo int64, err error) {
	// going is an event that is not old, or not through.
	const going = `(%[1]s.accepted_at >= ? OR %[1]s.expanded_at = 0 OR %[1]s.withdrawn OR EXISTS (SELECT 1 FROM event_counts AS c
		WHERE c.event_number = %[1]s.number AND (c.unsettled > 0 OR c.last_sent_at >= ?)))`
	at := micros(before)
	err = tx.Raw(`SELECT e.number, e.progress FROM events AS e WHERE e.pruned_at = 0 AND e.accepted_at < ? AND NOT `+fmt.Sprintf(going, "e")+`
		AND (e.incident_id IS NULL OR EXISTS (SELECT 1 FROM incidents AS i WHERE i.id = e.incident_id
			AND (i.resolved_at > 0 OR i.kind = 'post' OR i.state = 'retracted')))
		AND NOT EXISTS (SELECT 1 FROM events AS o WHERE o.incident_id = e.incident_id AND `+fmt.Sprintf(going, "o")+`)
		ORDER BY e.accepted_at, e.number LIMIT 1`, at, at, at, at, at).Row().Scan(&event, &upTo)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, 0, fmt.Errorf("look for old events: %w", err)
	}
	return event, upTo, nil
}

// pruneEvent deletes at most limit deliveries of an event, the last readers'
// first, and notes where it came to: what was deleted need not be walked past
// by the next step.
func (s *Store) pruneEvent(tx *gorm.DB, event, upTo int64, limit int) (int, error) {
	first, last := int64(notifier.MakeDeliveryID(event, 0)), int64(notifier.MakeDeliveryID(event, upTo))
	var found []int64
	if err := tx.Raw(`SELECT id FROM deliveries WHERE `+inKeys+` ORDER BY id DESC LIMIT 1 OFFSET ?`, first, last, limit-1).Scan(&found).Error; err != nil {
		return 0, err
	}
	from, prunedAt := first, micros(s.Now())
	if len(found) > 0 {
		from, prunedAt = found[0], 0
	}
	if err := tx.Exec(`DELETE FROM replays WHERE delivery > ? AND delivery <= ?`, from-1, last).Error; err != nil {
		return 0, err
	}
	if err := forgetDigests(tx, event, notifier.DeliveryID(from).Reader(), upTo, len(found) == 0); err != nil {
		return 0, err
	}
	done := tx.Exec(`DELETE FROM deliveries WHERE `+inKeys, from-1, last)
	if done.Error != nil {
		return 0, done.Error
	}
	if prunedAt > 0 { // and of a notice, who it was for
		if err := tx.Exec(`UPDATE audiences SET state = 'dropped', touched_at = ? WHERE state = 'current' AND notice_id <> ''
			AND notice_id = (SELECT notice_id FROM events WHERE number = ?)`, prunedAt, event).Error; err != nil {
			return 0, err
		}
	}
	left := max(notifier.DeliveryID(from).Reader()-1, 0)
	return int(done.RowsAffected), tx.Exec(`UPDATE events SET progress = ?, pruned_at = ? WHERE number = ?`, left, prunedAt, event).Error
}
