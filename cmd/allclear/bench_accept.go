package main

import (
	"context"
	"time"

	"allclear/notifier"
)

const (
	acceptProbes = 300                    // posts while nothing goes out
	acceptEvery  = 150 * time.Millisecond // between posts while others are sent: monitors do not post faster
	acceptWindow = 30 * time.Second       // how long others are sent meanwhile
)

// takeAccept measures POST /incidents with posts that concern nobody, so that
// each finds the service as the last one did.
func takeAccept(ctx context.Context, b *bed) error {
	n := b.scaled(100_000)
	if err := b.serve(ctx, n, true, sinkOptions{}); err != nil {
		return err
	}
	var idle, busy []float64
	for range max(min(acceptProbes, n/100), 20) {
		took, err := b.probe(ctx)
		if err != nil {
			return err
		}
		idle = append(idle, ms(took))
	}
	b.tell(atMost("POST, idle, 99 of 100", "ms", 10, p99(idle)))
	for range b.c.Rounds {
		all, err := b.acceptBusy(ctx)
		if err != nil {
			return err
		}
		busy = append(busy, all...)
	}
	b.tell(atMost("POST, "+count(int64(n))+" others, 99 of 100", "ms", 50, p99(busy)))
	return nil
}

// acceptBusy posts while an incident is expanded and sent to everyone.
func (b *bed) acceptBusy(ctx context.Context) ([]float64, error) {
	big, err := b.api.announce(ctx, benchIncident())
	if err != nil {
		return nil, err
	}
	what := benchIncident()
	what["severity"] = notifier.SeverityNone.String()
	var all []float64
	tick, end := time.NewTicker(acceptEvery), time.NewTimer(acceptWindow)
	defer tick.Stop()
	defer end.Stop()
	for {
		began := time.Now()
		if _, err := b.api.announce(ctx, what); err != nil {
			return nil, err
		}
		all = append(all, ms(time.Since(began)))
		f, err := b.api.event(ctx, big.EventID)
		if err != nil || finished(f) {
			return all, err
		}
		select {
		case <-tick.C:
		case <-end.C:
			return all, b.api.withdraw(ctx, big)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
