package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// switching has a reader whose mail goes down while the first news of an incident
// is in flight to their first address, and more is said.
func switching(t *testing.T, test func(t *testing.T, b *box, first, second, begun, update int64, flying []notifier.Delivery)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		begun := b.happens("one", notifier.Event{Type: notifier.IncidentCreated})
		b.expand(10)
		b.pass(1)
		flying := b.claim("w", 10)
		b.down()
		update := b.happens("one", notifier.Event{})
		b.expand(10)
		if got := b.row(update, second); got.State != notifier.Held || got.Behind != int64(flying[0].ID) {
			t.Errorf("it does not wait for what is in flight: %+v", got)
		}
		b.sound()
		test(t, b, first, second, begun, update, flying)
	})
}

func TestWhatIsInFlightToTheFirstAddressIsToldOnceWhereItIsTakenThere(t *testing.T) {
	switching(t, func(t *testing.T, b *box, first, second, begun, update int64, flying []notifier.Delivery) {
		b.settle("w", notifier.Sent, flying...)
		if got := b.row(update, second); got.State != notifier.Pending || got.Since != update || got.DueAt > b.time().UnixMicro() {
			t.Errorf("%+v", got)
		}
		b.sound()
		b.pass(time.Second)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.back()
		b.digests()
		b.wantDigests(subscribers.Number(first), fmt.Sprint(update))
		b.states(first, map[int64]notifier.DeliveryState{begun: notifier.Sent, update: ""})
	})
}

func TestWhatIsInFlightToTheFirstAddressAndNotTakenIsToldAtTheSecondAlone(t *testing.T) {
	for _, became := range []notifier.DeliveryState{notifier.Pending, notifier.Failed} {
		switching(t, func(t *testing.T, b *box, first, second, begun, update int64, flying []notifier.Delivery) {
			b.settle("w", became, flying...)
			if got := b.row(update, second); got.State != notifier.Pending || got.Since != begun {
				t.Errorf("%s: %+v", became, got)
			}
			want := notifier.Failed
			if became == notifier.Pending {
				want = notifier.Superseded
			}
			b.states(first, map[int64]notifier.DeliveryState{begun: want, update: ""})
			b.sound()
		})
	}
}

// What is in flight for long keeps nobody from being told, and what the first
// address gets in the end is not in the summary.
func TestWhatIsInFlightToTheFirstAddressForLongIsToldAtTheSecond(t *testing.T) {
	switching(t, func(t *testing.T, b *box, first, second, begun, update int64, flying []notifier.Delivery) {
		b.pass(11 * time.Second)
		there := b.claim("v", 10)
		if len(there) != 1 || there[0].ID.Reader() != second || there[0].Since != begun {
			t.Fatalf("%+v", there)
		}
		b.settle("w", notifier.Sent, flying...)
		b.sound()
		b.settle("v", notifier.Sent, there...)
		b.back()
		b.digests()
		b.wantDigests(subscribers.Number(first), fmt.Sprint(update))
		b.sound()
	})
}

func TestNewerNewsTakesThePlaceOfWhatWaitsForWhatIsInFlight(t *testing.T) {
	switching(t, func(t *testing.T, b *box, first, second, begun, update int64, flying []notifier.Delivery) {
		over := b.happens("one", notifier.Event{Type: notifier.IncidentResolved})
		b.expand(10)
		b.states(second, map[int64]notifier.DeliveryState{update: notifier.Superseded, over: notifier.Held})
		b.sound()
		b.settle("w", notifier.Sent, flying...)
		if got := b.row(over, second); got.State != notifier.Pending || got.Since != update {
			t.Errorf("%+v", got)
		}
		b.sound()
	})
}

// atFirst has what is in flight to a first address settled while the update is
// made that goes to the second one: one transaction does what first says and waits
// at the end for the other one to wait for it.
func atFirst(t *testing.T, became notifier.DeliveryState, settles bool) (b *box, first, second, begun, update int64) {
	t.Helper()
	b = newBox(t, "postgres")
	first, second = b.pair("ann")
	begun = b.happens("one", notifier.Event{Type: notifier.IncidentCreated})
	b.expand(10)
	b.pass(1)
	flying := b.claim("w", 10)
	b.down()
	update = b.happens("one", notifier.Event{})
	expand := func(ctx context.Context) error {
		_, err := b.ExpandSlice(ctx, 10)
		return err
	}
	settle := func(ctx context.Context) error {
		x := notifier.Settlement{ID: flying[0].ID, State: became, At: b.time(), Tried: true, Worker: "w"}
		if became == notifier.Pending {
			x.DueAt = b.time().Add(time.Minute)
		}
		return b.Settle(ctx, []notifier.Settlement{x})
	}
	before, after := expand, settle
	if settles {
		before, after = settle, expand
	}
	other := make(chan error, 1)
	b.must(b.Atomic(b.ctx, func(ctx context.Context) error {
		if err := before(ctx); err != nil {
			return err
		}
		go func() { other <- after(b.ctx) }()
		b.awaitTwin(ctx)
		return nil
	}))
	b.must(<-other)
	return b, first, second, begun, update
}

func TestWhatIsInFlightToTheFirstAddressIsToldOnceWhicheverTransactionIsFirst(t *testing.T) {
	for _, settles := range []bool{true, false} {
		for _, became := range []notifier.DeliveryState{notifier.Sent, notifier.Pending} {
			t.Run(fmt.Sprintf("%s, settled first %t", became, settles), func(t *testing.T) {
				b, first, second, begun, update := atFirst(t, became, settles)
				since, was := update, notifier.Sent
				if became == notifier.Pending {
					since, was = begun, notifier.Superseded
				}
				if got := b.row(update, second); got.State != notifier.Pending || got.Since != since || got.Behind != 0 || got.DueAt > b.time().UnixMicro() {
					t.Errorf("at the second address: %+v", got)
				}
				b.states(first, map[int64]notifier.DeliveryState{begun: was, update: ""})
				b.sound()
			})
		}
	}
}
