package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// PauseNotice stops a notice where it stands. From the commit on nothing of it
// is made or claimed, and within a second nothing that workers have claimed and
// not begun starts (I5). Pausing what stands still changes nothing. What is only
// scheduled is a draft again: its order and what others agreed to are void.
func (s *Store) PauseNotice(ctx context.Context, id string) error {
	return s.turnNotice(ctx, id, "notice.pause", func(tx *gorm.DB, c *course) (bool, error) {
		switch c.State {
		case notifier.NoticePaused, notifier.NoticeHalted:
			return false, nil
		case notifier.NoticeScheduled:
			c.fallBack()
			return true, nil
		case notifier.NoticeCanary, notifier.NoticeSending, notifier.NoticeSettling:
			c.State = notifier.NoticePaused
			return true, s.stopEvent(tx, c.Event)
		}
		return false, notifier.Refuse(notifier.ErrConflict, "only a notice that is being sent can be paused; this one is %s", c.State)
	})
}

// stopEvent keeps an event from starting anything.
func (s *Store) stopEvent(tx *gorm.DB, event int64) error {
	if err := tx.Exec(`UPDATE events SET stopped = true WHERE number = ?`, event).Error; err != nil {
		return fmt.Errorf("stop the notice's event: %w", err)
	}
	return s.bump(tx, "work", "halts")
}

// turnNotice locks a notice and writes and audits what turn makes of it, where
// that is something else.
func (s *Store) turnNotice(ctx context.Context, id, action string, turn func(*gorm.DB, *course) (bool, error)) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		c, err := lockNotice(tx, id)
		if err != nil {
			return err
		}
		turned, err := turn(tx, &c)
		if err != nil || !turned {
			return err
		}
		if err := s.saveNotice(tx, &c); err != nil {
			return err
		}
		return s.audit(ctx, tx, action, id, "")
	})
}

// ResumeNotice goes on where a notice stood: who has been sent theirs is not
// sent it again, and nobody is left out. Where it halted because its canary
// failed, somebody has looked: it goes on with everybody else, and does not halt
// for that again. By other texts than others agreed to it does not go on.
func (s *Store) ResumeNotice(ctx context.Context, id string) error {
	return s.turnNotice(ctx, id, "notice.resume", func(tx *gorm.DB, c *course) (bool, error) {
		if err := s.word(tx, c); err != nil {
			return false, err
		}
		switch {
		case c.Reworded():
			return false, notifier.Refuse(notifier.ErrConflict, "%s", reworded)
		case c.State == notifier.NoticeHalted && c.Halted != reworded:
			c.State, c.Halted, c.watchedUntil = notifier.NoticeSending, "", 0
		case c.State == notifier.NoticePaused || c.State == notifier.NoticeHalted:
			c.Halted = ""
			var released int64
			if err := tx.Raw(`SELECT released FROM events WHERE number = ?`, c.Event).Scan(&released).Error; err != nil {
				return false, fmt.Errorf("see how far the notice came: %w", err)
			}
			c.State = notifier.NoticeSending
			if c.canary > 0 && notifier.PlaceOfReader(released) <= c.canary {
				c.State = notifier.NoticeCanary
			}
		default:
			return false, notifier.Refuse(notifier.ErrConflict, "only a notice that was paused or halted can be resumed; this one is %s", c.State)
		}
		now := s.Now()
		c.releasedAt = micros(now)
		if err := tx.Exec(`UPDATE events SET stopped = false, expires_at = ? WHERE number = ?`, micros(now.Add(notifier.NoticeLife)), c.Event).Error; err != nil {
			return false, fmt.Errorf("resume the notice's event: %w", err)
		}
		if err := s.unpark(tx, c.Event); err != nil {
			return false, err
		}
		return true, s.bump(tx, "work", "halts")
	})
}

// CancelNotice ends a notice for good: what has not gone out never will. It
// acts as fast as PauseNotice; the deliveries end in small steps after it.
func (s *Store) CancelNotice(ctx context.Context, id string) error {
	return s.turnNotice(ctx, id, "notice.cancel", func(tx *gorm.DB, c *course) (bool, error) {
		switch c.State {
		case notifier.NoticeCancelled:
			return false, nil
		case notifier.NoticeDraft:
			return false, notifier.Refuse(notifier.ErrConflict, "a draft is not being sent; delete it")
		case notifier.NoticeDone:
			return false, notifier.Refuse(notifier.ErrConflict, "this notice is done; nothing is left to cancel")
		}
		return true, s.cancelNotice(tx, c)
	})
}

func (s *Store) cancelNotice(tx *gorm.DB, c *course) error {
	now := s.Now()
	c.State, c.Halted, c.DoneAt = notifier.NoticeCancelled, "", now
	if c.Event == 0 {
		return nil
	}
	if err := tx.Exec(`UPDATE events SET withdrawn = true, stopped = false, parked = 0, progress = 0,
		expanded_at = CASE WHEN expanded_at = 0 THEN CAST(? AS bigint) ELSE expanded_at END WHERE number = ?`, micros(now), c.Event).Error; err != nil {
		return fmt.Errorf("withdraw the notice's event: %w", err)
	}
	return s.bump(tx, "work", "halts")
}

// ThrottleNotice sets how many are released a second, 0 for as fast as it goes,
// also while the notice is being sent: what was released already goes out as it
// was, which is about what goes out in two seconds. What waits for approval is
// refused: others agree to the order as they see it.
func (s *Store) ThrottleNotice(ctx context.Context, id string, perSecond int) error {
	if perSecond < 0 {
		return notifier.Invalidf("per_second", "must not be negative")
	}
	return s.turnNotice(ctx, id, "notice.throttle", func(_ *gorm.DB, c *course) (bool, error) {
		if c.State == notifier.NoticeDraft || c.State.Final() {
			return false, notifier.Refuse(notifier.ErrConflict, "only a notice that was told to be sent can be throttled; this one is %s", c.State)
		}
		if c.State == notifier.NoticeAwaiting {
			return false, notifier.Refuse(notifier.ErrConflict, "it waits for approval as it was ordered; order it again at another rate")
		}
		if c.Order.PerSecond == perSecond {
			return false, nil
		}
		c.Order.PerSecond, c.releasedAt = perSecond, micros(s.Now())
		return true, nil
	})
}

// burst is how much time's worth of a throttled notice may be released at once.
const burst = 2 * time.Second
