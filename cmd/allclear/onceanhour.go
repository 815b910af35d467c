package main

import (
	"sync"
	"time"
)

// onceAnHour lets something be said once an hour, so that what goes on for a
// day fills no log.
type onceAnHour struct {
	clock func() time.Time
	mu    sync.Mutex
	last  time.Time
}

func newOnceAnHour(clock func() time.Time) *onceAnHour { return &onceAnHour{clock: clock} }

func (o *onceAnHour) now() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.clock()
	if d := now.Sub(o.last); !o.last.IsZero() && d >= 0 && d < time.Hour {
		return false
	}
	o.last = now
	return true
}
