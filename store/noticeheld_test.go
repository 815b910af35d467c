package store_test

import (
	"errors"
	"sync"
	"testing"

	"allclear/notifier"
	"allclear/store/storetest"
)

// saysAfter says something that waits for a notice.
func (b *box) saysAfter(d *desk, incident string, s notifier.Saying, notice string, when notifier.NoticeMoment) notifier.Posting {
	b.t.Helper()
	s.AfterNotice = &notifier.AfterNotice{ID: notice, When: when}
	p, err := b.ReviseIncident(b.by("staff:ann", notifier.RoleSender), incident, d.say(s))
	b.must(err)
	return p
}

func TestAHeldUpdateIsPublishedWithTrueFiguresWhenItsMomentComes(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		inc := b.opened(d, notifier.Announcement{Title: "A store failed"}).Incident
		b.ready("n", 4)
		text := "{{notice.sent}} told, {{notice.retrying}} to come, {{notice.failed}} failed."
		tried := b.saysAfter(d, inc.ID, notifier.Saying{Body: text}, "n", notifier.WhenTried)
		final := b.saysAfter(d, inc.ID, notifier.Saying{Body: text, Status: notifier.Resolved}, "n", notifier.WhenFinal)
		b.order("n", notifier.NoticeOrder{})
		b.tend()
		b.expand(100)
		if i, err := b.Incident(b.ctx, inc.ID); err != nil || len(i.Updates) != 1 || i.Status != notifier.Investigating {
			t.Errorf("it shows before its time: %+v, %v", i, err)
		}
		if held, err := b.HeldUpdates(b.ctx, inc.ID); err != nil || len(held) != 2 || held[0].ID != tried.Update.ID || held[0].CreatedBy != "staff:ann" || held[0].Notice != notifier.NoticeSending {
			t.Errorf("%+v, %v", held, err)
		}
		ds := noticeOnly(b.claim("w", 100))
		b.settle("w", notifier.Sent, ds[:2]...)
		b.settle("w", notifier.Failed, ds[2])
		b.settle("w", notifier.Pending, ds[3])
		other := storetest.At(t, b.dsn)(storetest.Clock(d.Now))
		var all sync.WaitGroup
		for _, s := range []interface{ Tend() error }{tender{b}, tender{&box{Store: other, ctx: b.ctx}}} {
			all.Go(func() {
				if err := errors.Join(s.Tend(), s.Tend()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		i, err := b.Incident(b.ctx, inc.ID)
		b.must(err)
		if len(i.Updates) != 2 || i.Updates[1].ID != tried.Update.ID || i.Updates[1].Body != "2 told, 1 to come, 1 failed." || i.Updates[1].Event == 0 {
			t.Errorf("%+v", i.Updates)
		}
		d.Advance(2 * day / 24)
		b.settle("w", notifier.Sent, noticeOnly(b.claim("w", 100))...)
		b.tend()
		if i, err = b.Incident(b.ctx, inc.ID); err != nil || len(i.Updates) != 3 || i.Updates[2].ID != final.Update.ID || i.Updates[2].Body != "3 told, 0 to come, 1 failed." || i.Status != notifier.Resolved {
			t.Errorf("%+v, %v", i, err)
		}
		if held, err := b.HeldUpdates(b.ctx, inc.ID); err != nil || len(held) != 0 {
			t.Errorf("%+v, %v", held, err)
		}
	})
}

type tender struct{ *box }

func (x tender) Tend() error { _, err := x.TendNotices(x.ctx); return err }

// noticeOnly are those of the deliveries that a notice made.
func noticeOnly(ds []notifier.Delivery) (out []notifier.Delivery) {
	for _, d := range ds {
		if d.ID.ToRecipient() {
			out = append(out, d)
		}
	}
	return out
}

func TestAHeldUpdateOfACancelledNoticeStaysHeld(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		inc := b.opened(d, notifier.Announcement{Title: "x"}).Incident
		b.ready("n", 4)
		p := b.saysAfter(d, inc.ID, notifier.Saying{Body: "done"}, "n", notifier.WhenFinal)
		b.order("n", notifier.NoticeOrder{})
		b.must(b.CancelNotice(b.ctx, "n"))
		b.expand(10)
		b.tend()
		if held, err := b.HeldUpdates(b.ctx, inc.ID); err != nil || len(held) != 1 || held[0].Notice != notifier.NoticeCancelled {
			t.Errorf("%+v, %v", held, err)
		}
		var invalid *notifier.Invalid
		if _, err := b.ReviseIncident(b.ctx, inc.ID, d.say(notifier.Saying{Body: "x", AfterNotice: &notifier.AfterNotice{ID: "n", When: notifier.WhenTried}})); !errors.As(err, &invalid) || invalid.Field != "after_notice.id" {
			t.Errorf("%v", err)
		}
		b.must(b.DropHeldUpdate(b.ctx, inc.ID, p.Update.ID))
		if err := b.DropHeldUpdate(b.ctx, inc.ID, p.Update.ID); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestAHeldUpdateThatCannotBePublishedAnyMoreSaysWhy(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		inc := b.opened(d, notifier.Announcement{Title: "x"}).Incident
		b.ready("n", 1)
		b.saysAfter(d, inc.ID, notifier.Saying{Body: "done"}, "n", notifier.WhenFinal)
		b.withdrawQuietly(inc.ID)
		b.order("n", notifier.NoticeOrder{})
		sent := map[notifier.DeliveryID]int{}
		b.sendAll(sent)
		b.tend()
		if held, err := b.HeldUpdates(b.ctx, inc.ID); err != nil || len(held) != 1 || held[0].Trouble == "" {
			t.Errorf("%+v, %v", held, err)
		}
	})
}

func TestAHeldUpdateThatWasSaidInTheMeantimeIsDropped(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		inc := b.opened(d, notifier.Announcement{Title: "x"}).Incident
		b.ready("n", 1)
		b.saysAfter(d, inc.ID, notifier.Saying{Status: notifier.Resolved}, "n", notifier.WhenFinal)
		said := b.saysAfter(d, inc.ID, notifier.Saying{Status: notifier.Resolved, Body: "All were told."}, "n", notifier.WhenFinal)
		_, err := b.ReviseIncident(b.ctx, inc.ID, d.say(notifier.Saying{Status: notifier.Resolved, Body: "It is over."}))
		b.must(err)
		b.order("n", notifier.NoticeOrder{})
		sent := map[notifier.DeliveryID]int{}
		b.sendAll(sent)
		b.tend()
		if held, err := b.HeldUpdates(b.ctx, inc.ID); err != nil || len(held) != 0 {
			t.Errorf("%+v, %v", held, err)
		}
		if stuck, err := b.StuckUpdates(b.ctx); err != nil || len(stuck) != 0 {
			t.Errorf("%+v, %v", stuck, err)
		}
		if i, err := b.Incident(b.ctx, inc.ID); err != nil || len(i.Updates) != 3 || i.Updates[2].ID != said.Update.ID {
			t.Errorf("%+v, %v", i.Updates, err)
		}
	})
}
