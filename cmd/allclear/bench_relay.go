package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	relayDelay  = 20 * time.Millisecond
	relayBefore = 200 // mails until the pace is steady
	relayWindow = 10 * time.Second
)

// takeRelay measures the rate at a relay that is far away. With PIPELINING a
// mail needs one round trip, the next one's envelope going with its end;
// without, it needs four: MAIL, RCPT, DATA and the end.
func takeRelay(ctx context.Context, b *bed) error {
	for _, c := range []struct {
		what, trip string
		plain      bool
		trips      int
	}{
		{"20 ms away, PIPELINING", "round trips a mail, PIPELINING", false, 1},
		{"20 ms away, without", "round trips a mail, without", true, 4},
	} {
		best := benchConnections / (float64(c.trips) * relayDelay.Seconds())
		var trips []float64
		v, err := b.rounds(ctx, b.scaled(10_000), true, sinkOptions{delay: relayDelay, plain: c.plain}, func() (float64, error) {
			rate, t, err := b.relayRate(ctx)
			trips = append(trips, t)
			return rate, err
		})
		if err != nil {
			return err
		}
		b.tell(atLeast(c.what, "mails/s", .9*best, v), plainFigure(c.trip, "", middle(trips)))
	}
	return nil
}

// relayRate is the rate of sending once it is steady, and the round trips a
// mail took; then what is left is withdrawn.
func (b *bed) relayRate(ctx context.Context) (rate, trips float64, err error) {
	begun := b.relay.taken.Load()
	said, err := b.api.announce(ctx, benchIncident())
	if err != nil {
		return 0, 0, err
	}
	if b.followers <= relayBefore {
		return 0, 0, errors.New("too few followers: " + fmt.Sprint(relayBefore) + " mails go before the clock runs")
	}
	if err := b.taken(ctx, begun, relayBefore); err != nil {
		return 0, 0, err
	}
	from, answers, began := b.relay.taken.Load(), b.relay.answers.Load(), time.Now()
	end := time.NewTimer(relayWindow)
	defer end.Stop()
	select {
	case <-b.relay.reached(begun + int64(b.followers)):
	case <-end.C:
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	mails, took := float64(b.relay.taken.Load()-from), time.Since(began)
	trips = float64(b.relay.answers.Load()-answers) / mails
	return mails / took.Seconds(), trips, b.api.withdraw(ctx, said)
}
