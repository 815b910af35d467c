package main

import (
	"context"
	"time"

	"allclear/notifier"
)

const (
	acceptProbes = 100                    // posts while nothing goes out
	acceptEvery  = 150 * time.Millisecond // between posts while others are sent: monitors do not post faster
	acceptWindow = 15 * time.Second       // how long others are sent meanwhile
)

// takeAccept measures POST /incidents with posts that concern nobody, so that
// each finds the service as the last one did. Idle, each waits until nothing is
// left of the one before.
func takeAccept(ctx context.Context, b *bed) error {
	n := b.scaled(100_000)
	v, err := b.rounds(ctx, n, true, sinkOptions{}, func() (float64, error) {
		var all []float64
		for range max(min(acceptProbes, n/100), 20) {
			took, err := b.probe(ctx)
			if err != nil {
				return 0, err
			}
			all = append(all, ms(took))
		}
		return p99(all), nil
	})
	if err != nil {
		return err
	}
	b.tell(atMost("POST, idle, 99 of 100", "ms", 10, v))
	if v, err = b.rounds(ctx, n, true, sinkOptions{}, func() (float64, error) { return b.acceptBusy(ctx) }); err != nil {
		return err
	}
	b.tell(atMost("POST, "+count(int64(n))+" others, 99 of 100", "ms", 50, v))
	return nil
}

// acceptBusy posts while an incident is expanded and sent to everyone.
func (b *bed) acceptBusy(ctx context.Context) (float64, error) {
	end := time.Now().Add(acceptWindow)
	big, err := b.api.announce(ctx, benchIncident())
	if err != nil {
		return 0, err
	}
	what := benchIncident()
	what["severity"] = notifier.SeverityNone.String()
	all, err := paced(ctx, acceptEvery, func() (bool, error) {
		_, err := b.api.announce(ctx, what)
		return b.relay.taken.Load() >= int64(b.followers) || time.Now().After(end), err
	})
	if err != nil {
		return 0, err
	}
	return p99(all), b.api.withdraw(ctx, big)
}
