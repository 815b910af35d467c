package store_test

import (
	"fmt"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestTurningToDigestsAndBackLosesNothingAndRepeatsNothing(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		for i := range 3 {
			b.joins(fmt.Sprintf("other%d@example.com", i), func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		}
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		// Two more: of the first the fan-out reached her, of the second it did not.
		b.happens("two", notifier.Event{})
		b.happens("three", notifier.Event{})
		_, err := b.ExpandSlice(b.ctx, 1)
		b.must(err)
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Daily })
		b.expand(10)
		b.happens("four", notifier.Event{})
		b.expand(10)
		b.digests()
		b.pass(day)
		b.digests()
		b.states(int64(ann), map[int64]notifier.DeliveryState{1: notifier.Sent, 2: notifier.Pending, 3: "", 4: ""})
		b.wantDigests(ann, "3,4")
		// And back: what waited comes in a last digest, and what comes next at once.
		b.happens("five", notifier.Event{}) // 6
		b.expand(10)
		b.happens("six", notifier.Event{}) // 7: nobody was reached yet
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		if made := b.digests(); made != 0 {
			t.Error("a last digest before it is known what comes at once")
		}
		b.expand(10)
		b.happens("seven", notifier.Event{}) // 8
		b.expand(10)
		if made := b.digests(); made != 1 {
			t.Errorf("made %d last digests", made)
		}
		b.wantDigests(ann, "3,4|6")
		b.states(int64(ann), map[int64]notifier.DeliveryState{6: "", 7: notifier.Pending, 8: notifier.Pending})
		d, err := b.Digest(b.ctx, 9, 1)
		if err != nil || d.Cadence != "" || d.Day != "" {
			t.Errorf("%+v, %v", d, err)
		}
		// Back and forth within a moment is as if nothing had been.
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Daily })
		b.happens("eight", notifier.Event{}) // 10
		b.expand(10)
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Weekly })
		b.digests()
		b.pass(7 * day)
		b.digests()
		b.wantDigests(ann, "3,4|6|10")
	})
}

func TestWhatDigestsToldIsForgottenWithTheirDeliveries(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		bob := b.joins("bob@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.must(b.EraseSubscriber(b.ctx, bob))
		if n := b.number(`SELECT count(*) FROM digest_readers WHERE reader = %d`, bob); n != 0 {
			t.Error("what the erased was told is still there")
		}
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.exec(`UPDATE incidents SET status = 'resolved', resolved_at = 1`)
		b.pass(100 * day)
		for {
			n, err := b.Prune(b.ctx, b.time().Add(-90*day), 1)
			b.must(err)
			if n == 0 {
				break
			}
		}
		if got := b.digested(ann); got != "" {
			t.Errorf("%q is still there", got)
		}
		for _, table := range []string{"digest_readers", "digest_contents", "digests"} {
			if n := b.number(`SELECT count(*) FROM %s`, table); n != 0 {
				t.Errorf("%d rows of %s", n, table)
			}
		}
	})
}

func TestAMoveTakesDigestsAlong(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) {
			s.Cadence, s.Weekday, s.Critical = subscribers.Weekly, "tuesday", true
		})
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day) // a Tuesday
		b.digests()
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.happens("two", notifier.Event{}) // 3
		b.expand(10)
		b.must(b.AskMove(b.ctx, ann, "ann@example.org"))
		move, err := b.Move(b.ctx, ann, false)
		b.must(err)
		for _, to := range []bool{false, true} {
			n := ann
			if to {
				n = move.To
			}
			_, err := b.AgreeMove(b.ctx, n, to)
			b.must(err)
		}
		is, err := b.Subscriber(b.ctx, move.To)
		b.must(err)
		if is.Schedule() != (subscribers.Schedule{Cadence: subscribers.Weekly, Weekday: "tuesday"}) || !is.Critical || is.State != subscribers.Active {
			t.Errorf("became %+v", is)
		}
		b.pass(7 * day)
		b.digests()
		var got []string
		for _, d := range b.claim("w", 10) {
			if d.Lane == notifier.LaneDigest {
				told, err := b.Digest(b.ctx, d.ID.Event(), d.Digest)
				b.must(err)
				got = append(got, fmt.Sprint(d.Address, told.Items))
			}
		}
		if len(got) != 1 || got[0] != "ann@example.org[{3 3}]" {
			t.Errorf("%v", got)
		}
	})
}

func TestABreakIsNotToldOf(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.turns(ann, func(s *subscribers.Subscriber) { s.State, s.PausedUntil = subscribers.Paused, b.time().Add(day) })
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		if n, err := b.ResumeSubscribers(b.ctx, 10); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		b.happens("two", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "2")
	})
}
