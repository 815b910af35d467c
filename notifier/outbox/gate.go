package outbox

import (
	"context"
	"strings"
	"sync"
	"time"

	"allclear/notifier"
)

// freshFor is how long a look at the database is trusted. No transmission
// starts later than this after the last look began, which keeps the promise of
// I5 (1 s) with some room. It also means that nothing starts while the database
// cannot be reached: somebody may have left meanwhile.
const freshFor = 800 * time.Millisecond

// gateWait is how long a message that is ready to go waits for a fresh look before it is given back.
const gateWait = 5 * time.Second

// gate decides whether a transmission may start now.
type gate struct {
	now func() time.Time

	mu     sync.Mutex
	pulse  notifier.Pulse
	asked  time.Time     // when the last look began
	since  time.Time     // since when looks have come without a gap
	opened chan struct{} // closed and replaced at every look
}

func newGate(now func() time.Time) *gate {
	return &gate{now: now, opened: make(chan struct{})}
}

// open notes a look that began at asked and whose consequences are drawn.
func (g *gate) open(p notifier.Pulse, asked time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.fresh() {
		g.since = asked
	}
	g.pulse, g.asked = p, asked
	close(g.opened)
	g.opened = make(chan struct{})
}

// shut makes the last look one that is not trusted.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = time.Time{}
}

// steady reports whether the database has answered for at least d without a gap.
func (g *gate) steady(d time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fresh() && g.now().Sub(g.since) >= d
}

// last is the latest look, and whether it can still be trusted. A clock that
// was set back makes it stale, too.
func (g *gate) last() (notifier.Pulse, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pulse, g.fresh()
}

func (g *gate) fresh() bool {
	if g.asked.IsZero() {
		return false
	}
	age := g.now().Sub(g.asked)
	return age >= 0 && age < freshFor
}

// wait returns the latest look once it is fresh; false after gateWait or when ctx ends.
func (g *gate) wait(ctx context.Context) (notifier.Pulse, bool) {
	var patience *time.Timer
	for {
		g.mu.Lock()
		p, fresh, opened := g.pulse, g.fresh(), g.opened
		g.mu.Unlock()
		if fresh {
			return p, true
		}
		if patience == nil {
			patience = time.NewTimer(gateWait)
			defer patience.Stop()
		}
		select {
		case <-opened:
		case <-patience.C:
			return p, false
		case <-ctx.Done():
			return p, false
		}
	}
}

// paused says whether p holds back d, and whether by its domain.
func paused(p notifier.Pulse, d notifier.Delivery) (held, byDomain bool) {
	if len(p.Pauses) == 0 {
		return false, false
	}
	if p.Paused(notifier.PauseChannel, string(d.Channel)) || p.Paused(notifier.PauseLane, d.Lane.String()) {
		return true, false
	}
	at := strings.LastIndexByte(d.Address, '@')
	held = at >= 0 && p.Paused(notifier.PauseDomain, d.Address[at+1:])
	return held, held
}

// openLanes are those of lanes that p does not hold back on channel.
func openLanes(p notifier.Pulse, c notifier.Channel, lanes []notifier.Lane) []notifier.Lane {
	if p.Paused(notifier.PauseChannel, string(c)) {
		return nil
	}
	var open []notifier.Lane
	for _, l := range lanes {
		if !p.Paused(notifier.PauseLane, l.String()) {
			open = append(open, l)
		}
	}
	return open
}
