package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// oneReader is a box with reader 1 and an incident that has a first event.
func oneReader(t *testing.T, test func(t *testing.T, b *box, first int64)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		b.incident("one")
		first := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated})
		b.expand(10)
		test(t, b, first)
		b.sound()
	})
}

// update accepts another event of the incident and expands it.
func (b *box) update() int64 {
	b.t.Helper()
	b.pass(time.Second)
	n := b.event(notifier.Event{IncidentID: "one"})
	b.expand(10)
	return n
}

// holds fails unless a delivery of reader 1 is as said.
func (b *box) holds(event int64, state notifier.DeliveryState, since, told int64) {
	b.t.Helper()
	if got := b.row(event, 1); got.State != state || got.Since != since || got.Told != told {
		b.t.Errorf("event %d is %s since %d told %d, want %s since %d told %d", event, got.State, got.Since, got.Told, state, since, told)
	}
}

func TestAnUnsentUpdateIsReplacedByTheNewerOne(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		second := b.update()
		b.holds(first, notifier.Superseded, first, 0)
		b.holds(second, notifier.Pending, first, 0)
		third := b.update()
		b.holds(second, notifier.Superseded, first, 0)
		b.holds(third, notifier.Pending, first, 0)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.holds(third, notifier.Sent, first, 0)
	})
}

func TestAfterASentUpdateTheNextTellsOnlyItself(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		second := b.update()
		b.holds(first, notifier.Sent, first, 0)
		b.holds(second, notifier.Pending, second, first)
		third := b.update()
		b.holds(second, notifier.Superseded, second, first)
		b.holds(third, notifier.Pending, second, first)
	})
}

func TestARetriedUpdateIsReplacedToo(t *testing.T) {
	for _, state := range []notifier.DeliveryState{notifier.Pending, notifier.Held} {
		oneReader(t, func(t *testing.T, b *box, first int64) {
			b.settle("w", state, b.claim("w", 10)...)
			second := b.update()
			b.holds(first, notifier.Superseded, first, 0)
			b.holds(second, notifier.Pending, first, 0)
			if got := b.claim("w", 10); len(got) != 1 || got[0].ID.Event() != second || got[0].Attempts != 0 {
				t.Errorf("claimed %+v", got)
			}
		})
	}
}

func TestAnUpdateWaitsForTheOneInFlight(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		flying := b.claim("w", 10)
		second := b.update()
		b.holds(first, notifier.Sending, first, 0)
		b.holds(second, notifier.Held, second, 0)
		if got := b.claim("v", 10); len(got) != 0 {
			t.Fatalf("claimed %+v while the older one is in flight", got)
		}
		b.sound()
		b.settle("w", notifier.Sent, flying...)
		b.holds(first, notifier.Sent, first, 0)
		b.holds(second, notifier.Pending, second, first)
		if got := b.claim("v", 10); len(got) != 1 || got[0].Told != first {
			t.Errorf("claimed %+v", got)
		}
	})
}

func TestAnUpdateInFlightThatIsToBeRetriedGivesItsPlaceToTheNewerOne(t *testing.T) {
	for _, state := range []notifier.DeliveryState{notifier.Pending, notifier.Held} {
		oneReader(t, func(t *testing.T, b *box, first int64) {
			flying := b.claim("w", 10)
			second := b.update()
			b.settle("w", state, flying...)
			b.holds(first, notifier.Superseded, first, 0)
			b.holds(second, state, first, 0)
			if got := b.claim("w", 10); len(got) != 0 {
				t.Errorf("claimed %+v before the peer wants to be asked again", got)
			}
			b.pass(time.Minute)
			if got := b.claim("w", 10); len(got) != 1 || got[0].ID.Event() != second {
				t.Errorf("claimed %+v", got)
			}
		})
	}
}

func TestAnUpdateInFlightThatEndsBadlyLetsTheNewerOneGo(t *testing.T) {
	for _, state := range []notifier.DeliveryState{notifier.Failed, notifier.Expired, notifier.Cancelled} {
		oneReader(t, func(t *testing.T, b *box, first int64) {
			flying := b.claim("w", 10)
			second := b.update()
			b.settle("w", state, flying...)
			b.holds(first, state, first, 0)
			b.holds(second, notifier.Pending, second, 0)
		})
	}
}

func TestAClaimThatIsGivenBackGivesItsPlaceToTheNewerOne(t *testing.T) {
	for name, back := range map[string]func(b *box, ds []notifier.Delivery){
		"release":     func(b *box, ds []notifier.Delivery) { b.must(b.Release(b.ctx, "w", []notifier.DeliveryID{ds[0].ID})) },
		"release all": func(b *box, _ []notifier.Delivery) { b.must(b.Release(b.ctx, "w", nil)) },
		"reap": func(b *box, _ []notifier.Delivery) {
			b.pass(2 * time.Minute)
			n, err := b.Reap(b.ctx, notifier.Email)
			b.must(err)
			if n != 1 {
				b.t.Errorf("reaped %d", n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			oneReader(t, func(t *testing.T, b *box, first int64) {
				flying := b.claim("w", 10)
				second := b.update()
				third := b.update()
				b.holds(second, notifier.Superseded, second, 0)
				b.holds(third, notifier.Held, second, 0)
				back(b, flying)
				b.holds(first, notifier.Superseded, first, 0)
				b.holds(third, notifier.Pending, first, 0)
				if got := b.claim("w", 10); len(got) != 1 || got[0].ID.Event() != third {
					t.Errorf("claimed %+v", got)
				}
			})
		})
	}
}

func TestAChainBehindOneInFlightBecomesOneMessage(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		flying := b.claim("w", 10)
		second, third := b.update(), b.update()
		fourth := b.update()
		for _, e := range []int64{second, third} {
			b.holds(e, notifier.Superseded, second, 0)
		}
		b.holds(fourth, notifier.Held, second, 0)
		b.sound()
		b.settle("w", notifier.Sent, flying...)
		b.holds(fourth, notifier.Pending, second, first)
	})
}

func TestWhoeverWaitsForAnUpdateGetsTheNextEvenIfTheFilterNoLongerMatches(t *testing.T) {
	for name, flying := range map[string]bool{"unsent": false, "in flight": true} {
		t.Run(name, func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				n := b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: "a@example.com", State: subscribers.Active, Cadence: subscribers.Milestones,
					Filter: subscribers.Filter{Severity: notifier.SeverityMajor}})
				b.incident("one")
				first := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated})
				b.expand(10)
				if flying {
					b.claim("w", 10)
				}
				second := b.event(notifier.Event{IncidentID: "one", Kind: notifier.KindIncident, Severity: notifier.SeverityMinor})
				b.expand(10)
				want := map[bool]notifier.DeliveryState{false: notifier.Pending, true: notifier.Held}[flying]
				b.states(n, map[int64]notifier.DeliveryState{second: want})
				if flying {
					b.must(b.Release(b.ctx, "w", nil))
				}
				b.states(n, map[int64]notifier.DeliveryState{first: notifier.Superseded, second: notifier.Pending})
				b.settle("w", notifier.Sent, b.claim("w", 10)...)
				third := b.event(notifier.Event{IncidentID: "one", Kind: notifier.KindIncident, Severity: notifier.SeverityMinor})
				b.expand(10)
				b.states(n, map[int64]notifier.DeliveryState{third: ""}) // now it is told, and the filter counts again
				b.sound()
			})
		})
	}
}

func TestAResolutionGoesToEveryoneWhoWasToldWhateverTheirFilterSays(t *testing.T) {
	for _, kind := range []notifier.EventType{notifier.IncidentResolved, notifier.IncidentRetracted, notifier.MaintenanceCompleted} {
		t.Run(string(kind), func(t *testing.T) {
			eachBox(t, func(t *testing.T, b *box) {
				b.components()
				add := func(name string) int64 {
					return b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: name + "@example.com", State: subscribers.Active, Cadence: subscribers.Instant})
				}
				told, bounced, failed, left, barred := add("told"), add("bounced"), add("failed"), add("left"), add("barred")
				b.incident("one")
				first := b.event(notifier.Event{IncidentID: "one", Type: notifier.IncidentCreated})
				b.expand(10)
				for _, d := range b.claim("w", 10) {
					state := notifier.Sent
					if d.ID.Reader() == failed {
						state = notifier.Failed
					}
					b.settle("w", state, d)
				}
				b.exec(`UPDATE deliveries SET state = 'bounced' WHERE id = %d`, notifier.MakeDeliveryID(first, bounced))
				b.exec(`UPDATE event_counts SET sent = sent - 1, bounced = bounced + 1`)
				b.exec(`UPDATE subscribers SET severity = 3, cadence = 'milestones', chooses = true`)
				for _, n := range []int64{told, bounced, failed, left, barred} {
					b.exec(`INSERT INTO subscriber_components (subscriber, component_key) VALUES (%d, 'dns')`, n)
				}
				b.exec(`UPDATE subscribers SET state = 'paused' WHERE number = %d`, left)
				b.exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES ('email', 'barred@example.com', 'manual', 1)`)
				last := b.event(notifier.Event{IncidentID: "one", Type: kind, Kind: notifier.KindIncident, Severity: notifier.SeverityMinor, Components: []string{"web"}})
				b.expand(2)
				for n, want := range map[int64]notifier.DeliveryState{told: notifier.Pending, bounced: notifier.Pending, failed: "", left: "", barred: ""} {
					b.states(n, map[int64]notifier.DeliveryState{last: want})
				}
				if got := b.row(last, told); got.Since != last || got.Told != first {
					t.Errorf("the resolution is %+v", got)
				}
				b.sound()
			})
		})
	}
}

func TestASupersededDeliveryThatWasSentAfterAllIsNotToldAgain(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		lost := b.claim("w", 10)
		b.pass(2 * time.Minute)
		_, err := b.Reap(b.ctx, notifier.Email) // the worker is thought dead
		b.must(err)
		second := b.update()
		third := b.update()
		b.holds(third, notifier.Pending, first, 0)
		b.settle("w", notifier.Sent, lost...) // it was not
		b.holds(first, notifier.Sent, first, 0)
		b.holds(second, notifier.Superseded, first, 0)
		b.holds(third, notifier.Pending, second, first)
	})
}

func TestTwoLateAcknowledgementsLeaveTheLaterOneInTheThread(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		lose := func(worker string) []notifier.Delivery {
			lost := b.claim(worker, 10)
			b.pass(2 * time.Minute)
			_, err := b.Reap(b.ctx, notifier.Email)
			b.must(err)
			return lost
		}
		one := lose("v")
		second := b.update()
		two := lose("w")
		third := b.update()
		b.claim("x", 10) // in flight while the news of the others comes, in the wrong order
		b.settle("w", notifier.Sent, append(two, one...)...)
		b.must(b.Release(b.ctx, "x", nil))
		b.holds(third, notifier.Pending, third, second)
	})
}

func TestIncidentsDoNotSupersedeEachOther(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		other := b.incidentless()
		b.expand(10)
		b.holds(first, notifier.Pending, first, 0)
		b.holds(other, notifier.Pending, other, 0)
	})
}

func TestSupersedingReachesEveryReaderOfEverySlice(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(30)
		b.incident("one")
		first := b.event(notifier.Event{IncidentID: "one"})
		b.expand(7)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		flying := b.claim("w", 10)
		second := b.event(notifier.Event{IncidentID: "one"})
		b.expand(4)
		for n := int64(1); n <= 30; n++ {
			want := map[int64]notifier.DeliveryState{first: notifier.Sent, second: notifier.Pending}
			switch {
			case n > 20:
				want[first] = notifier.Superseded
			case n > 10:
				want[first], want[second] = notifier.Sending, notifier.Held
			}
			b.states(n, want)
		}
		b.sound()
		b.settle("w", notifier.Pending, flying...)
		b.sound()
	})
}
