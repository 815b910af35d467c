package store_test

import (
	"errors"
	"testing"
	"time"

	"allclear/notifier"
)

func (b *box) retryFailed(event int64) int {
	b.t.Helper()
	n, err := b.RetryFailed(b.ctx, eventID(b, event))
	b.must(err)
	return n
}

func eventID(b *box, event int64) (id string) {
	b.t.Helper()
	b.must(b.db.QueryRow(`SELECT id FROM events WHERE number = $1`, event).Scan(&id))
	return id
}

func TestOnlyTheFailedAreRetriedAndOnlyThoseWhoStayed(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(6)
		e := b.incidentless()
		b.expand(10)
		for _, d := range b.claim("w", 10) {
			state := notifier.Failed
			switch d.ID.Reader() {
			case 1:
				state = notifier.Sent
			case 2:
				state = notifier.Pending
			}
			b.settle("w", state, d)
		}
		b.exec(`UPDATE subscribers SET state = 'unsubscribed', unsubscribed_at = 1 WHERE number = 3`)
		b.exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES ('email', 'reader4@example.com', 'bounce', 1)`)
		before := b.pulse().Work
		if n := b.retryFailed(e); n != 2 {
			t.Errorf("%d were started", n)
		}
		if b.pulse().Work <= before {
			t.Error("nobody is told of the work")
		}
		for n, want := range map[int64]notifier.DeliveryState{1: notifier.Sent, 2: notifier.Pending, 3: notifier.Failed, 4: notifier.Failed, 5: notifier.Pending, 6: notifier.Pending} {
			b.states(n, map[int64]notifier.DeliveryState{e: want})
		}
		b.sound()
		if got := b.claim("w", 10); len(got) != 2 || got[0].Attempts != 0 {
			t.Errorf("claimed %+v", got)
		}
		if n := b.retryFailed(e); n != 0 {
			t.Errorf("%d were started again", n)
		}
	})
}

func TestARetryOfManyGoesInSteps(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		const readers = 4100
		b.readers(readers)
		b.incident("one")
		e := b.event(notifier.Event{IncidentID: "one"})
		b.expand(2000)
		b.settle("w", notifier.Failed, b.claim("w", readers)...)
		if n := b.retryFailed(e); n != readers {
			t.Errorf("%d were started", n)
		}
		b.sound()
		b.settle("w", notifier.Failed, b.claim("w", readers)...)
		b.exec(`UPDATE subscribers SET kinds = 4 WHERE number > 10`) // the next one is for ten only
		second := b.event(notifier.Event{IncidentID: "one"})
		b.expand(2000)
		if n := b.retryFailed(e); n != readers-10 {
			t.Errorf("%d were started", n)
		}
		if n := b.number(`SELECT count(*) FROM deliveries WHERE event_number = %d AND state = 'pending' AND since = %d AND told = 0`, second, e); n != readers {
			t.Errorf("%d tell of both", n)
		}
		b.sound()
	})
}

func TestARetryTellsTheNewestState(t *testing.T) {
	type after struct{ first, second notifier.DeliveryState }
	for name, c := range map[string]struct {
		newest  notifier.DeliveryState // of the second event's delivery; "" for none
		started int
		want    after
		since   bool // the second tells of the first too
	}{
		"it was not for this reader": {"", 1, after{notifier.Superseded, notifier.Pending}, true},
		"it waits":                   {notifier.Pending, 0, after{notifier.Superseded, notifier.Pending}, true},
		"it is in flight":            {notifier.Sending, 0, after{notifier.Superseded, notifier.Sending}, false},
		"it was sent":                {notifier.Sent, 0, after{notifier.Superseded, notifier.Sent}, false},
		"it failed too":              {notifier.Failed, 1, after{notifier.Superseded, notifier.Pending}, true},
		"it expired":                 {notifier.Expired, 0, after{notifier.Failed, notifier.Expired}, false},
	} {
		t.Run(name, func(t *testing.T) {
			oneReader(t, func(t *testing.T, b *box, first int64) {
				b.settle("w", notifier.Failed, b.claim("w", 1)...)
				if c.newest == "" {
					b.exec(`UPDATE subscribers SET kinds = 4`)
				}
				second := b.update()
				switch c.newest {
				case "", notifier.Pending:
				case notifier.Sending:
					b.claim("w", 1)
				default:
					b.settle("w", c.newest, b.claim("w", 1)...)
				}
				if n := b.retryFailed(first); n != c.started {
					t.Errorf("%d were started", n)
				}
				b.states(1, map[int64]notifier.DeliveryState{first: c.want.first, second: c.want.second})
				want := second
				if c.since {
					want = first
				}
				if got := b.row(second, 1); got.Since != want {
					t.Errorf("the second tells since %d, want %d", got.Since, want)
				}
			})
		})
	}
}

func TestARetrySkipsWhatFailedInBetween(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.settle("w", notifier.Failed, b.claim("w", 1)...)
		second := b.update()
		b.settle("w", notifier.Failed, b.claim("w", 1)...)
		b.exec(`UPDATE subscribers SET kinds = 4`)
		third := b.update()
		b.states(1, map[int64]notifier.DeliveryState{third: ""})
		if n := b.retryFailed(first); n != 1 {
			t.Errorf("%d were started", n)
		}
		b.holds(first, notifier.Superseded, first, 0)
		b.holds(second, notifier.Superseded, first, 0)
		b.holds(third, notifier.Pending, first, 0)
	})
}

// An event that is still being expanded may yet make a delivery for the reader:
// then that one replaces what is started here.
func TestARetryDoesNotRunAheadOfTheFanOut(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.settle("w", notifier.Failed, b.claim("w", 1)...)
		second := b.event(notifier.Event{IncidentID: "one"})
		if n := b.retryFailed(first); n != 1 {
			t.Errorf("%d were started", n)
		}
		b.holds(first, notifier.Pending, first, 0)
		b.expand(10)
		b.holds(first, notifier.Superseded, first, 0)
		b.holds(second, notifier.Pending, first, 0)
	})
}

func TestWhatIsTooLateToSendIsNotRetried(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.settle("w", notifier.Failed, b.claim("w", 1)...)
		b.pass(notifier.IncidentLife)
		if _, err := b.RetryFailed(b.ctx, eventID(b, first)); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		if err := b.RetryDelivery(b.ctx, notifier.MakeDeliveryID(first, 1)); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		b.holds(first, notifier.Failed, first, 0)
		b.exec(`UPDATE subscribers SET kinds = 4`)
		second := b.update() // but the newest event is worth sending
		if n := b.retryFailed(first); n != 1 {
			t.Errorf("%d were started", n)
		}
		b.holds(second, notifier.Pending, first, 0)
	})
}

func TestAnUnknownEventOrDeliveryCannotBeRetried(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		if _, err := b.RetryFailed(b.ctx, "nonsense"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("%v", err)
		}
		for _, id := range []notifier.DeliveryID{notifier.MakeDeliveryID(first, 99), notifier.MakeDeliveryID(99, 1), 0} {
			if err := b.RetryDelivery(b.ctx, id); !errors.Is(err, notifier.ErrNotFound) {
				t.Errorf("%v", err)
			}
		}
	})
}

func TestOneDeliveryCanBeMadeDueNow(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		id := notifier.MakeDeliveryID(first, 1)
		retry := func(want error) {
			t.Helper()
			if err := b.RetryDelivery(b.ctx, id); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
			b.sound()
		}
		for _, state := range []notifier.DeliveryState{notifier.Pending, notifier.Held, notifier.Failed} {
			b.settle("w", state, b.claim("w", 1)...)
			if got := b.claim("w", 1); len(got) != 0 {
				t.Fatalf("claimed %+v", got)
			}
			retry(nil)
		}
		flying := b.claim("w", 1)
		retry(notifier.ErrConflict)
		second := b.update()
		if err := b.RetryDelivery(b.ctx, notifier.MakeDeliveryID(second, 1)); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("one that waits for an older one: %v", err)
		}
		b.settle("w", notifier.Sent, flying...)
		retry(notifier.ErrConflict)
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'delivery.retry'`); n != 3 {
			t.Errorf("%d lines of audit", n)
		}
	})
}

func TestADeliveryOfSomebodyWhoLeftCannotBeRetried(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.settle("w", notifier.Failed, b.claim("w", 1)...)
		b.exec(`UPDATE subscribers SET state = 'paused'`)
		if err := b.RetryDelivery(b.ctx, notifier.MakeDeliveryID(first, 1)); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("%v", err)
		}
		b.holds(first, notifier.Failed, first, 0)
	})
}

func TestAFailedConfirmationCanBeRetriedWhileItIsAwaited(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		b.exec(`UPDATE subscribers SET state = 'pending'`)
		e := b.event(notifier.Event{Type: notifier.SubscriberConfirm, Kind: notifier.KindPost, Lane: notifier.LaneConfirm, Reader: 1})
		b.expand(10)
		b.settle("w", notifier.Failed, b.claim("w", 1)...)
		b.pass(time.Minute)
		if n := b.retryFailed(e); n != 1 {
			t.Errorf("%d were started", n)
		}
		b.states(1, map[int64]notifier.DeliveryState{e: notifier.Pending})
		b.sound()
	})
}
