package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// ready makes a notice with n recipients that nobody has told to be sent.
func (b *box) ready(id string, n int) {
	b.t.Helper()
	b.draft(id)
	b.upload(id, true, 1000, 1, people(n)...)
}

// order sends a notice as ann, with an audience that needs nobody else.
func (b *box) order(id string, o notifier.NoticeOrder) notifier.Notice {
	b.t.Helper()
	n, err := b.Notice(b.ctx, id)
	b.must(err)
	o.Expect, o.AcceptRejects = n.Recipients, n.Rejected
	n, err = b.OrderNotice(notifier.WithActor(b.ctx, notifier.Actor{Name: "staff:ann", Role: notifier.RoleSender}), id, o, 1_000_000, notifier.Event{ID: "ev-" + id})
	b.must(err)
	return n
}

// tend does all that is due about notices now.
func (b *box) tend() {
	b.t.Helper()
	for range 100 {
		changed, err := b.TendNotices(b.ctx)
		b.must(err)
		if !changed {
			return
		}
	}
	b.t.Fatal("there is no end to it")
}

// notice reads a notice, and checks what must always hold of it.
func (b *box) notice(id string) notifier.Notice {
	b.t.Helper()
	n, err := b.Notice(b.ctx, id)
	b.must(err)
	sum := int64(0)
	for state, c := range n.Counts {
		if c < 0 {
			b.t.Errorf("%d are %s", c, state)
		}
		sum += c
	}
	if sum != n.Recipients {
		b.t.Errorf("the counts add up to %d of %d: %v", sum, n.Recipients, n.Counts)
	}
	return n
}

// in fails unless the notice is in the state.
func (b *box) in(id string, state notifier.NoticeState) notifier.Notice {
	b.t.Helper()
	n := b.notice(id)
	if n.State != state {
		b.t.Fatalf("it is %s, want %s: %+v", n.State, state, n.Counts)
	}
	return n
}

// sendAll lets everything go out that may, and returns how often each was sent.
func (b *box) sendAll(sent map[notifier.DeliveryID]int) {
	b.t.Helper()
	for {
		b.tend()
		b.expand(7)
		ds := b.claim("w", 50)
		if len(ds) == 0 {
			return
		}
		b.settle("w", notifier.Sent, ds...)
		for _, d := range ds {
			sent[d.ID]++
		}
	}
}

func TestANoticeReachesEveryRecipientOnceAndIsDone(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(5) // who are not asked
		b.ready("n", 30)
		n := b.order("n", notifier.NoticeOrder{})
		if n.State != notifier.NoticeSending || n.Event == 0 || n.EventID != "ev-n" || !n.BegunAt.Equal(b.time()) || n.OrderedBy != "staff:ann" {
			t.Errorf("%+v", n)
		}
		sent := map[notifier.DeliveryID]int{}
		b.sendAll(sent)
		b.in("n", notifier.NoticeDone)
		if len(sent) != 30 {
			t.Errorf("%d were sent", len(sent))
		}
		story, err := b.Story(b.ctx, n.Event)
		if err != nil || story.Event.Type != notifier.NoticeSent || story.Event.NoticeID != "n" || story.Notice.Title != "Your mail was restored" || story.Event.Lane != notifier.LaneBulk {
			t.Errorf("%+v, %v", story, err)
		}
		for id, times := range sent {
			r, err := b.Recipient(b.ctx, "n", notifier.PlaceOfReader(id.Reader()))
			b.must(err)
			d := b.row(n.Event, id.Reader())
			if times != 1 || d.Address != r.Address || !id.ToRecipient() {
				t.Errorf("%s to %s was sent %d times, and is for %s", id, d.Address, times, r.Address)
			}
		}
		var all []notifier.Reported
		for after := int64(0); ; after = all[len(all)-1].Place {
			page, err := b.NoticeReport(b.ctx, "n", after, 7)
			b.must(err)
			if len(page) == 0 {
				break
			}
			all = append(all, page...)
		}
		if len(all) != 30 || all[29].Address != "user30@example.com" || all[29].State != notifier.Sent || all[29].Remote != "queued" || all[29].Delivery.Event() != n.Event {
			t.Errorf("%+v", all)
		}
		b.sound()
	})
}

func TestSomebodySuppressedGetsNoNoticeAndSomebodyUnsubscribedDoes(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		add := func(name string, s subscribers.State) subscribers.Number {
			got, err := b.AddSubscriber(b.ctx, reader(name+"@example.com", s), nil)
			b.must(err)
			return got.Number
		}
		left, forgotten := add("user2", subscribers.Unsubscribed), add("user3", subscribers.Active)
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "user1@example.com", Reason: subscribers.ReasonBounce}))
		b.must(b.EraseSubscriber(b.ctx, forgotten))
		b.ready("n", 5)
		if x, err := b.AudienceBreakdown(b.ctx, "n"); err != nil || x.Suppressed != 2 || len(x.Domains) != 1 || x.Domains[0] != (notifier.Share{Name: "example.com", Count: 5}) {
			t.Errorf("%+v, %v", x, err)
		}
		b.order("n", notifier.NoticeOrder{})
		b.expand(2)
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "user4@example.com", Reason: subscribers.ReasonComplaint}))
		sent := map[notifier.DeliveryID]int{}
		b.sendAll(sent)
		n := b.in("n", notifier.NoticeDone)
		if n.Counts[notifier.Suppressed] != 3 || n.Counts[notifier.Sent] != 2 {
			t.Errorf("%+v", n.Counts)
		}
		report, err := b.NoticeReport(b.ctx, "n", 0, 10)
		b.must(err)
		for place, want := range []notifier.DeliveryState{notifier.Suppressed, notifier.Sent, notifier.Suppressed, notifier.Suppressed, notifier.Sent} {
			if report[place].State != want {
				t.Errorf("%s: %s, want %s", report[place].Address, report[place].State, want)
			}
		}
		told, err := b.Told(b.ctx, left, 10)
		if err != nil || len(told) != 1 || told[0].NoticeID != "n" || told[0].Title != "Your mail was restored" {
			t.Errorf("%+v, %v", told, err)
		}
		for address, want := range map[string]int{"user5@example.com": 1, "user3@example.com": 1, "user2@example.com": 1, "user9@example.com": 0} {
			ds, _, err := b.Deliveries(b.ctx, notifier.DeliveryQuery{Address: address, Limit: 10})
			if err != nil || len(ds) != want {
				t.Errorf("%s: %+v, %v", address, ds, err)
			}
		}
		b.sound()
	})
}

// Staff stop and go on at any moment, workers die with claims in hand, several
// processes tend and expand: nobody is left out, and nobody is sent it twice.
func TestPausingAndResumingAtAnyMomentNeitherRepeatsNorSkipsAnyone(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for round := range 6 {
			dice, id, size := rand.New(rand.NewPCG(uint64(round), 7)), fmt.Sprint("n", round), 60
			b.ready(id, size)
			o := notifier.NoticeOrder{Canary: []float64{0, 10, 50}[round%3], PerSecond: []int{0, 9}[round%2]}
			number := b.order(id, o).Event
			other := storetest.At(t, b.dsn)(storetest.Clock(b.time))
			sent := map[notifier.DeliveryID]int{}
			stopped := false
			for step := 0; b.notice(id).State != notifier.NoticeDone; step++ {
				if step > 2000 {
					t.Fatalf("there is no end to it: %+v", b.notice(id))
				}
				switch dice.IntN(9) {
				case 0:
					b.must(b.PauseNotice(b.ctx, id))
				case 1, 2:
					if s := b.notice(id).State; s == notifier.NoticePaused {
						b.must(b.ResumeNotice(b.ctx, id))
					}
				case 3:
					_, err := other.ExpandSlice(b.ctx, 1+dice.IntN(9))
					b.must(err)
				case 4:
					_, err := other.TendNotices(b.ctx)
					b.must(err)
				case 5: // a worker that dies before it begins
					b.claim("dead", dice.IntN(5))
					b.must(b.Release(b.ctx, "dead", nil))
				case 6:
					b.pass(time.Second)
				default:
					ds := b.claim("w", 1+dice.IntN(20))
					if s := b.notice(id).State; len(ds) > 0 && stopped && s == notifier.NoticePaused {
						t.Errorf("%d were claimed of what stands still", len(ds))
					}
					may := b.mine("w", ds)
					var begun []notifier.Delivery
					for _, d := range ds {
						for _, m := range may {
							if d.ID == m {
								begun = append(begun, d)
							}
						}
					}
					b.settle("w", notifier.Sent, begun...)
					for _, d := range begun {
						sent[d.ID]++
					}
					b.must(b.Release(b.ctx, "w", nil))
				}
				stopped = b.notice(id).State == notifier.NoticePaused
			}
			if len(sent) != size {
				t.Errorf("round %d: %d of %d were sent", round, len(sent), size)
			}
			for id, times := range sent {
				if times != 1 {
					t.Errorf("%s was sent %d times", id, times)
				}
			}
			if n := b.number(`SELECT count(*) FROM deliveries WHERE event_number = %d`, number); n != int64(size) {
				t.Errorf("%d deliveries", n)
			}
		}
		b.sound()
	})
}

func TestWhatWorkersHaveClaimedAndNotBegunStopsWithThePauseAndTheCancellation(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 20)
		b.order("n", notifier.NoticeOrder{})
		b.expand(100)
		ds := b.claim("w", 10)
		before, err := b.Pulse(b.ctx)
		b.must(err)
		b.must(b.PauseNotice(b.ctx, "n"))
		after, err := b.Pulse(b.ctx)
		b.must(err)
		if after.Halts == before.Halts {
			t.Error("nobody looks at what is claimed")
		}
		if got := b.mine("w", ds); len(got) != 0 {
			t.Errorf("%d may begin", len(got))
		}
		if got := b.claim("w", 10); len(got) != 0 {
			t.Errorf("%d were claimed", len(got))
		}
		if n := b.in("n", notifier.NoticePaused); n.Counts[notifier.Held] != 10 || n.Counts[notifier.Sending] != 10 {
			t.Errorf("%+v", n.Counts)
		}
		if depth, err := b.Depths(b.ctx); err != nil || len(depth) != 1 || !depth[0].Oldest.IsZero() {
			t.Errorf("what stands still counts as waiting: %+v, %v", depth, err)
		}
		b.settle("w", notifier.Sent, ds[0]) // the last byte was out already
		b.must(b.ResumeNotice(b.ctx, "n"))
		if got := b.mine("w", ds); len(got) != 9 {
			t.Errorf("%d may begin", len(got))
		}
		b.must(b.CancelNotice(b.ctx, "n"))
		if got := b.mine("w", ds); len(got) != 0 {
			t.Errorf("%d may begin", len(got))
		}
		if n := b.in("n", notifier.NoticeCancelled); n.Counts[notifier.Cancelled] != 10 || n.DoneAt.IsZero() {
			t.Errorf("%+v", n.Counts)
		}
		b.expand(3)
		if n := b.notice("n"); n.Counts[notifier.Cancelled] != 19 || n.Counts[notifier.Sent] != 1 || n.Tried != 1 {
			t.Errorf("%d tried, %+v", n.Tried, n.Counts)
		}
		if all, _, err := b.Notices(b.ctx, "", 10); err != nil || len(all) != 1 || all[0].Tried != 1 {
			t.Errorf("the list tells otherwise: %+v, %v", all, err)
		}
		for _, again := range []error{b.ResumeNotice(b.ctx, "n"), b.PauseNotice(b.ctx, "n"), func() error { _, err := b.RetryFailedNotice(b.ctx, "n"); return err }()} {
			if !errors.Is(again, notifier.ErrConflict) {
				t.Errorf("what was cancelled comes back: %v", again)
			}
		}
		b.sound()
	})
}

func TestANoticeThatIsCancelledBeforeItIsMadeReportsEverybodyAsCancelled(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 20)
		b.order("n", notifier.NoticeOrder{PerSecond: 3})
		b.expand(2)
		b.must(b.CancelNotice(b.ctx, "n"))
		b.expand(2)
		b.tend()
		if n := b.in("n", notifier.NoticeCancelled); n.Counts[notifier.Cancelled] != 20 || n.Tried != 0 {
			t.Errorf("%+v", n.Counts)
		}
		report, err := b.NoticeReport(b.ctx, "n", 0, 100)
		b.must(err)
		for _, r := range report {
			if r.State != notifier.Cancelled {
				t.Errorf("%+v", r)
			}
		}
		b.sound()
	})
}

// It is looked at about every second, and what is too little for one more is not lost.
func TestWhatFailedIsTriedAgainAndTheNoticeIsDoneAgain(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.ready("n", 6)
		b.order("n", notifier.NoticeOrder{})
		b.expand(100)
		ds := b.claim("w", 10)
		b.settle("w", notifier.Failed, ds[:3]...)
		b.settle("w", notifier.Sent, ds[3:]...)
		b.tend()
		b.in("n", notifier.NoticeDone)
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "user1@example.com", Reason: subscribers.ReasonBounce}))
		b.pass(10 * day) // long after its time
		if n, err := b.RetryFailedNotice(b.ctx, "n"); n != 2 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if n := b.in("n", notifier.NoticeSettling); !n.DoneAt.IsZero() {
			t.Errorf("%+v", n)
		}
		sent := map[notifier.DeliveryID]int{}
		b.sendAll(sent)
		if n := b.in("n", notifier.NoticeDone); len(sent) != 2 || n.Counts[notifier.Failed] != 1 {
			t.Errorf("%+v", n.Counts)
		}
		if n, err := b.RetryFailed(b.ctx, "ev-n"); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		b.tend()
		b.exec(`DELETE FROM suppressions`)
		b.pass(10 * day)
		b.must(b.RetryDelivery(b.ctx, ds[0].ID))
		b.sendAll(sent)
		if n := b.in("n", notifier.NoticeDone); len(sent) != 3 || n.Counts[notifier.Sent] != 6 {
			t.Errorf("%+v", n.Counts)
		}
		b.sound()
	})
}

// A notice of any size makes nobody wait who is to hear of an incident.
