package main

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestProxiesAreNetworksOrSingleAddresses(t *testing.T) {
	got, err := (&Listening{TrustedProxies: " 10.1.2.3/8 , 192.0.2.7,::1,::ffff:172.16.0.0/108,"}).proxies()
	want := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("172.16.0.0/12"),
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := (&Listening{}).proxies(); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
}

// steps is a queue of sign-ups whose steps are written down beforehand.
type steps struct {
	now   time.Time
	did   []subscribers.Answered
	err   error
	asked int
	fates map[subscribers.Fate]int
}

func (s *steps) room() *signUps {
	return newSignUps(signUps{
		answer: func(context.Context, []string, subscribers.Limits, func(subscribers.Subscriber) notifier.Event, int) (subscribers.Answered, error) {
			if s.err != nil || len(s.did) == 0 {
				return subscribers.Answered{}, s.err
			}
			did := s.did[0]
			s.did = s.did[1:]
			return did, nil
		},
		now: func() time.Time { return s.now }, log: slog.New(slog.DiscardHandler), asked: func() { s.asked++ },
		count: func(f subscribers.Fate, n int) { s.fates[f] += n },
	})
}

func TestSignUpsAreGoneThroughWhenThereIsSomethingToDo(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	s := &steps{now: now, fates: map[subscribers.Fate]int{}, did: []subscribers.Answered{
		{More: true, Fates: map[subscribers.Fate]int{subscribers.SignUpAsked: 2, subscribers.SignUpKnown: 8}},
		{Next: now.Add(time.Second), Fates: map[subscribers.Fate]int{subscribers.SignUpBarred: 1}},
		{Next: now.Add(time.Hour)}, {Next: now.Add(-time.Second)}, {},
	}}
	room := s.room()
	for i, want := range []time.Duration{0, time.Second, signUpPoll, 0, signUpPoll} {
		if got, err := room.step(t.Context()); got != want || err != nil {
			t.Errorf("step %d: %s, %v", i, got, err)
		}
	}
	if s.asked != 1 || s.fates[subscribers.SignUpAsked] != 2 || s.fates[subscribers.SignUpKnown] != 8 || s.fates[subscribers.SignUpBarred] != 1 {
		t.Errorf("told %d times, %v", s.asked, s.fates)
	}
	s.err = errors.New("away")
	if got, err := room.step(t.Context()); got != signUpPoll || err == nil {
		t.Errorf("without a database: %s, %v", got, err)
	}
}

func TestThatTheBudgetOfAllIsSpentIsLoggedOnceAnHour(t *testing.T) {
	var log strings.Builder
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	s := &steps{now: now, fates: map[subscribers.Fate]int{}}
	room := s.room()
	room.log = slog.New(slog.NewTextHandler(&log, nil))
	for _, c := range []struct {
		after time.Duration
		spent bool
		want  int
	}{{0, false, 0}, {0, true, 1}, {tellSpent - time.Second, true, 1}, {time.Second, false, 1}, {0, true, 2}} {
		s.now = s.now.Add(c.after)
		s.did = []subscribers.Answered{{Spent: c.spent, Next: s.now.Add(6 * time.Second)}}
		if _, err := room.step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != c.want {
			t.Errorf("%+v: warned %d times", c, n)
		}
	}
}

func TestWhatIsOverIsEndedADayLaterAndWhoNeverConfirmedForgottenAfterADayMore(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	room, ages := (&steps{now: now}).room(), map[string]time.Duration{}
	end := func(name string, n int) func(context.Context, time.Time, int) (int, error) {
		return func(_ context.Context, before time.Time, _ int) (int, error) {
			ages[name] = now.Sub(before)
			return n, nil
		}
	}
	room.forget, room.forgetMoves, room.endFollowed = end("confirm", 0), end("move", 3), end("follow", 0)
	if room.sweep(t.Context(), now) {
		t.Error("there is more")
	}
	day := 24 * time.Hour
	if ages["confirm"] != 8*day || ages["move"] != 8*day || ages["follow"] != day {
		t.Errorf("%v", ages)
	}
	if room.endFollowed = end("follow", unaskedStep); !room.sweep(t.Context(), now) {
		t.Error("nobody goes on")
	}
}
