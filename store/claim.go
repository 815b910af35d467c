package store

import (
	"context"
	"fmt"
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
	lanes := c.Lanes
	if s.dialect == sqlite { // where even an empty transaction would keep others from writing
		var err error
		if lanes, err = s.due(ctx, c, now); err != nil || len(lanes) == 0 {
			return nil, err
		}
	}
	var out []notifier.Delivery
	err := s.write(ctx, func(_ context.Context, tx *gorm.DB) error {
		out = nil
		for _, lane := range lanes {
			if len(out) == c.Limit {
				break
			}
			var err error
			if out, err = s.claimLane(tx, c, lane, now, out); err != nil {
				return fmt.Errorf("claim deliveries: %w", err)
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
		if err := tx.Exec(`UPDATE deliveries SET state = 'sending', worker = ?, lease_until = ? WHERE `+in, c.Worker, micros(now.Add(c.Lease)), arg).Error; err != nil {
			return fmt.Errorf("claim deliveries: %w", err)
		}
		if err := s.addTimes(tx, out); err != nil {
			return err
		}
		return t.save(s, tx)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// due returns those of the lanes where something is due, by a read alone.
func (s *Store) due(ctx context.Context, c notifier.Claim, now time.Time) ([]notifier.Lane, error) {
	query, args := ``, []any{}
	for i, lane := range c.Lanes {
		if i > 0 {
			query += ` UNION ALL `
		}
		query += `SELECT CAST(? AS smallint) AS lane WHERE EXISTS (SELECT 1 FROM deliveries
			WHERE channel = ? AND lane = ? AND state IN ('pending', 'held') AND due_at <= ?)`
		args = append(args, int(lane), string(c.Channel), int(lane), micros(now))
	}
	var out []notifier.Lane
	if err := s.conn(ctx).Raw(query, args...).Scan(&out).Error; err != nil {
		return nil, fmt.Errorf("look for due deliveries: %w", translate(err))
	}
	return out, nil
}

// claimLane adds to out the lane's first due deliveries that nobody else is
// taking, as they are before the claim.
func (s *Store) claimLane(tx *gorm.DB, c notifier.Claim, lane notifier.Lane, now time.Time, out []notifier.Delivery) ([]notifier.Delivery, error) {
	rows, err := tx.Raw(`SELECT id, address, language, timezone, since, told, attempts, state, due_at FROM deliveries
		WHERE channel = ? AND lane = ? AND state IN ('pending', 'held') AND due_at <= ?`+notWithdrawn+` ORDER BY due_at, id LIMIT ?`+s.skipLocked(),
		string(c.Channel), int(lane), micros(now), c.Limit-len(out)).Rows()
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
