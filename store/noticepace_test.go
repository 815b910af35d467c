package store_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

func TestTheCanaryGoesFirstAndTheOthersFollowWhenItWasTried(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 200)
		b.order("n", notifier.NoticeOrder{Canary: 10, CanaryWait: time.Minute})
		b.tend()
		b.expand(2000)
		first := b.claim("w", 1000)
		if len(first) != 20 {
			t.Fatalf("%d went first", len(first))
		}
		b.settle("w", notifier.Sent, first[:18]...)
		b.pass(2 * time.Minute)
		b.tend()
		b.in("n", notifier.NoticeCanary) // two were not tried
		b.settle("w", notifier.Pending, first[18])
		b.settle("w", notifier.Failed, first[19])
		b.tend()
		b.in("n", notifier.NoticeSending)
		b.expand(2000)
		if got := b.claim("w", 1000); len(got) != 180 {
			t.Errorf("%d follow", len(got))
		}
		b.sound()
	})
}

func TestANoticeHaltsWhenTooMuchOfItsCanaryFails(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 400)
		b.order("n", notifier.NoticeOrder{Canary: 10})
		b.expand(2000)
		first := b.claim("w", 1000)
		b.settle("w", notifier.Failed, first[:2]...) // 5 % of 40 is not more than 5 %
		b.settle("w", notifier.Sent, first[2:]...)
		b.tend()
		b.in("n", notifier.NoticeSending)
		b.expand(2000)
		rest := b.claim("w", 100)
		b.settle("w", notifier.Failed, rest[:30]...) // others do not count
		b.tend()
		b.in("n", notifier.NoticeSending)
		b.pass(4 * time.Minute)
		b.exec(`UPDATE deliveries SET state = 'bounced' WHERE id = %d`, first[5].ID)
		b.exec(`UPDATE event_counts SET sent = sent - 1, bounced = bounced + 1`)
		b.tend()
		n := b.in("n", notifier.NoticeHalted)
		if n.Halted == "" || len(b.claim("w", 10)) != 0 || len(b.mine("w", rest[30:])) != 0 {
			t.Errorf("it goes on: %+v", n)
		}
		b.must(b.ResumeNotice(b.ctx, "n"))
		sent := map[notifier.DeliveryID]int{}
		b.settle("w", notifier.Sent, rest[30:]...)
		b.sendAll(sent)
		b.in("n", notifier.NoticeDone)
		if len(sent) != 260 {
			t.Errorf("%d were sent", len(sent))
		}
		b.sound()
	})
}

func TestAThrottleReleasesSoManyASecondAndCanBeChanged(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 100)
		b.order("n", notifier.NoticeOrder{PerSecond: 5})
		send := func() int {
			b.tend()
			b.expand(2000)
			ds := b.claim("w", 1000)
			b.settle("w", notifier.Sent, ds...)
			return len(ds)
		}
		for second := range 3 {
			if n := send(); n != 5 {
				t.Errorf("%d in second %d", n, second)
			}
			if n := send(); n != 0 {
				t.Errorf("%d more in second %d", n, second)
			}
			b.pass(time.Second)
		}
		b.must(b.ThrottleNotice(b.ctx, "n", 20))
		b.pass(time.Second)
		if n := send(); n != 20 {
			t.Errorf("%d after the change", n)
		}
		b.pass(time.Hour) // nobody tended it: what was missed is not made up for at once
		if n := send(); n != 40 {
			t.Errorf("%d after an hour", n)
		}
		b.must(b.ThrottleNotice(b.ctx, "n", 0))
		if n := send(); n != 25 {
			t.Errorf("%d without it", n)
		}
		b.in("n", notifier.NoticeSending)
		b.tend()
		b.in("n", notifier.NoticeDone)
		b.sound()
	})
}

func TestASlowThrottleLosesNoTime(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 100)
		b.order("n", notifier.NoticeOrder{PerSecond: 1})
		sent := 0
		for range 40 {
			b.pass(1500 * time.Millisecond)
			b.tend()
			b.expand(2000)
			ds := b.claim("w", 1000)
			b.settle("w", notifier.Sent, ds...)
			sent += len(ds)
		}
		if sent < 58 || sent > 61 {
			t.Errorf("%d were sent in a minute at one a second", sent)
		}
	})
}

func TestAScheduledNoticeStartsAtItsTimeAndOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 10)
		if n := b.order("n", notifier.NoticeOrder{At: b.time().Add(time.Hour)}); n.State != notifier.NoticeScheduled || n.Event != 0 {
			t.Errorf("%+v", n)
		}
		if _, err := b.BeginAudience(b.ctx, "n", true); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		b.pass(59 * time.Minute)
		b.tend()
		b.in("n", notifier.NoticeScheduled)
		b.pass(time.Minute)
		other := storetest.At(t, b.dsn)(storetest.Clock(b.time))
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				if _, err := b.TendNotices(b.ctx); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				if _, err := other.TendNotices(b.ctx); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := b.number(`SELECT count(*) FROM events`); n != 1 {
			t.Errorf("%d events", n)
		}
		sent := map[notifier.DeliveryID]int{}
		b.sendAll(sent)
		if n := b.in("n", notifier.NoticeDone); len(sent) != 10 || n.EventID == "" {
			t.Errorf("%d were sent: %+v", len(sent), n)
		}
	})
}

func TestAnIncidentIsExpandedBetweenTheSlicesOfANotice(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(5)
		b.ready("n", 50)
		number := b.order("n", notifier.NoticeOrder{}).Event
		slice, err := b.ExpandSlice(b.ctx, 10)
		b.must(err)
		if slice.Event != number || slice.Made != 10 || slice.Complete {
			t.Errorf("%+v", slice)
		}
		urgent := b.incidentless()
		if slice, err = b.ExpandSlice(b.ctx, 10); err != nil || slice.Event != urgent {
			t.Errorf("%+v, %v", slice, err)
		}
		ds := b.claim("w", 7)
		for i, d := range ds {
			if (d.ID.Event() == urgent) != (i < 5) {
				t.Errorf("%d is of event %d", i, d.ID.Event())
			}
		}
		// As if no slice had been noted: made again, nothing is made twice.
		b.exec(`UPDATE events SET progress = 0, expanded_at = 0 WHERE number = %d`, number)
		b.expand(7)
		if n := b.number(`SELECT count(*) FROM deliveries WHERE event_number = %d`, number); n != 50 {
			t.Errorf("%d deliveries", n)
		}
		b.sound()
	})
}
