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

// longGap is how long looks may fail to come before the database counts as
// having been away; see steady.
const longGap = heartbeat / 2

// gate decides whether a transmission may start now.
type gate struct {
	now func() time.Time

	mu     sync.Mutex
	pulse  notifier.Pulse
	asked  time.Time     // when the last look began
	closed bool          // shut, and no look was begun since
	shutAt time.Time     // when it was last shut
	good   time.Duration // how long looks have come in good time since the last long gap
	opened chan struct{} // closed and replaced at every look
}

func newGate(now func() time.Time) *gate {
	return &gate{now: now, opened: make(chan struct{})}
}

// open notes a look that began at asked and whose consequences are drawn. One
// that was under way when the gate was shut does not open it.
func (g *gate) open(p notifier.Pulse, asked time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.now(); g.shutAt.After(now) {
		g.shutAt = now // the clock was set back; what begins from here on counts
	}
	if !g.shutAt.IsZero() && !asked.After(g.shutAt) {
		return
	}
	switch gap := asked.Sub(g.asked); {
	case gap < 0, gap > longGap:
		g.good = 0
	case gap < freshFor:
		g.good += gap
	}
	g.pulse, g.asked, g.closed = p, asked, false
	close(g.opened)
	g.opened = make(chan struct{})
}

// shut makes the last look one that is not trusted, and those under way.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.shutAt = true, g.now()
}

// steady reports whether looks have come in good time for d altogether since
// the database was away. It gives the others that were cut off with us the time
// to tell what they sent, before their leases, which may have ended meanwhile,
// are taken back: 132 mails of 1,500 were once repeated by a reaper that was
// quicker than the settlers. A look that is late now and then, as on a machine
// with too much to do, ends no lease: that takes two heartbeats in a row that
// fail. Such looks only do not count; one that had to wait for longer than
// longGap begins the count anew.
func (g *gate) steady(d time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fresh() && g.good >= d
}

// last is the latest look, and whether it can still be trusted. A clock that
// was set back makes it stale, too.
func (g *gate) last() (notifier.Pulse, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pulse, g.fresh()
}

func (g *gate) fresh() bool {
	if g.closed || g.asked.IsZero() {
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
