package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"allclear/notifier"
)

// Whether it can be written is judged by whoever has the templates, before the
// order's transaction: another text may have come between.
func TestANoticeThatWasChangedSinceItWasJudgedIsNotSent(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 2)
		judged := b.notice("n")
		body := "Hello {{nobody has this}}"
		_, err := b.ChangeNotice(b.ctx, "n", notifier.NoticeChange{Body: &body})
		b.must(err)
		order := notifier.NoticeOrder{Expect: 2, Version: judged.Mark()}
		if n, err := b.OrderNotice(b.ctx, "n", order, 10, notifier.Event{ID: "e"}); !errors.Is(err, notifier.ErrConflict) || !strings.Contains(err.Error(), "changed while it was judged") {
			t.Errorf("%+v, %v", n, err)
		}
		now := b.in("n", notifier.NoticeDraft)
		order.Version = now.Mark()
		n, err := b.OrderNotice(b.ctx, "n", order, 10, notifier.Event{ID: "e"})
		if err != nil || n.State != notifier.NoticeSending || n.Order.Version != "" {
			t.Errorf("%+v, %v", n, err)
		}
	})
}

func TestTryingAgainWhatNobodyFailedChangesNothing(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 3)
		b.order("n", notifier.NoticeOrder{})
		b.sendAll(map[notifier.DeliveryID]int{})
		was := b.in("n", notifier.NoticeDone)
		expires := b.number(`SELECT expires_at FROM events`)
		b.pass(day)
		if n, err := b.RetryFailedNotice(b.ctx, "n"); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if is := b.notice("n"); is.State != notifier.NoticeDone || !is.DoneAt.Equal(was.DoneAt) || b.number(`SELECT expires_at FROM events`) != expires {
			t.Errorf("%+v", is)
		}
		// Nor where all who failed may not be written to any more.
		b.ready("late", 1)
		b.order("late", notifier.NoticeOrder{})
		b.expand(10)
		ds := b.claim("w", 10)
		b.settle("w", notifier.Failed, ds...)
		b.tend()
		_, err := b.EraseAddress(b.ctx, notifier.Email, "user1@example.com")
		b.must(err)
		if n, err := b.RetryFailedNotice(b.ctx, "late"); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		b.in("late", notifier.NoticeDone)
		if err := b.RetryDelivery(b.ctx, ds[0].ID); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		b.in("late", notifier.NoticeDone)
		b.sound()
	})
}

func TestTheSmallestMiddlingAndLargestRecipientAreFoundOverAllFiles(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		rows := func(sizes ...int) (out []notifier.AudienceRow) {
			for i, n := range sizes {
				for range n {
					out = append(out, rowFor(fmt.Sprintf("%c%d@example.com", 'a'+len(sizes), i), "x"))
				}
			}
			return out
		}
		b.draft("n")
		b.upload("n", true, 50, 1, rows(4, 2, 9, 2, 7)...)
		b.upload("n", false, 50, 2, rows(1, 9, 1, 3)...) // 1 1 2 2 3 4 7 9 9
		least, mid, most, err := b.RecipientSizes(b.ctx, "n")
		if err != nil || least != 6 || mid != 9 || most != 3 {
			t.Errorf("%d %d %d, %v", least, mid, most, err)
		}
		b.draft("empty")
		if _, _, _, err := b.RecipientSizes(b.ctx, "empty"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}
