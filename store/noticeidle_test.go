package store_test

import (
	"errors"
	"strings"
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

func TestHoweverSoonAudiencesAreForgottenANoticeMayStandStillForAMonth(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		forget := func() {
			b.t.Helper()
			for n := 1; n > 0; {
				var err error
				n, err = b.ForgetAudiences(b.ctx, b.time().Add(-day), 10)
				b.must(err)
			}
		}
		b.ready("draft", 2)
		for _, id := range []string{"paused", "over"} {
			b.ready(id, 2)
			b.order(id, notifier.NoticeOrder{})
		}
		b.expand(10)
		b.must(b.PauseNotice(b.ctx, "paused"))
		b.sendAll(map[notifier.DeliveryID]int{})
		b.pass(29 * day)
		forget()
		b.in("paused", notifier.NoticePaused)
		if n := b.in("draft", notifier.NoticeDraft); n.Recipients != 2 {
			t.Errorf("%+v", n)
		}
		if n := b.in("over", notifier.NoticeDone); n.CleanedAt.IsZero() {
			t.Errorf("%+v", n)
		}
		b.pass(2 * day)
		forget()
		b.in("paused", notifier.NoticeCancelled)
		if n := b.in("draft", notifier.NoticeDraft); n.Recipients != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestWhatIsToBeSentAtATimeAheadKeepsItsAudienceWhileItWaitsForApproval(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := notifier.WithActor(b.ctx, notifier.Actor{Name: "staff:ann", Role: notifier.RoleSender})
		b.ready("far", 2)
		n, err := b.OrderNotice(ann, "far", notifier.NoticeOrder{Expect: 2, At: b.time().Add(60 * day)}, 1, notifier.Event{ID: "ev"})
		if err != nil || n.State != notifier.NoticeAwaiting {
			t.Fatalf("%+v, %v", n, err)
		}
		b.ready("near", 2)
		b.pass(45 * day)
		b.forgetOld(10)
		if n := b.in("far", notifier.NoticeAwaiting); n.Recipients != 2 || n.Order.At.IsZero() {
			t.Errorf("%+v", n)
		}
		if n := b.in("near", notifier.NoticeDraft); n.Recipients != 0 { // which stands behind it
			t.Errorf("%+v", n)
		}
		b.pass(40 * day) // nobody agreed in time, and somebody may give it another one
		b.forgetOld(10)
		b.in("far", notifier.NoticeAwaiting)
		b.pass(10 * day)
		b.forgetOld(10)
		if n := b.in("far", notifier.NoticeDraft); n.Recipients != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestANoticeThatCannotBeReadKeepsNoOtherFromItsEnd(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("over", 2)
		b.order("over", notifier.NoticeOrder{})
		b.expand(10)
		b.sendAll(map[notifier.DeliveryID]int{})
		b.in("over", notifier.NoticeDone)
		b.ready("broken", 2)
		b.pass(time.Minute)
		b.ready("draft", 2)
		b.exec(`UPDATE notices SET wish = '?' WHERE id = 'broken'`)
		b.pass(31 * day)
		var err error
		for n := 1; n > 0; {
			if n, err = b.ForgetAudiences(b.ctx, b.time().Add(-30*day), 10); n > 0 && err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		if err == nil || !strings.Contains(err.Error(), "broken") {
			t.Errorf("nobody hears of it: %v", err)
		}
		if n := b.in("over", notifier.NoticeDone); n.CleanedAt.IsZero() {
			t.Errorf("%+v", n)
		}
		if n := b.in("draft", notifier.NoticeDraft); n.Recipients != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestWhoBeginsAFileTouchesTheNotice(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 2)
		b.pass(29 * day)
		e, err := b.BeginAudience(b.ctx, "n", false)
		b.must(err)
		if n := b.notice("n"); !n.ChangedAt.Equal(b.time()) {
			t.Errorf("%+v", n)
		}
		b.pass(2 * day)
		b.forgetOld(10)
		if n := b.notice("n"); n.Recipients != 2 {
			t.Errorf("%+v", n)
		}
		b.must(b.DropAudience(b.ctx, e))
	})
}

// What an earlier version left: nobody had written down when it was touched.
func TestAnUpgradeEndsNoNoticeBeforeItsTimeAndTakesNobodyErasedForForgotten(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for _, id := range []string{"paused", "over", "half", "gone"} {
			b.draft(id)
			b.upload(id, true, 10, 1, rowFor("ann-"+id+"@example.com", "a"), rowFor("bob-"+id+"@example.com", "b"))
			b.order(id, notifier.NoticeOrder{})
		}
		b.ready("draft", 2)
		b.expand(20)
		b.must(b.PauseNotice(b.ctx, "paused"))
		b.sendAll(map[notifier.DeliveryID]int{})
		for _, id := range []string{"over", "gone"} {
			if _, err := b.EraseAddress(b.ctx, notifier.Email, "ann-"+id+"@example.com"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.EraseAddress(b.ctx, notifier.Email, "bob-gone@example.com"); err != nil {
			t.Fatal(err)
		}
		b.exec(`DELETE FROM recipient_rows WHERE fields LIKE '%%"a"%%' AND audience = (SELECT number FROM audiences WHERE notice_id = 'half')`)
		done := b.notice("over").ChangedAt
		before := time.Now().Add(-time.Second)
		b.MigrateTo(t, 9)
		b.exec(`UPDATE notices SET created_at = created_at - 8640000000000, ordered_at = 0 WHERE state IN ('paused', 'draft')`)
		b.must(b.Migrate(b.ctx))
		for _, id := range []string{"paused", "draft"} {
			if n := b.notice(id); n.ChangedAt.Before(before) {
				t.Errorf("%s was touched at %s", id, n.ChangedAt)
			}
		}
		if n := b.notice("over"); n.ChangedAt.After(done) {
			t.Errorf("%s behind %s", n.ChangedAt, done)
		}
		for id, begun := range map[string]int64{"over": 0, "half": 1, "paused": 0, "gone": 1} {
			if n := b.number(`SELECT count(*) FROM notices WHERE id = '%s' AND forgetting_at > 0`, id); n != begun {
				t.Errorf("%s: %d is being forgotten", id, n)
			}
		}
	})
}
