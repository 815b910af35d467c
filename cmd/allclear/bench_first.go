package main

import (
	"context"
	"time"
)

// takeFirst measures the first mail where nothing else is to be done.
func takeFirst(ctx context.Context, b *bed) error {
	n := b.scaled(100_000)
	v, err := b.rounds(ctx, n, true, sinkOptions{}, func() (float64, error) { return b.firstMail(ctx) })
	if err != nil {
		return err
	}
	b.tell(atMost("first of "+count(int64(n))+" mails, idle", "ms", 300, v))
	return nil
}

// takeOvertake measures it while a post is on its way to everyone.
func takeOvertake(ctx context.Context, b *bed) error {
	n := b.scaled(100_000)
	v, err := b.rounds(ctx, n, true, sinkOptions{}, func() (float64, error) {
		return b.pastPost(ctx, func(announced) error { return b.taken(ctx, 0, int64(n/50+1)) })
	})
	if err != nil {
		return err
	}
	b.tell(atMost("first mail past a post to "+count(int64(n)), "ms", 300, v))
	return nil
}

// takeExpansion measures it while a post is being made into deliveries, at a
// quick relay and at one that takes half a second for each answer.
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
		v, err := b.rounds(ctx, n, true, sinkOptions{delay: c.delay}, func() (float64, error) {
			return b.pastPost(ctx, func(post announced) error {
				_, err := b.api.until(ctx, post.EventID, 5*time.Millisecond, func(f fares) bool { return f.Total > 0 || finished(f) })
				return err
			})
		})
		if err != nil {
			return err
		}
		b.tell(atMost(c.what, "ms", c.limit, v))
	}
	return nil
}

// pastPost posts to everyone, waits until that is underway, and measures the
// first mail of an incident.
func (b *bed) pastPost(ctx context.Context, underway func(announced) error) (float64, error) {
	post, err := b.post(ctx)
	if err != nil {
		return 0, err
	}
	if err := underway(post); err != nil {
		return 0, err
	}
	v, err := b.firstMail(ctx)
	if err != nil {
		return 0, err
	}
	return v, b.api.withdraw(ctx, post)
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
