package email

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"allclear/notifier"
)

// RelayState is what a relay's breaker lets through.
type RelayState int32

// The states of a breaker.
const (
	// RelayWorking: messages go. Trouble upon trouble, or no connection at
	// all, makes it RelayResting.
	RelayWorking RelayState = iota
	// RelayResting: nothing goes until the back-off is over; then one
	// connection is made without a message. If it stands, RelayTrying.
	RelayResting
	// RelayTrying: one message goes. Its fate decides between RelayWorking and RelayResting.
	RelayTrying
)

func (s RelayState) String() string {
	return [...]string{"working", "resting", "trying"}[s]
}

// Breaker says when a relay is left alone, and for how long. The zero value of
// each field means its default.
type Breaker struct {
	Failures int           // signs of trouble in a row that open it: 5
	First    time.Duration // the first rest: 1 s; each further one is twice as long
	Longest  time.Duration // 1 min
	Growth   time.Duration // after trouble, one connection more is used every: 10 s
}

func (b *Breaker) setDefaults() {
	if b.Failures <= 0 {
		b.Failures = 5
	}
	if b.First <= 0 {
		b.First = time.Second
	}
	if b.Longest < b.First {
		b.Longest = max(b.First, time.Minute)
	}
	if b.Growth <= 0 {
		b.Growth = 10 * time.Second
	}
}

// halvePause keeps one burst of 421s on all connections from counting as many bursts.
const halvePause = time.Second

// health is one relay's breaker and the number of its connections that may
// work: halved at a sign of trouble (I7), grown by one again and again while
// there is none.
type health struct {
	name     string
	breaker  Breaker
	most     int32 // connections beside the reserved one
	reserved bool
	now      func() time.Time
	dice     func() float64
	observer Observer
	changed  *broadcast
	probe    chan struct{} // one token when a rest is over
	stir     chan struct{} // one token when ordinary mail is on its way

	// Read on every message, changed under mu.
	state  atomic.Int32
	limit  atomic.Int32
	streak atomic.Int32
	paused atomic.Bool
	// slow: the last final dot was long in being answered, so nothing goes behind one.
	slow     atomic.Bool
	dialling atomic.Int32 // connections being made, because somebody waits for them
	spare    atomic.Bool  // the reserved one stands, and is only kept ready
	sparing  atomic.Bool  // it is being made

	mu         sync.Mutex
	open       int // connections that stand
	until      time.Time
	rest       time.Duration
	timer      *time.Timer
	cause      *notifier.SendError // why it last rested
	lastHalved time.Time
	lastGrown  time.Time
	crowdedAt  time.Time // when the spare connection last had to make room
	refusals   window
}

func (h *health) State() RelayState { return RelayState(h.state.Load()) }

// allows reports whether the connection with this rank may work. The reserved
// one has rank 0 and always may.
func (h *health) allows(rank int32) bool { return rank <= h.limit.Load() }

// success: the relay took a message, or refused one for a reason that is not its own.
func (h *health) success() {
	if h.streak.Load() == 0 && h.limit.Load() == h.most && h.State() == RelayWorking {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streak.Store(0)
	if h.State() != RelayWorking {
		h.rest = 0
		h.stopTimer()
		h.enter(RelayWorking, nil)
	}
	if n := h.limit.Load(); n < h.most && h.passed(h.lastHalved, h.breaker.Growth) && h.passed(h.lastGrown, h.breaker.Growth) {
		h.lastGrown = h.now()
		h.setLimit(n + 1)
	}
}

// trouble: a sign that the relay is asked too much, on a connection that stood.
func (h *health) trouble(cause *notifier.SendError) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.streak.Add(1)
	switch {
	case h.State() == RelayResting:
		// Other connections are only learning of it.
	case h.State() == RelayTrying || int(n) >= h.breaker.Failures:
		h.takeRest(cause)
	case h.passed(h.lastHalved, halvePause):
		h.lastHalved = h.now()
		h.setLimit(max(1, h.limit.Load()/2))
	}
}

// unreachable: a connection could not be made. While others stand the relay
// merely wants no more of them; else it rests at once. probing says that this
// was the try after a rest.
func (h *health) unreachable(cause *notifier.SendError, probing bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := h.streak.Add(1)
	switch {
	case h.State() == RelayResting && !probing:
		return
	case h.inUse() == 0 && h.dialling.Load() == 0 || h.State() != RelayWorking || int(n) >= h.breaker.Failures:
		h.takeRest(cause)
		return
	}
	standing := int32(h.open) + h.dialling.Load()
	if h.reserved {
		standing--
	}
	h.lastHalved = h.now()
	h.setLimit(max(1, min(standing, h.limit.Load())))
}

// tryOut: the probe's connection stands; one message may go.
func (h *health) tryOut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.State() == RelayResting {
		h.enter(RelayTrying, nil)
	}
}

// untried: the message on trial told nothing about the relay before its connection ended.
func (h *health) untried() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.State() == RelayTrying && h.cause != nil {
		h.takeRest(h.cause)
	}
}

// connection counts connections that stand.
func (h *health) connection(delta int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open += delta
	h.observer.RelayConnections(h.name, h.open, h.allowedNow())
}

// rcpt notes how one RCPT was answered, and reports whether most of the last
// fifty got a 4.7.x: then it is no matter of this recipient.
func (h *health) rcpt(deferred bool) (most bool) {
	if !deferred && h.refusals.none() {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refusals.add(deferred)
}

// status is a picture of it for pages and metrics.
func (h *health) status() RelayStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := RelayStatus{Name: h.name, State: h.State(), Paused: h.paused.Load(), Open: h.open, Allowed: h.allowedNow()}
	if s.State != RelayWorking && h.cause != nil {
		s.Cause, s.RetryAt = h.cause, h.until
	}
	return s
}

// whyResting is the error for a message that finds no relay, as of this one.
func (h *health) whyResting() *notifier.SendError {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause == nil {
		return broken(h.name, stageDial, errors.New("the relay is resting"))
	}
	e := *h.cause
	e.RetryAfter = max(0, h.until.Sub(h.now()))
	return &e
}

// stop ends the timer for good.
func (h *health) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopTimer()
}

// passed reports whether d went by since t. A clock that was stepped back counts as yes.
func (h *health) passed(t time.Time, d time.Duration) bool {
	since := h.now().Sub(t)
	return since >= d || since < 0
}

// takeRest opens the breaker; mu is held.
func (h *health) takeRest(cause *notifier.SendError) {
	h.rest = min(max(2*h.rest, h.breaker.First), h.breaker.Longest)
	if cause.Fault == notifier.FaultOurs {
		h.rest = h.breaker.Longest // a wrong password gets no better by being repeated
	}
	d := time.Duration(float64(h.rest) * (0.8 + 0.4*h.dice()))
	h.until = h.now().Add(d)
	h.stopTimer()
	h.timer = time.AfterFunc(d, func() {
		select {
		case h.probe <- struct{}{}:
		default:
		}
	})
	h.lastHalved = h.now()
	h.setLimit(max(1, h.limit.Load()/2))
	h.enter(RelayResting, cause)
}

func (h *health) stopTimer() {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	select {
	case <-h.probe:
	default:
	}
}

func (h *health) enter(s RelayState, cause *notifier.SendError) {
	h.state.Store(int32(s))
	var why error
	if cause != nil {
		told := *cause
		told.RetryAfter = max(0, h.until.Sub(h.now()))
		h.cause, why = cause, &told
	}
	h.observer.RelayChanged(h.name, s, why)
	h.changed.all()
}

func (h *health) setLimit(n int32) {
	if h.limit.Swap(n) != n {
		h.observer.RelayConnections(h.name, h.open, h.allowedNow())
		h.changed.all()
	}
}

func (h *health) allowedNow() int {
	n := int(h.limit.Load())
	if h.reserved {
		n++
	}
	return n
}
