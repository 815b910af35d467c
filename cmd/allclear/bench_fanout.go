package main

import (
	"context"
	"net/http"
	"time"
)

// takeFanout measures from the POST until every delivery is made: while those
// that are made go out already, and with the queue paused.
func takeFanout(ctx context.Context, b *bed) error {
	n := b.scaled(100_000)
	what := count(int64(n)) + " deliveries made, "
	sending, err := b.rounds(ctx, n, true, sinkOptions{}, func() (float64, error) { return b.fanout(ctx) })
	if err != nil {
		return err
	}
	b.tell(atMost(what+"sending", "s", 1, sending))
	queue := func(what string) error {
		return b.api.call(ctx, http.MethodPost, "/queue/"+what, map[string]any{}, nil)
	}
	paused, err := b.rounds(ctx, n, true, sinkOptions{}, func() (float64, error) {
		if err := queue("pause"); err != nil {
			return 0, err
		}
		v, err := b.fanout(ctx)
		if err != nil {
			return 0, err
		}
		return v, queue("resume")
	})
	if err != nil {
		return err
	}
	b.tell(atMost(what+"paused", "s", 1, paused))
	return nil
}

// fanout is the seconds from the POST until every delivery is made.
func (b *bed) fanout(ctx context.Context) (float64, error) {
	began := time.Now()
	said, err := b.api.announce(ctx, benchIncident())
	if err != nil {
		return 0, err
	}
	took, err := b.expanded(ctx, said, began)
	if err != nil {
		return 0, err
	}
	return took.Seconds(), b.api.withdraw(ctx, said)
}

// expanded waits until an event has all its deliveries, and says since when.
func (b *bed) expanded(ctx context.Context, said announced, began time.Time) (time.Duration, error) {
	_, err := b.api.until(ctx, said.EventID, 5*time.Millisecond, func(f fares) bool { return f.State != "expanding" })
	return time.Since(began), err
}
