package notifier

import (
	"errors"
	"testing"
	"time"
)

func TestQuietEndsWhenItsOwnersClockSaysSo(t *testing.T) {
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", s, oslo)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct{ q, now, until string }{
		{"22:00-07:00", "2026-11-23 21:59", ""},
		{"22:00-07:00", "2026-11-23 22:00", "2026-11-24 07:00"},
		{"22:00-07:00", "2026-11-24 06:59", "2026-11-24 07:00"},
		{"22:00-07:00", "2026-11-24 07:00", ""},
		{"22:00-07:00", "2026-10-24 23:00", "2026-10-25 07:00"}, // the night with an hour twice
		{"12:00-13:00", "2026-11-23 12:30", "2026-11-23 13:00"},
		{"12:00-13:00", "2026-11-23 11:30", ""},
		{"09:00-09:00", "2026-11-23 09:00", ""},
		{"", "2026-11-23 03:00", ""},
	} {
		until, ok := Quiet(c.q).Until(at(c.now), oslo)
		if ok != (c.until != "") || ok && !until.Equal(at(c.until)) {
			t.Errorf("%s at %s: %s, %v", c.q, c.now, until.In(oslo), ok)
		}
	}
	for _, q := range []Quiet{"22-7", "24:00-07:00", "22:00-07:00 ", "x"} {
		if q.Validate() == nil {
			t.Errorf("%q was taken", q)
		}
	}
}

func TestWhoWantsQuietIsWrittenToBehindItAndWithoutATry(t *testing.T) {
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	early := &NotBeforeError{Until: now.Add(5 * time.Hour)}
	s := Decide(Delivery{Channel: SMS, DueAt: now}, early, Receipt{}, now, now.Add(24*time.Hour), 0.5)
	if s.State != Pending || !s.DueAt.Equal(early.Until) || s.Charged || s.Tried {
		t.Errorf("settled as %+v", s)
	}
	if s = Decide(Delivery{Channel: SMS, DueAt: now}, early, Receipt{}, now, now.Add(time.Hour), 0.5); s.State != Expired {
		t.Errorf("what expires in the quiet was settled as %+v", s)
	}
	if !errors.Is(early, ErrNotStarted) {
		t.Error("it is no ErrNotStarted")
	}
}

func TestAnEndpointAndAPhoneAreGivenUpBehindTheirLastTry(t *testing.T) {
	now := time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)
	refused := &SendError{Fault: FaultRecipient, Code: 500}
	for channel, want := range map[Channel][]time.Duration{
		Webhook: {5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour},
		SMS:     {2 * time.Minute, 8 * time.Minute, 30 * time.Minute},
	} {
		for n, pause := range want {
			s := Decide(Delivery{Channel: channel, Attempts: n}, refused, Receipt{}, now, time.Time{}, 0.5)
			if got := s.DueAt.Sub(now).Round(time.Second); s.State != Pending || got != pause {
				t.Errorf("%s, try %d: %s after %s", channel, n+1, s.State, got)
			}
		}
		if s := Decide(Delivery{Channel: channel, Attempts: len(want)}, refused, Receipt{}, now, time.Time{}, 0.5); s.State != Failed || !s.Charged {
			t.Errorf("%s behind its last try: %+v", channel, s)
		}
	}
	busy := &SendError{Fault: FaultRecipient, Code: 429, RetryAfter: 90 * time.Hour}
	if s := Decide(Delivery{Channel: Webhook}, busy, Receipt{}, now, time.Time{}, 0.5); s.DueAt.Sub(now) != 24*time.Hour {
		t.Errorf("Retry-After of 90 h: due in %s", s.DueAt.Sub(now))
	}
}

func TestASecretIsShownByTextAlone(t *testing.T) {
	s := MakeSecret(make([]byte, SecretSize))
	back, err := ParseSecret(s.Text())
	if err != nil || string(back.Key()) != string(s.Key()) || s.String() != "whsec_***" || s.GoString() != "whsec_***" {
		t.Errorf("%s, %v", s, err)
	}
	for _, bad := range []string{"", "whsec_", "AAAA", "whsec_AAAA", "whsec_!", s.Text()[6:]} {
		if _, err := ParseSecret(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
