package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func TestRunsThatNobodyMadeAreMadeUpForByOneThatSaysSo(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(3*day + time.Hour)
		if made := b.digests(); made != 1 {
			t.Errorf("made %d", made)
		}
		b.wantDigests(ann, "1")
		d, err := b.Digest(b.ctx, 2, 1)
		if err != nil || d.Missed != 2 || d.Day != "2026-11-26" {
			t.Errorf("%+v, %v", d, err)
		}
		b.happens("one", notifier.Event{})
		b.pass(day - time.Hour) // noon again
		b.digests()
		b.wantDigests(ann, "1|3")
	})
}

func TestNobodyGetsTwoDigestsOfOneDay(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{})
		b.pass(day)
		b.digests()
		b.happens("two", notifier.Event{}) // 3
		hour, err := subscribers.HourOf(18)
		b.must(err)
		b.turns(ann, func(s *subscribers.Subscriber) { s.Hour = hour })
		b.pass(6 * time.Hour)
		b.digests()
		b.wantDigests(ann, "1")
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "1|3")
	})
}

// lost knows no zone but its own.
type lost struct{ noons }

func TestAScheduleThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		bob := b.joins("bob@example.com", func(s *subscribers.Subscriber) { s.Timezone = "Mars/Base" })
		c := lost{noons{"lost"}}
		b.digestsAt(c, b.time(), 3)
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digestsAt(c, b.time(), 3)
		b.wantDigests(ann, "1")
		b.wantDigests(bob, "")
	})
}

// moonless knows the zone of the moon when it plans, and no longer when it is due.
type moonless struct {
	noons
	forgot *bool
}

func TestADigestRunThatFailsHoldsUpNoOtherAndIsSaid(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		bob := b.joins("bob@example.com", func(s *subscribers.Subscriber) {
			hour, err := subscribers.HourOf(11)
			b.must(err)
			s.Timezone, s.Hour = "Moon/Base", hour // due before the other
		})
		ann := b.joins("ann@example.com", nil)
		forgot := false
		c := moonless{noons{"moon"}, &forgot}
		b.digestsAt(c, b.time(), 3)
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		forgot = true
		var said error
		for said == nil {
			step, err := b.MakeDigests(b.ctx, c, b.time(), 3)
			if said = err; err == nil && step.Idle {
				t.Fatal("nobody hears of the schedule that failed")
			}
		}
		if !strings.Contains(said.Error(), "Moon/Base") {
			t.Errorf("said %q", said)
		}
		b.wantDigests(ann, "1")
		b.wantDigests(bob, "")
		forgot = false
		b.digestsAt(c, b.time(), 3)
		b.wantDigests(bob, "1")
	})
}

func TestADigestRunOfADayThatWasMadeEndsAndTheNextTellsWhatItWouldHave(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		bob := b.joins("bob@example.com", nil)
		b.happens("two", notifier.Event{}) // 3
		b.expand(10)
		// As it was left where a later hour had found the same day again.
		b.exec(`UPDATE digest_runs SET up_to = 3`)
		b.digests()
		b.wantDigests(ann, "1")
		b.wantDigests(bob, "")
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "1|3")
		b.wantDigests(bob, "3")
	})
}

func TestAnotherHourOfTheServicePlansItsDigestsAnew(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.joins("ann@example.com", nil)
		b.digests()
		if due, err := b.MakeDigests(b.ctx, noons{"later"}, b.time(), 3); err != nil || due.Idle {
			t.Errorf("%+v, %v", due, err)
		}
		if due, err := b.MakeDigests(b.ctx, noons{"later"}, b.time(), 3); err != nil || !due.Idle {
			t.Errorf("%+v, %v", due, err)
		}
	})
}

func TestManyProcessesMakeEveryDigestOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		const readers = 57
		var all []subscribers.Number
		for i := range readers {
			all = append(all, b.joins(fmt.Sprintf("reader%d@example.com", i), func(s *subscribers.Subscriber) {
				s.Language = []string{"", "de"}[i%2]
			}))
		}
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		errs := make(chan error)
		for range 3 {
			other := storetest.At(t, b.dsn)(storetest.Clock(b.time))
			go func() {
				for {
					step, err := other.MakeDigests(b.ctx, noons{"noon"}, b.time(), 5)
					if err != nil || step.Idle && b.number(`SELECT count(*) FROM digest_runs WHERE up_to > 0 OR next_at <= %d`, b.time().UnixMicro()) == 0 {
						errs <- err
						return
					}
				}
			}()
		}
		for range 3 {
			b.must(<-errs)
		}
		for _, n := range all {
			b.wantDigests(n, "1")
		}
		if n := b.number(`SELECT count(*) FROM events WHERE type = 'digest'`); n != 1 {
			t.Errorf("%d events", n)
		}
		if n := b.number(`SELECT count(*) FROM digest_contents`); n != 1 {
			t.Errorf("%d contents", n)
		}
	})
}
