package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// movedFrom is by what the audit's entry about a new address ends, before the
// old one's number.
const movedFrom = ", moved from "

// auditFrom is what the ids of the audit's entries from a time on begin with, or come after.
func auditFrom(t time.Time) string { return fmt.Sprintf("%016x", micros(t)) }

// Moved reports whether a subscription moved to a subscriber's address, since
// when it is confirmed.
func (s *Store) Moved(ctx context.Context, n subscribers.Number) (bool, error) {
	is, err := s.Subscriber(ctx, n)
	if err != nil || is.ConfirmedAt.IsZero() {
		return false, err
	}
	var entries int
	// The ids begin with the time, so that this reads a minute of the audit.
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM audit WHERE id >= ? AND id < ? AND action = ? AND subject = ? AND detail LIKE ?`,
		auditFrom(is.ConfirmedAt), auditFrom(is.ConfirmedAt.Add(time.Minute)), "subscriber.change", n.String(), "to %"+movedFrom+"%").Scan(&entries).Error; err != nil {
		return false, translate(fmt.Errorf("look for a move that is through: %w", err))
	}
	return entries > 0, nil
}

// askedToday reports whether a subscriber asked for this move today, so that the
// new address was mailed about it and will not be again. One that is put off
// behind somebody else's is asked for as often, so that its owner cannot tell.
func (s *Store) askedToday(tx *gorm.DB, from, target subscribers.Subscriber, now time.Time) (bool, error) {
	m, err := s.move(tx, from.Number, false, false)
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return s.putOffToday(tx, from, target, now)
	case err != nil:
		return false, err
	case m.To != target.Number || !m.AskedAt.After(now.Add(-askedLife)):
		return false, nil
	}
	var mails int
	if err := tx.Raw(`SELECT count(*) FROM events WHERE reader = ? AND type = ? AND accepted_at = ?`, int64(m.To), string(notifier.SubscriberMoveTo), micros(m.AskedAt)).
		Scan(&mails).Error; err != nil {
		return false, fmt.Errorf("look for the mail of a move: %w", err)
	}
	return mails > 0, nil
}

// putOffToday is askedToday of a move that is put off, for as long as the other is not through.
func (s *Store) putOffToday(tx *gorm.DB, from, target subscribers.Subscriber, now time.Time) (bool, error) {
	m, err := s.movePutOff(tx, from.Number)
	switch {
	case errors.Is(err, notifier.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case m.To != target.Number || !m.AskedAt.After(now.Add(-askedLife)):
		return false, nil
	}
	var others int
	if err := tx.Raw(`SELECT count(*) FROM moves WHERE target = ? AND asked_at > ?`, int64(target.Number), micros(now.Add(-subscribers.MoveLife))).Scan(&others).Error; err != nil {
		return false, fmt.Errorf("look for somebody else's move: %w", err)
	}
	return others > 0, nil
}

// movePutOff is the move that a subscriber asked for while somebody else's to
// the same address was not through. There is no row of it. That it was asked for
// shows in the mail about it, which ends with it, and where it was to go in the audit.
func (s *Store) movePutOff(tx *gorm.DB, n subscribers.Number) (subscribers.Move, error) {
	none := fmt.Errorf("move of subscriber %s: %w", n, notifier.ErrNotFound)
	var asked []int64
	if err := tx.Raw(`SELECT accepted_at FROM events WHERE reader = ? AND type = ? AND expires_at > ? AND expires_at > accepted_at + 1
		ORDER BY number DESC LIMIT 1`, int64(n), string(notifier.SubscriberMoveFrom), micros(s.Now())).Scan(&asked).Error; err != nil {
		return subscribers.Move{}, fmt.Errorf("look for the mail of a move: %w", err)
	}
	if len(asked) == 0 {
		return subscribers.Move{}, none
	}
	at := instant(asked[0])
	var target []string // the ids begin with the time, so that this reads a minute of the audit
	if err := tx.Raw(`SELECT detail FROM audit WHERE id >= ? AND id < ? AND action = ? AND subject = ? ORDER BY id LIMIT 1`,
		auditFrom(at), auditFrom(at.Add(time.Minute)), "subscriber.ask_move", n.String()).Scan(&target).Error; err != nil {
		return subscribers.Move{}, fmt.Errorf("look for where a move goes: %w", err)
	}
	if len(target) == 0 {
		return subscribers.Move{}, none
	}
	to, err := subscribers.ParseNumber(target[0])
	if err != nil {
		return subscribers.Move{}, none
	}
	var rows []subscriberRow
	if err := tx.Where("number IN ?", []int64{int64(n), int64(to)}).Find(&rows).Error; err != nil {
		return subscribers.Move{}, fmt.Errorf("read who moves: %w", err)
	}
	m := subscribers.Move{From: n, To: to, AskedAt: at}
	for _, r := range rows {
		if r.Number == int64(to) {
			m.ToAddress = r.Address
		} else if subscribers.State(r.State).Movable() {
			m.FromAddress = r.Address
		}
	}
	if m.FromAddress == "" || m.ToAddress == "" {
		return subscribers.Move{}, none
	}
	return m, nil
}

// endQuestions ends the mails that ask subscribers' old addresses about moves,
// and reports how many were open.
func endQuestions(tx *gorm.DB, of ...subscribers.Number) (int64, error) {
	done := tx.Exec(`UPDATE events SET expires_at = accepted_at + 1 WHERE reader IN ? AND type = ? AND expires_at > accepted_at + 1`, of, string(notifier.SubscriberMoveFrom))
	if done.Error != nil {
		return 0, fmt.Errorf("end the questions of a move: %w", done.Error)
	}
	return done.RowsAffected, nil
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
