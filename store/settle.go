package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// Settle writes down what became of tries. Sent is a fact and is kept whoever
// says it and whatever was thought of the delivery; everything else counts only
// while the delivery is still in the hands of the worker who says it. A
// settlement that comes twice, or of a delivery that is not there, is harmless.
func (s *Store) Settle(ctx context.Context, batch []notifier.Settlement) error {
	if len(batch) == 0 {
		return nil
	}
	if err := s.settlePlain(ctx, batch); !errors.Is(err, errNotPlain) {
		return err
	}
	closing, err := s.mayClose(ctx, batch)
	if err != nil {
		return err
	}
	goesBack, err := s.mayGoBack(ctx, batch)
	if err != nil {
		return err
	}
	return s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if len(closing) > 0 || goesBack { // kept out before any row is locked
			if err := s.lockFanout(tx, false); err != nil {
				return err
			}
		}
		ids := make([]int64, len(batch))
		for i, x := range batch {
			ids[i] = int64(x.ID)
		}
		l, doors := s.ledger(tx), newDoors(closing)
		if _, err := l.lockIDs(ids); err != nil {
			return fmt.Errorf("settle deliveries: %w", err)
		}
		now := micros(s.Now())
		var settled, surprises, failed []*deliveryRow
		for _, x := range batch {
			r := l.rows[int64(x.ID)]
			if r == nil {
				continue
			}
			was := r.State
			if !applyTo(r, x, now) {
				continue
			}
			if x.Receipt != (notifier.Receipt{}) {
				l.receipts[r.ID] = clip(x.Receipt)
			}
			settled = append(settled, r)
			doors.note(r, x)
			if was != notifier.Sending {
				surprises = append(surprises, r)
			}
			if goesBack && r.State == notifier.Failed {
				failed = append(failed, r)
			}
		}
		if err := l.checkPauses(settled, now); err != nil {
			return err
		}
		if err := l.follow(settled); err != nil {
			return fmt.Errorf("release what waited: %w", err)
		}
		for _, r := range surprises {
			if err := l.retell(r); err != nil {
				return err
			}
		}
		if _, err := l.tellFirst(failed); err != nil {
			return err
		}
		if err := doors.end(l); err != nil {
			return err
		}
		if err := doors.write(l); err != nil {
			return err
		}
		if err := l.save(); err != nil {
			return fmt.Errorf("settle deliveries: %w", err)
		}
		return doors.close(ctx, s, tx)
	})
}

// errNotPlain is why a batch is not settled by settlePlain: it must be looked at row by row.
var errNotPlain = errors.New("not a plain batch")

// settlePlain settles what nearly every batch is, messages of one worker that
// were sent at their first try and that nothing waits for, without reading them
// first. One that is anything else leaves everything as it was.
func (s *Store) settlePlain(ctx context.Context, batch []notifier.Settlement) error {
	if _, joined := ctx.Value(txKey{}).(*gorm.DB); joined {
		return errNotPlain // what went wrong could not be undone alone
	}
	sorted := slices.SortedFunc(slices.Values(batch), func(a, b notifier.Settlement) int { return cmp.Compare(a.ID, b.ID) })
	for i, x := range sorted {
		if x.State != notifier.Sent || x.At.IsZero() || x.Worker == "" || x.Worker != sorted[0].Worker || i > 0 && x.ID == sorted[i-1].ID {
			return errNotPlain
		}
	}
	return s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		var channel string
		if err := tx.Raw(`SELECT channel FROM deliveries WHERE id = ?`, int64(sorted[0].ID)).Scan(&channel).Error; err != nil {
			return fmt.Errorf("settle what was sent: %w", err)
		}
		l, t, doors := s.ledger(tx), tally{}, newDoors(nil)
		var rows []*deliveryRow
		for _, x := range sorted {
			r := &deliveryRow{ID: int64(x.ID), Channel: channel, State: notifier.Sending}
			was := *r
			applyTo(r, x, 0)
			t.move(&was, r)
			doors.note(r, x)
			rows, l.receipts[r.ID] = append(rows, r), clip(x.Receipt)
		}
		// Joined to '', state matches no partial index: PostgreSQL, which thinks
		// that hardly anything is being sent, would read all that is for each row.
		n, err := l.writeSent(rows, ` AND d.state || '' = 'sending' AND d.worker = ? AND d.channel = ? AND NOT d.awaited AND d.tried_at = 0`, sorted[0].Worker, channel)
		if err != nil {
			return fmt.Errorf("settle what was sent: %w", err)
		}
		if n != int64(len(rows)) {
			return errNotPlain
		}
		if err := doors.write(l); err != nil {
			return err
		}
		return t.save(s, tx)
	})
}

// applyTo makes of r what x says of it, and reports whether x counts.
func applyTo(r *deliveryRow, x notifier.Settlement, now int64) bool {
	at := micros(x.At)
	if at == 0 {
		at = now
	}
	if x.State == notifier.Sent {
		if r.State == notifier.Sent || r.State == notifier.Bounced {
			return false
		}
		r.rest(notifier.Sent)
		r.TriedAt = at
		if r.SentAt == 0 {
			r.SentAt = at
		}
		if x.Charged {
			r.Attempts++
		}
		return true
	}
	if r.State != notifier.Sending || r.Worker != x.Worker {
		return false
	}
	switch x.State {
	case notifier.Pending, notifier.Held:
		r.wait(x.State, micros(x.DueAt))
	case notifier.Failed, notifier.Expired, notifier.Cancelled, notifier.Suppressed:
		r.rest(x.State)
	default:
		return false
	}
	if x.Charged {
		r.Attempts++
	}
	if x.Tried || x.State == notifier.Failed { // what could not be written was given up then
		r.TriedAt = at
	}
	return true
}

// checkPauses looks after deliveries that are to wait until their domain is
// resumed: where that has happened already, nobody would come for them.
func (l *ledger) checkPauses(settled []*deliveryRow, now int64) error {
	waiting := map[int64]*deliveryRow{}
	for _, r := range settled {
		if r.State == notifier.Held && r.DueAt >= micros(notifier.UntilResumed) {
			waiting[r.ID] = r
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	in, arg := l.store.among(`id`, slices.Sorted(maps.Keys(waiting)))
	var found []struct {
		ID      int64
		Address string
	}
	if err := l.tx.Raw(`SELECT id, address FROM deliveries WHERE `+in, arg).Scan(&found).Error; err != nil {
		return fmt.Errorf("read addresses: %w", err)
	}
	domains := map[string]bool{}
	for _, f := range found {
		domains[subscribers.Domain(f.Address)] = true
	}
	lock := ``
	if l.store.dialect == postgres {
		lock = ` FOR SHARE` // a resumption waits for us, and then sees what we wrote
	}
	var paused []string
	if err := l.tx.Raw(`SELECT key FROM pauses WHERE scope = 'domain' AND key IN ? ORDER BY key`+lock, slices.Sorted(maps.Keys(domains))).
		Scan(&paused).Error; err != nil {
		return fmt.Errorf("read pauses: %w", err)
	}
	for _, f := range found {
		if !slices.Contains(paused, subscribers.Domain(f.Address)) {
			waiting[f.ID].wait(notifier.Pending, now)
			l.released = true
		}
	}
	return nil
}

// retell corrects newer deliveries of the incident to the same reader after r,
// which was given up or replaced, turns out to have been sent: they need not
// tell again what r told.
func (l *ledger) retell(r *deliveryRow) error {
	var newer []int64
	if err := l.tx.Raw(`SELECT n.number FROM events e JOIN events n ON n.incident_id = e.incident_id AND n.number > e.number
		WHERE e.number = ? ORDER BY n.number`, r.event()).Scan(&newer).Error; err != nil {
		return fmt.Errorf("read later events: %w", err)
	}
	for i, event := range newer {
		newer[i] = int64(notifier.MakeDeliveryID(event, r.reader()))
	}
	rows, err := l.lockIDs(newer)
	if err != nil {
		return fmt.Errorf("correct later deliveries: %w", err)
	}
	for _, n := range rows {
		if n.State.Final() && n.State != notifier.Failed { // which may be tried again
			continue
		}
		told, since := max(n.Told, r.event()), n.Since
		if since <= r.event() {
			since = rows[0].event() // the first that was due to this reader after r
		}
		if n.State != notifier.Sending {
			n.Told, n.Since = told, since
			continue
		}
		// It may be on the wire already; this counts if it is given back. A row
		// in a worker's hands is not the ledger's to write.
		if err := l.tx.Exec(`UPDATE deliveries SET told = ?, since = ? WHERE id = ?`, told, since, n.ID).Error; err != nil {
			return fmt.Errorf("correct a delivery in flight: %w", err)
		}
		n.Told, n.Since = told, since
		l.was[n.ID] = *n // written already, and known to the next one of this batch
	}
	return nil
}
