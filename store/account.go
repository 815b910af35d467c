package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"allclear/notifier"
	"allclear/subscribers"
)

// SendLink mails whoever has an address the link to their subscription, or the
// owner where many read the address, those to the endpoints that it is the
// contact of, and where it is a second address, the first one's to the first. At most one such mail goes to a subscriber in a day, and no more
// than the budgets of who asks hold. It reports whether there was something to
// send, which must not be told to whoever asked.
func (s *Store) SendLink(ctx context.Context, lost subscribers.Lost) (sent bool, err error) {
	channel, address := notifier.Email, lost.Address
	// A look first: most of those who ask for others' addresses ask for none that
	// is here, and even an empty transaction would keep others from writing.
	found, err := present(s.conn(ctx), "subscribers", channel, []string{address})
	if err != nil {
		return false, translate(err)
	}
	hooks, err := s.hooksOf(s.conn(ctx), address)
	if err != nil || len(found)+len(hooks) == 0 {
		return false, translate(err)
	}
	err = s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
		sent = false
		// From here on nobody else pays from the budgets.
		if _, err := next(tx, "subscriber", 0); err != nil {
			return err
		}
		rows, err := subscribersAt(tx, channel, []string{address})
		if err != nil {
			return err
		}
		if hooks, err = s.hooksOf(tx, address); err != nil {
			return err
		}
		if row, ok := rows[address]; ok {
			hooks = append(hooks, row)
			if row.SecondOf > 0 && row.State != string(subscribers.Pending) { // what is told is chosen there, and the link for that goes nowhere else
				var first []subscriberRow
				if err := tx.Raw(`SELECT * FROM subscribers WHERE number = ?`+s.forUpdate(), row.SecondOf).Scan(&first).Error; err != nil {
					return fmt.Errorf("look for the first address: %w", err)
				}
				hooks = append(hooks, first...)
			}
		}
		d := registrar{store: s, tx: tx, limits: subscribers.SignUpLimits(), now: s.Now()}
		paid := false // for all that this one asked for
		for _, row := range hooks {
			one, err := s.sendLink(ctx, tx, row.subscriber(), func() (bool, error) {
				if paid {
					return true, nil
				}
				bill, err := d.pay(lost.Purses())
				paid = bill.refused == "" && err == nil
				return paid, err
			})
			if err != nil {
				return err
			}
			sent = sent || one
		}
		return nil
	})
	return sent, err
}

// maxLinks is how many endpoints of one contact are told of at a time.
const maxLinks = 10

// hooksOf are the endpoints that an address is the contact of.
func (s *Store) hooksOf(db *gorm.DB, address string) ([]subscriberRow, error) {
	var rows []subscriberRow
	if err := db.Raw(`SELECT * FROM subscribers WHERE contact <> '' AND contact = ? AND channel = ? ORDER BY number LIMIT ?`,
		address, string(notifier.Webhook), maxLinks).Scan(&rows).Error; err != nil {
		return nil, fmt.Errorf("look for a contact's endpoints: %w", err)
	}
	return rows, nil
}

// SendOwner is SendLink for a group's subscriber that is known.
func (s *Store) SendOwner(ctx context.Context, n subscribers.Number) (sent bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		sent = false
		var row subscriberRow
		if err := tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("number = ?", int64(n)).Take(&row).Error; err != nil {
			return fmt.Errorf("subscriber %s: %w", n, err)
		}
		if row.Shared {
			sent, err = s.sendLink(ctx, tx, row.subscriber(), func() (bool, error) { return true, nil })
		}
		return err
	})
	return sent, err
}

// sendLink writes the event where it may, and where it is paid for. The
// subscriber's row is locked.
func (s *Store) sendLink(ctx context.Context, tx *gorm.DB, who subscribers.Subscriber, paid func() (bool, error)) (bool, error) {
	if who.State == subscribers.Pending { // has proved nothing yet
		return false, nil
	}
	channel, to, t := who.Channel, who.Address, notifier.SubscriberLink
	switch {
	case who.Group:
		to, t = who.Contact, notifier.SubscriberOwner
	case channel == notifier.Webhook:
		channel, to = notifier.Email, who.Contact
	}
	if to == nobody { // the owner was erased
		return false, nil
	}
	barred, err := suppressed(tx, channel, []string{to})
	if err != nil || barred[to] {
		return false, err
	}
	asked, err := s.asked(tx, int64(who.Number), notifier.SubscriberLink, notifier.SubscriberOwner)
	if err != nil || asked >= askedOnce {
		return false, err
	}
	if ok, err := paid(); err != nil || !ok {
		return false, err
	}
	if err := s.audit(ctx, tx, "subscriber.send_link", who.Number.String(), string(t)); err != nil {
		return false, err
	}
	return true, s.mail(tx, who, t)
}

// Told lists what was sent to a subscriber, or waits to be, the newest first.
func (s *Store) Told(ctx context.Context, n subscribers.Number, limit int) ([]notifier.Told, error) {
	db := s.conn(ctx)
	limit = between(limit, 1, 10_000)
	var all []notifier.Delivery
	for _, reader := range []int64{0, int64(n)} { // what is for everyone, and what is for this one
		var err error
		if all, err = readDeliveries(all, db.Raw(`SELECT `+deliveryColumnsOf("d")+` FROM events AS e JOIN deliveries AS d ON d.id = e.number * 4294967296 + ?
			WHERE e.reader = ? ORDER BY e.number DESC LIMIT ?`, int64(n), reader, limit)); err != nil {
			return nil, translate(err)
		}
	}
	keys, err := s.noticeKeysOf(db, n)
	if err != nil {
		return nil, translate(err)
	}
	if len(keys) > 0 {
		in, arg := s.among(`d.id`, keys)
		if all, err = readDeliveries(all, db.Raw(`SELECT `+deliveryColumnsOf("d")+` FROM deliveries AS d WHERE `+in+` ORDER BY d.id + 0 DESC LIMIT ?`, arg, limit)); err != nil {
			return nil, translate(err)
		}
	}
	slices.SortFunc(all, func(a, b notifier.Delivery) int { return cmp.Compare(b.ID, a.ID) })
	all = all[:min(limit, len(all))]
	if err := s.addTimes(db, all); err != nil {
		return nil, translate(err)
	}
	numbers := make([]int64, len(all))
	for i, d := range all {
		numbers[i] = d.ID.Event()
	}
	var events []struct {
		Number     int64
		Type       notifier.EventType
		IncidentID string
		NoticeID   string
		Domain     string
		Title      string
	}
	if len(numbers) > 0 {
		if err := db.Raw(`SELECT e.number, e.type, coalesce(e.incident_id, '') AS incident_id, e.notice_id, coalesce(g.domain, '') AS domain, coalesce(i.title, n.title, '') AS title
			FROM events AS e LEFT JOIN incidents AS i ON i.id = e.incident_id LEFT JOIN notices AS n ON n.id = e.notice_id
			LEFT JOIN digests AS g ON g.event_number = e.number WHERE e.number IN ?`, numbers).Scan(&events).Error; err != nil {
			return nil, translate(fmt.Errorf("read what was told: %w", err))
		}
	}
	out := make([]notifier.Told, len(all))
	place := make(map[int64]int, len(events))
	for i, e := range events {
		place[e.Number] = i
	}
	for i, d := range all {
		out[i].Delivery = d
		if at, ok := place[d.ID.Event()]; ok {
			e := events[at]
			out[i].Type, out[i].IncidentID, out[i].NoticeID, out[i].Domain, out[i].Title = e.Type, e.IncidentID, e.NoticeID, e.Domain, e.Title
		}
	}
	return out, nil
}

// ResumeSubscribers makes those active again whose pause is over, at most max of
// them, and returns how many.
func (s *Store) ResumeSubscribers(ctx context.Context, max int) (int, error) {
	due := func(tx *gorm.DB, tail string) (numbers []int64, err error) {
		err = tx.Raw(`SELECT number FROM subscribers WHERE state = 'paused' AND paused_until > 0 AND paused_until <= ?
			ORDER BY paused_until LIMIT ?`+tail, micros(s.Now()), max).Scan(&numbers).Error
		return numbers, err
	}
	// A look first: where even an empty transaction would keep others from writing.
	if found, err := due(s.conn(ctx), ``); err != nil || len(found) == 0 {
		return 0, translate(err)
	}
	n := 0
	err := s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
		found, err := due(tx, s.skipLocked())
		if n = len(found); err != nil || n == 0 {
			return err
		}
		if err := tx.Exec(`UPDATE subscribers SET state = 'active', paused_until = 0 WHERE number IN ?`, found).Error; err != nil {
			return fmt.Errorf("resume subscribers: %w", err)
		}
		if err := s.beginDigests(tx, found); err != nil {
			return err
		}
		for _, number := range found {
			if err := s.audit(ctx, tx, "subscriber.change", subscribers.Number(number).String(), "paused to active, its pause is over"); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// Return takes back that a subscriber left by a link, and that their second
// address ended with that, while that may be taken
// back and the address may be written to; else it is a Refusal of ErrConflict.
func (s *Store) Return(ctx context.Context, n subscribers.Number) (subscribers.Subscriber, error) {
	var out subscribers.Subscriber
	err := s.Atomic(ctx, func(ctx context.Context) error {
		var err error
		var left time.Time
		out, err = s.ChangeSubscriber(ctx, n, func(x *subscribers.Subscriber) error {
			left = x.Unsubscribed
			if !x.Return(s.Now()) {
				return notifier.Refuse(notifier.ErrConflict, "this can no longer be taken back")
			}
			return nil
		})
		if err != nil {
			return err
		}
		barred, err := suppressed(s.conn(ctx), out.Channel, []string{out.Address})
		if err == nil && barred[out.Address] {
			err = notifier.Refuse(notifier.ErrConflict, "this address may not be written to")
		}
		if err != nil {
			return err
		}
		if err := s.returnSecond(ctx, n, left); err != nil {
			return err
		}
		out, err = s.Subscriber(ctx, n)
		return err
	})
	if err != nil {
		return subscribers.Subscriber{}, err
	}
	return out, nil
}
