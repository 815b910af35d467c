package store_test

import (
	"testing"
	"time"

	"allclear/notifier/notifiertest"
	"allclear/store/storetest"
)

func TestTheClockIsWholeMicrosecondsInUTC(t *testing.T) {
	odd := time.Date(2026, 11, 23, 15, 20, 0, 123456789, time.FixedZone("CET", 3600))
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		now := open(storetest.Clock(func() time.Time { return odd })).Now()
		if want := time.Date(2026, 11, 23, 14, 20, 0, 123456000, time.UTC); now != want {
			t.Errorf("%v, want %v", now, want)
		}
	})
}

func TestAGivenClockIsNotCorrectedByTheServers(t *testing.T) {
	clock := notifiertest.NewClock()
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		s := open(storetest.Clock(clock.Now))
		s.SetClock(clock.Now().Add(time.Hour), clock.Now(), clock.Now())
		if got := s.Now(); !got.Equal(clock.Now()) {
			t.Errorf("%v, want %v", got, clock.Now())
		}
	})
}

// Leases of many hosts agree because everyone uses the server's clock.
func TestTheServersClockCountsOnPostgres(t *testing.T) {
	s := storetest.Open(t, "postgres")()
	here := time.Date(2026, 11, 23, 15, 20, 0, 0, time.UTC)
	s.SetClock(here.Add(90*time.Second), here, here.Add(2*time.Millisecond))
	if got, want := s.Offset(), 90*time.Second-time.Millisecond; got != want {
		t.Errorf("the offset is %s, want %s", got, want)
	}
	// A difference that the way there and back explains changes nothing.
	s.SetClock(here.Add(90*time.Second+3*time.Millisecond), here, here.Add(4*time.Millisecond))
	if got, want := s.Offset(), 90*time.Second-time.Millisecond; got != want {
		t.Errorf("the offset is %s, want %s", got, want)
	}
	s.SetClock(here, here, here)
	if got := s.Offset(); got != 0 {
		t.Errorf("the offset is %s, want none", got)
	}
}
