package digest

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"allclear/subscribers"
)

const (
	// slice is how many readers one step looks at: SQLite has one writer, and who
	// posts an incident waits for it.
	slice = 1000
	// often is how often it is looked whether something is due: somebody may
	// choose a schedule, or be owed a last digest.
	often = 10 * time.Second
	// again is how soon after an error.
	again = 5 * time.Second
)

// Store keeps what is due.
type Store interface {
	// MakeDigests does one step of what is due at a time.
	MakeDigests(ctx context.Context, c subscribers.Calendar, at time.Time, max int) (subscribers.MadeDigests, error)
}

// Options are what a Maker needs.
type Options struct {
	Store    Store
	Calendar *Calendar // until the database names another
	Now      func() time.Time
	Log      *slog.Logger
	Made     func(n int) // told of digests that can be sent from now on; nil: nobody asks
}

// Maker makes digests when they are due. Any number may work on one database.
type Maker struct {
	o        Options
	nudge    chan struct{}
	calendar *Calendar
}

// New makes one.
func New(o Options) *Maker {
	if o.Made == nil {
		o.Made = func(int) {}
	}
	return &Maker{o, make(chan struct{}, 1), o.Calendar}
}

// Nudge lets Run look at once, without waiting for it.
func (m *Maker) Nudge() {
	select {
	case m.nudge <- struct{}{}:
	default:
	}
}

// Run makes what is due until ctx ends.
func (m *Maker) Run(ctx context.Context) {
	for {
		next, err := m.MakeDue(ctx, nil)
		pause := often
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			m.o.Log.Warn("make digests", "error", err)
			pause = again
		case !next.IsZero():
			pause = min(often, max(next.Sub(m.o.Now()), time.Millisecond))
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-m.nudge:
		case <-t.C:
		}
		t.Stop()
	}
}

// MakeDue makes all that is due now, and returns when something will be next.
// count, where it is not nil, is told of every step that made some.
func (m *Maker) MakeDue(ctx context.Context, count func(made int)) (time.Time, error) {
	return m.MakeAt(ctx, time.Time{}, count)
}

// MakeAt makes all that is due at a time, to be sent now; the zero time is the
// present one, which goes on meanwhile.
func (m *Maker) MakeAt(ctx context.Context, at time.Time, count func(made int)) (next time.Time, err error) {
	all := 0
	for {
		due := at
		if due.IsZero() {
			due = m.o.Now()
		}
		step, err := m.o.Store.MakeDigests(ctx, m.calendar, due, slice)
		if err != nil {
			return time.Time{}, fmt.Errorf("make what is due: %w", err)
		}
		if step.Setting != "" {
			if err := m.follow(step.Setting); err != nil {
				return time.Time{}, err
			}
			continue
		}
		if step.Made > 0 {
			m.o.Made(step.Made)
			if count != nil {
				count(step.Made)
			}
		}
		if all += step.Made; step.Idle {
			if all > 0 {
				m.o.Log.Info("made digests", "count", all)
			}
			return step.Next, nil
		}
		if err := ctx.Err(); err != nil {
			return time.Time{}, err
		}
	}
}

// follow plans by the hour and zone that the database names: those of the
// process that was started last. Whoever insisted on its own would plan anew what
// the others had planned, and they again.
func (m *Maker) follow(setting string) error {
	c, err := Parse(setting)
	if err == nil && c.Setting() != setting {
		err = fmt.Errorf("read the setting of digests: %q is not as it is written", setting)
	}
	if err != nil {
		return err
	}
	m.o.Log.Warn("another process was started with another hour or zone of digests: theirs counts", "ours", m.calendar.Setting(), "theirs", setting)
	m.calendar = c
	return nil
}
