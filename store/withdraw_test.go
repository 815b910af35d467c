package store_test

import (
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// leaving are the ways in which an address loses its right to be written to.
var leaving = map[string]func(b *box, n int64) error{
	"unsubscribe": func(b *box, n int64) error { return b.into(n, subscribers.Unsubscribed) },
	"pause":       func(b *box, n int64) error { return b.into(n, subscribers.Paused) },
	"quarantine":  func(b *box, n int64) error { return b.into(n, subscribers.Quarantined) },
	"suppress": func(b *box, n int64) error {
		who, err := b.Subscriber(b.ctx, subscribers.Number(n))
		if err != nil {
			return err
		}
		return b.Suppress(b.ctx, subscribers.Suppression{Channel: who.Channel, Address: who.Address, Reason: subscribers.ReasonManual})
	},
}

func (b *box) into(n int64, state subscribers.State) error {
	_, err := b.ChangeSubscriber(b.ctx, subscribers.Number(n), func(s *subscribers.Subscriber) error { s.State = state; return nil })
	return err
}

func TestWhoeverLeavesHasNoOpenDeliveryLeft(t *testing.T) {
	for name, leave := range leaving {
		t.Run(name, func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				b.readers(3)
				b.incident("one")
				first := b.event(notifier.Event{IncidentID: "one"})
				b.expand(10)
				flying := b.claim("w", 2)
				second := b.event(notifier.Event{IncidentID: "one"}) // waits for the one in flight
				other := b.incidentless()
				b.expand(10)
				b.states(2, map[int64]notifier.DeliveryState{first: notifier.Sending, second: notifier.Held, other: notifier.Pending})
				before := b.pulse().Halts
				b.must(leave(b, 2))
				if b.pulse().Halts <= before {
					t.Error("no worker is told to stop")
				}
				b.states(2, map[int64]notifier.DeliveryState{first: notifier.Suppressed, second: notifier.Suppressed, other: notifier.Suppressed})
				b.states(1, map[int64]notifier.DeliveryState{first: notifier.Sending, second: notifier.Held, other: notifier.Pending})
				b.states(3, map[int64]notifier.DeliveryState{first: notifier.Superseded, second: notifier.Pending, other: notifier.Pending})
				if got := b.mine("w", flying); len(got) != 1 || got[0].Reader() != 1 {
					t.Errorf("still the worker's: %v", got)
				}
				b.sound()
				b.settle("w", notifier.Sent, flying...) // the last byte was out already
				b.states(2, map[int64]notifier.DeliveryState{first: notifier.Sent, second: notifier.Suppressed})
				b.sound()
			})
		})
	}
}

func TestWhatIsFinalStaysWhenItsReaderLeaves(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.settle("w", notifier.Sent, b.claim("w", 1)...)
		before := b.pulse().Halts
		b.must(b.into(1, subscribers.Unsubscribed))
		b.holds(first, notifier.Sent, first, 0)
		if b.pulse().Halts != before {
			t.Error("workers are stopped for nothing")
		}
	})
}

func TestAConfirmationOutlivesAPauseButNotASuppression(t *testing.T) {
	for _, name := range []string{"unsubscribe", "suppress"} {
		eachBox(t, func(t *testing.T, b *box) {
			b.readers(2)
			asked := b.event(notifier.Event{Type: notifier.SubscriberConfirm, Kind: notifier.KindPost, Lane: notifier.LaneConfirm, Reader: 1})
			others := b.event(notifier.Event{Type: notifier.SubscriberConfirm, Kind: notifier.KindPost, Lane: notifier.LaneConfirm, Reader: 2})
			b.expand(10)
			b.must(leaving[name](b, 1))
			want := map[string]notifier.DeliveryState{"unsubscribe": notifier.Pending, "suppress": notifier.Suppressed}[name]
			b.states(1, map[int64]notifier.DeliveryState{asked: want})
			b.states(2, map[int64]notifier.DeliveryState{others: notifier.Pending})
			b.sound()
		})
	}
}

// Somebody who leaves while deliveries are being made either is seen by the
// fan-out, or their delivery by those who end it.
func TestNobodyLeavesBetweenTheFanOutAndItsEnd(t *testing.T) {
	for name, leave := range leaving {
		t.Run(name, func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				const readers = 60
				b.readers(readers)
				b.incident("one")
				expander := storetest.At(t, b.dsn)(storetest.Clock(b.time))
				for range 3 {
					b.event(notifier.Event{IncidentID: "one"})
				}
				var all sync.WaitGroup
				all.Go(func() {
					for {
						slice, err := expander.ExpandSlice(b.ctx, 4)
						if err != nil {
							t.Error(err)
						}
						if err != nil || slice.Idle {
							return
						}
					}
				})
				for w := range int64(2) {
					all.Go(func() {
						for n := w + 1; n <= readers; n += 4 {
							if err := leave(b, n); err != nil {
								t.Error(err)
							}
						}
					})
				}
				all.Go(func() {
					for range 20 {
						ds, err := expander.Claim(b.ctx, notifier.Claim{Worker: "w", Channel: notifier.Email, Lanes: notifier.Lanes, Limit: 5, Lease: time.Minute})
						if err != nil {
							t.Error(err)
							return
						}
						var batch []notifier.Settlement
						for i, d := range ds {
							batch = append(batch, notifier.Settlement{ID: d.ID, State: []notifier.DeliveryState{notifier.Sent, notifier.Pending}[i%2], DueAt: b.time(),
								Tried: true, At: b.time(), Worker: "w"})
						}
						if err := expander.Settle(b.ctx, batch); err != nil {
							t.Error(err)
						}
					}
				})
				all.Wait()
				b.expand(10)
				b.sound()
			})
		})
	}
}
