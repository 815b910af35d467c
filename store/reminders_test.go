package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

var aDayAndAnHour = []time.Duration{24 * time.Hour, time.Hour}

// planned is a box with two readers, of whom the first wants to hear of the web
// only, and a maintenance of imap7 in three days that all were told of.
func planned(t *testing.T, test func(t *testing.T, b *box, d *desk, i notifier.Incident)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: "web@example.com", State: subscribers.Active, Cadence: subscribers.Instant, Filter: subscribers.Filter{Components: []string{"web"}}})
		b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: "imap@example.com", State: subscribers.Active, Cadence: subscribers.Instant, Filter: subscribers.Filter{Components: []string{"imap7"}}})
		d := b.heldDesk(0)
		i := b.maintain(d, 72*time.Hour)
		b.sent(2)
		test(t, b, d, i)
		b.sound()
	})
}

// maintain announces a maintenance of imap7 that begins after a time.
func (b *box) maintain(d *desk, in time.Duration) notifier.Incident {
	b.t.Helper()
	p, err := b.OpenIncident(b.ctx, d.open(b.t, notifier.Announcement{
		Title: "A new shelf", Kind: notifier.KindMaintenance, Components: []string{"imap7"}, StartsAt: b.time().Add(in), EndsAt: b.time().Add(in + 2*time.Hour),
	}))
	b.must(err)
	return p.Incident
}

// sent sends all that is due and fails unless it goes to these readers.
func (b *box) sent(readers ...int64) []notifier.Delivery {
	b.t.Helper()
	b.expand(10)
	got := b.claim("w", 100)
	if len(got) != len(readers) {
		b.t.Fatalf("%d messages, want %d: %+v", len(got), len(readers), got)
	}
	for n, d := range got {
		if d.ID.Reader() != readers[n] {
			b.t.Errorf("%s is not to reader %d", d.ID, readers[n])
		}
	}
	b.settle("w", notifier.Sent, got...)
	return got
}

// reminds fails unless so many reminders are due now.
func (b *box) reminds(want int, why string) {
	b.t.Helper()
	if n, err := b.Remind(b.ctx, aDayAndAnHour); err != nil || n != want {
		b.t.Errorf("%s: %d reminders, %v; want %d", why, n, err, want)
	}
}

func TestThoseConcernedAreRemindedADayAndAnHourBefore(t *testing.T) {
	planned(t, func(t *testing.T, b *box, _ *desk, i notifier.Incident) {
		b.reminds(0, "at the announcement")
		b.pass(48*time.Hour - time.Second)
		b.reminds(0, "a second too early")
		b.pass(time.Second)
		b.reminds(1, "a day before")
		b.reminds(0, "again")
		got := b.sent(2)
		if d := got[0]; d.Lane != notifier.LaneRoutine || !d.ExpiresAt.Equal(i.StartsAt) || d.Told == 0 {
			t.Errorf("%+v", d)
		}
		b.pass(23 * time.Hour)
		b.reminds(1, "an hour before")
		b.sent(2)
		b.pass(time.Hour)
		b.reminds(0, "when it begins")
		if n := b.number(`SELECT count(*) FROM reminder_plans`); n != 0 {
			t.Errorf("%d plans are left", n)
		}
	})
}

func TestAfterDowntimeThereIsOneReminderAndNoneOfWhatHasBegun(t *testing.T) {
	planned(t, func(t *testing.T, b *box, _ *desk, _ notifier.Incident) {
		b.pass(71*time.Hour + 30*time.Minute)
		b.reminds(1, "both were due")
		b.reminds(0, "again")
		b.sent(2)
	})
	planned(t, func(t *testing.T, b *box, _ *desk, _ notifier.Incident) {
		b.pass(72 * time.Hour)
		b.reminds(0, "it has begun")
		b.sent()
	})
}

func TestWhatIsAnnouncedWithinADayIsRemindedOfAnHourBefore(t *testing.T) {
	planned(t, func(t *testing.T, b *box, d *desk, _ notifier.Incident) {
		b.maintain(d, 10*time.Hour)
		b.sent(2)
		b.pass(time.Minute)
		b.reminds(0, "a minute later")
		b.pass(9*time.Hour - time.Minute)
		b.reminds(1, "an hour before")
	})
}

func TestAnotherTimePlansTheRemindersAnew(t *testing.T) {
	for name, move := range map[string]func(b *box, d *desk, i notifier.Incident, to time.Time){
		"by an update": func(b *box, d *desk, i notifier.Incident, to time.Time) {
			end := to.Add(time.Hour)
			b.say(d, i.ID, notifier.Saying{Body: "later", StartsAt: &to, EndsAt: &end})
			b.sent(2)
		},
		"corrected without a word": func(b *box, d *desk, i notifier.Incident, to time.Time) {
			end := to.Add(time.Hour)
			_, err := b.ReviseIncident(b.ctx, i.ID, func(i notifier.Incident) (notifier.Posting, error) {
				return i.Correct(notifier.Correction{StartsAt: &to, EndsAt: &end}, d.desk())
			})
			b.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			planned(t, func(t *testing.T, b *box, d *desk, i notifier.Incident) {
				b.pass(48 * time.Hour)
				b.reminds(1, "a day before")
				b.sent(2)
				move(b, d, i, i.StartsAt.Add(48*time.Hour))
				b.pass(24*time.Hour - time.Minute)
				b.reminds(0, "where it was to begin")
				b.pass(24*time.Hour + time.Minute)
				b.reminds(1, "a day before the new time")
				b.sent(2)
				b.say(d, i.ID, notifier.Saying{Body: "nothing moves"})
				b.sent(2)
				b.reminds(0, "after an update that moves nothing")
			})
		})
	}
}

func TestNobodyIsRemindedOfWhatIsOffOrUnderWay(t *testing.T) {
	for name, end := range map[string]func(b *box, d *desk, i notifier.Incident){
		"begun early": func(b *box, d *desk, i notifier.Incident) {
			b.say(d, i.ID, notifier.Saying{Status: notifier.InProgress})
		},
		"completed": func(b *box, d *desk, i notifier.Incident) {
			b.say(d, i.ID, notifier.Saying{Status: notifier.Completed})
		},
		"retracted": func(b *box, d *desk, i notifier.Incident) {
			_, err := b.ReviseIncident(b.ctx, i.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Retract("", false, d.desk()) })
			b.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			planned(t, func(t *testing.T, b *box, d *desk, i notifier.Incident) {
				end(b, d, i)
				b.pass(71 * time.Hour)
				b.reminds(0, name)
			})
		})
	}
	planned(t, func(t *testing.T, b *box, d *desk, _ notifier.Incident) {
		for _, a := range []notifier.Announcement{{Quiet: true}, {State: notifier.Draft}} { // that nobody was told of
			a.Title, a.Kind, a.StartsAt, a.EndsAt = "x", notifier.KindMaintenance, b.time().Add(71*time.Hour), b.time().Add(72*time.Hour)
			_, err := b.OpenIncident(b.ctx, d.open(t, a))
			b.must(err)
		}
		if n := b.number(`SELECT count(*) FROM reminder_plans`); n != 1 {
			t.Errorf("%d plans", n)
		}
		if n, err := b.Remind(b.ctx, nil); n != 0 || err != nil {
			t.Errorf("off: %d, %v", n, err)
		}
	})
}

// Only who would have had the announcement at once, and no endpoint: there is no
// type for it in what endpoints agreed to.
func TestRemindersAreForPeopleWhoAreToldAtOnce(t *testing.T) {
	planned(t, func(t *testing.T, b *box, d *desk, i notifier.Incident) {
		for address, c := range map[string]subscribers.Cadence{"milestones@example.com": subscribers.Milestones, "daily@example.com": subscribers.Daily} {
			b.addRaw(subscribers.Subscriber{Channel: notifier.Email, Address: address, State: subscribers.Active, Cadence: c})
		}
		b.addHook("https://example.com/hook", subscribers.Active)
		phone := b.addRaw(subscribers.Subscriber{Channel: notifier.SMS, Address: "+4791234567", State: subscribers.Active, Cadence: subscribers.Instant})
		b.pass(48 * time.Hour)
		b.reminds(1, "a day before")
		if made := b.expand(10); made != 2 {
			t.Errorf("%d deliveries", made)
		}
		event := b.number(`SELECT max(number) FROM events`)
		b.states(2, map[int64]notifier.DeliveryState{event: notifier.Pending})
		b.states(phone, map[int64]notifier.DeliveryState{event: notifier.Pending})
	})
}

func (b *box) eventID(number int64) (id string) {
	b.t.Helper()
	b.must(b.db.QueryRowContext(b.ctx, fmt.Sprintf(`SELECT id FROM events WHERE number = %d`, number)).Scan(&id))
	return id
}

// A reminder is worth nothing once it begins. In the place of an announcement that
// waits it would take that along: who waits for one has it, and needs no reminder.
func TestWhoWaitsForTheAnnouncementIsNotRemindedAndStillGetsIt(t *testing.T) {
	planned(t, func(t *testing.T, b *box, d *desk, _ notifier.Incident) {
		i := b.maintain(d, 25*time.Hour)
		b.expand(10)
		announced := b.number(`SELECT max(number) FROM events`)
		b.pass(time.Hour)
		b.reminds(1, "a day before")
		b.expand(10)
		b.states(2, map[int64]notifier.DeliveryState{announced: notifier.Pending, announced + 1: ""})
		b.pass(23 * time.Hour)
		b.reminds(1, "an hour before")
		b.pass(2 * time.Hour) // it has begun
		if got := b.sent(2); got[0].ID.Event() != announced {
			t.Errorf("%+v", got[0])
		}
		b.say(d, i.ID, notifier.Saying{Status: notifier.InProgress})
		if got := b.sent(2); got[0].Told != announced {
			t.Errorf("%+v", got[0])
		}
	})
}

func TestAnAnnouncementThatIsTriedAgainTakesThePlaceOfTheReminderEveryTime(t *testing.T) {
	planned(t, func(t *testing.T, b *box, d *desk, _ notifier.Incident) {
		b.maintain(d, 25*time.Hour)
		b.expand(10)
		announced := b.number(`SELECT max(number) FROM events`)
		b.settle("w", notifier.Failed, b.claim("w", 10)...)
		b.pass(time.Hour)
		b.reminds(1, "a day before")
		b.expand(10)
		again := func() {
			t.Helper()
			if n, err := b.RetryFailed(b.ctx, b.eventID(announced)); err != nil || n != 1 {
				t.Errorf("retried %d, %v", n, err)
			}
			b.states(2, map[int64]notifier.DeliveryState{announced: notifier.Pending, announced + 1: notifier.Superseded})
		}
		again()
		b.settle("w", notifier.Failed, b.claim("w", 10)...)
		again()
		b.sound()
	})
}

func TestAnAnnouncementThatIsTriedAgainTakesThePlaceOfAReminderThatFailed(t *testing.T) {
	planned(t, func(t *testing.T, b *box, d *desk, _ notifier.Incident) {
		b.maintain(d, 25*time.Hour)
		b.expand(10)
		announced := b.number(`SELECT max(number) FROM events`)
		b.settle("w", notifier.Failed, b.claim("w", 10)...)
		b.pass(time.Hour)
		b.reminds(1, "a day before")
		b.expand(10)
		b.settle("w", notifier.Failed, b.claim("w", 10)...)
		if n, err := b.RetryFailed(b.ctx, b.eventID(announced)); err != nil || n != 1 {
			t.Errorf("retried %d, %v", n, err)
		}
		b.states(2, map[int64]notifier.DeliveryState{announced: notifier.Pending, announced + 1: notifier.Superseded})
		b.sound()
	})
}

func TestTheBeginningTakesThePlaceOfAReminderThatWaits(t *testing.T) {
	planned(t, func(t *testing.T, b *box, d *desk, i notifier.Incident) {
		b.pass(48 * time.Hour)
		b.reminds(1, "a day before")
		b.expand(10)
		reminder := b.number(`SELECT max(number) FROM events`)
		b.say(d, i.ID, notifier.Saying{Status: notifier.InProgress})
		if got := b.sent(2); got[0].ID.Event() != reminder+1 || got[0].Since != reminder {
			t.Errorf("%+v", got[0])
		}
		b.states(2, map[int64]notifier.DeliveryState{reminder: notifier.Superseded})
	})
}

func TestADigestAndAnEndpointAreNotToldOfReminders(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		hook := b.addHook("https://example.com/hook", subscribers.Active)
		d := b.heldDesk(0)
		b.maintain(d, 25*time.Hour)
		b.expand(10)
		b.settle("w", notifier.Failed, b.claimOn(notifier.Webhook, "w", 10)...)
		b.pass(time.Hour)
		b.reminds(1, "a day before")
		b.expand(10)
		first := b.number(`SELECT min(number) FROM events`)
		if n, err := b.RetryFailed(b.ctx, b.eventID(first)); err != nil || n != 1 {
			t.Errorf("retried %d, %v", n, err)
		}
		if got := b.claimOn(notifier.Webhook, "w", 10); len(got) != 1 || got[0].ID.Event() != first {
			t.Errorf("claimed %+v", got)
		} else {
			b.settle("w", notifier.Failed, got...)
		}
		if n, err := b.RecoverEndpoint(b.ctx, hook, b.time().Add(-2*time.Hour)); err != nil || n != 1 {
			t.Errorf("recovered %d, %v", n, err)
		}
		if got := b.claimOn(notifier.Webhook, "w", 10); len(got) != 1 || got[0].ID.Event() != first {
			t.Errorf("claimed %+v", got)
		}
		b.sound()
	})
}

func TestManyProcessesRemindOnce(t *testing.T) {
	planned(t, func(t *testing.T, b *box, _ *desk, _ notifier.Incident) {
		b.pass(48 * time.Hour)
		var all sync.WaitGroup
		var mu sync.Mutex
		total := 0
		for range 4 {
			s := b.Store
			if b.Dialect() == "postgres" {
				s = storetest.At(t, b.dsn)(storetest.Clock(b.time))
			}
			all.Go(func() {
				n := remindOn(t, s)
				mu.Lock()
				defer mu.Unlock()
				total += n
			})
		}
		all.Wait()
		if total != 1 {
			t.Errorf("%d reminders", total)
		}
		b.sent(2)
	})
}

func remindOn(t *testing.T, s *store.Store) int {
	n, err := s.Remind(t.Context(), aDayAndAnHour)
	if err != nil {
		t.Error(err)
	}
	return n
}

// The later updates of a maintenance go to those whose components it touches.
func TestUpdatesOfMaintenanceGoToThoseItTouches(t *testing.T) {
	planned(t, func(t *testing.T, b *box, d *desk, i notifier.Incident) {
		later := i.EndsAt.Add(time.Hour)
		for _, s := range []notifier.Saying{{Status: notifier.InProgress}, {Status: notifier.Extended, EndsAt: &later}, {Status: notifier.Completed}} {
			b.pass(time.Hour)
			b.say(d, i.ID, s)
			b.sent(2)
		}
	})
}
