package store

import (
	"context"
	"fmt"
	"math"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// What of a notice that was paused waits for its first try lies in the index of
// due times where claims walk. They leap over it (dueSpans), which costs them a
// little for each notice that stands still; and so, in steps behind the pause,
// it is put aside: due at no time, and back at its own once the notice is
// resumed. What was tried before is due at other times, and stays.

// parkStep is how many deliveries are put aside, or back, in one transaction;
// parkSteps how many such steps are taken at a time.
const (
	parkStep  = 2000
	parkSteps = 10
)

// parkedUntil is the due time of what was put aside. It is no time to anybody
// who shows one, and another than that of what waits for a domain.
var parkedUntil = notifier.UntilResumed.Add(time.Hour)

// What parked says of an event.
const (
	parkedNone = iota
	parkedSome
	parkedAll
)

type parkedRow struct {
	Number, AcceptedAt int64
	Lane               notifier.Lane
	Stopped            bool
	Parked             int
}

// parkNotices puts aside what stands still, and back what goes on, a little of
// it, and reports whether there was anything.
func (s *Store) parkNotices(ctx context.Context) (did bool, err error) {
	find := func(db *gorm.DB, tail string, args ...any) (e parkedRow, err error) {
		err = db.Raw(`SELECT number, accepted_at, lane, stopped, parked FROM events WHERE number = `+tail, args...).Scan(&e).Error
		return e, err
	}
	for range parkSteps {
		// A look first: where even an empty transaction would keep others from writing.
		var found []int64
		if err := s.conn(ctx).Raw(`SELECT number FROM events WHERE (withdrawn OR stopped) AND stopped AND NOT withdrawn AND parked < 2
			UNION ALL SELECT number FROM events WHERE parked > 0 AND NOT stopped ORDER BY number LIMIT 1`).Scan(&found).Error; err != nil {
			return did, translate(fmt.Errorf("look for what stands still: %w", err))
		}
		if len(found) == 0 {
			return did, nil
		}
		busy := false
		err := s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
			e, err := find(tx, `?`+s.skipLocked(), found[0])
			if err != nil {
				return err
			}
			if busy = e.Number == 0; busy { // somebody is at it
				return nil
			}
			return s.parkSome(tx, e)
		})
		if err != nil {
			return did, fmt.Errorf("put aside what stands still: %w", err)
		}
		if busy {
			return did, nil
		}
		did = true
	}
	return did, nil
}

// parkSome puts a little of an event aside, or back where it goes on.
func (s *Store) parkSome(tx *gorm.DB, e parkedRow) error {
	from, to, next := e.AcceptedAt, micros(parkedUntil), parkedSome
	tail := s.skipLocked() // what somebody has in hand is theirs, and little
	if !e.Stopped {
		from, to, tail = to, from, s.forUpdate()
	}
	n, err := s.moveDue(tx, e, from, to, tail)
	if err != nil {
		return err
	}
	switch {
	case n > 0 && e.Stopped:
	case n > 0:
		return s.bump(tx, "work")
	case e.Stopped:
		next = parkedAll
	default:
		next = parkedNone
	}
	if err := tx.Exec(`UPDATE events SET parked = ? WHERE number = ?`, next, e.Number).Error; err != nil {
		return fmt.Errorf("note what was put aside: %w", err)
	}
	return nil
}

// moveDue moves pending deliveries of an event from one due time to another, at
// most parkStep, and returns how many.
func (s *Store) moveDue(tx *gorm.DB, e parkedRow, from, to int64, tail string) (int, error) {
	var ids []int64
	for _, channel := range notifier.Channels {
		var found []int64
		if err := tx.Raw(`SELECT id FROM deliveries WHERE channel = ? AND lane = ? AND state IN ('pending', 'held') AND state || '' = 'pending' AND due_at = ? AND `+inKeys+`
			ORDER BY due_at, id LIMIT ?`+tail, string(channel), int(e.Lane), from,
			int64(notifier.MakeDeliveryID(e.Number, 0)), int64(notifier.MakeDeliveryID(e.Number, math.MaxUint32)), parkStep-len(ids)).Scan(&found).Error; err != nil {
			return 0, fmt.Errorf("find what waits for its first try: %w", err)
		}
		if ids = append(ids, found...); len(ids) == parkStep {
			break
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	in, arg := s.among(`id`, ids)
	if err := tx.Exec(`UPDATE deliveries SET due_at = ? WHERE `+in+` AND state || '' = 'pending'`, to, arg).Error; err != nil {
		return 0, fmt.Errorf("move when deliveries are due: %w", err)
	}
	return len(ids), nil
}

// unpark puts the first of what was put aside back, for who resumes a notice
// waits for it; the rest follows in steps.
func (s *Store) unpark(tx *gorm.DB, event int64) error {
	var e parkedRow
	if err := tx.Raw(`SELECT number, accepted_at, lane, stopped, parked FROM events WHERE number = ?`, event).Scan(&e).Error; err != nil {
		return fmt.Errorf("see what was put aside: %w", err)
	}
	if e.Parked == parkedNone {
		return nil
	}
	if _, err := s.moveDue(tx, e, micros(parkedUntil), e.AcceptedAt, s.forUpdate()); err != nil {
		return err
	}
	return tx.Exec(`UPDATE events SET parked = ? WHERE number = ?`, parkedSome, event).Error
}
