package store_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/subscribers"
)

// pair adds a reader at own.example and their second address.
func (b *box) pair(name string) (first, second int64) {
	b.t.Helper()
	first = b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: name + "@own.example", State: subscribers.Active, Cadence: subscribers.Instant, Language: "de", Timezone: "Europe/Oslo"})
	second = b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: name + "@elsewhere.example", State: subscribers.Active, Cadence: subscribers.Instant})
	b.secondOf(second, first)
	return first, second
}

// secondOf makes one the second address of another.
func (b *box) secondOf(second, first int64) {
	b.t.Helper()
	b.exec(`UPDATE subscribers SET second_of = %d WHERE number = %d`, first, second)
	b.exec(`INSERT INTO seconds (first, channel, address, asked_at) SELECT %d, channel, address, 1 FROM subscribers WHERE number = %d`, first, second)
}

// down begins an outage of own.example with the next event; back ends it with the last one.
func (b *box) down() {
	b.t.Helper()
	b.exec(`INSERT INTO outages (number, domain, component, down_at, from_event)
		SELECT (SELECT coalesce(max(number), 0) + 1 FROM outages), 'own.example', 'imap7', %d, value + 1 FROM counters WHERE name = 'event'`, b.time().UnixMicro())
}

func (b *box) back() {
	b.t.Helper()
	b.exec(`UPDATE outages SET back_at = %d, until_event = (SELECT value FROM counters WHERE name = 'event') WHERE back_at = 0`, b.time().UnixMicro())
}

func TestWhoIsToldAtASecondAddressIsWhomTheRuleSays(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		rapid.Check(t, func(r *rapid.T) {
			b.empty()
			b.exec(`DELETE FROM outages`)
			b.incident("one")
			e, touches := drawEvent(r), b.drawMembers(r)
			e.IncidentID = "one"
			down := rapid.IntRange(0, 3).Draw(r, "down") > 0
			if down {
				b.down()
			}
			type reader struct {
				number int64
				wants  bool
				where  string
			}
			var want []reader
			for i := range rapid.IntRange(1, 8).Draw(r, "readers") {
				first, second := drawSubscriber(r, 2*i), drawSubscriber(r, 2*i+1)
				if rapid.IntRange(0, 3).Draw(r, "own") > 0 {
					first.Address = fmt.Sprintf("reader%d@own.example", i)
				}
				second.Cadence, second.Critical, second.Filter = subscribers.Instant, false, subscribers.Filter{}
				var has *subscribers.Subscriber
				numbers := map[*subscribers.Subscriber]int64{}
				add := func(s *subscribers.Subscriber) {
					numbers[s] = b.addRaw(*s)
					s.Number = subscribers.Number(numbers[s])
				}
				// Numbers in both orders, so that slices end between the two.
				if rapid.Bool().Draw(r, "second first") {
					add(&second)
					add(&first)
				} else {
					add(&first)
					add(&second)
				}
				if rapid.IntRange(0, 4).Draw(r, "named") > 0 {
					b.secondOf(numbers[&second], numbers[&first])
					second.SecondOf = first.Number
					has = &second
				}
				barred := map[*subscribers.Subscriber]bool{}
				for _, s := range []*subscribers.Subscriber{&first, &second} {
					if barred[s] = rapid.IntRange(0, 7).Draw(r, "barred") == 0; barred[s] {
						b.exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES ('%s', '%s', 'manual', 1)`, s.Channel, s.Address)
					}
				}
				elsewhere := subscribers.ToSecond(&first, has, down && first.Channel == notifier.Email && subscribers.Domain(first.Address) == "own.example",
					func(s *subscribers.Subscriber) bool { return barred[s] })
				wants := first.State == subscribers.Active && !barred[&first] && first.Filter.Match(e, touches(first.Address)) && first.AtOnce(e)
				want = append(want, reader{numbers[&first], wants && !elsewhere, first.Address})
				if has != nil {
					want = append(want, reader{numbers[&second], wants && elsewhere, second.Address})
				} else {
					want = append(want, reader{numbers[&second], second.State == subscribers.Active && !barred[&second], second.Address})
				}
			}
			number := b.event(e)
			b.expand(rapid.IntRange(1, 5).Draw(r, "slice"))
			for _, w := range want {
				if e.Type == notifier.IncidentRetracted {
					w.wants = false
				}
				if got := b.row(number, w.number); w.wants != (got.State == notifier.Pending) || w.wants && got.Address != w.where {
					r.Fatalf("reader %d at %s: wanted %t, has %+v (down: %t, event %+v)", w.number, w.where, w.wants, got, down, e)
				}
			}
			if p := b.problems(); len(p) > 0 {
				r.Fatal(strings.Join(p, "\n"))
			}
		})
	})
}

func TestWhileTheMailboxIsDownUpdatesGoElsewhereAndTheEndToWhoeverWasTold(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		b.incident("one")
		begun := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated})
		b.expand(1)
		b.down()
		update := b.event(notifier.Event{IncidentID: "one"})
		b.expand(1)
		b.states(first, map[int64]notifier.DeliveryState{begun: notifier.Superseded}) // what waits is told elsewhere
		b.states(second, map[int64]notifier.DeliveryState{update: notifier.Pending})
		newer := b.event(notifier.Event{IncidentID: "one"})
		b.expand(1)
		b.states(second, map[int64]notifier.DeliveryState{update: notifier.Superseded, newer: notifier.Pending})
		if got := b.row(newer, second); got.Since != begun || got.Address != "ann@elsewhere.example" {
			t.Errorf("%+v", got)
		}
		b.pass(1)
		for _, d := range b.claim("w", 10) {
			if d.Language != "de" || d.Zone != "Europe/Oslo" {
				t.Errorf("not in the first one's words: %+v", d)
			}
			b.settle("w", notifier.Sent, d)
		}
		b.back()
		over := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentResolved})
		b.expand(1)
		b.states(first, map[int64]notifier.DeliveryState{begun: notifier.Superseded, over: notifier.Pending})
		b.states(second, map[int64]notifier.DeliveryState{update: notifier.Superseded, newer: notifier.Sent, over: notifier.Pending})
		if got := b.row(over, second); got.Told != newer {
			t.Errorf("the end does not follow what was told: %+v", got)
		}
		b.sound()
	})
}

func TestTheEndReachesElsewhereWhomOnlyTheFirstAddressWasToldOf(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		other, none := b.pair("bob")
		b.exec(`UPDATE subscribers SET severity = 3 WHERE number = %d`, other)
		b.incident("one")
		begun := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated, Kind: notifier.KindIncident, Severity: notifier.SeverityMinor})
		b.expand(10)
		b.pass(1)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.exec(`UPDATE subscribers SET severity = 3 WHERE number = %d`, first) // wants no more of it
		b.down()
		over := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentResolved, Kind: notifier.KindIncident, Severity: notifier.SeverityMinor})
		b.expand(10)
		b.states(first, map[int64]notifier.DeliveryState{begun: notifier.Sent})
		b.states(second, map[int64]notifier.DeliveryState{over: notifier.Pending})
		b.states(none, map[int64]notifier.DeliveryState{})
		b.sound()
	})
}

func TestWhenTheFirstAddressLeavesNothingMoreGoesElsewhere(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		b.incident("one")
		b.down()
		update := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		_, err := b.ChangeSubscriber(b.ctx, subscribers.Number(first), func(s *subscribers.Subscriber) error {
			s.Depart(subscribers.ByLink, b.time())
			return nil
		})
		b.must(err)
		b.states(second, map[int64]notifier.DeliveryState{update: notifier.Suppressed})
		after := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentResolved})
		b.expand(10)
		if got := b.row(after, second); got.State != "" {
			t.Errorf("%+v", got)
		}
		b.sound()
	})
}

func TestWhoLeavesAtTheSecondAddressIsToldAtTheFirst(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first, second := b.pair("ann")
		b.incident("one")
		b.down()
		_, err := b.ChangeSubscriber(b.ctx, subscribers.Number(second), func(s *subscribers.Subscriber) error {
			s.Depart(subscribers.ByLink, b.time())
			return nil
		})
		b.must(err)
		update := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		b.states(first, map[int64]notifier.DeliveryState{update: notifier.Pending})
		b.states(second, map[int64]notifier.DeliveryState{})
		b.sound()
	})
}

// With a million readers, most of whom have none, that would be half a second for
// every slice of an incident and every claim of its mails.
func TestNobodyIsLookedThroughToSeeWhetherThereAreSecondAddresses(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		if b.Dialect() == "postgres" {
			b.exec(`ALTER TABLE subscribers SET (autovacuum_enabled = false)`) // which would know that nobody has one
		}
		b.readers(5000)
		b.incident("one")
		b.event(notifier.Event{IncidentID: "one"})
		looks := 0
		for _, p := range b.Explained(t, func() { b.expand(5000); b.claim("w", 10) }, "subscribers") {
			if !strings.HasPrefix(p, "SELECT count(*) > 0 FROM (SELECT 1 FROM subscribers WHERE second_of > 0") {
				continue
			}
			if looks++; !strings.Contains(p, "subscribers_seconds") {
				t.Errorf("looked for otherwise:\n%s", p)
			}
		}
		if looks < 2 {
			t.Errorf("looked %d times", looks)
		}
	})
}
