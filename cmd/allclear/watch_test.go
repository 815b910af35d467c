package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
)

// script answers the watch's questions in turn and keeps what it was told.
type script struct {
	mu      sync.Mutex
	answers []error
	asked   int
	told    chan notifier.Pulse
}

func (s *script) pulse(context.Context) (notifier.Pulse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if len(s.answers) > 0 {
		err := s.answers[0]
		s.answers = s.answers[1:]
		if err != nil {
			return notifier.Pulse{}, err
		}
	}
	return notifier.Pulse{Work: int64(s.asked)}, nil
}

func (s *script) tell(_ context.Context, p notifier.Pulse, asked time.Time) error {
	if asked.IsZero() {
		return errors.New("asked is not set")
	}
	select {
	case s.told <- p:
	default:
	}
	return nil
}

func runWatch(t *testing.T, s *script, log *bytes.Buffer) *watch {
	t.Helper()
	w := newWatch(watch{pulse: s.pulse, tell: s.tell, now: time.Now, log: slog.New(slog.NewTextHandler(log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return w
}

func next(t *testing.T, s *script) notifier.Pulse {
	t.Helper()
	select {
	case p := <-s.told:
		return p
	case <-time.After(patienceOfTests):
		t.Fatalf("nothing was told within %s", patienceOfTests)
		return notifier.Pulse{}
	}
}

func TestTheWatchAsksAtOnceThenAgainAndAgain(t *testing.T) {
	s := &script{told: make(chan notifier.Pulse)}
	runWatch(t, s, &bytes.Buffer{})
	first, second := next(t, s), next(t, s)
	if second.Work <= first.Work {
		t.Fatalf("told %d, then %d", first.Work, second.Work)
	}
}

func TestANudgeIsAnsweredAndNeverLost(t *testing.T) {
	s := &script{told: make(chan notifier.Pulse)}
	w := runWatch(t, s, &bytes.Buffer{})
	for range 5 {
		w.nudge()
		next(t, s)
	}
}

func TestTroubleIsLoggedOnceWhenItBeginsAndOnceWhenItEnds(t *testing.T) {
	away := errors.New("database is away")
	s := &script{told: make(chan notifier.Pulse), answers: []error{nil, away, away, away, nil}}
	var log bytes.Buffer
	w := newWatch(watch{pulse: s.pulse, tell: s.tell, now: time.Now, log: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.run(ctx); close(done) }()
	next(t, s)
	next(t, s)
	next(t, s)
	cancel()
	<-done
	if n := strings.Count(log.String(), "cannot be asked"); n != 1 {
		t.Errorf("the trouble was logged %d times:\n%s", n, &log)
	}
	if n := strings.Count(log.String(), "answers again"); n != 1 {
		t.Errorf("its end was logged %d times:\n%s", n, &log)
	}
}

func TestAQuestionThatIsNeverAnsweredIsAskedAgain(t *testing.T) {
	s := &script{told: make(chan notifier.Pulse)}
	silent := true
	w := newWatch(watch{tell: s.tell, now: time.Now, log: slog.New(slog.DiscardHandler), limit: 20 * time.Millisecond,
		pulse: func(ctx context.Context) (notifier.Pulse, error) {
			if silent {
				silent = false
				<-ctx.Done()
				return notifier.Pulse{}, ctx.Err()
			}
			return s.pulse(context.Background())
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.run(ctx); close(done) }()
	next(t, s)
	cancel()
	<-done
}
