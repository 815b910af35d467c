package store_test

import (
	"fmt"
	"testing"
	"time"

	"allclear/notifier"
)

func TestSentIsAFactWhateverWasThoughtOfTheDelivery(t *testing.T) {
	for name, before := range map[string]func(b *box, d notifier.Delivery){
		"in its worker's hands": func(*box, notifier.Delivery) {},
		"in another's hands": func(b *box, _ notifier.Delivery) {
			b.pass(2 * time.Minute)
			_, err := b.Reap(b.ctx, notifier.Email)
			b.must(err)
			if got := b.claim("other", 1); len(got) != 1 {
				b.t.Errorf("claimed %+v", got)
			}
		},
		"given back":  func(b *box, _ notifier.Delivery) { b.must(b.Release(b.ctx, "w", nil)) },
		"held":        func(b *box, d notifier.Delivery) { b.settle("w", notifier.Held, d) },
		"failed":      func(b *box, d notifier.Delivery) { b.settle("w", notifier.Failed, d) },
		"expired":     func(b *box, d notifier.Delivery) { b.settle("w", notifier.Expired, d) },
		"cancelled":   func(b *box, d notifier.Delivery) { b.settle("w", notifier.Cancelled, d) },
		"suppressed":  func(b *box, d notifier.Delivery) { b.settle("w", notifier.Suppressed, d) },
		"superseded":  func(b *box, d notifier.Delivery) { b.must(b.Release(b.ctx, "w", nil)); b.update() },
		"awaited":     func(b *box, d notifier.Delivery) { b.update() },
		"sent before": func(b *box, d notifier.Delivery) { b.settle("w", notifier.Sent, d); b.pass(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			oneReader(t, func(t *testing.T, b *box, first int64) {
				d := b.claim("w", 1)[0]
				at := b.time()
				before(b, d)
				x := notifier.Settlement{ID: d.ID, State: notifier.Sent, Tried: true, At: at, Worker: "w", Receipt: notifier.Receipt{Relay: "relay", Remote: "queued"}}
				b.must(b.Settle(b.ctx, []notifier.Settlement{x, x}))
				b.must(b.Settle(b.ctx, []notifier.Settlement{x}))
				if got := b.row(first, 1); got.State != notifier.Sent || got.SentAt != at.UnixMicro() || got.TriedAt != at.UnixMicro() || got.Relay != "relay" || got.Worker != "" {
					t.Errorf("%+v", got)
				}
			})
		})
	}
}

func TestAnythingButSentNeedsTheLease(t *testing.T) {
	for _, state := range []notifier.DeliveryState{notifier.Pending, notifier.Held, notifier.Failed, notifier.Expired, notifier.Cancelled, notifier.Suppressed} {
		t.Run(string(state), func(t *testing.T) {
			oneReader(t, func(t *testing.T, b *box, first int64) {
				frozen := b.claim("zombie", 1)[0]
				b.pass(2 * time.Minute)
				if n, err := b.Reap(b.ctx, notifier.Email); n != 1 || err != nil {
					t.Fatalf("reaped %d, %v", n, err)
				}
				b.settle("zombie", state, frozen) // pending, nobody's
				if got := b.row(first, 1); got.State != notifier.Pending || got.Attempts != 0 || got.TriedAt != 0 {
					t.Errorf("%+v", got)
				}
				d := b.claim("other", 1)[0]
				b.settle("zombie", state, frozen) // another's
				if got := b.row(first, 1); got.State != notifier.Sending || got.Worker != "other" {
					t.Errorf("%+v", got)
				}
				b.settle("other", notifier.Sent, d)
				b.settle("zombie", state, frozen) // sent
				b.settle("other", state, d)
				b.holds(first, notifier.Sent, first, 0)
			})
		})
	}
}

func TestASettlementOfNothingIsHarmless(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		d := b.claim("w", 1)[0]
		b.must(b.Settle(b.ctx, nil))
		b.must(b.Settle(b.ctx, []notifier.Settlement{
			{ID: notifier.MakeDeliveryID(first+7, 1), State: notifier.Sent, At: b.time()},
			{ID: notifier.MakeDeliveryID(first, 77), State: notifier.Failed, At: b.time(), Worker: "w"},
			{ID: d.ID, State: "nonsense", Worker: "w"},
			{ID: d.ID, State: notifier.Sending, Worker: "w"},
			{ID: 0, State: notifier.Sent},
		}))
		b.holds(first, notifier.Sending, first, 0)
	})
}

func TestARetryIsDueWhenSaidAndChargedWhenSaid(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		for i, c := range []struct{ charged, tried bool }{{true, true}, {false, true}, {true, true}, {false, false}} {
			d := b.claim("w", 1)
			if len(d) != 1 {
				t.Fatalf("round %d: claimed %+v", i, d)
			}
			due := b.time().Add(time.Hour)
			b.must(b.Settle(b.ctx, []notifier.Settlement{{ID: d[0].ID, State: notifier.Pending, DueAt: due, Charged: c.charged, Tried: c.tried, At: b.time(),
				Worker: "w", Receipt: notifier.Receipt{Reply: fmt.Sprintf("reply %d", i)}}}))
			if got := b.row(first, 1); got.DueAt != due.UnixMicro() || got.Attempts != []int{1, 1, 2, 2}[i] {
				t.Errorf("round %d: %+v", i, got)
			}
			b.sound()
			b.pass(time.Hour)
		}
	})
}

func TestTheTryThatWasTakenIsCounted(t *testing.T) {
	for about, change := range map[string]func(*notifier.Settlement){
		"unread":            func(*notifier.Settlement) {},
		"read, by a zombie": func(x *notifier.Settlement) { x.Worker = "" },
	} {
		t.Run(about, func(t *testing.T) {
			oneReader(t, func(t *testing.T, b *box, first int64) {
				taken := func() {
					d := b.claim("w", 1)[0]
					x := notifier.Settlement{ID: d.ID, State: notifier.Sent, Charged: true, Tried: true, At: b.time(), Worker: "w"}
					change(&x)
					b.must(b.Settle(b.ctx, []notifier.Settlement{x}))
					b.must(b.Settle(b.ctx, []notifier.Settlement{x})) // said twice, counted once
				}
				taken()
				if got := b.row(first, 1); got.State != notifier.Sent || got.Attempts != 1 {
					t.Errorf("sent at once: %+v", got)
				}
				second := b.incidentless()
				b.expand(10)
				b.settle("w", notifier.Pending, b.claim("w", 1)...) // a try that is charged
				b.pass(time.Hour)
				taken()
				if got := b.row(second, 1); got.State != notifier.Sent || got.Attempts != 2 {
					t.Errorf("sent after a retry: %+v", got)
				}
				b.sound()
			})
		})
	}
}

func TestAnAnswerIsKeptUntilThereIsAnother(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.settle("w", notifier.Pending, b.claim("w", 1)...)
		b.pass(time.Hour)
		d := b.claim("w", 1)
		b.must(b.Settle(b.ctx, []notifier.Settlement{{ID: d[0].ID, State: notifier.Pending, DueAt: b.time(), At: b.time(), Worker: "w"}}))
		if got := b.row(first, 1); got.Relay != "relay" || got.Remote != "queued" {
			t.Errorf("%+v", got)
		}
		d = b.claim("w", 1)
		b.must(b.Settle(b.ctx, []notifier.Settlement{{ID: d[0].ID, State: notifier.Failed, At: b.time(), Worker: "w",
			Receipt: notifier.Receipt{Relay: "other", Reply: "550 \x00no\xff such 'user'\r\n\"quoted\" \u2028 [1,2] {a}"}}}))
		if got := b.row(first, 1); got.Relay != "other" || got.Remote != "" || got.State != notifier.Failed {
			t.Errorf("%+v", got)
		}
	})
}

func TestTriedCountsEveryDeliveryOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(4)
		e := b.incidentless()
		b.expand(10)
		tried := func(want int64) {
			t.Helper()
			if n := b.number(`SELECT tried FROM event_counts WHERE event_number = %d`, e); n != want {
				t.Errorf("%d tried, want %d", n, want)
			}
			b.sound()
		}
		ds := b.claim("w", 10)
		tried(0)
		b.settle("w", notifier.Pending, ds[0])
		tried(1)
		b.must(b.Settle(b.ctx, []notifier.Settlement{{ID: ds[1].ID, State: notifier.Held, DueAt: b.time(), At: b.time(), Worker: "w"}})) // never begun
		tried(1)
		b.must(b.Settle(b.ctx, []notifier.Settlement{{ID: ds[2].ID, State: notifier.Expired, At: b.time(), Worker: "w"}}))
		tried(2)
		b.settle("w", notifier.Sent, ds[3])
		tried(3)
		b.pass(time.Hour)
		for _, d := range b.claim("w", 10) {
			b.settle("w", notifier.Sent, d)
		}
		tried(4)
	})
}

func TestABatchOfAllSortsIsSettledAtOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(300)
		b.incident("one")
		b.event(notifier.Event{IncidentID: "one"})
		other := b.incidentless()
		b.expand(100)
		flying := b.claim("w", 600)
		b.event(notifier.Event{IncidentID: "one"})
		b.expand(100)
		var batch []notifier.Settlement
		states := []notifier.DeliveryState{notifier.Sent, notifier.Pending, notifier.Held, notifier.Failed, notifier.Expired, notifier.Sent, notifier.Suppressed}
		for i, d := range flying {
			batch = append(batch, notifier.Settlement{ID: d.ID, State: states[i%len(states)], DueAt: b.time().Add(time.Minute), Charged: i%2 == 0, Tried: i%3 == 0,
				At: b.time().Add(time.Duration(i) * time.Millisecond), Worker: "w"})
		}
		b.must(b.Settle(b.ctx, batch))
		if n := b.number(`SELECT count(*) FROM deliveries WHERE state = 'sending' OR awaited OR behind > 0`); n != 0 {
			t.Errorf("%d are left in flight", n)
		}
		if n := b.number(`SELECT count(*) FROM deliveries WHERE event_number = %d AND state = 'superseded'`, other); n != 0 {
			t.Errorf("%d of another incident are superseded", n)
		}
		b.sound()
	})
}
