package main

import (
	"context"
	"time"
)

// takeExpansion measures the first mail of an incident that is posted while an
// event of a lower lane is being made into deliveries, at a quick relay and at
// one that takes half a second for each answer.
func takeExpansion(ctx context.Context, b *bed) error {
	n := b.scaled(1_000_000)
	for _, c := range []struct {
		what  string
		delay time.Duration
		limit float64
	}{
		{"first mail behind fan-out to " + short(n), 0, 500},
		{"the same, answers after 500 ms", 500 * time.Millisecond, 1500},
	} {
		if err := b.serve(ctx, n, true, sinkOptions{delay: c.delay}); err != nil {
			return err
		}
		v, err := b.rounds(func() (float64, error) {
			post, err := b.post(ctx)
			if err != nil {
				return 0, err
			}
			if _, err := b.api.until(ctx, post.EventID, 5*time.Millisecond, func(f fares) bool { return f.Total > 0 || finished(f) }); err != nil {
				return 0, err
			}
			v, err := b.firstMail(ctx)
			if err != nil {
				return 0, err
			}
			return v, b.api.withdraw(ctx, post)
		})
		if err != nil {
			return err
		}
		b.tell(atMost(c.what, "ms", c.limit, v))
		b.rest()
	}
	return nil
}

// short is a round number of followers, as in 100k and 1M.
func short(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return count(int64(n/1_000_000)) + "M"
	case n >= 1000 && n%1000 == 0:
		return count(int64(n/1000)) + "k"
	}
	return count(int64(n))
}
