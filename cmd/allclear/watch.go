package main

import (
	"context"
	"log/slog"
	"time"

	"allclear/notifier"
)

// How often a process asks the database what changed, the longest pause
// between two tries while it cannot be reached, and how long an answer is
// waited for: one that never comes must not keep the next question, which may
// reach another host, from being asked.
const (
	pulseEvery = 200 * time.Millisecond
	pulseWait  = time.Second
	pulseLimit = 5 * time.Second
)

// watch is the loop that keeps a process in step with its database: one cheap
// question several times a second, and at once when somebody says that
// something changed. What a process may do without the answer is decided by
// the parts it tells (the outbox starts nothing on a stale one).
type watch struct {
	pulse func(ctx context.Context) (notifier.Pulse, error)
	// tell is given every answer and when the question was asked.
	tell func(ctx context.Context, p notifier.Pulse, asked time.Time) error
	now  func() time.Time
	log  *slog.Logger
	// limit is how long an answer is waited for; 0 is pulseLimit.
	limit time.Duration
	wake  chan struct{}
}

func newWatch(w watch) *watch {
	w.wake = make(chan struct{}, 1)
	if w.limit <= 0 {
		w.limit = pulseLimit
	}
	return &w
}

// nudge makes the loop ask at once.
func (w *watch) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run asks until ctx ends. Trouble is logged when it begins and when it ends.
func (w *watch) run(ctx context.Context) {
	pause, failing := pulseEvery, false
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-w.wake:
		}
		asked := w.now()
		call, done := context.WithTimeout(ctx, w.limit)
		p, err := w.pulse(call)
		done()
		if err == nil {
			err = w.tell(ctx, p, asked)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !failing {
				w.log.Warn("the database cannot be asked; nothing is sent until it can", "error", err)
			}
			failing, pause = true, min(pause*2, pulseWait)
		case failing:
			w.log.Info("the database answers again")
			failing, pause = false, pulseEvery
		}
		if err != nil {
			// A nudge must not turn trouble into a busy loop.
			select {
			case <-ctx.Done():
				return
			case <-time.After(pulseEvery / 2):
			}
		}
		timer.Reset(pause)
	}
}
