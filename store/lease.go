package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// reapStep is how many leases that ended are taken back at a time.
const reapStep = 1000

// Mine returns those of ids that are still in the hands of worker, under a
// lease that has not ended, and not withdrawn. It writes nothing.
func (s *Store) Mine(ctx context.Context, worker string, ids []notifier.DeliveryID) ([]notifier.DeliveryID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	in, arg := s.among(`id`, plain(ids))
	// Joined to '', as everywhere, state does not lead through all that is in flight.
	from := `deliveries`
	if s.dialect == sqlite { // which else may look through them all, and not along the keys
		from, in = `json_each(?) AS k CROSS JOIN deliveries`, `deliveries.id = k.value`
	}
	var mine []notifier.DeliveryID
	if err := s.conn(ctx).Raw(`SELECT deliveries.id FROM `+from+` WHERE `+in+` AND state || '' = 'sending' AND worker = ? AND lease_until > ?`+notWithdrawn+` ORDER BY deliveries.id + 0`,
		arg, worker, micros(s.Now())).Scan(&mine).Error; err != nil {
		return nil, fmt.Errorf("look at claims: %w", translate(err))
	}
	return mine, nil
}

// Extend moves the end of worker's leases to lease from now. Those it has lost are left alone.
func (s *Store) Extend(ctx context.Context, worker string, ids []notifier.DeliveryID, lease time.Duration) error {
	if len(ids) == 0 {
		return nil
	}
	in, arg := s.among(`id`, plain(ids))
	return s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		if err := tx.Exec(`UPDATE deliveries SET lease_until = ? WHERE `+in+` AND state || '' = 'sending' AND worker = ?`,
			micros(s.Now().Add(lease)), arg, worker).Error; err != nil {
			return fmt.Errorf("extend leases: %w", err)
		}
		return nil
	})
}

// Release gives back claims of worker that it has not begun: they are pending,
// due as before. With nil ids it gives back everything worker holds.
func (s *Store) Release(ctx context.Context, worker string, ids []notifier.DeliveryID) error {
	if ids != nil && len(ids) == 0 {
		return nil
	}
	return s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		l := s.ledger(tx)
		var rows []*deliveryRow
		var err error
		if ids == nil {
			// Not "ORDER BY id", along which SQLite would look through everything.
			rows, err = l.lockBy(`WHERE state = 'sending' AND lease_until > 0 AND worker = ? ORDER BY id + 0`+s.forUpdate(), worker)
		} else {
			rows, err = l.lockIDs(plain(ids))
			rows = slices.DeleteFunc(rows, func(r *deliveryRow) bool { return r.State != notifier.Sending || r.Worker != worker })
		}
		if err == nil {
			err = l.giveBack(rows)
		}
		if err != nil {
			return fmt.Errorf("give claims back: %w", err)
		}
		return nil
	})
}

// Reap takes back what of a channel lies in the hands of workers whose leases
// have ended, and returns how many that were: of another channel the caller
// does not know what was sent and is still to be told. It also goes on with
// resumptions of domains that were interrupted.
func (s *Store) Reap(ctx context.Context, channel notifier.Channel) (int, error) {
	reaped := 0
	for {
		n, err := s.reapSome(ctx, channel)
		reaped += n
		if err != nil {
			return reaped, err
		}
		if n < reapStep {
			return reaped, s.resumeDomains(ctx)
		}
	}
}

func (s *Store) reapSome(ctx context.Context, channel notifier.Channel) (n int, err error) {
	now := micros(s.Now())
	// In an order that only the index of what is in flight has.
	const ended = `state = 'sending' AND lease_until <= ? AND channel = ? ORDER BY lease_until`
	var some int
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE `+ended+` LIMIT 1) AS one`, now, string(channel)).Scan(&some).Error; err != nil {
		return 0, fmt.Errorf("look for ended leases: %w", translate(err))
	}
	if some == 0 {
		return 0, nil
	}
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		l := s.ledger(tx)
		rows, err := l.lockBy(`WHERE `+ended+` LIMIT ?`+s.skipLocked(), now, string(channel), reapStep)
		if err == nil {
			n = len(rows)
			err = l.giveBack(rows)
		}
		if err != nil {
			return fmt.Errorf("take back ended leases: %w", err)
		}
		return nil
	})
	return n, err
}

// giveBack makes claimed deliveries pending, due as they were, and saves.
func (l *ledger) giveBack(rows []*deliveryRow) error {
	for _, r := range rows {
		r.rest(notifier.Pending)
	}
	if len(rows) > 0 {
		l.released = true
	}
	if err := l.follow(rows); err != nil {
		return err
	}
	return l.save()
}

// plain are ids as the database knows them.
func plain(ids []notifier.DeliveryID) []int64 {
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	slices.Sort(out)
	return out
}
