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

// A reader is written to this often in a day at most, whoever asks: about its
// own moves, and about anything by which somebody else could have it written to.
const (
	askedOften = 3
	askedOnce  = 1
	askedLife  = subscribers.MoveRest
)

// AskMove begins to move a subscription to another address: both are asked
// whether it may, but for a group's, which only its owner decides about. What is
// known of the other address does not show, nor that somebody else's move to it
// is not through: this one waits then, and whoever asked is none the wiser. A
// subscriber has one move at a time; a new one takes an older one's place, unless
// both addresses were asked about the same today. A Refusal of ErrConflict: it asked too
// often, or is in no state to move.
func (s *Store) AskMove(ctx context.Context, n subscribers.Number, address string) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		// From here on nobody else adds a subscriber.
		last, err := next(tx, "subscriber", 0)
		if err != nil {
			return err
		}
		from, err := s.subscriberForMove(tx, n)
		if err != nil {
			return err
		}
		if from.Address == address {
			return notifier.Invalidf("address", "is where the mails go already")
		}
		if from.SecondOf > 0 {
			return notifier.Refuse(notifier.ErrConflict, "a second address does not move; its first names another one")
		}
		if !from.State.Movable() {
			return notifier.Refuse(notifier.ErrConflict, "a subscription that is %s cannot move", from.State)
		}
		often, err := s.asked(tx, int64(n), notifier.SubscriberMoveFrom)
		if err != nil {
			return err
		}
		if often >= askedOften {
			return notifier.Refuse(notifier.ErrConflict, "both addresses were asked several times today; ask again tomorrow")
		}
		target, err := s.moveTarget(tx, from, address, last)
		if err != nil {
			return err
		}
		now := s.Now() // the mails' too: their links are of this move
		if stands, err := s.askedToday(tx, from, target, now); err != nil || stands {
			return err // the mails that both have are good, and the new address gets no other today
		}
		if err := tx.Exec(`DELETE FROM moves WHERE subscriber = ? OR (target = ? AND asked_at <= ?)`,
			int64(n), int64(target.Number), micros(now.Add(-subscribers.MoveLife))).Error; err != nil {
			return fmt.Errorf("end an older move: %w", err)
		}
		done := tx.Exec(`INSERT INTO moves (subscriber, target, asked_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, int64(n), int64(target.Number), micros(now))
		if done.Error != nil {
			return fmt.Errorf("write the move: %w", done.Error)
		}
		if err := s.audit(ctx, tx, "subscriber.ask_move", n.String(), target.Number.String()); err != nil {
			return err
		}
		ask := done.RowsAffected > 0 // else somebody else's move to that address is not through
		if ask {
			if ask, err = s.mayAskTarget(tx, target, now); err != nil {
				return err
			}
		}
		if ask {
			if err := s.mailAt(tx, now, target, notifier.SubscriberMoveTo); err != nil {
				return err
			}
		}
		return s.mailAt(tx, now, from, notifier.SubscriberMoveFrom)
	})
}

// mayAskTarget reports whether a new address is sent the question, and pays for
// it as for a sign-up's: whoever moves could have anybody written to.
func (s *Store) mayAskTarget(tx *gorm.DB, target subscribers.Subscriber, now time.Time) (bool, error) {
	if target.Group { // any reader could agree, and take it from its owner
		return false, nil
	}
	disturbed, err := s.asked(tx, int64(target.Number), notifier.SubscriberConfirm, notifier.SubscriberMoveTo)
	if err != nil || disturbed >= askedOnce {
		return false, err
	}
	d := registrar{store: s, tx: tx, limits: subscribers.SignUpLimits(), now: now}
	bill, err := d.pay((&subscribers.SignUp{Subscriber: target}).Purses())
	return bill.refused == "" && err == nil, err
}

// moveTarget finds the subscriber at an address, or adds one who waits.
func (s *Store) moveTarget(tx *gorm.DB, from subscribers.Subscriber, address string, last int64) (subscribers.Subscriber, error) {
	there, err := subscribersAt(tx, from.Channel, []string{address})
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	if row, ok := there[address]; ok {
		return row.subscriber(), nil
	}
	if _, err := next(tx, "subscriber", 1); err != nil {
		return subscribers.Subscriber{}, err
	}
	to := subscribers.Subscriber{
		Number: subscribers.Number(last + 1), Channel: from.Channel, Address: address, State: subscribers.Pending,
		Cadence: subscribers.Instant, Language: from.Language, // the choices come along when both agreed
	}
	s.stamp(&to)
	to.Left.From = subscribers.Pending // by this ForgetMoves knows whom nobody but a move added; any later change takes it away
	return to, s.addSubscribers(tx, []subscribers.Subscriber{to})
}

// subscriberForMove reads one, with what it chose.
func (s *Store) subscriberForMove(tx *gorm.DB, n subscribers.Number) (subscribers.Subscriber, error) {
	_, is, err := s.tryChange(tx, n, func(*subscribers.Subscriber) error { return nil })
	return is, err
}

// asked is how often a reader was written to of late, by types.
func (s *Store) asked(tx *gorm.DB, reader int64, types ...notifier.EventType) (times int, err error) {
	if err := tx.Raw(`SELECT count(*) FROM events WHERE reader = ? AND type IN ? AND accepted_at > ?`,
		reader, types, micros(s.Now().Add(-askedLife))).Scan(&times).Error; err != nil {
		return 0, fmt.Errorf("count what a reader was asked: %w", err)
	}
	return times, nil
}

// mail accepts an event for one reader. Call it last, as accept.
func (s *Store) mail(tx *gorm.DB, to subscribers.Subscriber, t notifier.EventType) error {
	return s.mailAt(tx, s.Now(), to, t)
}

func (s *Store) mailAt(tx *gorm.DB, now time.Time, to subscribers.Subscriber, t notifier.EventType) error {
	e := to.Event(t, notifier.Desk{Now: now, NewID: randomText})
	return s.accept(tx, &e)
}

// Move returns the move that a subscriber is the new address of, where to is
// set, else the one that it is the old address of, or ErrNotFound. One that
// took too long is over.
func (s *Store) Move(ctx context.Context, n subscribers.Number, to bool) (subscribers.Move, error) {
	m, err := s.move(s.conn(ctx), n, to, false)
	if !to && errors.Is(err, notifier.ErrNotFound) {
		m, err = s.movePutOff(s.conn(ctx), n)
	}
	return m, translate(err)
}

func (s *Store) move(tx *gorm.DB, n subscribers.Number, to, lock bool) (subscribers.Move, error) {
	own := `m.subscriber` // a number may be of two moves, one at either side
	if to {
		own = `m.target`
	}
	query := `SELECT m.subscriber, m.target, m.asked_at, m.from_at, m.to_at, f.address AS from_address, t.address AS to_address
		FROM moves AS m JOIN subscribers AS f ON f.number = m.subscriber JOIN subscribers AS t ON t.number = m.target
		WHERE ` + own + ` = ? AND m.asked_at > ?`
	if lock && s.dialect == postgres {
		query += ` FOR UPDATE OF m`
	}
	var found []struct {
		Subscriber, Target, AskedAt, FromAt, ToAt int64
		FromAddress, ToAddress                    string
	}
	if err := tx.Raw(query, int64(n), micros(s.Now().Add(-subscribers.MoveLife))).Scan(&found).Error; err != nil {
		return subscribers.Move{}, fmt.Errorf("look for a move: %w", err)
	}
	if len(found) == 0 {
		return subscribers.Move{}, fmt.Errorf("move of subscriber %s: %w", n, notifier.ErrNotFound)
	}
	m := found[0]
	return subscribers.Move{
		From: subscribers.Number(m.Subscriber), To: subscribers.Number(m.Target), FromAddress: m.FromAddress, ToAddress: m.ToAddress,
		AskedAt: instant(m.AskedAt), FromAt: instant(m.FromAt), ToAt: instant(m.ToAt),
	}, nil
}

// CancelMove ends the move that a subscriber asked for; there need be none.
func (s *Store) CancelMove(ctx context.Context, n subscribers.Number) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		done := tx.Exec(`DELETE FROM moves WHERE subscriber = ?`, int64(n))
		if done.Error != nil {
			return fmt.Errorf("end the move: %w", done.Error)
		}
		asked, err := endQuestions(tx, n)
		if err != nil || done.RowsAffected == 0 && asked == 0 {
			return err
		}
		return s.audit(ctx, tx, "subscriber.cancel_move", n.String(), "")
	})
}

// AgreeMove notes that one of the two addresses agrees: the new one where to is
// set, else the old one. With the second the subscription moves: the new
// address takes over every choice, and the old one has left.
func (s *Store) AgreeMove(ctx context.Context, n subscribers.Number, to bool) (subscribers.Move, error) {
	var out subscribers.Move
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		side := func(m subscribers.Move) (mine, other time.Time) {
			if to {
				return m.ToAt, m.FromAt
			}
			return m.FromAt, m.ToAt
		}
		// As in ChangeSubscriber the fan-out is kept out before any row is locked.
		m, err := s.move(tx, n, to, false)
		if !to && errors.Is(err, notifier.ErrNotFound) {
			if out, err = s.movePutOff(tx, n); err == nil {
				out.FromAt = s.Now()
			}
			return err
		}
		if err != nil {
			return err
		}
		_, other := side(m)
		withdrawn := !other.IsZero()
		if withdrawn {
			if err := s.withdraw(ctx, tx, notifier.Email, m.FromAddress, false); err != nil {
				return err
			}
		}
		if m, err = s.move(tx, n, to, true); err != nil {
			return err
		}
		mine, other := side(m)
		if !other.IsZero() && !withdrawn { // somebody came between
			if err := s.withdraw(ctx, tx, notifier.Email, m.FromAddress, false); err != nil {
				return err
			}
		}
		if mine.IsZero() {
			mine = s.Now()
		}
		column := `from_at`
		if m.FromAt = mine; to {
			m.FromAt, m.ToAt, column = other, mine, `to_at`
		}
		out = m
		if err := s.audit(ctx, tx, "subscriber.agree_move", n.String(), ""); err != nil {
			return err
		}
		if m.Agreed() {
			return s.finishMove(ctx, tx, m)
		}
		if err := tx.Exec(`UPDATE moves SET `+column+` = ? WHERE subscriber = ?`, micros(mine), int64(m.From)).Error; err != nil {
			return fmt.Errorf("note who agreed: %w", err)
		}
		return nil
	})
	if err != nil {
		return subscribers.Move{}, err
	}
	return out, nil
}

func (s *Store) finishMove(ctx context.Context, tx *gorm.DB, m subscribers.Move) error {
	rows, err := subscribersAt(tx, notifier.Email, []string{m.FromAddress, m.ToAddress})
	if err != nil {
		return err
	}
	from, err := s.subscriberForMove(tx, m.From)
	if err != nil {
		return err
	}
	barred, err := suppressed(tx, notifier.Email, []string{m.ToAddress})
	if err != nil {
		return err
	}
	to := rows[m.ToAddress].subscriber()
	if !from.State.Movable() || barred[m.ToAddress] || to.Group {
		return fmt.Errorf("move of subscriber %s: %w", m.From, notifier.ErrNotFound)
	}
	to.State, to.PausedUntil, to.Filter, to.Cadence = from.State, from.PausedUntil, from.Filter, from.Cadence
	to.Hour, to.Weekday, to.Critical, to.AllQuiet = from.Hour, from.Weekday, from.Critical, from.AllQuiet
	to.Timezone, to.Language, to.Group, to.Contact = from.Timezone, from.Language, from.Group, from.Contact
	to.ConfirmedAt, to.Unsubscribed, to.Left = s.Now(), time.Time{}, subscribers.Leave{}
	to.SecondOf = 0
	if to.Contact == to.Address { // its owner reads it alone from now on
		to.Group, to.Contact = false, ""
	}
	if there := rows[m.ToAddress].State; there == string(subscribers.Active) && from.State != subscribers.Active {
		// AgreeMove keeps the fan-out out already.
		if err := s.withdraw(ctx, tx, notifier.Email, m.ToAddress, false); err != nil {
			return err
		}
	}
	left := from
	left.Depart(subscribers.ByMove, s.Now())
	s.stamp(&to)
	s.stamp(&left)
	for _, is := range []subscribers.Subscriber{to, left} {
		if err := s.rewriteSubscriber(tx, rows[is.Address], is); err != nil {
			return err
		}
	}
	if err := s.carryEvidence(tx, m); err != nil {
		return err
	}
	if err := s.carrySecond(ctx, tx, m); err != nil {
		return err
	}
	if err := carryDigests(tx, int64(m.From), int64(m.To)); err != nil {
		return err
	}
	if err := tx.Exec(`DELETE FROM moves WHERE subscriber IN ?`, []int64{int64(m.From), int64(m.To)}).Error; err != nil {
		return fmt.Errorf("end the move: %w", err)
	}
	if _, err := endQuestions(tx, m.From, m.To); err != nil {
		return err
	}
	return errors.Join(
		s.audit(ctx, tx, "subscriber.change", m.From.String(), string(from.State)+" to unsubscribed, moved to "+m.To.String()),
		s.audit(ctx, tx, "subscriber.change", m.To.String(), "to "+string(to.State)+movedFrom+m.From.String()))
}
