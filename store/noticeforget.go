package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// idleFor is how long a notice may stand still at least, however soon audiences
// are forgotten: what was prepared before a holiday is there behind it.
const idleFor = 30 * 24 * time.Hour

// ForgetAudiences deletes what other teams' files said of the recipients of
// notices that were done or cancelled before a time: at most max rows in one
// short transaction. It returns how many, 0 when nothing is left to forget.
// Notices that stood still since that time, and for idleFor, end (endIdle), each
// a step. What was sent to whom stays to be proved: of every address a keyed
// hash is kept, which shows nothing and is found by whoever knows the address.
func (s *Store) ForgetAudiences(ctx context.Context, before time.Time, max int) (n int, err error) {
	if max < 1 {
		return 0, fmt.Errorf("forget audiences: %d at a time", max)
	}
	if n, err = s.forgetAudience(ctx, before, max); n > 0 {
		return n, err
	}
	// Neither keeps the other from its part.
	if long := s.Now().Add(-idleFor); long.Before(before) {
		before = long
	}
	ended, idle := s.endIdle(ctx, before)
	if ended {
		n = 1
	}
	return n, errors.Join(err, idle)
}

// forgetAudience is one step of ForgetAudiences.
func (s *Store) forgetAudience(ctx context.Context, before time.Time, max int) (n int, err error) {
	find := func(db *gorm.DB, tail string) (id string, err error) {
		err = db.Raw(`SELECT id FROM notices WHERE done_at > 0 AND cleaned_at = 0 AND (done_at < ? OR forgetting_at > 0) AND state IN ('done', 'cancelled') ORDER BY done_at LIMIT 1`+tail,
			micros(before)).Scan(&id).Error
		return id, err
	}
	for {
		// A look first: where even an empty transaction would keep others from writing.
		id, err := find(s.conn(ctx), ``)
		if err != nil || id == "" {
			return 0, translate(err)
		}
		err = s.overwriting(ctx, func(tx *gorm.DB) error {
			if id, err = find(tx, s.skipLocked()); err != nil || id == "" {
				return err
			}
			// With the first step it is marked: from then on nothing of it may be tried
			// again, or somebody would be mailed the part of their rows that is left.
			if err := tx.Exec(`UPDATE notices SET forgetting_at = ? WHERE id = ? AND forgetting_at = 0`, micros(s.Now()), id).Error; err != nil {
				return err
			}
			if n, err = s.forgetSome(tx, id, max); err != nil || n > 0 {
				return err
			}
			if err := tx.Exec(`UPDATE notices SET cleaned_at = ? WHERE id = ?`, micros(s.Now()), id).Error; err != nil {
				return err
			}
			return s.audit(ctx, tx, "notice.clean", id, "")
		})
		if err != nil {
			return 0, fmt.Errorf("forget an audience: %w", err)
		}
		if n > 0 || id == "" {
			return n, nil
		}
	}
}

// endIdle ends one notice that nobody touched since a time, and reports whether
// there was one: a draft loses its audience, and what stands still half-way is
// cancelled and forgotten. What a file says of people is not kept for ever
// because somebody forgot it. What waits for approval stands still for a reason
// until the time at which it is to be sent. One that cannot be read is passed over.
func (s *Store) endIdle(ctx context.Context, before time.Time) (did bool, err error) {
	const idle = `n.changed_at < ? AND (n.state IN ('paused', 'halted') OR n.state IN ('draft', 'awaiting_approval')
		AND EXISTS (SELECT 1 FROM audiences AS a WHERE a.notice_id = n.id AND a.state = 'current' AND a.notice_id <> ''))`
	var found []string
	if err := s.conn(ctx).Raw(`SELECT n.id FROM notices AS n WHERE `+idle+` ORDER BY n.changed_at`, micros(before)).Scan(&found).Error; err != nil {
		return false, translate(err)
	}
	var unread error
	for _, id := range found {
		c, err := takeNotice(s.conn(ctx), id)
		if err != nil && !errors.Is(err, notifier.ErrNotFound) {
			unread = errors.Join(unread, err)
		}
		if err != nil || c.Order.At.After(before) {
			continue
		}
		if err := s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
			var still string
			err := tx.Raw(`SELECT n.id FROM notices AS n WHERE n.id = ? AND `+idle+s.skipLockedOf("n"), id, micros(before)).Scan(&still).Error
			if did = err == nil && still != ""; !did {
				return err
			}
			return s.endNotice(ctx, tx, id)
		}); err != nil {
			return false, fmt.Errorf("end a notice that stands still: %w", errors.Join(err, unread))
		}
		if did {
			return true, nil // of what cannot be read the last call tells
		}
	}
	return false, translate(unread)
}

// endNotice ends a notice that stands still.
func (s *Store) endNotice(ctx context.Context, tx *gorm.DB, id string) error {
	c, err := lockNotice(tx, id)
	if err != nil {
		return err
	}
	stood := fmt.Sprintf("nothing was done about it since %s", c.ChangedAt.Format(time.RFC3339))
	if c.State.Begun() {
		if err := s.cancelNotice(tx, &c); err != nil {
			return err
		}
		c.forgettingAt = micros(s.Now()) // it had its time
		if err := s.audit(ctx, tx, "notice.cancel", id, stood); err != nil {
			return err
		}
		return s.saveNotice(tx, &c)
	}
	files, err := currentFiles(tx, id)
	if err != nil {
		return err
	}
	if err := s.dropFiles(tx, files); err != nil {
		return err
	}
	c.fallBack()
	c.Recipients, c.Rows, c.Rejected, c.WithoutAddress, c.CaseTwins, c.CleanedAt = 0, 0, 0, 0, 0, s.Now()
	if err := s.audit(ctx, tx, "notice.clean", id, stood); err != nil {
		return err
	}
	return s.saveNotice(tx, &c)
}

// forgetSome forgets a little of a notice's audience: rows and rejects first,
// then the recipients themselves.
func (s *Store) forgetSome(tx *gorm.DB, notice string, max int) (int, error) {
	var event int64
	if err := tx.Raw(`SELECT event_number FROM notices WHERE id = ?`, notice).Scan(&event).Error; err != nil {
		return 0, err
	}
	files, err := currentFiles(tx, notice)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		for _, table := range []string{"recipient_rows", "rows_aside", "rejects"} {
			if gone, err := deleteSome(tx, table, f.Number, max); err != nil || gone > 0 {
				return int(gone), err
			}
		}
		var people []recipientRow
		after := f.First + f.Forgotten
		if err := tx.Raw(`SELECT `+recipientColumns+` FROM recipients AS r WHERE r.audience = ? AND r.place > ? ORDER BY r.place LIMIT ?`, f.Number, after, max).Scan(&people).Error; err != nil {
			return 0, err
		}
		if len(people) == 0 {
			continue
		}
		upTo := people[len(people)-1].Place
		if err := s.hash(tx, people); err != nil {
			return 0, err
		}
		if event > 0 {
			base := int64(notifier.MakeDeliveryID(event, notifier.RecipientReader(0)))
			if err := tx.Exec(`UPDATE deliveries SET address = ?, language = '', timezone = '', reply = '' WHERE `+inKeys, nobody, base+after, base+upTo).Error; err != nil {
				return 0, err
			}
		}
		return len(people), tx.Exec(`UPDATE audiences SET forgotten = ? WHERE number = ?`, upTo-f.First, f.Number).Error
	}
	return 0, nil
}

// hash leaves a keyed hash of each recipient's address, and nothing else of them.
func (s *Store) hash(tx *gorm.DB, people []recipientRow) error {
	keys := map[string]func(string) string{}
	b := newBatch(len(people), "audience bigint", "place bigint", "address text")
	for _, p := range people {
		key := keys[p.Channel]
		if key == nil {
			var err error
			if key, err = s.erasedKey(tx, notifier.Channel(p.Channel)); err != nil {
				return err
			}
			keys[p.Channel] = key
		}
		address := p.Address
		if !strings.HasPrefix(address, erasedPrefix) {
			address = key(address)
		}
		b.add(p.Audience, p.Place, &address)
	}
	from, args := b.from(s)
	return tx.Exec(`UPDATE recipients AS r SET address = u.address, folded = '', language = '', timezone = '', account = '' FROM `+from+`
		WHERE r.audience = u.audience AND r.place = u.place`, args...).Error
}
