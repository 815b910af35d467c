package main

import (
	"context"
	"log/slog"
	"time"
)

// remindEvery is how long a reminder may be late: nobody minds seconds of an hour.
const remindEvery = 5 * time.Second

// reminding reminds readers of maintenance before it begins. Any number of
// processes may do so.
type reminding struct {
	before []time.Duration
	remind func(ctx context.Context, before []time.Duration) (int, error)
	log    *slog.Logger
	// rest waits, and reports whether to go on; nil is rest.
	rest func(ctx context.Context, d time.Duration) bool
}

// run looks every few seconds, and at its start, until ctx ends. A database
// that is away is told of once.
func (r reminding) run(ctx context.Context) {
	if r.rest == nil {
		r.rest = rest
	}
	for failing := false; ; {
		n, err := r.remind(ctx, r.before)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			r.log.Warn("remind of maintenance", "error", err)
		case n > 0:
			r.log.Info("reminded of maintenance", "count", n)
		}
		failing = err != nil
		if !r.rest(ctx, remindEvery) {
			return
		}
	}
}
