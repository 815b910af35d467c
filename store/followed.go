package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// EndFollowed ends at most max of the subscriptions to one incident that has
// been over, or withdrawn, since before a time: there is nothing more to hear.
// That is a day after it at the least, so that what ends it has reached whom it
// can. They end as if they had left, so that no import brings them back. It
// returns how many.
func (s *Store) EndFollowed(ctx context.Context, before time.Time, max int) (int, error) {
	const over = `SELECT s.number FROM subscribers AS s JOIN incidents AS i ON i.id = s.incident
		WHERE s.incident <> '' AND s.state IN ('active', 'paused', 'quarantined') AND (i.resolved_at > 0 OR i.state = 'retracted') AND i.updated_at < ?`
	at := micros(before)
	var found []int64
	if err := s.conn(ctx).Raw(over+` ORDER BY s.number LIMIT ?`, at, max).Scan(&found).Error; err != nil {
		return 0, translate(fmt.Errorf("look for who follows what is over: %w", err))
	}
	for _, number := range found {
		// One by one: what ends a subscription keeps the fan-out out for a moment.
		err := s.Atomic(ctx, func(ctx context.Context) error {
			var still []int64 // it may have been opened again, or somebody may have chosen everything
			if err := s.conn(ctx).Raw(over+` AND s.number = ?`, at, number).Scan(&still).Error; err != nil || len(still) == 0 {
				return translate(err)
			}
			_, err := s.ChangeSubscriber(ctx, subscribers.Number(number), func(x *subscribers.Subscriber) error {
				x.State = subscribers.Unsubscribed
				return nil
			})
			return err
		})
		if err != nil && !errors.Is(err, notifier.ErrNotFound) {
			return 0, fmt.Errorf("end a subscription to what is over: %w", err)
		}
	}
	return len(found), nil
}
