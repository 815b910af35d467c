package webhook

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"allclear/notifier"
)

// shelf is a book that answers many at once, when it is let.
type shelf struct {
	book
	sizes []int
	hold  chan struct{} // nil: at once
	fails error
}

func (s *shelf) EndpointsOf(ctx context.Context, readers []int64) (map[int64]notifier.Endpoint, error) {
	s.mu.Lock()
	s.sizes = append(s.sizes, len(readers))
	hold, fails := s.hold, s.fails
	s.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if fails != nil {
		return nil, fails
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[int64]notifier.Endpoint{}
	for _, reader := range readers {
		if e, ok := s.known[reader]; ok {
			out[reader] = e
		}
	}
	return out, nil
}

func TestManyWhoAskAtATimeAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{hold: make(chan struct{})}
		for reader := range int64(300) {
			s.put(notifier.Endpoint{Reader: reader})
		}
		r := newRecent(s, time.Now)
		var all sync.WaitGroup
		ask := func(reader int64) {
			all.Go(func() {
				if e, err := r.get(t.Context(), reader); err != nil || e.Reader != reader {
					t.Errorf("%d: %+v, %v", reader, e, err)
				}
			})
		}
		ask(0)
		synctest.Wait()
		for reader := range int64(300) {
			ask(reader)
			ask(reader)
		}
		synctest.Wait()
		close(s.hold)
		all.Wait()
		if len(s.sizes) != 2 || s.sizes[0] != 1 || s.sizes[1] != 300 {
			t.Errorf("asked for %v at a time", s.sizes)
		}
		ask(7)
		all.Wait()
		if len(s.sizes) != 2 {
			t.Error("what is known was asked for again")
		}
		time.Sleep(recentTime) //nolint:forbidigo // the clock is the test's
		ask(7)
		all.Wait()
		if len(s.sizes) != 3 || s.asked != 0 {
			t.Errorf("a second later: asked %d times together, and %d alone", len(s.sizes), s.asked)
		}
	})
}

func TestOneEndpointThatCannotBeReadIsNotInTheWayOfOthers(t *testing.T) {
	s := &shelf{fails: errors.New("a secret cannot be opened")}
	s.put(notifier.Endpoint{Reader: 1})
	r := newRecent(s, time.Now)
	if e, err := r.get(t.Context(), 1); err != nil || e.Reader != 1 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := r.get(t.Context(), 2); !errors.Is(err, notifier.ErrNotFound) {
		t.Errorf("%v", err)
	}
	s.fails = nil
	if _, err := r.get(t.Context(), 3); !errors.Is(err, notifier.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestADatabaseThatDoesNotAnswerHoldsNobodyForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{hold: make(chan struct{})}
		s.err = errors.New("away")
		r := newRecent(s, time.Now)
		began := time.Now()
		var all sync.WaitGroup
		for reader := range int64(20) {
			all.Go(func() {
				if _, err := r.get(t.Context(), reader); err == nil {
					t.Error("found")
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if spent := time.Since(began); spent > 2*questionTime {
			t.Errorf("it took %s", spent)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.get(ctx, 99); err == nil {
			t.Error("found")
		}
	})
}
