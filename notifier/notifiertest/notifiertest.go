// Package notifiertest holds what tests of several rooms need: a Sender that
// follows a script, and a clock that stands still until it is moved.
package notifiertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
)

// Clock is a clock that only moves when it is told to. Its zero value is not ready; see NewClock.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock makes a clock that stands at 2026-11-23 16:11 UTC.
func NewClock() *Clock {
	return &Clock{now: time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)}
}

// Now is what the clock shows.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d, which may be negative.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Sender is a notifier.Sender that takes everything, unless its script says otherwise.
type Sender struct {
	// Script, if set, decides about each message before it is transmitted: an
	// error refuses it. It may block, and it should mind ctx when it does.
	Script func(ctx context.Context, m *notifier.Message) error

	mu   sync.Mutex
	sent []notifier.Message
	more chan struct{} // closed and replaced when sent grows
}

// Send obeys the script and Flight's two rules.
func (s *Sender) Send(ctx context.Context, m *notifier.Message, f notifier.Flight) (notifier.Receipt, error) {
	if s.Script != nil {
		if err := s.Script(ctx, m); err != nil {
			return notifier.Receipt{}, err
		}
	}
	if err := f.Begin(); err != nil {
		return notifier.Receipt{}, err
	}
	s.mu.Lock()
	s.sent = append(s.sent, *m)
	if s.more != nil {
		close(s.more)
		s.more = nil
	}
	s.mu.Unlock()
	r := notifier.Receipt{Relay: "test", Reply: "250 2.0.0 Ok", Remote: m.Delivery.String()}
	return r, f.Taken(r)
}

// Sent is everything that was transmitted, in order.
func (s *Sender) Sent() []notifier.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]notifier.Message(nil), s.sent...)
}

// WaitFor waits until n messages were transmitted. It fails the test after 20 seconds.
func (s *Sender) WaitFor(t testing.TB, n int) []notifier.Message {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		s.mu.Lock()
		if len(s.sent) >= n {
			s.mu.Unlock()
			return s.Sent()
		}
		if s.more == nil {
			s.more = make(chan struct{})
		}
		more, have := s.more, len(s.sent)
		s.mu.Unlock()
		select {
		case <-more:
		case <-limit.C:
			t.Fatalf("waited for %d messages, have %d", n, have)
		}
	}
}
