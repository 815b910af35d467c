package email

import (
	"context"
	"errors"
	"time"

	"allclear/notifier"
)

// How a slot comes by its connection, and how it parts with it.

// trial is the try after a rest: a connection without a message, so that no
// message pays for a relay that is still away. A connection from before the rest
// proves nothing. The slot may then take the message on trial, whatever its rank.
func (s *slot) trial(ctx context.Context) {
	if s.relay.State() != RelayResting {
		return
	}
	s.leave()
	if s.connect(ctx, true) {
		s.trying = true
		s.relay.tryOut()
	}
}

// connect makes the connection.
func (s *slot) connect(ctx context.Context, probing bool) bool {
	s.relay.dialling.Add(1)
	l, err := s.dialer.connect(ctx, &s.relay.Relay)
	s.relay.dialling.Add(-1)
	if err != nil {
		s.refuse(ctx, err, probing)
		return false
	}
	s.stand(l)
	return true
}

// refuse draws the consequences of a connection that could not be made.
func (s *slot) refuse(ctx context.Context, err error, probing bool) {
	if ctx.Err() != nil {
		return // the pool closes
	}
	s.refused++
	var why *notifier.SendError
	if !errors.As(err, &why) {
		why = broken(s.relay.Name, stageDial, err)
	}
	if !s.relay.crowded(why) {
		s.relay.unreachable(why, probing)
	}
}

// stand begins the conversation on a connection that was made.
func (s *slot) stand(l *link) {
	s.refused, s.sent, s.used, s.wire = 0, 0, time.Time{}, l.wire
	s.noops, s.lulls = 0, 0
	if l.pipelining {
		s.speaker = newSession(l, s.relay.Name, &s.timeouts, s.now, s.relay.health)
	} else {
		s.speaker = &plain{wire: l.wire, client: l.client, relay: s.relay.Name, timeouts: &s.timeouts, now: s.now, health: s.relay.health}
	}
	s.standing.Store(l.wire)
	s.relay.connection(+1)
}

// pause keeps a slot that was refused while others work from asking again at
// once. A relay at rest is asked by its probe.
func (s *slot) pause() {
	if s.refused > 0 && s.relay.State() == RelayWorking {
		s.sleep(min(s.relay.breaker.First<<min(s.refused-1, 10), s.relay.breaker.Longest))
	}
}

// leave says QUIT and closes.
func (s *slot) leave() {
	if s.speaker != nil {
		s.speaker.quit()
		s.drop()
	}
}

// drop closes without a word.
func (s *slot) drop() {
	s.wire.hangUp()
	s.setSpare(false)
	s.standing.Store(nil)
	s.speaker, s.wire = nil, nil
	if s.trying {
		s.trying = false
		s.relay.untried()
	}
	s.relay.connection(-1)
}

// breakOff ends the conversation from another goroutine.
func (s *slot) breakOff() {
	if w := s.standing.Load(); w != nil {
		w.giveUp(errPoolEnded)
	}
}
