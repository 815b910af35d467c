package store_test

import (
	"errors"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// heldBox is a box with two readers and an incident that was opened with a
// hold-down of ten minutes; first is its event.
func heldBox(t *testing.T, test func(t *testing.T, b *box, d *desk, p notifier.Posting)) {
	t.Helper()
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(2)
		d := b.heldDesk(10 * time.Minute)
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Mail is slow", Severity: notifier.SeverityMinor}))
		b.must(err)
		test(t, b, d, p)
		b.sound()
	})
}

// heldDesk is a desk that goes by the box's clock and holds news down.
func (b *box) heldDesk(hold time.Duration) *desk {
	d := newDesk()
	d.hold, d.now = hold, b.time
	return d
}

// say revises an incident and returns the event's number; 0: there is none.
func (b *box) say(d *desk, id string, s notifier.Saying) int64 {
	b.t.Helper()
	p, err := b.ReviseIncident(b.ctx, id, d.say(s))
	b.must(err)
	if p.Event == nil {
		return 0
	}
	return p.Event.Number
}

// silent fails if anything can be sent.
func (b *box) silent(why string) {
	b.t.Helper()
	if made := b.expand(10); made != 0 {
		b.t.Errorf("%s: %d deliveries were made", why, made)
	}
	if got := b.claim("w", 10); len(got) != 0 {
		b.t.Errorf("%s: claimed %+v", why, got)
	}
}

// out expands, sends, and fails unless each reader got one message, of an event
// and since an event.
func (b *box) out(event, since int64, readers ...int64) {
	b.t.Helper()
	b.expand(1) // a reader at a time
	got := b.claim("w", 10)
	if len(got) != len(readers) {
		b.t.Fatalf("%d messages go out, want %d: %+v", len(got), len(readers), got)
	}
	for _, d := range got {
		if d.ID.Event() != event || d.Since != since || d.Told != 0 {
			b.t.Errorf("%s goes out since %d, told %d; want event %d since %d", d.ID, d.Since, d.Told, event, since)
		}
	}
	b.settle("w", notifier.Sent, got...)
	if again := b.claim("w", 10); len(again) != 0 {
		b.t.Errorf("and then %+v", again)
	}
}

func TestTheFirstNewsOfAnIncidentWaitsForTheHoldDown(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, _ *desk, p notifier.Posting) {
		b.pass(9*time.Minute + 59*time.Second)
		b.silent("within the hold-down")
		progress, err := b.Progress(b.ctx, p.Event.ID)
		b.must(err)
		if progress.State() != notifier.Expanding || progress.Total != 0 || !progress.Event.Held(b.time()) || !progress.Event.HeldUntil.Equal(p.Event.AcceptedAt.Add(10*time.Minute)) {
			t.Errorf("while it is held: %s, %+v", progress.State(), progress)
		}
		b.pass(time.Second)
		b.out(p.Event.Number, p.Event.Number, 1, 2)
		if progress, err = b.Progress(b.ctx, p.Event.ID); err != nil || progress.State() != notifier.Done || progress.Event.Unsaid() {
			t.Errorf("after it: %s, %+v, %v", progress.State(), progress, err)
		}
	})
}

func TestWhatIsResolvedWithinTheHoldDownGoesOutAsOneMessageAtOnce(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(3 * time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Body: "still"})
		b.silent("an update within the hold-down")
		b.pass(3 * time.Minute)
		over := b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Body: "over"})
		b.out(over, p.Event.Number, 1, 2)
		b.states(1, map[int64]notifier.DeliveryState{p.Event.Number: notifier.Superseded, over - 1: notifier.Superseded, over: notifier.Sent})
		story, err := b.Story(b.ctx, over)
		b.must(err)
		if missed := story.Missed(p.Event.Number); len(missed) != 3 {
			t.Errorf("the message tells of %d updates", len(missed))
		}
	})
}

func TestWhenTheHoldDownIsOverTheNewestStateGoesOutOnceWithAllThatWasMissed(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Identified})
		b.pass(time.Minute)
		last := b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Monitoring})
		b.pass(8*time.Minute - time.Second)
		b.silent("within the hold-down")
		b.pass(time.Second)
		b.out(last, p.Event.Number, 1, 2)
		// And from here on everything is as ever.
		b.pass(time.Minute)
		over := b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved})
		b.expand(10)
		if got := b.row(over, 1); got.Since != over || got.Told != last || got.State != notifier.Pending {
			t.Errorf("the all-clear: %+v", got)
		}
	})
}

func TestWhatIsCriticalIsNotHeldDown(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		d := b.heldDesk(10 * time.Minute)
		for _, a := range []notifier.Announcement{
			{Title: "critical", Severity: notifier.SeverityCritical},
			{Title: "a post", Kind: notifier.KindPost, Body: "news"},
			{Title: "maintenance", Kind: notifier.KindMaintenance, StartsAt: b.time().Add(time.Hour), EndsAt: b.time().Add(2 * time.Hour)},
			{Title: "over already", Status: notifier.Resolved},
		} {
			p, err := b.OpenIncident(b.ctx, d.open(t, a))
			b.must(err)
			b.out(p.Event.Number, p.Event.Number, 1)
		}
		b.sound()
	})
}

func TestAnUpdateThatMakesItCriticalEndsTheHold(t *testing.T) {
	worse := notifier.SeverityCritical
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(time.Minute)
		b.out(b.say(d, p.Incident.ID, notifier.Saying{Severity: &worse, Body: "worse"}), p.Event.Number, 1, 2)
	})
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) { // corrected without a word
		_, err := b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) {
			return i.Correct(notifier.Correction{Severity: &worse}, d.desk())
		})
		b.must(err)
		b.out(p.Event.Number, p.Event.Number, 1, 2)
	})
}

func TestWhatIsRetractedWithinTheHoldDownMailsNobody(t *testing.T) {
	for name, tell := range map[string]bool{"quietly": false, "with a word": true} {
		t.Run(name, func(t *testing.T) {
			heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
				b.pass(time.Minute)
				b.say(d, p.Incident.ID, notifier.Saying{Body: "still"})
				_, err := b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) {
					return i.Retract("a test", tell, d.desk())
				})
				b.must(err)
				b.silent("after the retraction")
				b.pass(time.Hour)
				b.silent("after the hold-down")
				progress, err := b.Progress(b.ctx, p.Event.ID)
				b.must(err)
				if progress.State() != notifier.Done || progress.Total != 0 || !progress.Event.Unsaid() {
					t.Errorf("%s, %+v", progress.State(), progress)
				}
			})
		})
	}
}

func TestWhatIsResolvedWithoutAWordWithinTheHoldDownMailsNobody(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Quiet: true})
		b.pass(time.Hour)
		b.silent("after the hold-down")
		// That it is over was never told: an afterword tells it, and nothing else.
		b.out(b.say(d, p.Incident.ID, notifier.Saying{Body: "this was nothing"}), 2, 1, 2)
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'incident.unsaid'`); n != 1 {
			t.Errorf("%d lines in the audit", n)
		}
	})
}

func TestStaffMaySendWhatIsHeldAtOnce(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(time.Minute)
		u := b.say(d, p.Incident.ID, notifier.Saying{Body: "still"})
		b.must(b.ReleaseHold(b.ctx, p.Incident.ID))
		b.out(u, p.Event.Number, 1, 2)
		if err := b.ReleaseHold(b.ctx, p.Incident.ID); !errors.Is(err, notifier.ErrConflict) {
			t.Errorf("once more: %v", err)
		}
		if err := b.ReleaseHold(b.ctx, "none"); !errors.Is(err, notifier.ErrNotFound) {
			t.Errorf("of no incident: %v", err)
		}
	})
}

// The time stands in the database: whoever comes to it when it is over ends it,
// and whoever comes before does not.
func TestAHoldOutlivesTheProcessThatBeganIt(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		other := storetest.At(t, b.dsn)(storetest.Clock(b.time))
		s, err := other.ExpandSlice(b.ctx, 10)
		if err != nil || !s.Idle {
			t.Errorf("before its time: %+v, %v", s, err)
		}
		b.pass(10 * time.Minute)
		if s, err = other.ExpandSlice(b.ctx, 10); err != nil || s.Made != 2 {
			t.Errorf("after it: %+v, %v", s, err)
		}
		b.out(p.Event.Number, p.Event.Number, 1, 2)
	})
}

// A process may die between any two slices, and news may come between them.
func TestNewsThatComesWhileTheHoldEndsIsToldOnceAndInOrder(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(11 * time.Minute)
		if s, err := b.ExpandSlice(b.ctx, 1); err != nil || s.Made != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		over := b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved})
		if s, err := b.ExpandSlice(b.ctx, 1); err != nil || s.Made != 1 { // reader 2, for whom the all-clear waits already
			t.Fatalf("%+v, %v", s, err)
		}
		if got := b.claim("w", 10); len(got) != 1 || got[0].ID.Reader() != 1 {
			t.Fatalf("claimed %+v", got)
		} else {
			b.settle("w", notifier.Sent, got...)
		}
		b.expand(1)
		for reader, want := range map[int64]kept{1: {Since: over, Told: p.Event.Number}, 2: {Since: p.Event.Number}} {
			if got := b.row(over, reader); got.Since != want.Since || got.Told != want.Told || got.State != notifier.Pending {
				t.Errorf("reader %d: %+v", reader, got)
			}
		}
		b.states(2, map[int64]notifier.DeliveryState{p.Event.Number: notifier.Superseded})
	})
}

func TestWhatIsHeldOfOneIncidentHoldsNothingElseBack(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, _ notifier.Posting) {
		d.hold = 0
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "another"}))
		b.must(err)
		b.out(p.Event.Number, p.Event.Number, 1, 2)
	})
}

// Filters go by each event of its own; who waits for one gets the newest.
func TestMilestonesAndTypesAreJoinedAsTheyAreWithoutAHold(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.exec(`UPDATE subscribers SET cadence = 'milestones' WHERE number = 1`)
		b.exec(`UPDATE subscribers SET severity = 2 WHERE number = 2`) // does not care for what is minor
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Body: "still"})
		over := b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved})
		b.out(over, p.Event.Number, 1)
	})
}

func TestWhoLeavesWhileItIsHeldGetsNothing(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "reader1@example.com", Reason: subscribers.ReasonManual}))
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved})
		b.out(p.Event.Number+1, p.Event.Number, 2)
	})
}

// An endpoint that asks for what it missed is not told what was taken back
// before anybody heard of it.
func TestWhatWasTakenBackInTheHoldIsNotRecovered(t *testing.T) {
	oneHook(t, func(t *testing.T, b *box, hook subscribers.Number) {
		d := b.heldDesk(10 * time.Minute)
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Mail is slow"}))
		b.must(err)
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Quiet: true})
		b.pass(time.Hour)
		b.expand(10)
		if n, err := b.RecoverEndpoint(b.ctx, hook, b.time().Add(-2*time.Hour)); err != nil || n != 0 {
			t.Errorf("%d messages, %v", n, err)
		}
	})
}

func TestADraftIsHeldFromItsPublicationOn(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		d := b.heldDesk(10 * time.Minute)
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Mail is slow", State: notifier.Draft}))
		b.must(err)
		b.pass(time.Hour)
		p, err = b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Publish(false, d.desk()) })
		b.must(err)
		b.pass(9 * time.Minute)
		b.silent("within the hold-down")
		b.pass(time.Minute)
		b.out(p.Event.Number, p.Event.Number, 1)
	})
}

// Whoever expands it may have another clock.
func TestWhatSomeHaveAlreadyIsNotTakenBackByAnEndOfTheHold(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.pass(9 * time.Minute)
		ahead := storetest.At(t, b.dsn)(storetest.Clock(func() time.Time { return b.time().Add(time.Minute) }))
		if s, err := ahead.ExpandSlice(b.ctx, 1); err != nil || s.Made != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		over, err := b.ReviseIncident(b.ctx, p.Incident.ID, func(i notifier.Incident) (notifier.Posting, error) {
			return i.Retract("a mistake", true, d.desk())
		})
		b.must(err)
		b.pass(time.Minute)
		b.expand(10)
		progress, err := b.Progress(b.ctx, p.Event.ID)
		b.must(err)
		if progress.Event.Unsaid() || progress.Total != 2 {
			t.Errorf("the first news: %+v", progress)
		}
		if got := b.row(over.Event.Number, 1); got.Since != p.Event.Number || got.State != notifier.Pending {
			t.Errorf("whoever has it already hears that it was a mistake: %+v", got)
		}
	})
}

// Whoever asked for beginnings and ends alone must hear that it broke.
func TestWhatIsSaidAfterAHoldThatWasDroppedIsTheFirstNews(t *testing.T) {
	heldBox(t, func(t *testing.T, b *box, d *desk, p notifier.Posting) {
		b.exec(`UPDATE subscribers SET cadence = 'milestones' WHERE number = 2`)
		b.pass(time.Minute)
		b.say(d, p.Incident.ID, notifier.Saying{Status: notifier.Resolved, Quiet: true})
		b.pass(time.Hour)
		again, err := b.ReviseIncident(b.ctx, p.Incident.ID, d.say(notifier.Saying{Status: notifier.Investigating, Body: "it is back"}))
		b.must(err)
		if e := again.Event; e.Type != notifier.IncidentCreated || !e.HeldUntil.Equal(b.time().Add(10*time.Minute)) {
			t.Errorf("%s, held until %s", e.Type, e.HeldUntil)
		}
		b.pass(10 * time.Minute)
		b.out(again.Event.Number, again.Event.Number, 1, 2)
		next, err := b.ReviseIncident(b.ctx, p.Incident.ID, d.say(notifier.Saying{Body: "still"}))
		b.must(err)
		if next.Event.Type != notifier.IncidentUpdated || !next.Event.HeldUntil.IsZero() {
			t.Errorf("and then %+v", next.Event)
		}
		b.goesOn(next.Event.Number, 1)
	})
}

// goesOn fails unless the event goes to one reader, who was told before.
func (b *box) goesOn(event, reader int64) {
	b.t.Helper()
	b.expand(10)
	got := b.claim("w", 10)
	if len(got) != 1 || got[0].ID != notifier.MakeDeliveryID(event, reader) || got[0].Told == 0 {
		b.t.Errorf("event %d goes out as %+v", event, got)
	}
	b.settle("w", notifier.Sent, got...)
}

func TestWhatWasOpenedWithoutAWordBeginsWithTheFirstThatIsSaid(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		b.exec(`UPDATE subscribers SET cadence = 'milestones'`)
		d := b.heldDesk(0)
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "Mail is slow", Quiet: true}))
		b.must(err)
		first := b.say(d, p.Incident.ID, notifier.Saying{Body: "we look"})
		b.out(first, first, 1)
	})
}
