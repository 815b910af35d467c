package store_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

func (b *box) leavesSecond(second int64) {
	b.t.Helper()
	b.turns(subscribers.Number(second), func(s *subscribers.Subscriber) { s.Depart(subscribers.ByLink, b.time()) })
}

func TestWhatFailsAtTheSecondAddressGoesToTheFirst(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		b.incident("one")
		begun := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated})
		b.expand(10)
		b.down()
		update := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		b.pass(1)
		dead := b.claim("w", 10)
		b.settle("w", notifier.Failed, dead...)
		b.states(second, map[int64]notifier.DeliveryState{update: notifier.Failed})
		if got := b.row(update, first); got.State != notifier.Pending || got.Since != begun || got.Address != "ann@own.example" {
			t.Errorf("%+v", got)
		}
		// Nothing twice: not by trying again, nor in the summary of the outage.
		b.pass(1)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		if n, err := b.RetryFailed(b.ctx, "event2"); n != 0 || err != nil {
			t.Errorf("%d are tried again, %v", n, err)
		}
		b.back()
		b.digests()
		b.wantDigests(subscribers.Number(first), "")
		b.sound()
	})
}

func TestWhatFailsAtTheSecondAddressIsTriedThereByNewerNewsFirst(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		b.incident("one")
		b.down()
		begun := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated})
		b.expand(10)
		b.pass(1)
		flying := b.claim("w", 10)
		update := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		b.settle("w", notifier.Failed, flying...)
		if got := b.row(update, second); got.State != notifier.Pending || got.Since != begun {
			t.Errorf("%+v", got)
		}
		b.states(first, map[int64]notifier.DeliveryState{begun: "", update: ""})
		b.pass(1)
		b.settle("w", notifier.Failed, b.claim("w", 10)...)
		if got := b.row(update, first); got.State != notifier.Pending || got.Since != begun {
			t.Errorf("%+v", got)
		}
		b.sound()
	})
}

func TestWhatWaitsForASecondAddressThatEndsGoesToTheFirst(t *testing.T) {
	for how, end := range map[string]func(b *box, first, second int64){
		"it leaves":     func(b *box, _, second int64) { b.leavesSecond(second) },
		"it is removed": func(b *box, first, _ int64) { b.must(b.RemoveSecond(b.ctx, subscribers.Number(first))) },
		"it is suppressed": func(b *box, _, _ int64) {
			b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "ann@elsewhere.example", Reason: subscribers.ReasonBounce}))
		},
	} {
		t.Run(how, func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				first, second := b.pair("ann")
				b.incident("one")
				b.down()
				begun := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated})
				b.expand(10)
				update := b.event(notifier.Event{IncidentID: "one"})
				b.expand(10)
				end(b, first, second)
				b.states(second, map[int64]notifier.DeliveryState{begun: notifier.Superseded, update: notifier.Cancelled})
				if got := b.row(update, first); got.State != notifier.Pending || got.Since != begun {
					t.Errorf("%+v", got)
				}
				b.back()
				b.digests()
				if n := b.number(`SELECT count(*) FROM events WHERE type = 'digest'`); n > 0 { // then that tells it, alone
					b.states(first, map[int64]notifier.DeliveryState{update: notifier.Superseded})
				}
				b.sound()
			})
		})
	}
}

func TestWhatIsGivenBackTakesThePlaceOfWhatWaitsAtTheFirstAddress(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		b.incident("one")
		begun := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated})
		b.expand(10)
		b.pass(1)
		flying := b.claim("w", 10) // and the first's server does not answer yet
		b.down()
		update := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		b.leavesSecond(second)
		if got := b.row(update, first); got.State != notifier.Held || got.Behind != int64(flying[0].ID) {
			t.Errorf("%+v", got)
		}
		b.sound()
		b.settle("w", notifier.Pending, flying...)
		b.states(first, map[int64]notifier.DeliveryState{begun: notifier.Superseded, update: notifier.Pending})
		if got := b.row(update, first); got.Since != begun {
			t.Errorf("%+v", got)
		}
		b.sound()
	})
}

func TestWhatIsParkedForASecondAddressThatEndsWaitsAtTheFirst(t *testing.T) {
	parkedBox(t, func(t *testing.T, b *box, d *desk, first, second int64) {
		b.component(notifier.MajorOutage)
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Mail is slow", Severity: notifier.SeverityMinor}))
		b.must(err)
		begun := p.Event.Number
		update := b.say(d, p.Incident.ID, notifier.Saying{Body: "more"})
		b.pass(10 * time.Minute)
		if s, err := b.ExpandSlice(b.ctx, 10); err != nil || s.Event != begun {
			t.Fatalf("%+v, %v", s, err)
		}
		b.leavesSecond(second)
		b.states(second, map[int64]notifier.DeliveryState{begun: notifier.Cancelled})
		if got := b.row(begun, first); got.State != notifier.Pending || got.DueAt != notifier.UntilResumed.UnixMicro() {
			t.Errorf("%+v", got)
		}
		b.sound()
		b.out(update, begun, first)
	})
}

// Whatever happens to the mailbox, the second address and what is on its way:
// every reader is told of every event, and no address of two at a time.
func TestWhateverHappensToASecondAddressItsReaderIsToldOfEverything(t *testing.T) {
	dialects := storetest.Dialects() // one is enough: the others say the same with each statement
	b := newBox(t, dialects[len(dialects)-1])
	b.components()
	rapid.Check(t, func(r *rapid.T) {
		b.empty()
		b.exec(`DELETE FROM outages`)
		b.incident("one")
		var pairs [][2]int64
		for _, name := range []string{"ann", "bob"} {
			first, second := b.pair(name)
			pairs = append(pairs, [2]int64{first, second})
		}
		down, events, flying := false, []int64{}, []notifier.Delivery{}
		answer := func(state notifier.DeliveryState) {
			for _, d := range flying {
				if state != notifier.Failed || strings.HasSuffix(d.Address, "@elsewhere.example") {
					b.settle("w", state, d)
				}
			}
		}
		for range rapid.IntRange(4, 16).Draw(r, "steps") {
			switch rapid.SampledFrom([]string{"event", "event", "slice", "slice", "turn", "take", "take", "sent", "later", "failed", "failed", "leave"}).Draw(r, "step") {
			case "event":
				if len(events) < 5 {
					events = append(events, b.event(notifier.Event{IncidentID: "one"}))
				}
			case "slice":
				_, err := b.ExpandSlice(b.ctx, rapid.IntRange(1, 4).Draw(r, "slice"))
				b.must(err)
			case "turn":
				if down = !down; down {
					b.down()
				} else {
					b.back()
				}
			case "take":
				b.pass(2 * time.Minute)
				_, err := b.Reap(b.ctx, notifier.Email)
				b.must(err)
				flying = b.claim("w", rapid.IntRange(1, 3).Draw(r, "limit"))
			case "sent":
				answer(notifier.Sent)
			case "later":
				answer(notifier.Pending)
			case "failed":
				answer(notifier.Failed)
			case "leave":
				b.must(b.RemoveSecond(b.ctx, subscribers.Number(rapid.SampledFrom(pairs).Draw(r, "who")[0])))
			}
		}
		if p := b.problems(); len(p) > 0 {
			r.Fatal(strings.Join(p, "\n"))
		}
		for range 4 {
			b.expand(10)
			b.pass(10 * time.Minute)
			_, err := b.Reap(b.ctx, notifier.Email)
			b.must(err)
			b.settle("w", notifier.Sent, b.claim("w", 100)...)
		}
		for _, p := range pairs {
			for _, e := range events {
				if n := b.number(`SELECT count(*) FROM deliveries WHERE state = 'sent' AND since <= %d AND event_number >= %d AND id & 4294967295 IN (%d, %d)`, e, e, p[0], p[1]); n == 0 {
					r.Fatalf("readers %v were never told of event %d:\n%s", p, e, (&machine{box: b}).all())
				}
			}
		}
	})
}
