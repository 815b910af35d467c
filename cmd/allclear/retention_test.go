package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"
)

func TestWhatWasSentIsKeptForWholeDays(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 90 * 24 * time.Hour, "90d": 90 * 24 * time.Hour, "2160h": 90 * 24 * time.Hour, "1d": 24 * time.Hour, "24h0m": 24 * time.Hour, "32767d": 32767 * 24 * time.Hour,
		"0": 0, "0d": 0, "off": 0, "1h": 0, "36h": 0, "90": 0, "-1d": 0, "-24h": 0, "1.5d": 0, "d": 0, "32768d": 0, "3 d": 0,
	} {
		got, err := (&Keeping{Retention: text}).retention()
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
}

// attic is a database in which n things are old; each step takes as long as it is told.
type attic struct {
	now    time.Time
	left   []int // what each step forgets
	took   time.Duration
	before []time.Time
	rests  []time.Duration
	rounds int // after so many hours it ends
}

func (g *attic) prune(_ context.Context, before time.Time, _ int) (int, error) {
	g.before = append(g.before, before)
	g.now = g.now.Add(g.took)
	if len(g.left) == 0 {
		return 0, nil
	}
	n := g.left[0]
	g.left = g.left[1:]
	if n < 0 {
		return 0, errors.New("the database is away")
	}
	return n, nil
}

func (g *attic) rest(_ context.Context, d time.Duration) bool {
	g.rests = append(g.rests, d)
	g.now = g.now.Add(d)
	if d == retentionEvery {
		g.rounds--
	}
	return g.rounds > 0
}

func (g *attic) run() {
	retention{prune: g.prune, keep: 24 * time.Hour, now: func() time.Time { return g.now }, log: slog.New(slog.DiscardHandler), rest: g.rest}.run(context.Background())
}

func TestForgettingYieldsToEveryoneElse(t *testing.T) {
	start := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	g := &attic{now: start, left: []int{1000, 1000, 3}, took: 10 * time.Millisecond, rounds: 1}
	g.run()
	step := 4 * g.took
	if want := []time.Duration{step, step, step, retentionEvery}; !slices.Equal(g.rests, want) {
		t.Errorf("it rested %v, want %v", g.rests, want)
	}
	if !g.before[0].Equal(start.Add(-24 * time.Hour)) {
		t.Errorf("it forgot what was before %v", g.before[0])
	}
	g = &attic{now: start, left: []int{1000}, rounds: 1}
	g.run()
	if g.rests[0] != retentionPause {
		t.Errorf("after a step without length it rested %v", g.rests[0])
	}
}

func TestForgettingGoesOnAfterTheDatabaseWasAway(t *testing.T) {
	g := &attic{left: []int{1000, -1, 1000, 0}, rounds: 2}
	g.run()
	if want := []time.Duration{retentionPause, retentionEvery, retentionPause, retentionEvery}; !slices.Equal(g.rests, want) {
		t.Errorf("it rested %v, want %v", g.rests, want)
	}
}
