package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/subscribers"
)

func TestAnAudienceIsForgottenInStepsAndWhatWasSentCanStillBeProved(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 7)
		b.upload("n", false, 10, 2, rowFor("user3@example.com", "more"), rowFor("User3@example.com", "twin"))
		b.order("n", notifier.NoticeOrder{})
		b.sendAll(map[notifier.DeliveryID]int{})
		before := b.in("n", notifier.NoticeDone)
		if n, err := b.ForgetAudiences(b.ctx, b.time(), 3); n != 0 || err != nil {
			t.Errorf("%d were forgotten of what is new, %v", n, err)
		}
		b.pass(31 * day)
		b.ready("other", 2)
		for total := 0; ; {
			n, err := b.ForgetAudiences(b.ctx, b.time().Add(-30*day), 3)
			b.must(err)
			if total += n; n == 0 {
				if total != 9+8 {
					t.Errorf("%d were forgotten", total)
				}
				break
			}
		}
		after := b.in("n", notifier.NoticeDone)
		if after.CleanedAt.IsZero() || after.Recipients != before.Recipients || after.Counts[notifier.Sent] != 8 {
			t.Errorf("%+v", after)
		}
		if n := b.number(`SELECT count(*) FROM deliveries WHERE address <> 'erased' OR reply <> ''`); n != 0 {
			t.Errorf("%d deliveries tell who they were to", n)
		}
		if n := b.number(`SELECT count(*) FROM recipients WHERE address LIKE '%%ser%%@%%'`); n != 2 { // the other's
			t.Errorf("%d addresses are left", n)
		}
		ds, _, err := b.Deliveries(b.ctx, notifier.DeliveryQuery{Address: "user3@example.com", Limit: 10})
		if err != nil || len(ds) != 2 || ds[0].State != notifier.Sent || ds[0].Address != "erased" {
			t.Errorf("%+v, %v", ds, err) // the twin has the same hash
		}
		report, err := b.NoticeReport(b.ctx, "n", 0, 100)
		if err != nil || len(report) != 8 || !strings.HasPrefix(report[0].Address, "erased:") || report[0].State != notifier.Sent || report[0].Account != "" {
			t.Errorf("%+v, %v", report, err)
		}
		if _, err := b.RetryFailedNotice(b.ctx, "n"); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		if r, err := b.Recipient(b.ctx, "other", 1); err != nil || r.Address != "user1@example.com" || len(r.Rows) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		b.pass(100 * day)
		for {
			n, err := b.Prune(b.ctx, b.time().Add(-90*day), 100)
			b.must(err)
			if n == 0 {
				break
			}
		}
		b.tend()
		if n := b.number(`SELECT count(*) FROM recipients`); n != 2 {
			t.Errorf("%d recipients are left", n)
		}
		if n := b.in("n", notifier.NoticeDone); n.Counts[notifier.Sent] != 8 {
			t.Errorf("%+v", n.Counts)
		}
	})
}

func TestErasingAPersonTakesThemOutOfAudiences(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		s, err := b.AddSubscriber(b.ctx, reader("user2@example.com", subscribers.Active), nil)
		b.must(err)
		b.ready("sent", 3)
		b.order("sent", notifier.NoticeOrder{})
		b.sendAll(map[notifier.DeliveryID]int{})
		b.ready("going", 3)
		b.order("going", notifier.NoticeOrder{})
		b.expand(10)
		flying := b.claim("w", 10)
		b.draft("draft")
		b.upload("draft", true, 10, 1, people(2)...)
		b.upload("draft", true, 10, 2, people(3)...) // what was replaced has the same places
		b.upload("draft", false, 10, 3, rowFor("user2@example.com", "late"), rowFor("user1@example.com", "late"))
		b.must(b.EraseSubscriber(b.ctx, s.Number))
		if got := b.mine("w", flying); len(got) != 2 {
			t.Errorf("%d may begin", len(got))
		}
		for _, id := range []string{"sent", "going", "draft"} {
			r, err := b.Recipient(b.ctx, id, 2)
			if err != nil || !strings.HasPrefix(r.Address, "erased:") || len(r.Rows) != 0 || r.Account != "" {
				t.Errorf("%s: %+v, %v", id, r, err)
			}
			if r, err = b.Recipient(b.ctx, id, 1); err != nil || r.Address != "user1@example.com" || len(r.Rows) == 0 {
				t.Errorf("%s: %+v, %v", id, r, err)
			}
		}
		if r, err := b.Recipient(b.ctx, "draft", 1); err != nil || len(r.Rows) != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		for _, table := range []string{"recipients", "deliveries", "subscribers"} {
			if n := b.number(`SELECT count(*) FROM %s WHERE address LIKE 'user2@%%'`, table); n != 0 {
				t.Errorf("%d in %s", n, table)
			}
		}
		b.order("draft", notifier.NoticeOrder{})
		b.settle("w", notifier.Sent, flying[0], flying[2])
		b.sendAll(map[notifier.DeliveryID]int{})
		if n := b.in("draft", notifier.NoticeDone); n.Counts[notifier.Suppressed] != 1 || n.Counts[notifier.Sent] != 2 {
			t.Errorf("%+v", n.Counts)
		}
		b.sound()
	})
}

// exclude leaves out of an audience, as it is, whom another notice was sent to.
func (b *box) exclude(notice, other string) (removed int64, err error) {
	b.t.Helper()
	before, err := b.Notice(b.ctx, notice)
	b.must(err)
	e, err := b.BeginAudienceWithout(b.ctx, notice, false, other)
	if err != nil {
		return 0, err
	}
	after, err := b.FinishAudience(b.ctx, e, 0, [32]byte{})
	if err != nil {
		return 0, errors.Join(err, b.DropAudience(b.ctx, e))
	}
	return before.Recipients - after.Recipients, nil
}

// Whatever befalls the upload, it was taken without them or not at all.
func TestNobodyIsLeftOutOfAnAudienceHalfway(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("first", 5)
		b.order("first", notifier.NoticeOrder{})
		b.sendAll(map[notifier.DeliveryID]int{})
		b.draft("n")
		b.upload("n", true, 10, 1, rowFor("old@example.com", "o1"), rowFor("user3@example.com", "o3"))
		load := func(replace bool, rows ...notifier.AudienceRow) (notifier.Notice, error) {
			e, err := b.BeginAudienceWithout(b.ctx, "n", replace, "first")
			b.must(err)
			for _, r := range rows {
				b.must(b.AddToAudience(b.ctx, e, []notifier.AudienceRow{r}, nil))
				if n := b.notice("n"); n.Rows != 2 {
					t.Errorf("before it was finished: %+v", n)
				}
			}
			n, err := b.FinishAudience(b.ctx, e, 1, [32]byte{9})
			if err != nil {
				b.must(b.DropAudience(b.ctx, e))
			}
			return n, err
		}
		if n, err := load(true, people(5)...); !errors.Is(err, notifier.ErrConflict) || !strings.Contains(err.Error(), "nobody would be left") {
			t.Errorf("%+v, %v", n, err)
		}
		if n := b.notice("n"); n.Recipients != 2 || n.Rows != 2 {
			t.Errorf("%+v", n)
		}
		// What joins takes out whom it finds, too.
		n, err := load(false, rowFor("user1@example.com", "u1"), rowFor("new@example.com", "n1"), rowFor("old@example.com", "o2"))
		if err != nil || n.Recipients != 2 || n.Rows != 3 || n.WithoutAddress != 1 {
			t.Errorf("%+v, %v", n, err)
		}
		for place, want := range []string{"old@example.com o1 o2", "new@example.com n1"} {
			if r, err := b.Recipient(b.ctx, "n", int64(place)+1); err != nil || told(r) != want {
				t.Errorf("place %d: %+v, %v", place+1, r, err)
			}
		}
		// Without leaving anybody out it is another audience.
		if n := b.upload("n", true, 10, 9, people(5)...); n.Recipients != 5 {
			t.Errorf("%+v", n)
		}
		var invalid *notifier.Invalid
		for _, other := range []string{"none", "n"} {
			if _, err := b.BeginAudienceWithout(b.ctx, "n", true, other); !errors.As(err, &invalid) || invalid.Field != "exclude_notice" {
				t.Errorf("%s: %v", other, err)
			}
		}
		b.components()
		e, err := b.BeginMembers(b.ctx, "imap7")
		b.must(err)
		b.must(b.AddMembers(b.ctx, e, []string{"user1@example.com", "ann@example.com"}))
		_, err = b.FinishMembers(b.ctx, e)
		b.must(err)
		if n, err := b.AudienceFromMembers(b.ctx, "n", "imap7", "first"); err != nil || n.Recipients != 1 {
			t.Errorf("%+v, %v", n, err)
		}
		b.sound()
	})
}

func TestACorrectionLeavesOutWhomTheOtherNoticeWasSentTo(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("first", 5)
		b.order("first", notifier.NoticeOrder{})
		b.expand(10)
		ds := b.claim("w", 4) // the fifth waits
		b.settle("w", notifier.Sent, ds[:2]...)
		b.settle("w", notifier.Failed, ds[2:]...)
		b.ready("n", 6)
		e, err := b.BeginAudience(b.ctx, "n", false)
		b.must(err)
		b.must(b.AddToAudience(b.ctx, e, []notifier.AudienceRow{rowFor("user4@example.com", "more"), rowFor("new@example.com", "new")}, []notifier.Reject{{Line: 9, Reason: "x", Text: "y"}}))
		_, err = b.FinishAudience(b.ctx, e, 2, [32]byte{5})
		b.must(err)
		if n, err := b.exclude("n", "first"); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		n := b.notice("n")
		if n.Recipients != 4 || n.Rows != 5 || n.Rejected != 1 || n.WithoutAddress != 2 {
			t.Errorf("%+v", n)
		}
		for place, want := range []string{"user3@example.com mail 3", "user4@example.com mail 4 more", "user6@example.com mail 6", "new@example.com new"} {
			r, err := b.Recipient(b.ctx, "n", int64(place)+1)
			if err != nil || told(r) != want {
				t.Errorf("place %d: %+v, %v", place+1, r, err)
			}
		}
		if n, err := b.exclude("n", "first"); n != 0 || err != nil {
			t.Errorf("again: %d, %v", n, err)
		}
		b.ready("same", 2)
		if _, err := b.exclude("same", "first"); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		if n := b.notice("same"); n.Recipients != 2 {
			t.Errorf("%+v", n)
		}
	})
}

// What is replaced is swept away: who copies it meanwhile would take what is left for all.
func TestMembersThatAreReplacedWhileTheyAreCopiedAreNobodysAudience(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		bring := func(addresses ...string) {
			e, err := b.BeginMembers(b.ctx, "imap7")
			b.must(err)
			for some := range slices.Chunk(addresses, 1000) {
				b.must(b.AddMembers(b.ctx, e, some))
			}
			_, err = b.FinishMembers(b.ctx, e)
			b.must(err)
		}
		var many []string // more than one page of them
		for n := range 2500 {
			many = append(many, fmt.Sprintf("r%d@example.com", n))
		}
		bring(many...)
		b.draft("n")
		b.Meanwhile(t, "FROM recipients AS r WHERE r.audience = ", 2, func() {
			bring("cat@example.com")
			b.tend()
		})
		if n, err := b.AudienceFromMembers(b.ctx, "n", "imap7", ""); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%+v, %v", n, err)
		}
		if n := b.notice("n"); n.Recipients != 0 {
			t.Errorf("the audience is %d people", n.Recipients)
		}
		if n, err := b.AudienceFromMembers(b.ctx, "n", "imap7", ""); err != nil || n.Recipients != 1 {
			t.Errorf("taken again: %+v, %v", n, err)
		}
	})
}

func TestWhoLivesOnAComponentCanBeAnAudience(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		bring := func(addresses ...string) {
			e, err := b.BeginMembers(b.ctx, "imap7")
			b.must(err)
			for _, a := range addresses {
				b.must(b.AddMembers(b.ctx, e, []string{a, a}))
			}
			n, err := b.FinishMembers(b.ctx, e)
			if err != nil || n != int64(len(addresses)) {
				t.Errorf("%d members, %v", n, err)
			}
		}
		bring("old@example.com")
		bring("ann@example.com", "bob@example.com", "cat@example.com")
		if n, err := b.Members(b.ctx, "imap7"); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		b.draft("n")
		n, err := b.AudienceFromMembers(b.ctx, "n", "imap7", "")
		if err != nil || n.Recipients != 3 || n.Rows != 3 {
			t.Errorf("%+v, %v", n, err)
		}
		if r, err := b.Recipient(b.ctx, "n", 2); err != nil || r.Address != "bob@example.com" || len(r.Rows) != 1 || len(r.Rows[0]) != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if _, err := b.AudienceFromMembers(b.ctx, "n", "web", ""); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		if _, err := b.BeginMembers(b.ctx, "none"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		b.must(b.RemoveComponent(b.ctx, "imap7"))
		b.tend()
		if n := b.number(`SELECT count(*) FROM recipients`); n != 3 {
			t.Errorf("%d recipients are left", n)
		}
	})
}

// It is deleted in steps: between two of them somebody has a part of their rows.
func TestWhileAnAudienceIsBeingForgottenNobodyIsTriedAgainWithWhatIsLeft(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		b.upload("n", true, 10, 1, rowFor("ann@example.com", "a1"), rowFor("ann@example.com", "a2"), rowFor("bob@example.com", "b1"))
		b.order("n", notifier.NoticeOrder{})
		b.expand(10)
		ds := b.claim("w", 10)
		b.settle("w", notifier.Failed, ds...)
		b.tend()
		b.in("n", notifier.NoticeDone)
		b.pass(31 * day)
		if n, err := b.ForgetAudiences(b.ctx, b.time().Add(-30*day), 1); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if r, err := b.Recipient(b.ctx, "n", 1); err != nil || len(r.Rows) != 1 {
			t.Fatalf("%+v, %v", r, err) // the part that must not be mailed
		}
		for what, try := range map[string]func() error{
			"the notice": func() error { _, err := b.RetryFailedNotice(b.ctx, "n"); return err },
			"the event":  func() error { _, err := b.RetryFailed(b.ctx, "ev-n"); return err },
			"ann":        func() error { return b.RetryDelivery(b.ctx, ds[0].ID) },
			"bob":        func() error { return b.RetryDelivery(b.ctx, ds[1].ID) },
		} {
			if err := try(); !errors.Is(err, notifier.ErrConflict) || !strings.Contains(err.Error(), "is being deleted") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if n := b.in("n", notifier.NoticeDone); n.Counts[notifier.Failed] != 2 {
			t.Errorf("%+v", n.Counts)
		}
		// Where it was tried again before the first step it is not forgotten.
		b.ready("again", 1)
		b.order("again", notifier.NoticeOrder{})
		b.expand(10)
		b.settle("w", notifier.Failed, b.claim("w", 10)...)
		b.tend()
		b.pass(31 * day)
		if n, err := b.RetryFailedNotice(b.ctx, "again"); n != 1 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		for n := 1; n > 0; {
			var err error
			n, err = b.ForgetAudiences(b.ctx, b.time().Add(-30*day), 10)
			b.must(err)
		}
		if r, err := b.Recipient(b.ctx, "again", 1); err != nil || len(r.Rows) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		b.sound()
	})
}
