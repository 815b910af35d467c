package store_test

import (
	"context"
	"errors"
	"testing"

	"allclear/notifier"
)

// by is a context of somebody on the staff.
func (b *box) by(name string, role notifier.Role) context.Context {
	return notifier.WithActor(b.ctx, notifier.Actor{Name: name, Role: role})
}

func TestALargeNoticeWaitsForAnotherPerson(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 11)
		order := notifier.NoticeOrder{Expect: 11}
		n, err := b.OrderNotice(b.by("staff:ann", notifier.RoleSender), "n", order, 10, notifier.Event{ID: "e"})
		if err != nil || n.State != notifier.NoticeAwaiting || n.Event != 0 {
			t.Fatalf("%+v, %v", n, err)
		}
		for name, role := range map[string]notifier.Role{"staff:ann": notifier.RoleAdmin, "staff:new": notifier.RoleSender, "local:root": notifier.RoleAdmin, "system": notifier.RoleApprover} {
			if _, err := b.ApproveNotice(b.ctx, "n", notifier.Actor{Name: name, Role: role}, "", "", 10); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%s approved: %v", name, err) // system uploaded it
			}
		}
		if _, err := b.ApproveNotice(b.ctx, "n", notifier.Actor{Name: "staff:bob", Role: notifier.RoleApprover}, "", "", 10); err != nil {
			t.Error(err)
		}
		if n := b.in("n", notifier.NoticeSending); len(n.Approved) != 1 || n.Approved[0].By != "staff:bob" {
			t.Errorf("%+v", n)
		}
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'notice.approve' AND actor = 'staff:bob' AND subject = 'n'`); n != 1 {
			t.Errorf("%d audits", n)
		}
	})
}

func TestAnApprovalThatCameFirstCounts(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 11)
		two := 2
		_, err := b.ChangeNotice(b.by("staff:ann", notifier.RoleSender), "n", notifier.NoticeChange{Approvals: &two})
		b.must(err)
		for _, who := range []string{"staff:bob", "staff:cat"} {
			_, err := b.ApproveNotice(b.ctx, "n", notifier.Actor{Name: who, Role: notifier.RoleApprover}, "", "", 10)
			b.must(err)
		}
		if n := b.order("n", notifier.NoticeOrder{}); n.State != notifier.NoticeSending {
			t.Errorf("%+v", n)
		}
	})
}

func TestAnAdminMayDoWithoutASecondPersonForAReason(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("one", 11)
		order := notifier.NoticeOrder{Expect: 11, Override: "alone on shift"}
		if _, err := b.OrderNotice(b.by("staff:ann", notifier.RoleApprover), "one", order, 10, notifier.Event{}); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		n, err := b.OrderNotice(b.by("staff:ann", notifier.RoleAdmin), "one", order, 10, notifier.Event{})
		if err != nil || n.State != notifier.NoticeSending || n.Approved[0].Reason != "alone on shift" {
			t.Errorf("%+v, %v", n, err)
		}
		b.ready("two", 11)
		order.Override = ""
		_, err = b.OrderNotice(b.by("staff:ann", notifier.RoleAdmin), "two", order, 10, notifier.Event{})
		b.must(err)
		_, err = b.ApproveNotice(b.ctx, "two", notifier.Actor{Name: "staff:ann", Role: notifier.RoleAdmin}, "nobody answers", "", 10)
		b.must(err)
		b.in("two", notifier.NoticeSending)
		if n := b.number(`SELECT count(*) FROM audit WHERE detail LIKE '%%alone on shift%%' OR action = 'notice.override' AND detail = 'nobody answers'`); n != 2 {
			t.Errorf("%d audits", n)
		}
	})
}

func TestAnApprovalIsOfWhatWasSeen(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 11)
		bob := notifier.Actor{Name: "staff:bob", Role: notifier.RoleApprover}
		order := func(o notifier.NoticeOrder) string {
			t.Helper()
			o.Expect = 11
			n, err := b.OrderNotice(b.by("staff:ann", notifier.RoleSender), "n", o, 10, notifier.Event{})
			b.must(err)
			if kept := b.in("n", notifier.NoticeAwaiting); kept.Mark() != n.Mark() {
				t.Error("the mark is another one once it is read")
			}
			return n.Mark()
		}
		others, rate := people(12)[1:], 0
		for what, change := range map[string]func(){
			"text": func() {
				other := "Other"
				_, err := b.ChangeNotice(b.by("staff:ann", notifier.RoleSender), "n", notifier.NoticeChange{Body: &other})
				b.must(err)
			},
			"an audience of the same size": func() { b.upload("n", true, 1000, 2, others...) },
			"nothing but the order":        func() { rate = 5 },
		} {
			rate = 0
			seen := order(notifier.NoticeOrder{})
			change()
			now := order(notifier.NoticeOrder{PerSecond: rate})
			if _, err := b.ApproveNotice(b.ctx, "n", bob, "", seen, 10); !errors.Is(err, notifier.ErrConflict) || seen == now {
				t.Errorf("%s: %v", what, err)
			}
			if n := b.in("n", notifier.NoticeAwaiting); n.Approved != nil {
				t.Errorf("%s: approved %v", what, n.Approved)
			}
		}
		_, err := b.ApproveNotice(b.ctx, "n", bob, "", order(notifier.NoticeOrder{}), 10)
		b.must(err)
		b.in("n", notifier.NoticeSending)
	})
}

func TestAnotherOrderAndAnotherRateAreNotWhatWasAgreed(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 11)
		two := 2
		_, err := b.ChangeNotice(b.by("staff:ann", notifier.RoleSender), "n", notifier.NoticeChange{Approvals: &two})
		b.must(err)
		ann, order := b.by("staff:ann", notifier.RoleSender), notifier.NoticeOrder{Expect: 11, PerSecond: 5}
		_, err = b.OrderNotice(ann, "n", order, 10, notifier.Event{})
		b.must(err)
		before, err := b.ApproveNotice(b.ctx, "n", notifier.Actor{Name: "staff:bob", Role: notifier.RoleApprover}, "", "", 10)
		b.must(err)
		if err := b.ThrottleNotice(ann, "n", 500); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("throttled: %v", err)
		}
		if n := b.in("n", notifier.NoticeAwaiting); n.Mark() != before.Mark() || len(n.Approved) != 1 {
			t.Errorf("%+v", n)
		}
		order.PerSecond = 500
		n, err := b.OrderNotice(ann, "n", order, 10, notifier.Event{})
		b.must(err)
		if n.State != notifier.NoticeAwaiting || n.Approved != nil {
			t.Errorf("%s, approved %v", n.State, n.Approved)
		}
	})
}

func TestAnOrderNamesWhatItSendsAndIsRefusedElse(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.draft("n")
		e, err := b.BeginAudience(b.ctx, "n", true)
		b.must(err)
		b.must(b.AddToAudience(b.ctx, e, people(3), []notifier.Reject{{Line: 4, Reason: "no address"}}))
		_, err = b.FinishAudience(b.ctx, e, 0, [32]byte{1})
		b.must(err)
		for _, o := range []notifier.NoticeOrder{{Expect: 2, AcceptRejects: 1}, {Expect: 3}, {Expect: 3, AcceptRejects: 2}} {
			if _, err := b.OrderNotice(b.ctx, "n", o, 10, notifier.Event{}); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("%+v: %v", o, err)
			}
		}
		b.in("n", notifier.NoticeDraft)
		b.order("n", notifier.NoticeOrder{})
		if _, err := b.OrderNotice(b.ctx, "n", notifier.NoticeOrder{Expect: 3, AcceptRejects: 1}, 10, notifier.Event{}); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("it was sent twice: %v", err)
		}
	})
}
