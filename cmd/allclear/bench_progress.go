package main

import (
	"context"
	"time"
)

const (
	progressEvery  = 100 * time.Millisecond // a page that follows along asks less often
	progressWindow = 30 * time.Second
)

// takeProgress asks how an event fares while it goes out to everyone.
func takeProgress(ctx context.Context, b *bed) error {
	n := b.scaled(1_000_000)
	v, err := b.rounds(ctx, n, true, sinkOptions{}, func() (float64, error) {
		said, err := b.api.announce(ctx, benchIncident())
		if err != nil {
			return 0, err
		}
		end := time.Now().Add(progressWindow)
		all, err := paced(ctx, progressEvery, func() (bool, error) {
			f, err := b.api.event(ctx, said.EventID)
			return finished(f) || time.Now().After(end), err
		})
		if err != nil {
			return 0, err
		}
		return p99(all), b.api.withdraw(ctx, said)
	})
	if err != nil {
		return err
	}
	b.tell(atMost("GET while sending to "+short(n)+", 99 of 100", "ms", 20, v))
	return nil
}
