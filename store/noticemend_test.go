package store_test

import (
	"errors"
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
