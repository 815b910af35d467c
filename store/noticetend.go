package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// TendNotices does what is due about notices by itself, in small steps, and
// reports whether there was anything: then there may be more. It starts what is
// scheduled, releases recipients, watches those who went first, and sees when
// everybody was tried and when all is final, and publishes the updates that
// waited for that. It puts aside what stands still. Call it about every second;
// several processes may.
func (s *Store) TendNotices(ctx context.Context) (changed bool, err error) {
	var going []string
	if err := s.conn(ctx).Raw(`SELECT id FROM notices WHERE state IN ('scheduled', 'canary', 'sending', 'settling') ORDER BY id`).Scan(&going).Error; err != nil {
		return false, translate(fmt.Errorf("look for notices: %w", err))
	}
	var errs []error
	for _, id := range going {
		did, err := s.tendNotice(ctx, id)
		changed = changed || did
		errs = append(errs, err)
	}
	published, err := s.publishHeld(ctx)
	errs = append(errs, err)
	parked, err := s.parkNotices(ctx)
	errs = append(errs, err)
	swept, err := s.sweepAudiences(ctx)
	return changed || published || parked || swept, errors.Join(append(errs, err)...)
}

// standing is how far the event of a notice has come.
type standing struct {
	now      time.Time
	released int64 // places
	expanded bool
	accounts []countsRow
	// failures is how many of the first canary failed or bounced.
	failures func(canary int64) (int64, error)
}

func (x *standing) sum(of func(countsRow) int64) (n int64) {
	for _, a := range x.accounts {
		n += of(a)
	}
	return n
}

// waiting is how many wait for their first try on the channel where it goes
// fastest, so that one that stands still does not hold up the others.
func (x *standing) waiting() int64 {
	least := int64(math.MaxInt64)
	for _, a := range x.accounts {
		least = min(least, max(0, a.Total-a.Tried-a.Held))
	}
	if least == math.MaxInt64 {
		least = 0
	}
	return least + x.released - x.sum(func(a countsRow) int64 { return a.Total })
}

// standing reads how far a notice's event has come.
func (s *Store) standing(db *gorm.DB, c *course) (*standing, error) {
	x := &standing{now: s.Now()}
	if c.Event == 0 {
		return x, nil
	}
	var e struct{ Released, ExpandedAt int64 }
	if err := db.Raw(`SELECT released, expanded_at FROM events WHERE number = ?`, c.Event).Scan(&e).Error; err != nil {
		return nil, fmt.Errorf("see how far a notice came: %w", err)
	}
	x.released, x.expanded = notifier.PlaceOfReader(e.Released), e.ExpandedAt > 0
	if err := db.Raw(`SELECT * FROM event_counts WHERE event_number = ?`, c.Event).Scan(&x.accounts).Error; err != nil {
		return nil, fmt.Errorf("see what became of a notice: %w", err)
	}
	x.failures = func(canary int64) (n int64, err error) {
		after := int64(notifier.MakeDeliveryID(c.Event, notifier.RecipientReader(0)))
		if err := db.Raw(`SELECT count(*) FROM deliveries WHERE `+inKeys+` AND state || '' IN ('failed', 'bounced')`, after, after+canary).Scan(&n).Error; err != nil {
			return 0, fmt.Errorf("count failures: %w", err)
		}
		return n, nil
	}
	return x, nil
}

// next is what becomes of a notice by itself.
type nextStep struct {
	state   notifier.NoticeState
	halted  string
	release int64 // up to this place
	pace    int64
}

// step decides what is due about a notice; it writes nothing.
func (c *course) step(x *standing) (nextStep, error) {
	out := nextStep{state: c.State, release: x.released, pace: c.pace}
	limit := c.Recipients
	tried := x.sum(func(a countsRow) int64 { return a.Tried })
	switch c.State {
	case notifier.NoticeScheduled:
		switch {
		case !c.Enough(c.Order.Needed): // others agreed to other texts
			out.state = notifier.NoticeAwaiting
		case !c.Order.At.After(x.now):
			out.state = notifier.NoticeSending
		}
		return out, nil
	case notifier.NoticeSettling:
		if x.sum(func(a countsRow) int64 { return a.Unsettled }) == 0 {
			out.state = notifier.NoticeDone
		}
		return out, nil
	}
	if c.Reworded() {
		out.state, out.halted = notifier.NoticeHalted, reworded
		return out, nil
	}
	if c.canary > 0 && (c.State == notifier.NoticeCanary || micros(x.now) < c.watchedUntil) {
		why, err := c.failsTooMuch(x)
		if err != nil {
			return out, err
		}
		if why != "" {
			out.state, out.halted = notifier.NoticeHalted, why
			return out, nil
		}
	}
	if c.State == notifier.NoticeCanary {
		if x.released < c.canary || tried < c.canary || x.now.Before(c.BegunAt.Add(c.Order.CanaryWait)) {
			limit = c.canary
		} else {
			out.state = notifier.NoticeSending
		}
	}
	if x.expanded {
		if tried >= x.sum(func(a countsRow) int64 { return a.Total }) && out.state == notifier.NoticeSending {
			out.state = notifier.NoticeSettling
		}
		return out, nil
	}
	out.release, out.pace = c.release(x, limit)
	return out, nil
}

// failsTooMuch says why the notice halts, where too much failed of what went first.
func (c *course) failsTooMuch(x *standing) (string, error) {
	failed := x.sum(func(a countsRow) int64 { return a.Failed + a.Bounced })
	if c.Order.Halts(failed, c.canary) == "" {
		return "", nil // without looking at who they are
	}
	failed, err := x.failures(c.canary)
	if err != nil {
		return "", err
	}
	return c.Order.Halts(failed, c.canary), nil
}

// release is up to which place recipients may be made now, and how many may
// wait at a time from now on. No more are made than will soon be tried, so that
// a throttle or a pause finds little that it has to hold back; where nothing
// waits any more, twice as many are.
func (c *course) release(x *standing, limit int64) (upTo, pace int64) {
	waiting := x.waiting()
	pace = c.pace
	var more int64
	if rate := int64(c.Order.PerSecond); rate > 0 {
		more = min(int64(x.now.Sub(c.paidUpTo(x.now)).Seconds()*float64(rate)), 2*rate-waiting)
	} else {
		if waiting == 0 && x.released > 0 && x.released < limit {
			pace = min(2*pace, paceMost)
		}
		more = pace - waiting
	}
	return max(x.released, min(limit, x.released+more)), pace
}

// paidUpTo is the moment up to which a throttled notice has released what its
// rate allows; what lies further back than a burst is not made up for.
func (c *course) paidUpTo(now time.Time) time.Time {
	at := instant(c.releasedAt)
	if earliest := now.Add(-burst); at.Before(earliest) {
		return earliest
	}
	return at
}

// paceMost is how many recipients may wait for their first try at most.
const paceMost = 64_000

// tendNotice does what is due about one notice. It looks first: where even an
// empty transaction would keep others from writing.
func (s *Store) tendNotice(ctx context.Context, id string) (did bool, err error) {
	db := s.conn(ctx)
	c, err := takeNotice(db, id)
	if err == nil {
		err = s.word(db, &c)
	}
	if err != nil {
		return false, translate(err)
	}
	next, _, err := s.nextOf(db, &c)
	if err != nil || !c.differs(next) {
		return false, translate(err)
	}
	err = s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
		did = false
		c, err := lockNotice(tx, id)
		if err == nil {
			err = s.word(tx, &c)
		}
		if err != nil {
			return err
		}
		next, x, err := s.nextOf(tx, &c)
		if err != nil {
			return err
		}
		if did = c.differs(next); !did {
			return nil
		}
		if err := s.takeStep(ctx, tx, &c, x, next); err != nil {
			return fmt.Errorf("tend notice %s: %w", id, err)
		}
		return s.saveNotice(tx, &c)
	})
	return did, err
}

func (s *Store) nextOf(db *gorm.DB, c *course) (nextStep, *standing, error) {
	switch c.State {
	case notifier.NoticeScheduled, notifier.NoticeCanary, notifier.NoticeSending, notifier.NoticeSettling:
	default: // another process, or somebody, was quicker
		return nextStep{state: c.State, release: c.released, pace: c.pace}, nil, nil
	}
	x, err := s.standing(db, c)
	if err != nil {
		return nextStep{}, nil, err
	}
	c.released = x.released
	next, err := c.step(x)
	return next, x, err
}

func (c *course) differs(n nextStep) bool {
	return n.state != c.State || n.release != c.released
}

// takeStep writes what was decided.
func (s *Store) takeStep(ctx context.Context, tx *gorm.DB, c *course, x *standing, n nextStep) error {
	if n.state == notifier.NoticeAwaiting {
		c.State = n.state
		return s.audit(ctx, tx, "notice.await", c.ID, "the templates that it is written by were changed since it was approved")
	}
	if c.State == notifier.NoticeScheduled {
		if err := s.beginNotice(tx, c, ""); err != nil {
			return err
		}
		return s.audit(ctx, tx, "notice.start", c.ID, "")
	}
	was := c.State
	c.State, c.Halted, c.pace = n.state, n.halted, n.pace
	switch {
	case n.state == notifier.NoticeHalted:
		if err := s.stopEvent(tx, c.Event); err != nil {
			return err
		}
		return s.audit(ctx, tx, "notice.halt", c.ID, n.halted)
	case n.state == notifier.NoticeDone && was != n.state:
		c.DoneAt = x.now
		return s.audit(ctx, tx, "notice.done", c.ID, "")
	}
	if n.release == x.released {
		return nil
	}
	if rate := c.Order.PerSecond; rate > 0 { // of the time that passed, what was too little for one more counts on
		c.releasedAt = micros(c.paidUpTo(x.now).Add(time.Duration(float64(n.release-x.released) / float64(rate) * float64(time.Second))))
	}
	if err := releaseUpTo(tx, c.Event, n.release); err != nil {
		return err
	}
	if err := tx.Exec(`UPDATE events SET expires_at = ? WHERE number = ?`, micros(x.now.Add(notifier.NoticeLife)), c.Event).Error; err != nil {
		return fmt.Errorf("let the notice live on: %w", err)
	}
	return s.bump(tx, "work")
}
