// Package fanout turns one event into one delivery per matching subscriber.
//
// The work itself is a statement in the store, slice by slice; see
// store/expand.go. After every slice the oldest event of the highest lane is
// chosen anew, so that an incident never waits for the expansion of a digest.
package fanout

import (
	"context"
	"log/slog"
	"time"

	"allclear/notifier"
)

// SliceSize is how many subscribers one transaction looks at. It bounds how
// long anything else waits for the database.
const SliceSize = 2000

const (
	pollEvery  = time.Second            // behind the nudges
	afterError = 250 * time.Millisecond // the database may be away
	sliceTime  = 30 * time.Second       // a slice takes a fraction of a second; a dead connection says nothing for many minutes
)

// Expander makes the deliveries of one slice of the event that is due.
type Expander interface {
	ExpandSlice(ctx context.Context, max int) (notifier.Slice, error)
}

// Options are what a Fanout is made of.
type Options struct {
	Expander Expander
	Log      *slog.Logger
	// Made, if set, is told of every slice that made deliveries, so that they
	// can be claimed at once. It must not block.
	Made func(notifier.Slice)
}

// Fanout expands events as they come.
type Fanout struct {
	o    Options
	wake chan struct{}
}

// New makes a Fanout; Run it.
func New(o Options) *Fanout { return &Fanout{o: o, wake: make(chan struct{}, 1)} }

// Nudge says that there may be a new event.
func (f *Fanout) Nudge() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run expands until ctx ends. A slice is one transaction, so stopping between
// any two leaves nothing half-done.
func (f *Fanout) Run(ctx context.Context) {
	var failing bool
	for ctx.Err() == nil {
		call, done := context.WithTimeout(ctx, sliceTime)
		s, err := f.o.Expander.ExpandSlice(call, SliceSize)
		done()
		switch {
		case err != nil && ctx.Err() != nil:
			return
		case err != nil:
			if !failing {
				f.o.Log.Warn("expand events", "error", err)
			}
			failing = true
			f.rest(ctx, afterError)
			continue
		case failing:
			failing = false
			f.o.Log.Info("expanding events again")
		}
		if s.Made > 0 && f.o.Made != nil {
			f.o.Made(s)
		}
		if s.Complete {
			f.o.Log.Info("expanded", "event", s.Event, "lane", s.Lane.String())
		}
		if s.Idle {
			f.rest(ctx, pollEvery)
		}
	}
}

// rest waits for a nudge, for at most d.
func (f *Fanout) rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-f.wake:
	case <-t.C:
	}
}
