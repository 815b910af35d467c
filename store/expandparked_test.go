package store_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/subscribers"
)

// parkedBox is a box whose own.example depends on imap7, with a reader there, their
// second address, and a desk that holds news down for ten minutes.
func parkedBox(t *testing.T, test func(t *testing.T, b *box, d *desk, first, second int64)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		b.must(b.SetOwnDomains(b.ctx, ownExample))
		first, second := b.pair("ann")
		test(t, b, b.heldDesk(10*time.Minute), first, second)
		b.sound()
	})
}

func (b *box) component(state notifier.ComponentState) {
	b.t.Helper()
	_, err := b.ChangeComponent(b.ctx, "imap7", func(c *notifier.Component) error {
		c.State = state
		return nil
	})
	b.must(err)
}

func TestWhatIsParkedWhenTheMailboxGoesDownIsToldAtTheSecondAddress(t *testing.T) {
	worse := notifier.SeverityMajor
	parkedBox(t, func(t *testing.T, b *box, d *desk, first, second int64) {
		plain := b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: "dan@own.example", State: subscribers.Active, Cadence: subscribers.Instant})
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Mail is slow", Severity: notifier.SeverityMinor, Components: []string{"imap7"}}))
		b.must(err)
		begun := p.Event.Number
		b.pass(time.Minute)
		update := b.say(d, p.Incident.ID, notifier.Saying{Severity: &worse, Body: "worse"})
		if from := b.number(`SELECT from_event FROM outages WHERE back_at = 0`); from != update {
			t.Fatalf("the outage begins with %d, want %d", from, update)
		}
		b.pass(9 * time.Minute)
		b.out(update, begun, second, plain)
		b.states(first, map[int64]notifier.DeliveryState{begun: notifier.Superseded, update: ""})
		b.states(second, map[int64]notifier.DeliveryState{begun: "", update: notifier.Sent})
		progress, err := b.Progress(b.ctx, p.Event.ID)
		b.must(err)
		if progress.State() != notifier.Done {
			t.Errorf("the opening is %s", progress.State())
		}
		// And what was missed is summed up when it is back.
		over := b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved})
		b.expand(1)
		if made := b.digests(); made != 1 {
			t.Errorf("%d summaries", made)
		}
		summary, err := b.Digest(b.ctx, b.number(`SELECT event_number FROM outages`), 1)
		b.must(err)
		if len(summary.Items) != 1 || summary.Items[0] != (notifier.DigestItem{Since: begun, Event: over}) {
			t.Errorf("the summary tells %+v", summary.Items)
		}
	})
}

func TestWhatIsParkedForTheSecondAddressIsToldAtTheFirstWhenTheMailboxIsBack(t *testing.T) {
	for name, early := range map[string]bool{"summed up before the news": true, "summed up after it": false} {
		t.Run(name, func(t *testing.T) {
			parkedBox(t, func(t *testing.T, b *box, d *desk, first, second int64) {
				b.component(notifier.MajorOutage)
				p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Mail is slow", Severity: notifier.SeverityMinor}))
				b.must(err)
				begun := p.Event.Number
				b.component(notifier.Operational)
				over := b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Body: "over"})
				if early {
					if s, err := b.ExpandSlice(b.ctx, 10); err != nil || s.Made != 1 || s.Event != begun {
						t.Fatalf("%+v, %v", s, err)
					}
					b.states(second, map[int64]notifier.DeliveryState{begun: notifier.Pending})
					b.digests()
				}
				b.expand(10)
				b.digests()
				b.expand(10)
				if n := b.number(`SELECT told_at FROM outages`); n == 0 {
					t.Error("nobody summed it up")
				}
				b.wantDigests(subscribers.Number(first), "") // nothing went to the second
				b.states(second, map[int64]notifier.DeliveryState{begun: notifier.Superseded, over: ""})
				b.out(over, begun, first)
			})
		})
	}
}

// Whatever goes down and comes back while news is held, and however the slices
// fall: each reader gets one message, of the newest state and all that was missed.
func TestWhateverHappensWhileNewsIsHeldItIsToldOnceInFullAtOneAddress(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		rapid.Check(t, func(r *rapid.T) {
			b.empty()
			b.exec(`DELETE FROM outages`)
			b.incident("one")
			var pairs [][2]int64
			for i := range rapid.IntRange(1, 5).Draw(r, "readers") {
				first, second := b.pair("reader" + string(rune('a'+i)))
				pairs = append(pairs, [2]int64{first, second})
			}
			begun, last, down := int64(0), int64(0), false
			events := rapid.IntRange(2, 5).Draw(r, "events")
			for i := range events {
				if rapid.Bool().Draw(r, "turns") {
					if down = !down; down {
						b.down()
					} else {
						b.back()
					}
				}
				e := notifier.Event{IncidentID: "one", Type: notifier.IncidentUpdated, Kind: notifier.KindIncident, Severity: notifier.SeverityMinor}
				if i == 0 {
					e.Type = notifier.IncidentCreated
				}
				if i == events-1 && rapid.Bool().Draw(r, "ends") {
					e.Type = notifier.IncidentResolved
				}
				last = b.event(e)
				if begun == 0 {
					begun = last
				}
			}
			b.exec(`UPDATE events SET held_until = %d WHERE number >= %d`, b.time().UnixMicro(), begun)
			b.expand(rapid.IntRange(1, 4).Draw(r, "slice"))
			for _, p := range pairs {
				told := 0
				for _, n := range p {
					if got := b.row(last, n); got.State == notifier.Pending {
						told++
						if got.Since != begun || (n == p[1]) != down {
							r.Errorf("reader %d (down: %t): %+v, want since %d", n, down, got, begun)
						}
					}
				}
				if told != 1 {
					r.Errorf("readers %v have %d messages", p, told)
				}
			}
			if n := b.number(`SELECT count(*) FROM deliveries WHERE state = 'pending' AND event_number < %d`, last); n != 0 {
				r.Errorf("%d older ones wait", n)
			}
			if p := b.problems(); len(p) > 0 {
				r.Fatal(strings.Join(p, "\n"))
			}
		})
	})
}

func TestWhatARelayIsAskedToTakeIsToldElsewhereInItsPlaceAndWaitedForInFlight(t *testing.T) {
	for state, want := range map[notifier.DeliveryState]notifier.DeliveryState{notifier.Pending: notifier.Superseded, notifier.Sending: notifier.Sending} {
		parkedBox(t, func(t *testing.T, b *box, _ *desk, first, second int64) {
			b.incident("one")
			begun := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated})
			b.exec(`UPDATE events SET held_until = %d`, b.time().UnixMicro()) // its hold is over, and nothing newer there
			b.expand(1)
			b.pass(1)
			flying := b.claim("w", 10)
			waits := b.event(notifier.Event{IncidentID: "one"}) // behind what is in flight
			b.expand(1)
			if state == notifier.Pending {
				b.settle("w", notifier.Pending, flying...)
				waits, begun = begun, waits // it took the place of the first
			}
			b.down()
			update := b.event(notifier.Event{IncidentID: "one"})
			b.expand(1)
			b.states(first, map[int64]notifier.DeliveryState{begun: want, waits: notifier.Superseded})
			if got := b.row(update, second); (got.State == notifier.Held) != (state == notifier.Sending) || got.Since != min(begun, waits) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAReminderOfMaintenanceReachesNoEndpointButThePersonWhoseSecondItIs(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		first := b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: "ann@own.example", State: subscribers.Active, Cadence: subscribers.Instant})
		hook := b.addRaw(subscribers.Subscriber{Channel: notifier.Webhook, Address: "https://hook.example/", State: subscribers.Active, Cadence: subscribers.Instant, Contact: "ann@own.example"})
		b.secondOf(hook, first)
		mailed, elsewhere := b.pair("bob")
		b.incident("one")
		b.down()
		announced := b.event(notifier.Event{IncidentID: "one", Type: notifier.MaintenanceScheduled, Kind: notifier.KindMaintenance})
		b.expand(10)
		remind := func() int64 {
			n := b.event(notifier.Event{IncidentID: "one", Type: notifier.MaintenanceReminder, Kind: notifier.KindMaintenance})
			b.expand(10)
			return n
		}
		b.states(elsewhere, map[int64]notifier.DeliveryState{announced: notifier.Pending, remind(): ""}) // who waits for it is not reminded
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		reminder := remind()
		b.states(hook, map[int64]notifier.DeliveryState{announced: notifier.Pending, reminder: ""})
		b.states(first, map[int64]notifier.DeliveryState{announced: "", reminder: notifier.Pending})
		b.states(elsewhere, map[int64]notifier.DeliveryState{announced: notifier.Sent, reminder: notifier.Pending})
		b.states(mailed, map[int64]notifier.DeliveryState{announced: "", reminder: ""})
		b.sound()
	})
}
