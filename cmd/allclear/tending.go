package main

import (
	"context"
	"log/slog"
	"time"
)

const (
	tendEvery = time.Second           // what nobody told us of waits so long at most
	tendPause = 50 * time.Millisecond // between two looks, while there is something to do
	tendLimit = 30 * time.Second      // how long the database may take
)

// tending carries notices on: it starts what is scheduled, releases more
// recipients, watches the canary, sees when all is over and publishes what
// waited for that. Any number of processes may do so.
type tending struct {
	tend func(ctx context.Context) (changed bool, err error)
	// did is called when there was something, because others can go on now.
	did func()
	log *slog.Logger
	// rest waits, and reports whether to go on; nil is rest.
	rest func(ctx context.Context, d time.Duration) bool
}

// run looks about every second until ctx ends.
func (t tending) run(ctx context.Context) {
	if t.rest == nil {
		t.rest = rest
	}
	failing := false
	for pause := time.Duration(0); t.rest(ctx, pause); {
		call, done := context.WithTimeout(ctx, tendLimit)
		changed, err := t.tend(call)
		done()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			t.log.Error("a notice cannot be carried on; the others are", "error", err)
		}
		failing, pause = err != nil, tendEvery
		if changed {
			t.did()
			pause = tendPause
		}
	}
}

// tended lets others go on with what was done about notices, and the public
// pages show an update that waited for one.
func (p *Program) tended() {
	p.posted.Add(1)
	p.watch.nudge()
}
