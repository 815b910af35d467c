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
		s, err := b.step(ctx, n)
		if err != nil {
			return err
		}
		peaks = append(peaks, s.Memory)
		b.tell(atMost("serve sending to "+short(n), "MB", 150, s.Memory))
	}
	b.tell(atMost(short(large)+" to "+short(small), "x", 1.15, peaks[1]/peaks[0]))
	return nil
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
