package notifier

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestEmailBackoffDoublesFromAMinuteToFourHours(t *testing.T) {
	for n, want := range map[int]time.Duration{
		-1: time.Minute, 0: time.Minute, 1: time.Minute, 2: 2 * time.Minute, 3: 4 * time.Minute, 7: 64 * time.Minute,
		8: 128 * time.Minute, 9: 4 * time.Hour, 10: 4 * time.Hour, 1000: 4 * time.Hour,
	} {
		if got := EmailBackoff(n, 0.5); got.Round(time.Millisecond) != want {
			t.Errorf("after try %d: %s, want %s", n, got, want)
		}
	}
}

func TestEmailBackoffJittersByAFifth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 100).Draw(t, "n")
		dice := rapid.Float64Range(0, 0.999).Draw(t, "dice")
		middle, got := EmailBackoff(n, 0.5), EmailBackoff(n, dice)
		if got < middle*79/100 || got > middle*121/100 {
			t.Fatalf("%s around %s", got, middle)
		}
	})
}

var decideAt = time.Date(2026, 11, 23, 15, 20, 0, 0, time.UTC)

func TestDecideSettlesByFault(t *testing.T) {
	at := decideAt
	took := Receipt{Relay: "a", Reply: "250 queued", Remote: "Q1"}
	for _, c := range []struct {
		about    string
		err      error
		attempts int
		state    DeliveryState
		wait     time.Duration // of Pending and Held
		charged  bool
		tried    bool
	}{
		{"taken", nil, 0, Sent, 0, true, true},
		{"no such mailbox", &SendError{Fault: FaultRecipient, Permanent: true, Stage: "rcpt"}, 0, Failed, 0, true, true},
		{"greylisted", &SendError{Fault: FaultRecipient, Stage: "rcpt"}, 0, Pending, time.Minute, true, true},
		{"greylisted the fourth time", &SendError{Fault: FaultRecipient, Stage: "rcpt"}, 3, Pending, 8 * time.Minute, true, true},
		{"it names its own time", &SendError{Fault: FaultRecipient, Stage: "rcpt", RetryAfter: time.Hour}, 0, Pending, time.Hour, true, true},
		{"a sooner time than ours", &SendError{Fault: FaultRecipient, Stage: "rcpt", RetryAfter: time.Second}, 0, Pending, time.Minute, true, true},
		{"an absurd time", &SendError{Fault: FaultRecipient, Stage: "rcpt", RetryAfter: 1000 * time.Hour}, 0, Pending, 4 * time.Hour, true, true},
		{"the relay says 421", &SendError{Fault: FaultRelay, Stage: "mail"}, 5, Pending, relayPause, false, true},
		{"the relay is down", &SendError{Fault: FaultRelay, Permanent: true, Stage: "dial"}, 0, Pending, relayPause, false, true},
		{"no such domain", &SendError{Fault: FaultDomain, Permanent: true, Stage: "rcpt"}, 0, Held, holdPause, false, true},
		{"our sender is refused", &SendError{Fault: FaultOurs, Permanent: true, Stage: "mail"}, 0, Held, holdPause, false, true},
		{"a fault that does not exist", &SendError{Fault: 9, Stage: "mail"}, 0, Held, holdPause, false, true},
		{"a template that fails", errors.New("template: nil"), 0, Held, holdPause, false, false},
		{"wrapped", fmt.Errorf("send: %w", &SendError{Fault: FaultRecipient, Permanent: true, Stage: "rcpt"}), 0, Failed, 0, true, true},
	} {
		t.Run(c.about, func(t *testing.T) {
			d := Delivery{ID: MakeDeliveryID(1, 2), Attempts: c.attempts}
			r := Receipt{}
			if c.err == nil {
				r = took
			}
			s := Decide(d, c.err, r, at, at.Add(24*time.Hour), 0.5)
			if s.ID != d.ID || s.State != c.state || s.Charged != c.charged || s.Tried != c.tried || !s.At.Equal(at) {
				t.Errorf("%+v", s)
			}
			if wait := s.DueAt.Sub(at); !s.State.Final() && wait.Round(time.Second) != c.wait || s.State.Final() && !s.DueAt.IsZero() {
				t.Errorf("due after %s, want %s", wait, c.wait)
			}
			if c.err != nil && s.Receipt.Reply == "" {
				t.Error("nothing says why")
			}
			if c.err == nil && s.Receipt != took {
				t.Errorf("the relay's words are lost: %+v", s.Receipt)
			}
		})
	}
}

func TestWhatWasNotStartedIsDueAsBefore(t *testing.T) {
	d := Delivery{ID: 5, DueAt: decideAt.Add(-time.Minute), Attempts: 2}
	s := Decide(d, fmt.Errorf("send: %w", ErrNotStarted), Receipt{}, decideAt, decideAt.Add(-time.Hour), 0.5)
	if s.State != Pending || !s.DueAt.Equal(d.DueAt) || s.Tried || s.Charged {
		t.Errorf("%+v", s)
	}
}

func TestATryBeyondTheEventsLifeIsNotWaitedFor(t *testing.T) {
	soft := &SendError{Fault: FaultRecipient, Stage: "rcpt"}
	d := Delivery{Attempts: 10}
	if s := Decide(d, soft, Receipt{}, decideAt, decideAt.Add(lastChance), 0.5); s.State != Expired || !s.DueAt.IsZero() || !s.Charged || !s.Tried {
		t.Errorf("%+v", s)
	}
	if s := Decide(d, soft, Receipt{}, decideAt, decideAt.Add(5*time.Hour), 0.5); s.State != Pending {
		t.Errorf("%+v", s)
	}
	if s := Decide(d, soft, Receipt{}, decideAt, time.Time{}, 0.5); s.State != Pending {
		t.Errorf("without an end of life: %+v", s)
	}
	if s := Decide(d, nil, Receipt{}, decideAt, decideAt.Add(-time.Hour), 0.5); s.State != Sent {
		t.Errorf("what was taken late was taken: %+v", s)
	}
}

func TestOneLastTryIsMadeBeforeTheEndOfTheEventsLife(t *testing.T) {
	for _, fault := range []Fault{FaultRecipient, FaultDomain, FaultRelay, FaultOurs} {
		for _, dice := range []float64{0, 0.5, 0.999} {
			expires := decideAt.Add(time.Hour)
			err := &SendError{Fault: fault, Stage: "rcpt", RetryAfter: 2 * time.Hour}
			s := Decide(Delivery{Attempts: 10}, err, Receipt{}, decideAt, expires, dice)
			if s.State.Final() || s.DueAt.Before(expires.Add(-lastChance)) || !s.DueAt.Before(expires) {
				t.Errorf("%s: %s, due %s before the end", fault, s.State, expires.Sub(s.DueAt))
			}
			if s = Decide(Delivery{Attempts: 11}, err, Receipt{}, s.DueAt, expires, dice); s.State != Expired {
				t.Errorf("%s: after the last try it is %s", fault, s.State)
			}
		}
	}
}

func TestTheRelaysOwnWordsAreKeptBeforeOurs(t *testing.T) {
	se := &SendError{Fault: FaultRecipient, Permanent: true, Stage: "rcpt", Receipt: Receipt{Relay: "a", Reply: "550 5.1.1 no such user"}}
	if s := Decide(Delivery{}, se, Receipt{}, decideAt, time.Time{}, 0); s.Receipt != se.Receipt {
		t.Errorf("%+v", s.Receipt)
	}
	se.Receipt = Receipt{}
	se.Err = errors.New("connection\r\nrefused")
	if s := Decide(Delivery{}, se, Receipt{}, decideAt, time.Time{}, 0); !strings.Contains(s.Receipt.Reply, "connection  refused") {
		t.Errorf("%q", s.Receipt.Reply)
	}
}

func TestEveryDecisionLeavesSending(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		se := &SendError{
			Fault: Fault(rapid.IntRange(-1, 5).Draw(t, "fault")), Permanent: rapid.Bool().Draw(t, "permanent"),
			RetryAfter: time.Duration(rapid.Int64().Draw(t, "after")), Stage: rapid.SampledFrom([]string{"", "rcpt", "render"}).Draw(t, "stage"),
		}
		expires := decideAt.Add(time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(t, "life")))
		s := Decide(Delivery{Attempts: rapid.IntRange(0, 1000).Draw(t, "attempts")}, se, Receipt{}, decideAt, expires, rapid.Float64Range(0, 0.99).Draw(t, "dice"))
		switch s.State {
		case Pending, Held:
			if !s.DueAt.After(decideAt) || s.DueAt.After(decideAt.Add(5*time.Hour)) || s.DueAt.After(expires) {
				t.Fatalf("due %s", s.DueAt)
			}
		case Failed, Expired:
			if !s.DueAt.IsZero() {
				t.Fatalf("final and due %s", s.DueAt)
			}
		default:
			t.Fatalf("state %q", s.State)
		}
	})
}

func TestAPeersWordsAreFitForAColumnAndAPage(t *testing.T) {
	for in, want := range map[string]string{
		"250 ok": "250 ok", "a\r\nb": "a  b", "a\x00b\x7f": "a b ", "a\xffb": "a b", "a\u0085b\u009b": "a b ", "a\u2028b": "a b", "é": "é", "": "",
	} {
		if got := Clip(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := Clip(strings.Repeat("x", 499) + "é"); len(got) != 499 {
		t.Errorf("a character was cut in two: %d bytes", len(got))
	}
}

func FuzzClip(f *testing.F) {
	f.Add("550 5.1.1 no\r\nsuch user")
	f.Add("\xff\xfe\u2028")
	f.Fuzz(func(t *testing.T, s string) {
		got := Clip(s)
		if len(got) > 500 || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || Clip(got) != got {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

func TestWhatCouldNotBeWrittenIsSaidInASentence(t *testing.T) {
	err := &SendError{Fault: FaultRecipient, Permanent: true, Stage: "render", Err: errors.New(`recipient 17 has no "name"`)}
	if s := Decide(Delivery{Channel: Email}, err, Receipt{}, time.Time{}, time.Time{}, 0); s.State != Failed || s.Receipt.Reply != `could not be written: recipient 17 has no "name"` {
		t.Errorf("%s: %q", s.State, s.Receipt.Reply)
	}
}
