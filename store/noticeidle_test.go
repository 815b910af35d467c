package store_test

import (
	"errors"
	"testing"
	"time"

	"allclear/notifier"
)

// forgetOld forgets audiences older than 30 days, in steps of the size.
func (b *box) forgetOld(step int) (all int) {
	b.t.Helper()
	for {
		n, err := b.ForgetAudiences(b.ctx, b.time().Add(-30*day), step)
		b.must(err)
		if all += n; n == 0 {
			return all
		}
	}
}

func TestADraftThatNobodyTouchesLosesItsAudienceAndKeepsItsText(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("old", 5)
		b.ready("asked", 5)
		b.exec(`UPDATE notices SET state = 'awaiting_approval', ordered_by = 'staff:ann', ordered_at = 5, approved = '[{"By":"staff:bob"}]' WHERE id = 'asked'`)
		b.draft("empty")
		b.ready("touched", 5)
		b.pass(20 * day)
		title := "Other words"
		if n, err := b.ChangeNotice(b.ctx, "touched", notifier.NoticeChange{Title: &title}); err != nil || !n.ChangedAt.Equal(b.time()) {
			t.Errorf("%+v, %v", n, err)
		}
		b.pass(11 * day)
		b.forgetOld(3)
		b.tend()
		for _, id := range []string{"old", "asked"} {
			if n := b.in(id, notifier.NoticeDraft); n.Recipients != 0 || n.Rows != 0 || !n.CleanedAt.Equal(b.time()) || len(n.Approved) != 0 || n.Title == "" || n.OrderedBy != "" {
				t.Errorf("%+v", n)
			}
		}
		if n := b.in("empty", notifier.NoticeDraft); !n.CleanedAt.IsZero() {
			t.Errorf("%+v", n)
		}
		if n := b.in("touched", notifier.NoticeDraft); n.Recipients != 5 {
			t.Errorf("%+v", n)
		}
		if n := b.number(`SELECT count(*) FROM recipients`) + b.number(`SELECT count(*) FROM recipient_rows`); n != 10 {
			t.Errorf("%d rows are left", n)
		}
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'notice.clean' AND detail LIKE 'nothing was done%%'`); n != 2 {
			t.Errorf("%d entries in the audit", n)
		}
		// It takes another file, and its end is then its own.
		b.upload("old", true, 10, 1, people(2)...)
		if n := b.notice("old"); n.Recipients != 2 || !n.CleanedAt.IsZero() {
			t.Errorf("%+v", n)
		}
		b.order("old", notifier.NoticeOrder{})
		b.sendAll(map[notifier.DeliveryID]int{})
		b.in("old", notifier.NoticeDone)
		b.pass(31 * day)
		b.forgetOld(10)
		b.tend()
		if n := b.in("old", notifier.NoticeDone); n.CleanedAt.IsZero() || b.number(`SELECT count(*) FROM recipients WHERE address LIKE 'user%%'`) != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestWhatStandsHalfWayForTooLongIsCancelledAndForgotten(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for _, id := range []string{"paused", "halted", "going"} {
			b.ready(id, 4)
			b.order(id, notifier.NoticeOrder{})
		}
		b.expand(10)
		b.settle("w", notifier.Sent, b.claim("w", 6)...) // all of the first and half of the second
		b.must(b.PauseNotice(b.ctx, "paused"))
		b.must(b.PauseNotice(b.ctx, "halted"))
		b.exec(`UPDATE notices SET state = 'halted', halted = 'too many' WHERE id = 'halted'`)
		if n := b.forgetOld(3); n != 0 {
			t.Errorf("%d are old", n)
		}
		b.pass(31 * day)
		b.must(b.PauseNotice(b.ctx, "going"))
		b.forgetOld(3)
		for _, id := range []string{"paused", "halted"} {
			n := b.in(id, notifier.NoticeCancelled)
			if n.CleanedAt.IsZero() || n.Halted != "" || n.Counts[notifier.Sent]+n.Counts[notifier.Cancelled] != 4 {
				t.Errorf("%+v", n)
			}
			if err := b.ResumeNotice(b.ctx, id); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%v", err)
			}
		}
		if n := b.number(`SELECT count(*) FROM recipients WHERE address LIKE 'user%%'`); n != 4 {
			t.Errorf("%d addresses are left", n)
		}
		b.expand(10) // which ends what was cancelled, too
		if b.number(`SELECT count(*) FROM deliveries WHERE address LIKE 'user%%'`) != 4 {
			t.Error("deliveries tell who they were to")
		}
		b.must(b.ResumeNotice(b.ctx, "going"))
		b.pass(time.Minute)
		sent := map[notifier.DeliveryID]int{}
		b.sendAll(sent)
		if b.in("going", notifier.NoticeDone); len(sent) != 4 {
			t.Errorf("%d were sent", len(sent))
		}
		b.sound()
	})
}
