package email

import (
	"context"
	"time"

	"allclear/notifier"
)

// The connection that is kept for the express lanes is made when ordinary mail
// is on its way, not when the incident is there: behind a relay that takes half
// a second for an answer, greeting and EHLO would be one second of the first
// mail's way. Nobody waits for it, so nothing that becomes of it is a sign of
// trouble: what cannot be made is tried again a while later, and without a word.
// When ordinary mail has ceased, it is closed like any other that idles. Forewarn
// has the same effect: expanding and claiming takes as long as one step of it.

// aheadTries is how many times the reserved connection is looked after in the
// time after which one that idles is closed. Once in each such part it may be
// asked for a sign of life, or dialled.
const aheadTries = 3

// noopsAtMost is how many NOOPs go over one connection before it is made anew:
// Exim hangs up after ten commands that are no mail (smtp_accept_max_nonmail),
// Postfix after a hundred and some (smtpd_junk_command_limit).
const noopsAtMost = 8

// noopPatience is how long the answer to a NOOP is waited for: as long as an
// incident must do without this connection.
const noopPatience = 10 * time.Second

// crowdedFor is how long no connection is made ahead at a relay that has no
// place for it beside the ordinary ones.
const crowdedFor = 10 * time.Minute

// stirred notes that ordinary mail is on its way, or any will be.
func (h *health) stirred() {
	select {
	case h.stir <- struct{}{}:
	default: // it is known
	}
}

// crowded reports whether why, the answer to an ordinary connection, came
// because the spare one has its place, or is about to. Then that makes room, and
// nothing is wrong.
func (h *health) crowded(why *notifier.SendError) bool {
	if why.Code == 0 || why.Stage != stageGreeting || !h.spare.Load() && !h.sparing.Load() {
		return false
	}
	h.mu.Lock()
	h.crowdedAt = h.now()
	h.mu.Unlock()
	h.changed.all()
	return true
}

// roomAhead reports whether the relay may have a place for a spare connection.
func (h *health) roomAhead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.passed(h.crowdedAt, crowdedFor)
}

// inUse is how many connections stand that are not only kept ready; mu is held.
// The spare one may have died long ago without anybody having noticed.
func (h *health) inUse() int {
	if h.spare.Load() {
		return h.open - 1
	}
	return h.open
}

// reserved reports whether this is the connection that is kept for the express lanes.
func (s *slot) reserved() bool { return s.rank == 0 && s.relay.reserved }

// idle is how long the connection may have nothing to do until somebody looks after it.
func (s *slot) idle() time.Duration {
	if s.reserved() && !s.trying {
		return s.timeouts.Idle / aheadTries
	}
	return s.timeouts.Idle
}

// stirring is where a reserved slot without a connection hears of ordinary mail;
// too soon after the last try, or where there is no room, it is when to look again.
func (s *slot) stirring() (stir <-chan struct{}, later <-chan time.Time) {
	if s.relay.passed(s.tried, s.idle()) && s.relay.roomAhead() {
		return s.relay.stir, nil
	}
	s.timer.Reset(s.idle())
	return nil, s.timer.C
}

// getReady makes the connection although nobody waits for one. Where somebody
// came to wait meanwhile, it fails as any other does.
func (s *slot) getReady(ctx context.Context) {
	s.tried = s.now()
	s.relay.sparing.Store(true)
	defer s.relay.sparing.Store(false)
	l, err := s.dialer.connect(ctx, &s.relay.Relay)
	switch {
	case err == nil:
		s.stand(l)
		s.setSpare(true)
	case s.wanted(true, false):
		s.refuse(ctx, err, false)
	}
}

// stayReady looks after a reserved connection that had nothing to do for a
// while; false: it is not needed any more.
func (s *slot) stayReady(ctx context.Context) bool {
	if !s.reserved() || s.trying {
		return false
	}
	select {
	case <-s.relay.stir:
		s.lulls = 0
	default:
		s.lulls++
		return s.lulls < aheadTries
	}
	if express, _ := s.mayTake(); !express {
		return true
	}
	if s.noops++; s.noops <= noopsAtMost {
		s.refresh(ctx)
		return true
	}
	s.leave()
	s.getReady(ctx)
	return true
}

// refresh asks for a sign of life. A connection that gives none is put away;
// the next ordinary message has it made anew.
func (s *slot) refresh(ctx context.Context) {
	w := s.wire
	stop := context.AfterFunc(ctx, func() { w.giveUp(errPoolEnded) })
	w.patience(min(noopPatience, s.timeouts.Command))
	err := s.speaker.noop()
	w.rest()
	if !stop() || err != nil {
		s.drop()
		return
	}
	s.setSpare(true)
}

// setSpare says whether the connection is only kept ready, or has shown itself
// of use since.
func (s *slot) setSpare(spare bool) {
	if s.spare != spare {
		s.spare = spare
		s.relay.spare.Store(spare)
	}
}
