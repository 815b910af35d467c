package email

import (
	"context"
	"sync/atomic"
	"time"
)

// slot is one of a relay's connections, whether it stands at the moment or not,
// with the goroutine that works it.
type slot struct {
	pool     *Pool
	relay    *relay
	rank     int32 // 0: kept for the express lanes; else it works while health allows so many
	dialer   *connector
	timeouts Timeouts
	now      func() time.Time
	timer    *time.Timer // for idling and pausing

	speaker  speaker // nil: no connection stands
	wire     *wire
	standing atomic.Pointer[wire] // for breakOff
	sent     int                  // messages taken over this connection
	used     time.Time            // when it was last given a message; zero: never
	token    bool                 // the relay's rate lets one message go
	trying   bool                 // this connection carries the message on trial
	refused  int                  // attempts to connect that failed in a row

	// Of the reserved slot only; see ready.go.
	spare bool      // its connection carried nothing since it was made or refreshed
	tried time.Time // when a connection was last made ahead
	noops int       // over this connection
	lulls int       // looks in a row that found no ordinary mail on its way
}

// staleAfter is how long a connection has to idle before it may be found closed
// without that being a sign of trouble.
const staleAfter = time.Second

func newSlot(p *Pool, r *relay, rank int32, c *connector, o *PoolOptions) *slot {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &slot{pool: p, relay: r, rank: rank, dialer: c, timeouts: o.Timeouts, now: o.Now, timer: t}
}

// run works until the pool closes.
func (s *slot) run(ctx context.Context) {
	more := s.more // once: a method value costs an allocation
	for {
		j := s.take(ctx)
		if j == nil {
			s.leave()
			return
		}
		idled := s.spare || !s.used.IsZero() && s.relay.passed(s.used, staleAfter)
		s.used, s.lulls = s.now(), 0
		s.setSpare(false)
		s.note(j)
		err := s.speaker.send(j, idled, more)
		s.wire.rest()
		s.trying = s.trying && s.relay.State() == RelayTrying
		if err != nil {
			s.drop()
		} else if s.worn() {
			s.leave()
		}
	}
}

// take returns the next message for a connection that stands; nil when the pool closes.
func (s *slot) take(ctx context.Context) *job {
	for {
		changed := s.pool.changed.wait()
		select {
		case <-s.pool.closing:
			return nil
		default:
		}
		express, ordinary := s.mayTake()
		if s.speaker == nil {
			if !s.await(ctx, express, ordinary, changed) {
				return nil
			}
			express, ordinary = s.mayTake()
			if s.speaker != nil || !s.wanted(express, ordinary) {
				continue
			}
			if s.relay.reserved && s.wanted(false, ordinary) {
				s.relay.stirred() // the reserved one is made at the same time as the first of them
			}
			if !s.connect(ctx, false) {
				s.pause()
			}
			continue
		}
		if s.rank > 0 && !s.relay.allows(s.rank) && !s.trying {
			s.leave() // the relay is to have fewer connections
			continue
		}
		if s.spare && !s.relay.roomAhead() {
			s.leave() // an ordinary one needs its place
			continue
		}
		if s.relay.limiter != nil && !s.token {
			if s.wanted(express, ordinary) {
				s.earnToken()
			} else if j := s.listen(ctx, nil, nil, express, ordinary, changed); j != nil {
				return j
			}
			continue
		}
		if j := s.receive(ctx, express, ordinary, changed); j != nil {
			s.token = false
			return j
		}
	}
}

// mayTake says at which doors the slot may take messages now.
func (s *slot) mayTake() (express, ordinary bool) {
	r := s.relay
	if r.paused.Load() {
		return false, false
	}
	switch r.State() {
	case RelayTrying:
		return s.trying, s.trying
	case RelayResting:
		return false, false
	}
	return s.rank == 0 || r.allows(s.rank), s.rank > 0 && r.allows(s.rank)
}

// wanted reports whether somebody waits at one of the doors.
func (s *slot) wanted(express, ordinary bool) bool {
	return express && s.relay.doors[expressDoor].waiting.Load() > 0 || ordinary && s.relay.doors[ordinaryDoor].waiting.Load() > 0
}

// receive takes a message, express first, or waits for one. It returns nil when
// something changed that must be looked at.
func (s *slot) receive(ctx context.Context, express, ordinary bool, changed <-chan struct{}) *job {
	var ex, or chan *job
	if express {
		ex = s.relay.doors[expressDoor].jobs
	}
	if ordinary {
		or = s.relay.doors[ordinaryDoor].jobs
	}
	select {
	case j := <-ex:
		return j
	default:
	}
	select {
	case j := <-or:
		return j
	default:
	}
	return s.listen(ctx, ex, or, false, false, changed)
}

// listen waits on a connection that stands and has nothing to do: for a
// message, or for a bell where the rate has to be asked first.
func (s *slot) listen(ctx context.Context, ex, or chan *job, bellEx, bellOr bool, changed <-chan struct{}) *job {
	var exBell, orBell chan struct{}
	if bellEx {
		exBell = s.relay.doors[expressDoor].bell
	}
	if bellOr {
		orBell = s.relay.doors[ordinaryDoor].bell
	}
	s.timer.Reset(s.idle())
	defer s.timer.Stop()
	select {
	case j := <-ex:
		return j
	case j := <-or:
		return j
	case <-exBell:
	case <-orBell:
	case <-changed:
	case <-s.relay.probe:
		s.trial(ctx)
	case <-s.timer.C:
		if s.stayReady(ctx) {
			return nil
		}
		if s.trying {
			s.relay.success() // nobody came to try it out
		}
		s.leave()
	case <-s.pool.closing:
	}
	return nil
}

// await waits without a connection until somebody may want one; false when the pool closes.
func (s *slot) await(ctx context.Context, express, ordinary bool, changed <-chan struct{}) bool {
	if s.wanted(express, ordinary) {
		return true
	}
	var exBell, orBell chan struct{}
	if express {
		exBell = s.relay.doors[expressDoor].bell
	}
	if ordinary {
		orBell = s.relay.doors[ordinaryDoor].bell
	}
	var stir <-chan struct{}
	var later <-chan time.Time
	if express && s.reserved() {
		stir, later = s.stirring()
		defer s.timer.Stop()
	}
	select {
	case <-exBell:
	case <-orBell:
	case <-stir:
		s.getReady(ctx)
	case <-later:
	case <-changed:
	case <-s.relay.probe:
		s.trial(ctx)
	case <-s.pool.closing:
		return false
	}
	return true
}

// earnToken waits until the relay's rate lets a message go.
func (s *slot) earnToken() {
	r := s.relay.limiter.Reserve()
	for d := r.Delay(); d > 0; d = r.Delay() {
		if !s.sleep(d) {
			select {
			case <-s.pool.closing:
				return
			default:
			}
		}
	}
	s.token = true
}

func (s *slot) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	s.timer.Reset(d)
	defer s.timer.Stop()
	changed := s.pool.changed.wait()
	select {
	case <-s.timer.C:
		return true
	case <-changed:
		return false
	case <-s.pool.closing:
		return false
	}
}

// more finds what may go behind the dot of current, or after a refusal (nil).
// It never waits. An express message never goes behind an ordinary one, whose
// dot may be long in being answered; while one waits, nothing goes behind, so
// that this connection is free for it the sooner.
func (s *slot) more(current *job) *job {
	s.sent++
	select {
	case <-s.pool.closing:
		return nil
	default:
	}
	express, ordinary := s.mayTake()
	r := s.relay
	if current != nil && r.slow.Load() {
		return nil // it would wait behind the dot, where another connection may be free
	}
	if s.trying || s.worn() || !express && !ordinary {
		return nil
	}
	if current != nil && !current.lane.Express() && express {
		if r.doors[expressDoor].waiting.Load() > 0 {
			return nil
		}
		express = false
	}
	if r.limiter != nil && !s.token {
		if !r.limiter.Allow() {
			return nil
		}
		s.token = true
	}
	if express {
		select {
		case j := <-r.doors[expressDoor].jobs:
			s.token = false
			return j
		default:
		}
	}
	if ordinary {
		select {
		case j := <-r.doors[ordinaryDoor].jobs:
			s.token = false
			s.note(j)
			return j
		default:
		}
	}
	return nil
}

// note tells the reserved slot of ordinary mail.
func (s *slot) note(j *job) {
	if s.relay.reserved && !j.lane.Express() {
		s.relay.stirred()
	}
}

// worn reports whether the connection has carried as many messages as it may.
func (s *slot) worn() bool {
	return s.relay.MaxMessages > 0 && s.sent >= s.relay.MaxMessages
}
