package store_test

import (
	"fmt"
	"strings"
	"testing"

	"allclear/notifier"
)

// still makes notices that were paused before their first mail.
func (b *box) still(from, to, people int) {
	b.t.Helper()
	for i := from; i < to; i++ {
		id := fmt.Sprint("n", i)
		b.ready(id, people)
		b.order(id, notifier.NoticeOrder{})
		b.expand(100)
		b.must(b.PauseNotice(b.ctx, id))
	}
}

func (b *box) aside() int64 {
	return b.number(`SELECT count(*) FROM deliveries WHERE state = 'pending' AND due_at > %d`, notifier.UntilResumed.UnixMicro())
}

// What a claim asks for grew with every notice that stood still, and from the
// 21st on it walked along their deliveries.
func TestHowManyNoticesStandStillMakesNoDifferenceToClaims(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		asks := func() int { return len(strings.Join(b.Explained(t, func() { b.claim("w", 10) }), "\n")) }
		b.still(0, 1, 3)
		leaping := asks()
		b.tend()
		few := asks()
		b.still(1, 30, 3)
		b.tend()
		if many := asks(); many != few || leaping <= few {
			t.Errorf("%d characters are asked with one, %d with thirty, %d before they were put aside", few, many, leaping)
		}
		if n := b.aside(); n != 90 {
			t.Errorf("%d are aside", n)
		}
		b.ready("live", 4)
		b.order("live", notifier.NoticeOrder{})
		sent := map[notifier.DeliveryID]int{}
		b.sendAll(sent)
		if b.in("live", notifier.NoticeDone); len(sent) != 4 {
			t.Errorf("%d were sent", len(sent))
		}
		if n := b.notice("n7"); n.Counts[notifier.Held] != 3 {
			t.Errorf("%+v", n.Counts)
		}
		for i := range 10 {
			b.must(b.ResumeNotice(b.ctx, fmt.Sprint("n", i)))
			b.must(b.CancelNotice(b.ctx, fmt.Sprint("n", 10+i)))
		}
		b.sendAll(sent)
		for i := range 10 {
			b.in(fmt.Sprint("n", i), notifier.NoticeDone)
			if n := b.in(fmt.Sprint("n", 10+i), notifier.NoticeCancelled); n.Counts[notifier.Cancelled] != 3 {
				t.Errorf("%+v", n.Counts)
			}
		}
		for id, n := range sent {
			if n != 1 {
				t.Errorf("%s was sent %d times", id, n)
			}
		}
		if len(sent) != 34 || b.aside() != 30 || b.number(`SELECT count(*) FROM events WHERE parked > 0`) != 10 {
			t.Errorf("%d were sent, %d are aside", len(sent), b.aside())
		}
		b.sound()
	})
}

func TestWhatIsResumedWhileItIsPutAsideComesBackWhole(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 4500)
		n := b.order("n", notifier.NoticeOrder{})
		b.exec(`UPDATE events SET released = %d`, notifier.RecipientReader(4500))
		b.expand(2000)
		ds := b.claim("w", 20)
		b.settle("w", notifier.Sent, ds[:10]...)
		b.must(b.PauseNotice(b.ctx, "n"))
		b.Meanwhile(t, "NOT withdrawn AND parked < 2", 2, func() { b.must(b.ResumeNotice(b.ctx, "n")) })
		if _, err := b.TendNotices(b.ctx); err != nil {
			t.Fatal(err)
		}
		b.tend()
		if got := b.aside(); got != 0 {
			t.Errorf("%d are aside", got)
		}
		b.must(b.PauseNotice(b.ctx, "n"))
		b.tend()
		if got := b.aside(); got != 4480 {
			t.Errorf("%d are aside", got)
		}
		b.must(b.Release(b.ctx, "w", ids(ds[10:]))) // late, into what stands still
		if got := b.claim("x", 100); len(got) != 0 {
			t.Errorf("%d were claimed", len(got))
		}
		b.must(b.ResumeNotice(b.ctx, "n"))
		if got := b.claim("x", 3000); len(got) != 2010 { // at once, and the rest in steps
			t.Errorf("%d may go on", len(got))
		}
		b.must(b.Release(b.ctx, "x", nil))
		sent := map[notifier.DeliveryID]int{}
		b.tend()
		for {
			ds := b.claim("x", 1000)
			if len(ds) == 0 {
				break
			}
			b.settle("x", notifier.Sent, ds...)
			for _, d := range ds {
				if sent[d.ID]++; !d.DueAt.Equal(n.BegunAt) {
					t.Errorf("%s is due %s", d.ID, d.DueAt)
				}
			}
		}
		b.tend()
		if b.in("n", notifier.NoticeDone); len(sent) != 4490 {
			t.Errorf("%d were sent", len(sent))
		}
		b.sound()
	})
}

func TestPuttingAsideWalksTheIndexOfDueTimes(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.still(0, 2, 50)
		b.planned("putting aside", func() { b.tend() }, "deliveries_due")
		b.must(b.ResumeNotice(b.ctx, "n0"))
		b.planned("putting back", func() { b.tend() }, "deliveries_due")
	})
}
