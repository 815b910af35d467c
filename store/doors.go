package store

import (
	"context"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// shut is the condition that a channel, a column, has no way out: what is for
// second addresses there goes to the first ones, and none is taken.
func shut(channel string) string {
	return `EXISTS (SELECT 1 FROM doors AS w WHERE w.channel = ` + channel + ` AND NOT w.open)`
}

// SetDoor keeps whether a channel has a way out, where every process and command
// finds it, and reports whether it had one before. The service says so when it
// starts; a channel of which nobody said anything has one.
func (s *Store) SetDoor(ctx context.Context, channel notifier.Channel, open bool) (before bool, err error) {
	// A look first: usually nothing is new, and nothing is written then.
	before, said, err := s.door(ctx, channel)
	if err != nil || said && before == open {
		return before, err
	}
	_, err = s.writeDoor(ctx, channel, before, open, `DO UPDATE SET open = excluded.open`)
	return before, err
}

// InitDoor is SetDoor where nobody said anything of the channel yet, and reports
// whether that was so: what a service said, a command does not change.
func (s *Store) InitDoor(ctx context.Context, channel notifier.Channel, open bool) (unsaid bool, err error) {
	if _, said, err := s.door(ctx, channel); err != nil || said {
		return false, err
	}
	return s.writeDoor(ctx, channel, true, open, `DO NOTHING`)
}

func (s *Store) writeDoor(ctx context.Context, channel notifier.Channel, before, open bool, conflict string) (wrote bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if err := s.lockFanout(tx, false); err != nil { // which sees the door as it was, or as it is, for a whole slice
			return err
		}
		done := tx.Exec(`INSERT INTO doors (channel, open) VALUES (?, ?) ON CONFLICT (channel) `+conflict, string(channel), open)
		if done.Error != nil {
			return fmt.Errorf("write whether a channel has a way out: %w", done.Error)
		}
		if wrote = done.RowsAffected > 0; !wrote || before == open {
			return nil
		}
		detail := "open"
		if !open {
			detail = "shut"
		}
		return s.audit(ctx, tx, "door.set", string(channel), detail)
	})
	return wrote, err
}

// door reports whether a channel has a way out, and whether anybody said so.
func (s *Store) door(ctx context.Context, channel notifier.Channel) (open, said bool, err error) {
	var rows []bool
	if err := s.conn(ctx).Raw(`SELECT open FROM doors WHERE channel = ?`, string(channel)).Scan(&rows).Error; err != nil {
		return false, false, translate(fmt.Errorf("look whether a channel has a way out: %w", err))
	}
	return len(rows) == 0 || rows[0], len(rows) > 0, nil
}

// DoorOpen reports whether a channel has a way out.
func (s *Store) DoorOpen(ctx context.Context, channel notifier.Channel) (open bool, err error) {
	open, _, err = s.door(ctx, channel)
	return open, err
}

// leavable reports, as a *notifier.Invalid for second, that nothing can be sent to
// a second address because its channel has no way out.
func (s *Store) leavable(ctx context.Context, second subscribers.Second) error {
	open, err := s.DoorOpen(ctx, second.Channel)
	if err != nil || open {
		return err
	}
	return subscribers.NoWayTo(second)
}

// GiveBack returns to first addresses what waits for second ones on a channel that
// has no way out any more, at most max of them, and how many that were.
func (s *Store) GiveBack(ctx context.Context, channel notifier.Channel, max int) (n int, err error) {
	find := func(db *gorm.DB) (ids []int64, err error) {
		if err := db.Raw(`SELECT d.id FROM subscribers AS z JOIN event_counts AS c ON c.channel = z.channel AND c.unsettled > 0
			JOIN events AS e ON e.number = c.event_number AND e.reader = 0
			JOIN deliveries AS d ON d.id = c.event_number * 4294967296 + z.number AND d.state || '' IN ('pending', 'held')
			WHERE z.second_of > 0 AND z.channel = ? AND `+shut(`z.channel`)+` ORDER BY d.id LIMIT ?`, string(channel), max).Scan(&ids).Error; err != nil {
			return nil, fmt.Errorf("find what waits where there is no way out: %w", err)
		}
		return ids, nil
	}
	if ids, err := find(s.conn(ctx)); err != nil || len(ids) == 0 {
		return 0, translate(err)
	}
	err = s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		if err := s.lockFanout(tx, false); err != nil {
			return err
		}
		ids, err := find(tx)
		if n = len(ids); err != nil {
			return err
		}
		return s.suppressKeys(tx, ids, true)
	})
	return n, err
}
