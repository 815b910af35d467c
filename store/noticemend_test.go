package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// A cell that holds a line break looked like a header and a row.
func TestTheHeaderOfRejectsIsKnownAndNotGuessed(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.reject("n", notifier.Reject{Line: 2, Reason: "why", Text: `"a` + "\n" + `b",c`, Header: "email,x\n"}, notifier.Reject{Line: 4, Reason: "why", Text: "d"})
		b.reject("n", notifier.Reject{Line: 2, Reason: "why", Text: `{"email":"x"}`})
		b.ready("other", 1)
		b.upload("n", false, 10, 7, people(1)...)
		if _, err := b.exclude("n", "other"); err != nil { // which copies them
			t.Fatal(err)
		}
		got, _, err := b.Rejects(b.ctx, "n", 0, 10)
		if err != nil || len(got) != 3 || got[0].Header != "email,x\n" || got[0].Text != "\"a\nb\",c" || got[1].Header != "" || got[2].Header != "" {
			t.Errorf("%+v, %v", got, err)
		}
		if _, err := b.EraseAddress(b.ctx, notifier.Email, "a\nb"); err != nil {
			t.Fatal(err)
		}
		if got, _, err = b.Rejects(b.ctx, "n", 0, 10); err != nil || got[0].Header != "email,x\n" || got[0].Text != "" {
			t.Errorf("of whom was erased: %+v, %v", got, err)
		}
	})
}

func TestRejectsOfAnEarlierVersionKeepTheirHeaderApart(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.reject("n", notifier.Reject{Line: 2, Reason: "why", Text: "x;1", Header: "E-Mail;a\n"}, notifier.Reject{Line: 3, Reason: "why", Text: "\"y\n\";2"})
		b.draft("json")
		b.reject("json", notifier.Reject{Line: 1, Reason: "why", Text: "{}"})
		b.MigrateTo(t, 9)
		if got := b.number(`SELECT count(*) FROM rejects WHERE text LIKE 'E-Mail;a_x;1'`); got != 1 {
			t.Errorf("%d below", got)
		}
		b.must(b.Migrate(b.ctx))
		got, _, err := b.Rejects(b.ctx, "n", 0, 10)
		if err != nil || len(got) != 2 || got[0].Header != "E-Mail;a\n" || got[0].Text != "x;1" || got[1].Header != "" || got[1].Text != "\"y\n\";2" {
			t.Errorf("%+v, %v", got, err)
		}
		if got, _, err = b.Rejects(b.ctx, "json", 0, 10); err != nil || len(got) != 1 || got[0].Header != "" || got[0].Text != "{}" {
			t.Errorf("%+v, %v", got, err)
		}
		if n := b.notice("n"); n.ChangedAt.IsZero() {
			t.Errorf("%+v", n)
		}
	})
}

func TestTheReportSaysWhenAMailThatCouldNotBeWrittenWasGivenUp(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 1)
		b.order("n", notifier.NoticeOrder{})
		b.expand(10)
		d := b.claim("w", 1)[0]
		b.pass(day)
		b.must(b.Settle(b.ctx, []notifier.Settlement{{ID: d.ID, State: notifier.Failed, At: b.time(), Worker: "w", Charged: true, Receipt: notifier.Receipt{Reply: "could not be written: x"}}}))
		got, err := b.NoticeReport(b.ctx, "n", 0, 10)
		if err != nil || len(got) != 1 || got[0].State != notifier.Failed || !got[0].TriedAt.Equal(b.time()) || got[0].Attempts != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		b.sound()
	})
}

func TestWhoBroughtTheListOfMembersIsNoSecondPerson(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		cat := notifier.WithActor(b.ctx, notifier.Actor{Name: "token:cat", Role: notifier.RoleSender})
		e, err := b.BeginMembers(cat, "imap7")
		b.must(err)
		b.must(b.AddMembers(cat, e, []string{"ann@example.com", "bob@example.com"}))
		_, err = b.FinishMembers(cat, e)
		b.must(err)
		b.draft("n")
		ann := notifier.WithActor(b.ctx, notifier.Actor{Name: "staff:ann", Role: notifier.RoleSender})
		n, err := b.AudienceFromMembers(ann, "n", "imap7", "")
		if err != nil || !slices.Contains(n.ChangedBy, "token:cat") {
			t.Errorf("%+v, %v", n, err)
		}
		approve := func(name string) error {
			_, err := b.ApproveNotice(b.ctx, "n", notifier.Actor{Name: name, Role: notifier.RoleApprover}, "", "", 1)
			return err
		}
		if err := approve("staff:cat"); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		b.must(approve("staff:dan"))
	})
}

func TestAScheduledNoticeThatIsPausedIsADraftAgain(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 2)
		b.order("n", notifier.NoticeOrder{At: b.time().Add(time.Hour), PerSecond: 5})
		b.exec(`UPDATE notices SET approved = '[{"By":"staff:bob"}]'`)
		title := "Other words"
		if _, err := b.ChangeNotice(b.ctx, "n", notifier.NoticeChange{Title: &title}); !errors.Is(err, notifier.ErrConflict) || !strings.Contains(err.Error(), "pause it") {
			t.Errorf("%v", err)
		}
		b.must(b.PauseNotice(b.ctx, "n"))
		if n := b.in("n", notifier.NoticeDraft); n.Recipients != 2 || len(n.Approved) != 0 || n.OrderedBy != "" || n.Order != (notifier.NoticeOrder{}) {
			t.Errorf("%+v", n)
		}
		b.pass(2 * time.Hour)
		b.tend()
		b.in("n", notifier.NoticeDraft)
		if _, err := b.ChangeNotice(b.ctx, "n", notifier.NoticeChange{Title: &title}); err != nil {
			t.Errorf("%v", err)
		}
		if err := b.PauseNotice(b.ctx, "n"); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		b.order("n", notifier.NoticeOrder{})
		b.sendAll(map[notifier.DeliveryID]int{})
		b.in("n", notifier.NoticeDone)
	})
}
