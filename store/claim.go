package store

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// Claim puts due deliveries of a channel into the hands of a worker until the
// lease ends: by lane in the order asked for, then by due time. A delivery is
// never in two hands. Where nothing is due nothing is written.
func (s *Store) Claim(ctx context.Context, c notifier.Claim) ([]notifier.Delivery, error) {
	if c.Worker == "" || c.Lease <= 0 {
		return nil, fmt.Errorf("claim deliveries: a worker and a lease are needed")
	}
	if c.Limit < 1 || len(c.Lanes) == 0 {
		return nil, nil
	}
	now := s.Now()
	spans, err := s.dueSpans(ctx, now)
	if err != nil {
		return nil, err
	}
	lanes := c.Lanes
	if s.dialect == sqlite { // where even an empty transaction would keep others from writing
		if lanes, err = s.due(ctx, c, spans); err != nil || len(lanes) == 0 {
			return nil, err
		}
	}
	var out []notifier.Delivery
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		out = nil
		for _, lane := range lanes {
			for _, span := range spans {
				if len(out) == c.Limit {
					break
				}
				var err error
				if out, err = s.claimLane(tx, c, lane, span, out); err != nil {
					return fmt.Errorf("claim deliveries: %w", err)
				}
			}
		}
		if len(out) == 0 {
			return nil
		}
		t := tally{}
		ids := make([]int64, len(out))
		for i, d := range out {
			ids[i] = int64(d.ID)
			was := deliveryRow{ID: ids[i], Channel: string(d.Channel), State: d.State}
			is := was
			is.State = notifier.Sending
			t.move(&was, &is)
			out[i].State = notifier.Sending
		}
		in, arg := s.among(`id`, ids)
		if err := tx.Exec(`UPDATE deliveries SET state = 'sending', worker = ?, lease_until = ?, behind = 0 WHERE `+in, c.Worker, micros(now.Add(c.Lease)), arg).Error; err != nil {
			return fmt.Errorf("claim deliveries: %w", err)
		}
		if err := s.addTimes(tx, out); err != nil {
			return err
		}
		if err := s.addDigests(tx, out); err != nil {
			return err
		}
		add := s.addWishes
		if c.Channel == notifier.Email {
			add = s.addFirsts
		}
		if err := add(tx, out); err != nil {
			return err
		}
		return t.save(s, tx)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// span is a condition on deliveries: a stretch of the index of due times, which
// claims walk along.
type span struct {
	where string
	args  []any
}

// leaps is how many withdrawn or stopped events a claim leaps over at most.
// What stands still longer than a moment is put aside (noticepark.go), and need
// not be leapt over.
const leaps = 20

// dueSpans are the stretches of what is due without the messages of events that
// were withdrawn or stopped, which lie there together until they are cancelled
// or resumed, and would be a million rows to walk past for every claim. What is due at another time,
// because it was tried before, is passed over by notWithdrawn.
func (s *Store) dueSpans(ctx context.Context, now time.Time) ([]span, error) {
	var withdrawn []struct{ Number, DueFrom int64 }
	if err := s.conn(ctx).Raw(`SELECT number, `+dueFrom+` AS due_from FROM events AS e WHERE (withdrawn OR stopped) AND parked < 2
		AND EXISTS (SELECT 1 FROM event_counts AS c WHERE c.event_number = e.number AND c.unsettled > 0) ORDER BY due_from, number LIMIT ?`, leaps).
		Scan(&withdrawn).Error; err != nil {
		return nil, fmt.Errorf("look for withdrawn events: %w", translate(err))
	}
	if len(withdrawn) == 0 {
		return []span{{`due_at <= ?`, []any{micros(now)}}}, nil
	}
	var out []span
	due, id := int64(0), int64(0) // behind which entry of the index the next begins
	until := func(lastDue, last int64) {
		switch {
		case s.dialect == postgres:
			out = append(out, span{`(due_at, id) > (?, ?) AND (due_at, id) <= (?, ?)`, []any{due, id, lastDue, last}})
		case due == lastDue:
			out = append(out, span{`due_at = ? AND id > ? AND id <= ?`, []any{due, id, last}})
		default: // SQLite does not find a pair whose second is the key
			out = append(out, span{`due_at = ? AND id > ?`, []any{due, id}}, span{`due_at > ? AND due_at < ?`, []any{due, lastDue}},
				span{`due_at = ? AND id <= ?`, []any{lastDue, last}})
		}
	}
	for _, e := range withdrawn {
		if e.DueFrom > micros(now) {
			break
		}
		until(e.DueFrom, int64(notifier.MakeDeliveryID(e.Number, 0)))
		due, id = e.DueFrom, int64(notifier.MakeDeliveryID(e.Number, math.MaxUint32))
	}
	until(micros(now), math.MaxInt64)
	return out, nil
}

// due returns those of the lanes where something is due, by a read alone.
func (s *Store) due(ctx context.Context, c notifier.Claim, spans []span) ([]notifier.Lane, error) {
	query, args := ``, []any{}
	for _, lane := range c.Lanes {
		for _, span := range spans {
			if query != `` {
				query += ` UNION ALL `
			}
			query += `SELECT CAST(? AS smallint) AS lane WHERE EXISTS (SELECT 1 FROM deliveries
				WHERE channel = ? AND lane = ? AND state IN ('pending', 'held') AND ` + span.where + notWithdrawn + `)`
			args = append(append(args, int(lane), string(c.Channel), int(lane)), span.args...)
		}
	}
	var out []notifier.Lane
	if err := s.conn(ctx).Raw(query, args...).Scan(&out).Error; err != nil {
		return nil, fmt.Errorf("look for due deliveries: %w", translate(err))
	}
	return slices.Compact(out), nil
}

// claimLane adds to out the lane's first due deliveries of a span that nobody
// else is taking, as they are before the claim.
func (s *Store) claimLane(tx *gorm.DB, c notifier.Claim, lane notifier.Lane, span span, out []notifier.Delivery) ([]notifier.Delivery, error) {
	rows, err := tx.Raw(`SELECT id, address, language, timezone, since, told, attempts, state, due_at FROM deliveries
		WHERE channel = ? AND lane = ? AND state IN ('pending', 'held') AND `+span.where+notWithdrawn+` ORDER BY due_at, id LIMIT ?`+s.skipLocked(),
		append(append([]any{string(c.Channel), int(lane)}, span.args...), c.Limit-len(out))...).Rows()
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		d := notifier.Delivery{Lane: lane, Channel: c.Channel}
		var due int64
		if err := rows.Scan(&d.ID, &d.Address, &d.Language, &d.Zone, &d.Since, &d.Told, &d.Attempts, &d.State, &due); err != nil {
			return nil, err
		}
		d.DueAt = instant(due)
		out = append(out, d)
	}
	return out, rows.Err()
}

// addTimes fills in what deliveries take from their events.
func (s *Store) addTimes(tx *gorm.DB, ds []notifier.Delivery) error {
	var events []int64
	seen := map[int64]bool{}
	for _, d := range ds {
		if n := d.ID.Event(); !seen[n] {
			seen[n] = true
			events = append(events, n)
		}
	}
	if len(events) == 0 {
		return nil
	}
	times, err := s.timesOf(tx, events)
	if err != nil {
		return err
	}
	for i := range ds {
		t := times[ds[i].ID.Event()]
		ds[i].AcceptedAt, ds[i].ExpiresAt = instant(t.accepted), instant(t.expires)
	}
	return nil
}
