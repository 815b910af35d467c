package main

import (
	"context"
)

// takeFirst measures the first mail where nothing else is to be done.
func takeFirst(ctx context.Context, b *bed) error {
	n := b.scaled(100_000)
	if err := b.serve(ctx, n, true, sinkOptions{}); err != nil {
		return err
	}
	v, err := b.rounds(func() (float64, error) { return b.firstMail(ctx) })
	if err != nil {
		return err
	}
	b.tell(atMost("first of "+count(int64(n))+" mails, idle", "ms", 300, v))
	return nil
}

// takeOvertake measures it while a post is on its way to everyone.
func takeOvertake(ctx context.Context, b *bed) error {
	n := b.scaled(100_000)
	if err := b.serve(ctx, n, true, sinkOptions{}); err != nil {
		return err
	}
	v, err := b.rounds(func() (float64, error) {
		begun := b.relay.taken.Load()
		post, err := b.post(ctx)
		if err != nil {
			return 0, err
		}
		if err := b.taken(ctx, begun, int64(n/50+1)); err != nil {
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
	b.tell(atMost("first mail past a post to "+count(int64(n)), "ms", 300, v))
	return nil
}
