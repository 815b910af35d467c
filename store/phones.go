package store

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// CheckCode confirms the pending subscriber at a phone (or that the owner of one
// that is somebody's second wants their own) by the code that it was sent last, and keeps from which network that was said. The errors are those
// of subscribers: ErrCode, ErrCodeExpired (of a right one), ErrCodeTries. None
// tells whether the number is known, however often it is asked.
func (s *Store) CheckCode(ctx context.Context, phone, code string, network netip.Prefix) (subscribers.Subscriber, error) {
	if len(s.secret) < leastSecret {
		return subscribers.Subscriber{}, errors.New("check a code: the store was opened without a secret")
	}
	var out subscribers.Subscriber
	var wrong error
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		wrong = nil
		rows, err := subscribersAt(tx, notifier.SMS, []string{phone})
		if err != nil {
			return err
		}
		n, asked := subscribers.Number(0), int64(0)
		if row, ok := rows[phone]; ok && (row.State == string(subscribers.Pending) || mayWish(row)) {
			n = subscribers.Number(row.Number)
			if asked, err = s.codeAsked(tx, row.Number); err != nil {
				return err
			}
		}
		left, err := s.guess(tx, phone, asked)
		if err != nil {
			return err
		}
		right := asked > 0 && subscribers.SameCode(code, subscribers.NewLinks(s.secret).Code(n, instant(asked)))
		switch {
		case !left:
			wrong = subscribers.ErrCodeTries
		case !right:
			wrong = subscribers.ErrCode
		case !s.codeGood(asked):
			wrong = subscribers.ErrCodeExpired
		default:
			if err := tx.Exec(`DELETE FROM codes WHERE key = ?`, s.hidden("code", phone)).Error; err != nil {
				return fmt.Errorf("forget the guesses: %w", err)
			}
			out, err = s.ConfirmSubscriber(ctx, n, network)
		}
		return err
	})
	if err == nil {
		err = wrong // counted, so not before the commit
	}
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	return out, nil
}

// codeAsked is when the last code was sent to a reader; 0: never.
func (s *Store) codeAsked(tx *gorm.DB, reader int64) (int64, error) {
	var at []int64
	if err := tx.Raw(`SELECT accepted_at FROM events WHERE reader = ? AND type = ? ORDER BY number DESC LIMIT 1`, reader, string(notifier.SubscriberConfirm)).
		Scan(&at).Error; err != nil {
		return 0, fmt.Errorf("look for the code: %w", err)
	}
	if len(at) == 0 {
		return 0, nil
	}
	return at[0], nil
}

// codeGood reports whether a code that was sent then is still good.
func (s *Store) codeGood(asked int64) bool {
	return asked > micros(s.Now().Add(-subscribers.CodeLife))
}

// guess counts a guess, and reports whether it was one too many. They are
// counted by code, and where there is none that is good, by the time: so a
// number that nobody knows answers as one that is known.
func (s *Store) guess(tx *gorm.DB, phone string, asked int64) (ok bool, err error) {
	now, key := micros(s.Now()), s.hidden("code", phone)
	if err := tx.Exec(`DELETE FROM codes WHERE asked_at <= ?`, micros(s.Now().Add(-subscribers.CodeLife))).Error; err != nil {
		return false, fmt.Errorf("forget old guesses: %w", err)
	}
	reset := asked
	if !s.codeGood(asked) {
		asked, reset = now, 0
	}
	// A new code has tries of its own.
	var tries int
	if err := tx.Raw(`INSERT INTO codes (key, asked_at, tries) VALUES (?, ?, 1) ON CONFLICT (key) DO UPDATE SET
			tries = CASE WHEN codes.asked_at < CAST(? AS bigint) THEN 1 WHEN codes.tries > ? THEN codes.tries ELSE codes.tries + 1 END,
			asked_at = CASE WHEN codes.asked_at < CAST(? AS bigint) THEN excluded.asked_at ELSE codes.asked_at END
		RETURNING tries`, key, asked, reset, subscribers.CodeTries, reset).Scan(&tries).Error; err != nil {
		return false, fmt.Errorf("count a guess: %w", err)
	}
	return tries <= subscribers.CodeTries, nil
}

// StopPhone bars a phone whose owner answered STOP, and ends what is open for
// it. first: it was not barred before, so that the answer is sent once.
func (s *Store) StopPhone(ctx context.Context, phone string) (first bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		first = false
		if err := s.withdraw(ctx, tx, notifier.SMS, phone, true); err != nil {
			return err
		}
		done := tx.Exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			string(notifier.SMS), phone, string(subscribers.ReasonStop), micros(s.Now()))
		if done.Error != nil {
			return fmt.Errorf("bar a phone: %w", done.Error)
		}
		if first = done.RowsAffected > 0; !first {
			return nil
		}
		return s.auditAddress(ctx, tx, "suppression.add", notifier.SMS, phone, string(subscribers.ReasonStop))
	})
	return first, err
}

// startedFor is how long the id of a message that started a phone is known.
const startedFor = 365 * 24 * time.Hour

// StartPhone lifts what StopPhone did, and nothing else: what staff barred stays
// so. first: there was something to lift. A message, if it has an id, starts
// once: told again, by whatever process, it does nothing.
func (s *Store) StartPhone(ctx context.Context, phone, message string) (first bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if first = false; message != "" {
			fresh, err := s.afford(tx, subscribers.Limits{subscribers.PerNumber: {Every: startedFor, Burst: 1}}, subscribers.Purse{Scope: subscribers.PerNumber, Key: "started " + message})
			if err != nil || !fresh {
				return err
			}
		}
		done := tx.Exec(`DELETE FROM suppressions WHERE channel = ? AND address = ? AND reason = ?`, string(notifier.SMS), phone, string(subscribers.ReasonStop))
		if first = done.RowsAffected > 0; done.Error != nil || !first {
			return done.Error
		}
		return s.auditAddress(ctx, tx, "suppression.remove", notifier.SMS, phone, "")
	})
	return first, err
}

// AnswerPhone reports whether what somebody wrote may be answered: each number
// is a few times a day, and all together as SignUpLimits say of codes. What
// anybody can cause is bounded, whatever they write and from where.
func (s *Store) AnswerPhone(ctx context.Context, phone string) (ok bool, err error) {
	err = s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		ok, err = s.afford(tx, subscribers.SignUpLimits(), subscribers.Purse{Scope: subscribers.PerNumber, Key: "answer " + phone}, subscribers.Purse{Scope: subscribers.AllSMS, Key: "answer"})
		return err
	})
	return ok, err
}

// afford takes one out of every purse, or out of none.
func (s *Store) afford(tx *gorm.DB, limits subscribers.Limits, from ...subscribers.Purse) (bool, error) {
	d := &registrar{store: s, tx: tx, limits: limits, now: s.Now()}
	var out [][]subscribers.Purse
	for _, p := range from {
		out = append(out, []subscribers.Purse{p})
	}
	bill, err := d.pay(out)
	return err == nil && bill.refused == "", err
}

// ReportPhone notes what a gateway reports of an SMS: one that was sent and did
// not arrive has bounced; one that arrived was sent, whatever was thought of it.
// Where the gateway was told STOP, that is remembered. A report may be quicker
// than the gateway's answer: then the try is counted by it. A repeat changes
// nothing. ErrNotFound: there is no such SMS; a Refusal of ErrConflict: it was
// not sent yet.
func (s *Store) ReportPhone(ctx context.Context, id notifier.DeliveryID, x notifier.TextReport) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if x.Gone {
			if err := s.reportStop(ctx, tx, id); err != nil {
				return err
			}
		}
		back, err := s.mayGoBack(ctx, []notifier.Settlement{{ID: id, State: notifier.Failed}})
		if err != nil {
			return err
		}
		if back = back && !x.Delivered; back {
			if err := s.lockFanout(tx, false); err != nil {
				return err
			}
		}
		l := s.ledger(tx)
		rows, err := l.lockIDs([]int64{int64(id)})
		if err != nil {
			return err
		}
		if len(rows) == 0 || rows[0].Channel != string(notifier.SMS) {
			return notifier.Refuse(notifier.ErrNotFound, "there is no SMS %s", id)
		}
		r := rows[0]
		switch {
		case r.State == notifier.Bounced, r.State == notifier.Sent && x.Delivered:
			return nil
		case x.Delivered:
			return s.Settle(ctx, []notifier.Settlement{{
				ID: id, State: notifier.Sent, Tried: true, Charged: r.State == notifier.Sending, At: s.Now(),
				Receipt: notifier.Receipt{Relay: x.Gateway, Reply: x.Reply},
			}})
		case r.State == notifier.Sent:
			r.rest(notifier.Bounced)
			if back {
				if _, err := l.tellFirst(rows); err != nil {
					return err
				}
			}
			if err := l.save(); err != nil {
				return fmt.Errorf("note that an SMS did not arrive: %w", err)
			}
			if err := tx.Exec(`UPDATE deliveries SET reply = ? WHERE id = ?`, notifier.Clip(x.Reply), int64(id)).Error; err != nil {
				return fmt.Errorf("keep the gateway's words: %w", err)
			}
			return nil
		case r.State.Final():
			return nil
		}
		return notifier.Refuse(notifier.ErrConflict, "SMS %s was not sent yet", id)
	})
}

// reportStop bars the phone that a message was for, once: a report that is
// played again stops nobody who has started since. It comes before the locks on
// deliveries, as StopPhone's own do.
func (s *Store) reportStop(ctx context.Context, tx *gorm.DB, id notifier.DeliveryID) error {
	var phones []string
	if err := tx.Raw(`SELECT address FROM deliveries WHERE id = ? AND channel = ? AND address <> '' AND state NOT IN ('bounced', 'suppressed')`, int64(id), string(notifier.SMS)).Scan(&phones).Error; err != nil {
		return fmt.Errorf("look for the phone of an SMS: %w", err)
	}
	for _, phone := range phones {
		if _, err := s.StopPhone(ctx, phone); err != nil {
			return err
		}
	}
	return nil
}

// SegmentsSpent is how many segments of a day's budget are spent.
func (s *Store) SegmentsSpent(ctx context.Context, day string) (n int, err error) {
	if err := s.conn(ctx).Raw(`SELECT coalesce(max(spent), 0) FROM segments WHERE day = ?`, day).Scan(&n).Error; err != nil {
		return 0, translate(fmt.Errorf("read a day's budget: %w", err))
	}
	return n, nil
}

// SpendSegments takes n segments out of a day's budget, and reports whether it
// held so many: the day's total never exceeds limit. A negative n gives back
// what was not sent.
func (s *Store) SpendSegments(ctx context.Context, day string, n, limit int) (ok bool, err error) {
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		ok = false
		if err := tx.Exec(`INSERT INTO segments (day, spent) VALUES (?, 0) ON CONFLICT DO NOTHING`, day).Error; err != nil {
			return fmt.Errorf("begin a day's budget: %w", err)
		}
		done := tx.Exec(`UPDATE segments SET spent = CASE WHEN spent + ? < 0 THEN 0 ELSE spent + ? END WHERE day = ? AND (? < 0 OR spent + ? <= ?)`, n, n, day, n, n, limit)
		if ok = done.RowsAffected > 0; done.Error != nil {
			return fmt.Errorf("spend segments: %w", done.Error)
		}
		return nil
	})
	return ok, err
}
