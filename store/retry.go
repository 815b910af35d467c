package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// retryStep is how many failed deliveries are started again at a time.
const retryStep = 2000

// RetryFailed starts an event's failed deliveries again and returns how many
// that were. A reader gets the newest state: where the incident has a newer
// event, that one is sent and tells of this one too. Readers who left, and
// those a newer event has reached or is on its way to, are left out. Where the
// newest event is no longer worth sending, it is refused with ErrConflict.
func (s *Store) RetryFailed(ctx context.Context, eventID string) (int, error) {
	e, err := eventByID(s.conn(ctx), eventID)
	if err != nil {
		return 0, err
	}
	if e.NoticeID != "" {
		return s.RetryFailedNotice(ctx, e.NoticeID)
	}
	return s.retryFailed(ctx, e)
}

func (s *Store) retryFailed(ctx context.Context, e notifier.Event) (int, error) {
	started := 0
	for reader, more := int64(0), true; more; {
		var n int
		var w window
		err := s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
			n = 0
			r, err := s.retry(tx, e.Number)
			if err != nil {
				return err
			}
			if w, err = s.windowBehind(tx, e.Number, reader, retryStep, "failed"); err != nil {
				return err
			}
			failed, err := r.lockBy(`WHERE `+inKeys+` AND state = 'failed' ORDER BY id`+s.forUpdate(), w.after, w.upTo)
			if err != nil {
				return err
			}
			if n, err = r.start(failed); err != nil {
				return fmt.Errorf("retry failed deliveries: %w", err)
			}
			if reader == 0 {
				return s.Audit(ctx, "event.retry_failed", e.ID, "")
			}
			return nil
		})
		if err != nil {
			return started, err
		}
		started += n
		reader, more = notifier.DeliveryID(w.upTo).Reader(), w.more
	}
	return started, nil
}

// RetryDelivery makes one delivery due now: a failed one as RetryFailed does,
// one that waits without its back-off. Anything else is refused with ErrConflict.
func (s *Store) RetryDelivery(ctx context.Context, id notifier.DeliveryID) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		r, err := s.retry(tx, id.Event())
		if err != nil {
			return err
		}
		rows, err := r.lockIDs([]int64{int64(id)})
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return notifier.Refuse(notifier.ErrNotFound, "there is no delivery %s", id)
		}
		switch d := rows[0]; {
		case d.State == notifier.Failed:
			if _, err := r.start(rows); err != nil {
				return fmt.Errorf("retry a delivery: %w", err)
			}
			if d.State == notifier.Failed {
				return notifier.Refuse(notifier.ErrConflict, "this reader has left, or the address may not be written to")
			}
		case d.Behind > 0:
			return notifier.Refuse(notifier.ErrConflict, "this delivery waits for an older one of the incident that is being sent")
		case d.State == notifier.Pending, d.State == notifier.Held:
			d.wait(notifier.Pending, r.now)
			if err := errors.Join(r.save(), r.reopen()); err != nil {
				return fmt.Errorf("retry a delivery: %w", err)
			}
			if err := s.bump(tx, "work"); err != nil {
				return err
			}
		default:
			return notifier.Refuse(notifier.ErrConflict, "this delivery is %s; only one that failed or waits can be tried again", d.State)
		}
		return s.Audit(ctx, "delivery.retry", id.String(), "")
	})
}

// retrial starts failed deliveries of an event again, inside one transaction.
type retrial struct {
	*ledger
	now    int64
	event  int64
	notice string  // that the event sends; "" for any other
	later  []int64 // newer events of the incident
	remind []int64 // those of them that only remind of what was said before
	target int64   // the newest event that everyone it is for has a delivery of
	// expires is when target is no longer worth sending.
	expires int64
}

// retry begins a retrial. The fan-out waits until it ends: between the two a
// reader could get two deliveries of one incident.
func (s *Store) retry(tx *gorm.DB, event int64) (*retrial, error) {
	if err := s.lockFanout(tx, false); err != nil {
		return nil, err
	}
	r := &retrial{ledger: s.ledger(tx), now: micros(s.Now()), event: event, target: event}
	var incident sql.NullString
	var withdrawn bool
	err := tx.Raw(`SELECT incident_id, notice_id, expires_at, EXISTS (SELECT 1 FROM incidents AS i WHERE i.id = e.incident_id AND i.state = ?
			AND NOT EXISTS (SELECT 1 FROM events AS r WHERE r.incident_id = i.id AND r.type = ?))
		FROM events AS e WHERE number = ?`, string(notifier.Retracted), string(notifier.IncidentRetracted), event).Row().Scan(&incident, &r.notice, &r.expires, &withdrawn)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, notifier.Refuse(notifier.ErrNotFound, "there is no such event")
	}
	if err != nil {
		return nil, fmt.Errorf("read an event: %w", err)
	}
	if withdrawn { // for good, also when all that was open of it has long been cancelled
		return nil, notifier.Refuse(notifier.ErrConflict, "this was withdrawn without a word, and reaches nobody any more")
	}
	if r.notice != "" {
		return r, r.mayReopen()
	}
	if !incident.Valid {
		return r, nil
	}
	var later []struct {
		Number, ExpandedAt, ExpiresAt int64
		Type                          notifier.EventType
	}
	if err := tx.Raw(`SELECT number, type, expanded_at, expires_at FROM events WHERE incident_id = ? AND number > ? ORDER BY number`,
		incident.String, event).Scan(&later).Error; err != nil {
		return nil, fmt.Errorf("read the incident's events: %w", err)
	}
	for _, e := range later {
		r.later = append(r.later, e.Number)
		if e.Type == notifier.MaintenanceReminder {
			r.remind = append(r.remind, e.Number)
		}
		if e.ExpandedAt > 0 && e.Type != notifier.MaintenanceReminder { // they expand in order: so have those before it
			r.target, r.expires = e.Number, e.ExpiresAt
		}
	}
	return r, nil
}

func (r *retrial) key(event, reader int64) int64 {
	return int64(notifier.MakeDeliveryID(event, reader))
}

// start starts those of failed that it may, and saves.
func (r *retrial) start(failed []*deliveryRow) (started int, err error) {
	if len(failed) == 0 {
		return 0, nil
	}
	if r.expires <= r.now {
		return 0, notifier.Refuse(notifier.ErrConflict, "it is too late to send this: its time ended at %s", instant(r.expires).Format(time.RFC3339))
	}
	welcome, err := r.welcome(failed)
	if err != nil {
		return 0, err
	}
	newest, err := r.newest(failed)
	if err != nil {
		return 0, err
	}
	var moved []int64 // whose place a new delivery of target takes
	for _, f := range failed {
		if !welcome[f.reader()] {
			continue
		}
		n := newest[f.reader()]
		switch {
		case n == nil && r.target == r.event:
			f.again(r.now)
			started++
		case n == nil:
			f.rest(notifier.Superseded)
			moved = append(moved, f.ID)
		case r.target == r.event && slices.Contains(r.remind, n.event()) && n.State != notifier.Sending && n.State != notifier.Sent && n.State != notifier.Bounced:
			if !n.State.Final() || n.State == notifier.Failed {
				n.rest(notifier.Superseded) // it would take the announcement along when the work begins
			}
			f.again(r.now)
			started++
		case !n.State.Final(), n.State == notifier.Sent, n.State == notifier.Bounced:
			f.rest(notifier.Superseded)
			if n.State == notifier.Pending || n.State == notifier.Held {
				n.Since = min(n.Since, f.Since) // not rendered yet: let it tell of both
			}
		case n.State == notifier.Failed:
			f.rest(notifier.Superseded)
			n.Since = min(n.Since, f.Since)
			if n.event() >= r.target {
				n.again(r.now)
				started++
			} else {
				n.rest(notifier.Superseded)
				moved = append(moved, n.ID)
			}
		}
	}
	if err := r.save(); err != nil {
		return 0, err
	}
	made, err := r.move(moved)
	if err != nil {
		return 0, err
	}
	if started += made; started == 0 {
		return 0, nil
	}
	if err := r.reopen(); err != nil {
		return 0, err
	}
	return started, r.store.bump(r.tx, "work")
}

// again makes a failed delivery as good as new.
func (r *deliveryRow) again(now int64) {
	r.wait(notifier.Pending, now)
	r.Attempts = 0
}

// welcome are the readers of rows who may still be written to: not at a second
// address whose first was told in its place.
func (r *retrial) welcome(rows []*deliveryRow) (map[int64]bool, error) {
	if r.notice != "" {
		return r.welcomeRecipients(rows)
	}
	readers := make([]int64, len(rows))
	states := []string{"active"}
	for i, row := range rows {
		readers[i] = row.reader()
		if row.Lane == notifier.LaneConfirm {
			states = []string{"active", "pending"}
		}
	}
	in, arg := r.store.among(`s.number`, readers)
	var found []int64
	if err := r.tx.Raw(`SELECT s.number FROM subscribers AS s WHERE `+in+` AND s.state IN ?
		AND (s.second_of = 0 OR NOT `+shut(`s.channel`)+` AND EXISTS (SELECT 1 FROM subscribers AS f WHERE f.number = s.second_of AND f.state = 'active'
			AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.id = CAST(? AS bigint) + f.number)))
		AND NOT EXISTS (SELECT 1 FROM suppressions AS b WHERE b.channel = s.channel AND b.address = s.address)`, arg, states, r.key(r.event, 0)).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("see who may be written to: %w", err)
	}
	out := make(map[int64]bool, len(found))
	for _, n := range found {
		out[n] = true
	}
	return out, nil
}

// newest are the last deliveries that later events made for the readers of rows.
func (r *retrial) newest(rows []*deliveryRow) (map[int64]*deliveryRow, error) {
	out := map[int64]*deliveryRow{}
	for _, event := range r.later {
		ids := make([]int64, len(rows))
		for i, row := range rows {
			ids[i] = r.key(event, row.reader())
		}
		found, err := r.lockIDs(ids)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			out[d.reader()] = d
		}
	}
	return out, nil
}

// move makes deliveries of target that take the place of others.
func (r *retrial) move(from []int64) (int, error) {
	if len(from) == 0 {
		return 0, nil
	}
	in, arg := r.store.among(`d.id`, from)
	t := tally{}
	// They may come from several events: of the readers' numbers it is the range that counts.
	first, last := int64(1<<32-1), int64(0)
	for _, id := range from {
		n := notifier.DeliveryID(id).Reader()
		first, last = min(first, n), max(last, n)
	}
	made, err := r.store.insertCounted(r.tx, t, r.target, keysIn(r.key(r.target, first-1), r.key(r.target, last)), `INSERT INTO deliveries (id, event_number, lane, channel, address, language, timezone, since, told, state, due_at)
		SELECT CAST(? AS bigint) + s.number, CAST(? AS bigint), d.lane, s.channel, s.address, coalesce(f.language, s.language), coalesce(f.timezone, s.timezone), d.since, d.told, 'pending', CAST(? AS bigint)
		FROM deliveries AS d JOIN subscribers AS s ON s.number = d.id & 4294967295 LEFT JOIN subscribers AS f ON f.number = s.second_of WHERE `+in+` ON CONFLICT DO NOTHING`,
		[]any{r.key(r.target, 0), r.target, r.now, arg})
	if err != nil {
		return 0, fmt.Errorf("make deliveries of the newest event: %w", err)
	}
	return int(made), t.save(r.store, r.tx)
}
