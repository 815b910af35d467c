package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"allclear/subscribers"
)

func TestRequestsForLinksAreAnsweredOneAfterTheOtherAndNoAddressIsLogged(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	var log strings.Builder
	var asked []string
	sent := 0
	l := newLostLinks(&lostLinks{
		log: slog.New(slog.NewTextHandler(&log, nil)), sent: func() { sent++ },
		send: func(_ context.Context, lost subscribers.Lost) (bool, error) {
			asked = append(asked, lost.Address)
			switch len(asked) {
			case 1:
				return false, errors.New("no database")
			case 3:
				end()
			}
			return len(asked) == 2, nil
		},
	})
	for i := range 3 {
		l.Ask(subscribers.Lost{Address: fmt.Sprintf("r%d@example.com", i)})
	}
	l.run(ctx)
	if fmt.Sprint(asked) != "[r0@example.com r1@example.com r2@example.com]" || sent != 1 {
		t.Errorf("asked %v, told %d times", asked, sent)
	}
	if !strings.Contains(log.String(), "no database") || strings.Contains(log.String(), "@example.com") {
		t.Errorf("the log says %s", log.String())
	}
}

func TestAFloodOfRequestsForLinksIsDroppedAndToldOnceAMinuteAndHoldsNobodyUp(t *testing.T) {
	var log strings.Builder
	now := time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)
	l := newLostLinks(&lostLinks{now: func() time.Time { return now }, log: slog.New(slog.NewTextHandler(&log, nil))})
	for range waitingLinks + 5 {
		l.Ask(subscribers.Lost{Address: "ann@example.com"})
	}
	now = now.Add(tellDropped)
	l.Ask(subscribers.Lost{Address: "ann@example.com"})
	if len(l.asked) != waitingLinks || strings.Count(log.String(), "dropped") != 2 || !strings.Contains(log.String(), "count=1\n") || !strings.Contains(log.String(), "count=5\n") {
		t.Errorf("%d wait; the log says %s", len(l.asked), log.String())
	}
}

func TestPausesAreLookedAtEveryMinuteAndFasterWhileManyAreOver(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	defer end()
	counts := []int{resumeStep, 3, 0}
	var rests []time.Duration
	resumption{
		resume: func(_ context.Context, max int) (int, error) {
			n := counts[0]
			counts = counts[1:]
			return min(n, max), nil
		},
		log: slog.New(slog.DiscardHandler),
		rest: func(_ context.Context, d time.Duration) bool {
			rests = append(rests, d)
			return len(counts) > 0
		},
	}.run(ctx)
	if fmt.Sprint(rests) != fmt.Sprint([]time.Duration{retentionPause, resumeEvery, resumeEvery}) {
		t.Errorf("rested %v", rests)
	}
}
