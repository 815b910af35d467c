package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

var (
	componentKeys = []string{"imap7", "web", "smtp", "dns"}
	eventTypes    = []notifier.EventType{
		notifier.IncidentCreated, notifier.IncidentUpdated, notifier.IncidentResolved, notifier.IncidentCorrected, notifier.IncidentRetracted,
		notifier.MaintenanceScheduled, notifier.MaintenanceStarted, notifier.MaintenanceExtended, notifier.MaintenanceCompleted, notifier.PostPublished,
	}
)

// addRaw writes a subscriber as it is, whatever the rules of subscribing say.
func (b *box) addRaw(s subscribers.Subscriber) int64 {
	b.t.Helper()
	kinds := 0
	for _, k := range s.Filter.Kinds {
		kinds |= map[notifier.Kind]int{notifier.KindIncident: 1, notifier.KindMaintenance: 2, notifier.KindPost: 4}[k]
	}
	types := 0
	for i, t := range notifier.Announcements {
		if slices.Contains(s.Filter.Types, t) {
			types |= 1 << i
		}
	}
	left := 0
	if s.State == subscribers.Unsubscribed {
		left = 1
	}
	b.exec(`UPDATE counters SET value = value + 1 WHERE name = 'subscriber'`)
	n := b.number(`SELECT value FROM counters WHERE name = 'subscriber'`)
	b.exec(`INSERT INTO subscribers (number, channel, address, state, severity, kinds, chooses, cadence, timezone, language, created_at, unsubscribed_at, incident, types, critical, mine)
		VALUES (%d, '%s', '%s', '%s', %d, %d, %t, '%s', '%s', '%s', 1, %d, '%s', %d, %t, %t)`, n, s.Channel, s.Address, s.State, s.Filter.Severity, kinds,
		len(s.Filter.Components) > 0, s.Cadence, s.Timezone, s.Language, left, s.Filter.Incident, types, s.Critical, s.Filter.Mine)
	for _, c := range s.Filter.Components {
		b.exec(`INSERT INTO subscriber_components (subscriber, component_key) VALUES (%d, '%s')`, n, c)
	}
	return n
}

func (b *box) components() {
	for _, c := range componentKeys {
		b.exec(`INSERT INTO components (key, name, state, created_at) VALUES ('%s', '%s', 'operational', 1)`, c, c)
	}
}

// empty takes away everything but the components.
func (b *box) empty() {
	for _, table := range []string{"deliveries", "event_counts", "event_latency", "events", "incidents", "suppressions", "subscriber_components", "endpoints", "attempts", "replays", "subscribers", "pauses", "audiences", "recipients"} {
		b.exec(`DELETE FROM %s`, table)
	}
}

func drawSubscriber(t *rapid.T, i int) subscribers.Subscriber {
	s := subscribers.Subscriber{
		Channel: rapid.SampledFrom([]notifier.Channel{notifier.Email, notifier.Email, notifier.Webhook, notifier.SMS}).Draw(t, "channel"),
		Address: fmt.Sprintf(rapid.SampledFrom([]string{"reader%d@example.com", "Reader%d@example.com"}).Draw(t, "written"), i),
		State:   rapid.SampledFrom(append(slices.Repeat([]subscribers.State{subscribers.Active}, 6), subscribers.States...)).Draw(t, "state"),
		Cadence: rapid.SampledFrom(subscribers.Cadences).Draw(t, "cadence"),
		Filter: subscribers.Filter{
			Severity:   notifier.Severity(rapid.IntRange(0, 3).Draw(t, "severity")),
			Components: rapid.SliceOfNDistinct(rapid.SampledFrom(componentKeys), 0, 3, rapid.ID).Draw(t, "components"),
			Kinds:      rapid.SliceOfNDistinct(rapid.SampledFrom(notifier.Kinds), 0, 3, rapid.ID).Draw(t, "kinds"),
			Types:      rapid.SliceOfNDistinct(rapid.SampledFrom(eventTypes), 0, 4, rapid.ID).Draw(t, "types"),
			Incident:   rapid.SampledFrom([]string{"", "", "", "one", "two"}).Draw(t, "incident"),
		},
		Critical: rapid.Bool().Draw(t, "critical"),
		Timezone: rapid.SampledFrom([]string{"", "Europe/Oslo"}).Draw(t, "timezone"),
		Language: rapid.SampledFrom([]string{"", "pt-BR"}).Draw(t, "language"),
	}
	s.Filter.Mine = s.Channel == notifier.Email && rapid.Bool().Draw(t, "mine")
	return s
}

func drawEvent(t *rapid.T) notifier.Event {
	return notifier.Event{
		Type:       rapid.SampledFrom(eventTypes).Draw(t, "type"),
		Kind:       rapid.SampledFrom(notifier.Kinds).Draw(t, "kind"),
		Lane:       notifier.LaneIncident,
		Raised:     rapid.Bool().Draw(t, "raised"),
		Severity:   notifier.Severity(rapid.IntRange(0, 3).Draw(t, "severity")),
		Components: rapid.SliceOfNDistinct(rapid.SampledFrom(componentKeys), 0, 3, rapid.ID).Draw(t, "components"),
	}
}

func TestTheFilterInSQLIsTheFilter(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		rapid.Check(t, func(r *rapid.T) {
			b.empty()
			b.incident("one")
			e, touches := drawEvent(r), b.drawMembers(r)
			e.IncidentID = "one"
			want := map[int64]subscribers.Subscriber{}
			var everyone []int64
			for i := range rapid.IntRange(1, 12).Draw(r, "readers") {
				s := drawSubscriber(r, i)
				n := b.addRaw(s)
				everyone = append(everyone, n)
				barred := rapid.IntRange(0, 9).Draw(r, "barred") == 0
				if barred {
					b.exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES ('%s', '%s', 'manual', 1)`, s.Channel, s.Address)
				}
				if s.State == subscribers.Active && !barred && s.Filter.Match(e, touches(s.Address)) && s.AtOnce(e) {
					want[n] = s
				}
			}
			number := b.event(e)
			b.expand(rapid.IntRange(1, 5).Draw(r, "slice"))
			for _, n := range everyone {
				got := b.row(number, n)
				s, wanted := want[n]
				if wanted != (got.State == notifier.Pending) || wanted && got.Address != s.Address {
					r.Fatalf("reader %d (%+v) has %+v of %+v", n, s, got, e)
				}
			}
			if p := b.problems(); len(p) > 0 {
				r.Fatal(strings.Join(p, "\n"))
			}
		})
	})
}

func TestWhatIsMadeTakesAfterItsReaderAndEvent(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		n := b.addRaw(subscribers.Subscriber{
			Channel: notifier.Email, Address: "ann@example.com", State: subscribers.Active, Cadence: subscribers.Instant,
			Timezone: "Europe/Oslo", Language: "pt-BR",
		})
		b.incident("one")
		e := b.event(notifier.Event{IncidentID: "one", Lane: notifier.LaneRoutine})
		slice, err := b.ExpandSlice(b.ctx, 10)
		b.must(err)
		if slice != (notifier.Slice{Event: e, Lane: notifier.LaneRoutine, Made: 1, Complete: true}) {
			t.Errorf("%+v", slice)
		}
		accepted := b.time()
		b.pass(1)
		got := b.claim("w", 10)
		want := notifier.Delivery{
			ID: notifier.MakeDeliveryID(e, n), Lane: notifier.LaneRoutine, Channel: notifier.Email, Address: "ann@example.com", Language: "pt-BR", Zone: "Europe/Oslo",
			Since: e, State: notifier.Sending, DueAt: accepted, AcceptedAt: accepted, ExpiresAt: accepted.Add(notifier.IncidentLife),
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("claimed %+v\nwant    %+v", got, want)
		}
	})
}

func TestSlicesMakeEveryDeliveryOnce(t *testing.T) {
	for _, slice := range []int{1, 3, 5, 7, 14, 15, 16, 1000} {
		t.Run(fmt.Sprint(slice), func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				b.readers(15)
				b.exec(`UPDATE subscribers SET state = 'paused' WHERE number IN (1, 8, 15)`)
				e := b.incidentless()
				if made := b.expand(slice); made != 12 {
					t.Errorf("made %d", made)
				}
				if n := b.number(`SELECT count(*) FROM deliveries WHERE event_number = %d`, e); n != 12 {
					t.Errorf("%d deliveries", n)
				}
				if n := b.number(`SELECT count(*) FROM events WHERE expanded_at > 0`); n != 1 {
					t.Error("the event is not expanded")
				}
				b.sound()
			})
		})
	}
}

func TestExpandingAgainIsHarmless(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(20)
		e := b.incidentless()
		b.expand(6)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.exec(`UPDATE events SET expanded_at = 0, progress = 0 WHERE number = %d`, e) // as if no slice had been noted
		if made := b.expand(7); made != 0 {
			t.Errorf("made %d again", made)
		}
		b.sound()
	})
}

func TestAnEventWithoutReadersIsThroughAtOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.incidentless()
		slice, err := b.ExpandSlice(b.ctx, 10)
		b.must(err)
		if !slice.Complete || slice.Made != 0 || slice.Idle {
			t.Errorf("%+v", slice)
		}
		if slice, err = b.ExpandSlice(b.ctx, 10); err != nil || !slice.Idle {
			t.Errorf("%+v, %v", slice, err)
		}
	})
}

func TestTheHighestLaneIsExpandedFirstEvenInTheMiddleOfAnother(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(10)
		for _, id := range []string{"bulk", "post", "late", "break"} {
			b.incident(id)
		}
		bulk := b.event(notifier.Event{IncidentID: "bulk", Lane: notifier.LaneBulk})
		post := b.event(notifier.Event{IncidentID: "post", Lane: notifier.LaneRoutine})
		late := b.event(notifier.Event{IncidentID: "late", Lane: notifier.LaneRoutine})
		var order []int64
		for {
			slice, err := b.ExpandSlice(b.ctx, 5)
			b.must(err)
			if slice.Idle {
				break
			}
			order = append(order, slice.Event)
			if len(order) == 1 {
				order = append(order, -b.event(notifier.Event{IncidentID: "break"}))
			}
		}
		urgent := late + 1
		if want := []int64{post, -urgent, urgent, urgent, post, late, late, bulk, bulk}; !slices.Equal(order, want) {
			t.Errorf("expanded %v, want %v", order, want)
		}
	})
}

func TestEventsOfAnIncidentExpandInTheirOrder(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(10)
		b.incident("one")
		first := b.event(notifier.Event{IncidentID: "one", Lane: notifier.LaneBulk})
		second := b.event(notifier.Event{IncidentID: "one"}) // a higher lane does not overtake its own incident
		for range 2 {
			slice, err := b.ExpandSlice(b.ctx, 5)
			b.must(err)
			if slice.Event != first {
				t.Fatalf("expanded %+v", slice)
			}
		}
		slice, err := b.ExpandSlice(b.ctx, 5)
		b.must(err)
		if slice.Event != second {
			t.Fatalf("expanded %+v", slice)
		}
	})
}

func TestAConfirmationGoesToItsReaderAlone(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(3)
		n := b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: "new@example.com", State: subscribers.Pending, Cadence: subscribers.Milestones})
		b.readersFrom(n+1, 3)
		e := b.event(notifier.Event{Type: notifier.SubscriberConfirm, Kind: notifier.KindPost, Lane: notifier.LaneConfirm, Reader: n})
		barred := b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: "barred@example.com", State: subscribers.Pending, Cadence: subscribers.Instant})
		b.exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES ('email', 'barred@example.com', 'manual', 1)`)
		b.event(notifier.Event{Type: notifier.SubscriberConfirm, Kind: notifier.KindPost, Lane: notifier.LaneConfirm, Reader: barred})
		gone := b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: "gone@example.com", State: subscribers.Unsubscribed, Cadence: subscribers.Instant})
		b.event(notifier.Event{Type: notifier.SubscriberConfirm, Kind: notifier.KindPost, Lane: notifier.LaneConfirm, Reader: gone})
		if made := b.expand(100); made != 1 || b.row(e, n).State != notifier.Pending {
			t.Errorf("made %d, of the reader: %+v", made, b.row(e, n))
		}
		b.sound()
	})
}

// readersFrom adds n active readers from a number on.
func (b *box) readersFrom(from int64, n int) {
	for i := range n {
		b.exec(`INSERT INTO subscribers (number, channel, address, state, cadence, created_at) VALUES (%d, 'email', 'more%d@example.com', 'active', 'instant', 1)`,
			from+int64(i), from+int64(i))
	}
	b.exec(`UPDATE counters SET value = %d WHERE name = 'subscriber'`, from+int64(n)-1)
}

func TestManyProcessesExpandTogetherWithoutMakingAnythingTwice(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(200)
		for _, id := range []string{"one", "two"} {
			b.incident(id)
		}
		for _, id := range []string{"one", "two", "one", "one"} {
			b.event(notifier.Event{IncidentID: id})
		}
		stores := []interface {
			ExpandSlice(context.Context, int) (notifier.Slice, error)
		}{b.Store, storetest.At(t, b.dsn)(storetest.Clock(b.time)), storetest.At(t, b.dsn)(storetest.Clock(b.time))}
		var all sync.WaitGroup
		for _, s := range stores {
			for range 2 {
				all.Go(func() {
					// Idle may also mean that others hold what is left, so look at the events.
					for {
						slice, err := s.ExpandSlice(b.ctx, 10)
						if err != nil {
							t.Error(err)
							return
						}
						if slice.Idle && b.number(`SELECT count(*) FROM events WHERE expanded_at = 0`) == 0 {
							return
						}
					}
				})
			}
		}
		all.Wait()
		if n := b.number(`SELECT count(*) FROM deliveries`); n != 800 {
			t.Errorf("%d deliveries", n)
		}
		if n := b.number(`SELECT count(*) FROM deliveries WHERE state = 'superseded'`); n != 400 {
			t.Errorf("%d superseded", n)
		}
		b.sound()
	})
}

func TestWhoIsToldAtOnceDoesNotWaitForAWalkPastAllReadersOfDigests(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		const many = 500
		b.readers(many)
		b.exec(`UPDATE subscribers SET cadence = 'daily' WHERE number <= %d - 3`, many)
		b.exec(`UPDATE subscribers SET critical = true WHERE number IN (7, 8)`)
		major := notifier.Event{Kind: notifier.KindIncident, Severity: notifier.SeverityMajor}
		for _, c := range []struct {
			incident string
			e        notifier.Event
			made     int64
		}{{"major", major, 3}, {"critical", notifier.Event{}, 5}} {
			if c.incident == "critical" {
				c.e = notifier.Event{Kind: notifier.KindIncident, Severity: notifier.SeverityCritical}
			}
			event := b.happens(c.incident, c.e)
			slice, err := b.ExpandSlice(b.ctx, 10)
			b.must(err)
			if slice.Made != c.made || b.number(`SELECT count(*) FROM events WHERE number = %d AND expanded_at > 0`, event) != 1 {
				t.Errorf("%s: the first slice made %d, want all %d", c.incident, slice.Made, c.made)
			}
		}
		// Whoever was told hears the end, also where they turned to digests since.
		b.settle("w", notifier.Sent, b.claim("w", 20)...)
		b.exec(`UPDATE subscribers SET cadence = 'daily', critical = false`)
		over := b.happens("major", notifier.Event{Type: notifier.IncidentResolved, Kind: notifier.KindIncident, Severity: notifier.SeverityMajor})
		b.expand(10)
		if n := b.number(`SELECT count(*) FROM deliveries WHERE event_number = %d`, over); n != 3 {
			t.Errorf("%d are told of the end, want the 3 who were told", n)
		}
	})
}
