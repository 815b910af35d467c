package store_test

import (
	"errors"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// A mistake that is withdrawn without a word must not reach anybody any more.
func TestAQuietRetractionCancelsWhatWaits(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		b.readers(5)
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		_, err := b.ExpandSlice(b.ctx, 3) // one slice of two
		b.must(err)
		flying := b.claimOf(d, 1)
		before := b.number(`SELECT value FROM counters WHERE name = 'halts'`)
		_, err = b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("", false, d.desk()) })
		b.must(err)
		if n := b.expand(2); n != 0 {
			t.Errorf("%d more deliveries were made", n)
		}
		progress, err := b.Progress(b.ctx, p.Event.ID)
		b.must(err)
		if progress.Counts[notifier.Cancelled] != 3 || progress.State() != notifier.Done {
			t.Errorf("%+v", progress)
		}
		mine, err := b.Mine(b.ctx, "w", []notifier.DeliveryID{flying[0].ID})
		b.must(err)
		if len(mine) != 0 {
			t.Error("the one in flight may still begin")
		}
		if after := b.number(`SELECT value FROM counters WHERE name = 'halts'`); after == before {
			t.Error("workers were not told to look again")
		}
		b.sound()
	})
}

// One that was refused before the withdrawal is not tried again after it, be the
// cancelling under way or long over.
func TestWhatWasQuietlyRetractedIsNeverTriedAgain(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		b.readers(3)
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		b.expand(10)
		failed := b.claimOf(d, 1)
		b.settle("w", notifier.Failed, failed[0])
		_, err := b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("", false, d.desk()) })
		b.must(err)
		refused := func(when string) {
			t.Helper()
			if _, err := b.RetryFailed(b.ctx, p.Event.ID); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("all that failed, %s: %v", when, err)
			}
			if err := b.RetryDelivery(b.ctx, failed[0].ID); !errors.Is(err, notifier.ErrConflict) {
				t.Errorf("one, %s: %v", when, err)
			}
		}
		refused("while it is cancelled")
		b.expand(2)
		if n := b.number(`SELECT count(*) FROM events WHERE withdrawn`); n != 0 {
			t.Fatal("the cancelling is not over")
		}
		refused("when it is cancelled")
		b.sound()
	})
}

// Who withdraws a mistake is answered at once, however many it concerns; the
// cancelling goes on in steps, and a process that dies between two is followed
// by another.
func TestAQuietRetractionActsBeforeItsDeliveriesAreCancelled(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		b.readers(7)
		p := b.opened(d, notifier.Announcement{Title: "Mail is slow"})
		b.expand(10)
		flying := b.claimOf(d, 2)
		_, err := b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("", false, d.desk()) })
		b.must(err)
		open := func() int64 {
			return b.number(`SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending', 'held')`)
		}
		if n := open(); n != 7 {
			t.Errorf("%d deliveries are open, all seven wait for their turn", n)
		}
		if got := b.claim("w", 10); len(got) != 0 {
			t.Errorf("claimed all the same: %v", got)
		}
		if got := b.mine("w", flying); len(got) != 0 {
			t.Errorf("%v may still begin", got)
		}
		if err := b.RetryDelivery(b.ctx, flying[0].ID); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("a retry meanwhile: %v", err)
		}
		b.settle("w", notifier.Sent, flying[0]) // the last byte was out already
		b.settle("w", notifier.Pending, flying[1])
		other := storetest.At(t, b.dsn)(storetest.Clock(b.time))
		for left := int64(4); left >= 0; left -= 2 {
			s, err := other.ExpandSlice(b.ctx, 2)
			b.must(err)
			if s.Idle || open() != left {
				t.Errorf("%d are open after a step, want %d; %+v", open(), left, s)
			}
			b.sound()
		}
		b.expand(2)
		progress, err := b.Progress(b.ctx, p.Event.ID)
		b.must(err)
		if progress.Counts[notifier.Cancelled] != 6 || progress.Counts[notifier.Sent] != 1 || progress.State() != notifier.Done {
			t.Errorf("%+v", progress)
		}
		if n := b.number(`SELECT count(*) FROM events WHERE withdrawn`); n != 0 {
			t.Error("it is never done with cancelling")
		}
		b.sound()
	})
}

func (b *box) claimOf(d *desk, n int) []notifier.Delivery {
	b.t.Helper()
	out, err := b.Claim(b.ctx, notifier.Claim{Worker: "w", Channel: notifier.Email, Lanes: notifier.Lanes, Limit: n, Lease: time.Minute})
	b.must(err)
	if len(out) != n {
		b.t.Fatalf("%d of %d were claimed", len(out), n)
	}
	return out
}
