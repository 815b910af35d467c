package main

import (
	"context"
	"time"
)

const (
	progressEvery  = 20 * time.Millisecond
	progressWindow = 30 * time.Second
)

// takeProgress asks how an event fares while it goes out to everyone.
func takeProgress(ctx context.Context, b *bed) error {
	n := b.scaled(1_000_000)
	if err := b.serve(ctx, n, true, sinkOptions{}); err != nil {
		return err
	}
	v, err := b.rounds(func() (float64, error) {
		said, err := b.api.announce(ctx, benchIncident())
		if err != nil {
			return 0, err
		}
		var all []float64
		tick, end := time.NewTicker(progressEvery), time.NewTimer(progressWindow)
		defer tick.Stop()
		defer end.Stop()
		for {
			began := time.Now()
			f, err := b.api.event(ctx, said.EventID)
			if err != nil {
				return 0, err
			}
			all = append(all, ms(time.Since(began)))
			if finished(f) {
				return p99(all), nil
			}
			select {
			case <-tick.C:
			case <-end.C:
				return p99(all), b.api.withdraw(ctx, said)
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
	})
	if err != nil {
		return err
	}
	b.tell(atMost("GET while sending to "+short(n)+", 99 of 100", "ms", 20, v))
	return nil
}
