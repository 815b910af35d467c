package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/subscribers"
)

// movedFrom is by what the audit's entry about a new address ends, before the
// old one's number.
const movedFrom = ", moved from "

// Moved reports whether a subscription moved to a subscriber's address, since
// when it is confirmed.
func (s *Store) Moved(ctx context.Context, n subscribers.Number) (bool, error) {
	is, err := s.Subscriber(ctx, n)
	if err != nil || is.ConfirmedAt.IsZero() {
		return false, err
	}
	// The ids begin with the time, so that this reads a minute of the audit.
	at := func(t time.Time) string { return fmt.Sprintf("%016x", micros(t)) }
	var entries int
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM audit WHERE id >= ? AND id < ? AND action = ? AND subject = ? AND detail LIKE ?`,
		at(is.ConfirmedAt), at(is.ConfirmedAt.Add(time.Minute)), "subscriber.change", n.String(), "to %"+movedFrom+"%").Scan(&entries).Error; err != nil {
		return false, translate(fmt.Errorf("look for a move that is through: %w", err))
	}
	return entries > 0, nil
}

// carryEvidence lets the new address keep how its owner agreed at the old one,
// and adds that it was confirmed now.
func (s *Store) carryEvidence(tx *gorm.DB, m subscribers.Move) error {
	if err := tx.Exec(`INSERT INTO consents (subscriber, at, step, version, network)
		SELECT CAST(? AS bigint), at, step, version, network FROM consents WHERE subscriber = ? ON CONFLICT DO NOTHING`, int64(m.To), int64(m.From)).Error; err != nil {
		return fmt.Errorf("carry the evidence of consent over: %w", err)
	}
	return s.keepEvidence(tx, m.To, subscribers.Consent{}, subscribers.Evidence{Step: subscribers.StepConfirmed, At: s.Now()})
}

// ForgetMoves forgets the moves that were asked for before a time, and at most
// max of the addresses that were added for a move before it and that none waits
// for. It returns how many of these.
func (s *Store) ForgetMoves(ctx context.Context, before time.Time, max int) (int, error) {
	const old = `SELECT s.number FROM subscribers AS s WHERE s.state = 'pending' AND s.left_from = 'pending' AND s.unsubscribed_at = 0
		AND s.created_at < ? AND NOT EXISTS (SELECT 1 FROM consents AS c WHERE c.subscriber = s.number)
		AND NOT EXISTS (SELECT 1 FROM moves AS m WHERE m.target = s.number AND m.asked_at >= ?) ORDER BY s.number LIMIT ?`
	at := micros(before)
	var found []int64 // a look: where even an empty transaction would keep others from writing
	if err := s.conn(ctx).Raw(old, at, at, max).Scan(&found).Error; err != nil {
		return 0, translate(fmt.Errorf("look for whom nobody moved to: %w", err))
	}
	var over int
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM moves WHERE asked_at < ?`, at).Scan(&over).Error; err != nil {
		return 0, translate(fmt.Errorf("look for moves that took too long: %w", err))
	}
	if len(found) == 0 && over == 0 {
		return 0, nil
	}
	n := 0
	err := s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
		// From here on nobody asks for a move, so that whom none waits for stays so.
		if _, err := next(tx, "subscriber", 0); err != nil {
			return err
		}
		found = nil
		if err := tx.Raw(old+s.locked(), at, at, max).Scan(&found).Error; err != nil {
			return fmt.Errorf("look for whom nobody moved to: %w", err)
		}
		for _, number := range found {
			if err := s.forget(ctx, tx, number, "never moved to"); err != nil {
				return err
			}
		}
		if err := tx.Exec(`DELETE FROM moves WHERE asked_at < ?`, at).Error; err != nil {
			return fmt.Errorf("forget moves that took too long: %w", err)
		}
		n = len(found)
		return nil
	})
	return n, err
}
