package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"gorm.io/gorm"

	"allclear/notifier"
)

// notWithdrawn is a condition on deliveries: nothing of an event that was
// withdrawn, or stopped until it is resumed, may start, however many of its
// deliveries are still open.
const notWithdrawn = ` AND event_number NOT IN (SELECT number FROM events WHERE withdrawn OR stopped)`

// cancel takes back everything that an incident still has to say, because it
// was withdrawn without a word. That takes as long as marking its events: those
// that are not expanded never will be, and from the commit on no delivery of
// them is claimed, nor started by a worker that has it already. The deliveries
// themselves, which may be a million, are ended by cancelSome.
func (s *Store) cancel(tx *gorm.DB, incident string) error {
	if err := tx.Exec(`UPDATE events SET withdrawn = true, progress = 0, expanded_at = CASE WHEN expanded_at = 0 THEN CAST(? AS bigint) ELSE expanded_at END
		WHERE incident_id = ?`, micros(s.Now()), incident).Error; err != nil {
		return fmt.Errorf("withdraw the incident's events: %w", err)
	}
	return s.bump(tx, "work", "halts")
}

// lookAhead is how many deliveries one step along an event looks at for each
// that it may change: what is settled is walked past, but not a million in one
// transaction that others wait for.
const lookAhead = 10

// window is the keys that a step along an event's deliveries looks at, (after,
// upTo], of which at most max are in one of states; more says whether any
// deliveries are left behind it.
type window struct {
	after, upTo int64
	more        bool
}

// windowBehind is the window that begins behind a reader.
func (s *Store) windowBehind(tx *gorm.DB, event, reader int64, max int, states ...string) (window, error) {
	w := window{after: int64(notifier.MakeDeliveryID(event, reader)), upTo: int64(notifier.MakeDeliveryID(event, math.MaxUint32))}
	var found []int64
	if err := tx.Raw(`SELECT id FROM deliveries WHERE `+inKeys+` ORDER BY id LIMIT 1 OFFSET ?`, w.after, w.upTo, lookAhead*max).Scan(&found).Error; err != nil {
		return w, fmt.Errorf("see how far a step goes: %w", err)
	}
	if len(found) > 0 {
		w.upTo, w.more = found[0]-1, true
	}
	if err := tx.Raw(`SELECT id FROM deliveries WHERE `+inKeys+` AND state || '' IN ? ORDER BY id LIMIT 1 OFFSET ?`,
		w.after, w.upTo, states, max-1).Scan(&found).Error; err != nil {
		return w, fmt.Errorf("see how far a step goes: %w", err)
	}
	if len(found) > 0 && found[0] < w.upTo {
		w.upTo, w.more = found[0], true
	}
	return w, nil
}

// cancelSome cancels at most max more open deliveries of an event that was
// withdrawn, those in flight too, and reports whether there was such an event.
// Where it came to is kept with the event, so that whoever comes next goes on.
func (s *Store) cancelSome(ctx context.Context, max int) (did bool, err error) {
	var some int
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM (SELECT 1 FROM events WHERE withdrawn LIMIT 1) AS one`).Scan(&some).Error; err != nil {
		return false, fmt.Errorf("look for withdrawn events: %w", translate(err))
	}
	if some == 0 {
		return false, nil
	}
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		did = false
		// Alone, so that no retry that began before the withdrawal is half-way.
		if err := s.lockFanout(tx, false); err != nil {
			return err
		}
		var event, reader int64
		err := tx.Raw(`SELECT number, progress FROM events WHERE withdrawn ORDER BY number LIMIT 1`).Row().Scan(&event, &reader)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("choose a withdrawn event: %w", err)
		}
		did = true
		last, err := s.cancelBehind(tx, event, reader, max)
		if err != nil {
			return fmt.Errorf("cancel deliveries of event %d: %w", event, err)
		}
		if err := tx.Exec(`UPDATE events SET progress = ?, withdrawn = ? WHERE number = ?`, last, last < math.MaxUint32, event).Error; err != nil {
			return fmt.Errorf("note how far it came: %w", err)
		}
		return nil
	})
	return did, err
}

// cancelBehind cancels open deliveries of readers behind one, and returns the
// last it looked at. Nothing opens behind the cursor again: no claim, no retry
// and no fan-out touches a withdrawn event.
func (s *Store) cancelBehind(tx *gorm.DB, event, reader int64, max int) (last int64, err error) {
	var open bool
	if err := tx.Raw(`SELECT count(*) > 0 FROM event_counts WHERE event_number = ? AND unsettled > 0`, event).Scan(&open).Error; err != nil {
		return 0, err
	}
	if !open {
		return math.MaxUint32, nil // without looking at all that was sent
	}
	w, err := s.windowBehind(tx, event, reader, max, "pending", "sending", "held")
	if err != nil {
		return 0, err
	}
	l := s.ledger(tx)
	if err := l.cancelWindow(w); err != nil {
		return 0, err
	}
	if !w.more {
		return math.MaxUint32, nil
	}
	return notifier.DeliveryID(w.upTo).Reader(), nil
}

// cancelWindow cancels what is open in a window, by one statement but for those
// in flight that others wait behind. All is locked and counted first, so that it
// is the same for every statement.
func (l *ledger) cancelWindow(w window) error {
	const open = inKeys + ` AND state IN ('pending', 'sending', 'held')`
	var found []struct {
		Channel        string
		State          notifier.DeliveryState
		Tried, Awaited bool
		N              int64
	}
	if err := l.tx.Raw(`SELECT channel, state, tried_at > 0 AS tried, awaited, count(*) AS n
		FROM (SELECT channel, state, tried_at, awaited FROM deliveries WHERE `+open+` ORDER BY id`+l.store.forUpdate()+`) AS o
		GROUP BY channel, state, tried_at > 0, awaited`, w.after, w.upTo).Scan(&found).Error; err != nil {
		return fmt.Errorf("count what is open: %w", err)
	}
	awaited := false
	for _, f := range found {
		if f.Awaited {
			awaited = true
			continue // the ledger counts it
		}
		a := l.accounts.of(notifier.DeliveryID(w.upTo).Event(), f.Channel)
		a.count(-f.N, f.State, f.Tried)
		a.count(f.N, notifier.Cancelled, f.Tried)
	}
	if err := l.tx.Exec(`UPDATE deliveries SET state = 'cancelled', worker = '', lease_until = 0, behind = 0 WHERE `+open+` AND NOT awaited`,
		w.after, w.upTo).Error; err != nil {
		return fmt.Errorf("cancel what is open: %w", err)
	}
	if awaited {
		rows, err := l.lockBy(`WHERE `+open+` AND awaited ORDER BY id`+l.store.forUpdate(), w.after, w.upTo)
		if err != nil {
			return err
		}
		for _, r := range rows {
			r.rest(notifier.Cancelled)
		}
		if err := l.follow(rows); err != nil { // what waited is withdrawn as well, and has its turn
			return err
		}
	}
	return l.save()
}
