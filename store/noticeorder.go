package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// OrderNotice tells a notice to be sent as the order says: now, at its time, or
// once others agreed, where it needs more approvals than it has; above is the
// size of an audience that one person alone may write to. event gives the
// opaque id of what is accepted now, and need say nothing else.
func (s *Store) OrderNotice(ctx context.Context, id string, order notifier.NoticeOrder, above int64, event notifier.Event) (notifier.Notice, error) {
	return s.reviseNotice(ctx, id, "notice.send", func(ctx context.Context, tx *gorm.DB, c *course) (string, error) {
		if err := c.mayChange(); err != nil {
			return "", err
		}
		if err := order.Check(&c.Notice); err != nil {
			return "", err
		}
		// Text and audience were judged outside of this transaction.
		if order.Version != "" && order.Version != c.Mark() {
			return "", notifier.Refuse(notifier.ErrConflict, "it was changed while it was judged whether it can be sent; look at it and send it again")
		}
		order.Version = ""
		if at := order.At; !at.IsZero() && at.Before(s.Now().Add(-pastAllowed)) {
			return "", notifier.Invalidf("at", "that time is past; leave it out to send now")
		}
		by := notifier.ActorFrom(ctx)
		if c.State == notifier.NoticeAwaiting {
			c.Approved = nil // of another order
		}
		c.Order, c.OrderedAt, c.OrderedBy = order, s.Now(), by.Name
		detail := fmt.Sprintf("%d recipients", c.Recipients)
		if order.Override != "" {
			if err := c.override(by, order.Override, s); err != nil {
				return "", err
			}
			detail += ", without a second person: " + order.Override
		}
		return detail, s.goAhead(tx, c, above, event.ID)
	})
}

// pastAllowed is how long ago a time to send at may be: somebody who means now
// has a clock and a form of their own.
const pastAllowed = time.Minute

// override notes an admin's reason to do without a second person.
func (c *course) override(by notifier.Actor, reason string, s *Store) error {
	reason = strings.TrimSpace(reason)
	switch {
	case !by.Role.Can(notifier.RoleAdmin):
		return notifier.Refuse(notifier.ErrConflict, "only an admin may send without a second person's approval")
	case reason == "":
		return notifier.Invalidf("override", "needs a reason")
	}
	c.Approved = append(c.Approved, notifier.Approval{By: by.Name, At: s.Now(), Reason: reason, Texts: c.Texts})
	return nil
}

// ApproveNotice notes that another person agrees to what the notice is now, or
// with a reason that an admin does without one. What was ordered and needs no
// more approvals starts; what is on its way by other texts than others agreed to
// may be resumed then. version is the Mark of what they looked at: a notice
// that is another one by now is refused; "" does not say.
func (s *Store) ApproveNotice(ctx context.Context, id string, by notifier.Actor, reason, version string, above int64) (notifier.Notice, error) {
	action := "notice.approve"
	if reason != "" {
		action = "notice.override"
	}
	return s.reviseNotice(notifier.WithActor(ctx, by), id, action, func(_ context.Context, tx *gorm.DB, c *course) (string, error) {
		if c.Reworded() {
			c.Approved = c.Standing() // of other texts is for the audit to keep
		} else if err := c.mayChange(); err != nil {
			return "", err
		}
		if err := c.StillIs(version); err != nil {
			return "", err
		}
		if c.Recipients == 0 {
			return "", notifier.Refuse(notifier.ErrConflict, "it has no audience yet")
		}
		if reason != "" {
			if err := c.override(by, reason, s); err != nil {
				return "", err
			}
		} else if err := c.agree(by, s); err != nil {
			return "", err
		}
		if c.State == notifier.NoticeAwaiting {
			return reason, s.goAhead(tx, c, above, "")
		}
		return reason, nil
	})
}

// agree notes that another person approves.
func (c *course) agree(by notifier.Actor, s *Store) error {
	switch {
	case !by.Role.Can(notifier.RoleApprover):
		return notifier.Refuse(notifier.ErrConflict, "only an approver may approve a notice")
	case strings.HasPrefix(by.Name, "local:"):
		return notifier.Refuse(notifier.ErrConflict, "a command on this machine does not show who gives it; approve with a token or in the console")
	}
	if err := c.MayApprove(by.Name); err != nil {
		return err
	}
	c.Approved = append(c.Approved, notifier.Approval{By: by.Name, At: s.Now(), Texts: c.Texts})
	return nil
}

// goAhead takes what was ordered as far as it may go.
func (s *Store) goAhead(tx *gorm.DB, c *course, above int64, eventID string) error {
	c.Order.Needed = c.Needs(above)
	switch {
	case !c.Enough(c.Order.Needed):
		c.State = notifier.NoticeAwaiting
	case c.Order.At.After(s.Now()):
		c.State = notifier.NoticeScheduled
	default:
		return s.beginNotice(tx, c, eventID)
	}
	return nil
}

// paceStart is how many recipients may wait for their first try at first.
const paceStart = 500

// beginNotice accepts the event that sends the notice, and releases its first part.
func (s *Store) beginNotice(tx *gorm.DB, c *course, eventID string) error {
	now := s.Now()
	if eventID == "" {
		eventID = randomText()
	}
	e := notifier.Event{
		ID: eventID, Type: notifier.NoticeSent, Lane: notifier.LaneBulk, Kind: notifier.KindPost, NoticeID: c.ID,
		AcceptedAt: now, ExpiresAt: now.Add(notifier.NoticeLife),
	}
	c.State, c.canary, c.BegunAt, c.pace, c.releasedAt = notifier.NoticeSending, c.Order.CanarySize(c.Recipients), now, paceStart, micros(now)
	limit := c.Recipients
	if c.canary > 0 {
		c.State, c.watchedUntil, limit = notifier.NoticeCanary, micros(now.Add(notifier.CanaryTime)), c.canary
	}
	first := c.pace
	if c.Order.PerSecond > 0 {
		first = int64(c.Order.PerSecond)
	}
	if err := s.accept(tx, &e); err != nil {
		return err
	}
	c.Event, c.EventID = e.Number, e.ID
	return releaseUpTo(tx, e.Number, min(first, limit))
}

// releaseUpTo lets the fan-out make the deliveries of recipients up to a place.
func releaseUpTo(tx *gorm.DB, event, place int64) error {
	if err := tx.Exec(`UPDATE events SET released = ? WHERE number = ?`, notifier.RecipientReader(place), event).Error; err != nil {
		return fmt.Errorf("release recipients: %w", err)
	}
	return nil
}
