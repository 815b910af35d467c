package main

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
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
		answer: func(context.Context, subscribers.Limits, func(subscribers.Subscriber) notifier.Event, int) (subscribers.Answered, error) {
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
