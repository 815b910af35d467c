package main

import (
	"context"
	"time"
)

// takeMemory measures the peak of a service that was just started and sends to
// everyone, unsigned, because that is quick and costs no less memory.
func takeMemory(ctx context.Context, b *bed) error {
	small, large := b.scaled(100_000), b.scaled(1_000_000)
	var peaks []float64
	for _, n := range []int{small, large} {
		v, err := b.rounds(func() (float64, error) {
			b.rest()
			if err := b.serve(ctx, n, false, sinkOptions{}); err != nil {
				return 0, err
			}
			if _, err := b.sendToAll(ctx); err != nil {
				return 0, err
			}
			peak, _, err := b.child.memory()
			return float64(peak) / (1 << 20), err
		})
		if err != nil {
			return err
		}
		peaks = append(peaks, v)
		b.tell(atMost("serve sending to "+short(n), "MB", 150, v))
	}
	b.tell(atMost(short(large)+" to "+short(small), "x", 1.15, peaks[1]/peaks[0]))
	return nil
}

// sendToAll sends an incident to everyone and answers how long it took until
// all was settled.
func (b *bed) sendToAll(ctx context.Context) (time.Duration, error) {
	begun, began := b.relay.taken.Load(), time.Now()
	said, err := b.api.announce(ctx, benchIncident())
	if err != nil {
		return 0, err
	}
	return b.allSent(ctx, said, begun, began)
}

// allSent waits for the end of an event that goes to everyone.
func (b *bed) allSent(ctx context.Context, said announced, begun int64, began time.Time) (time.Duration, error) {
	m := b.a.meter("mails", int64(b.followers))
	stop := ticking(func() { m.set(b.relay.taken.Load() - begun) })
	err := b.taken(ctx, begun, int64(b.followers))
	stop()
	m.close()
	if err != nil {
		return 0, err
	}
	_, err = b.api.until(ctx, said.EventID, 2*time.Millisecond, finished)
	return time.Since(began), err
}
