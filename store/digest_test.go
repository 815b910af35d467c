package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// noons has every daily digest at noon UTC, weekly ones on Mondays.
type noons struct{ setting string }

func (c noons) Setting() string { return c.setting }

func (c noons) Next(s subscribers.Schedule, after time.Time) (subscribers.Run, error) {
	at := after.UTC().Truncate(24 * time.Hour).Add(time.Duration(s.Hour.Or(12)) * time.Hour)
	for !at.After(after) || s.Cadence == subscribers.Weekly && at.Weekday() != s.Weekday.Day() {
		at = at.AddDate(0, 0, 1)
	}
	return subscribers.Run{At: at, Day: at.Format(time.DateOnly)}, nil
}

// digests makes all that is due now.
func (b *box) digests() (made int) {
	b.t.Helper()
	return b.digestsAt(noons{"noon"}, b.time(), 3)
}

func (b *box) digestsAt(c subscribers.Calendar, at time.Time, slice int) (made int) {
	b.t.Helper()
	for {
		step, err := b.MakeDigests(b.ctx, c, at, slice)
		b.must(err)
		if step.Idle {
			return made
		}
		made += step.Made
	}
}

// joins adds an active subscriber through the front door.
func (b *box) joins(address string, change func(*subscribers.Subscriber)) subscribers.Number {
	b.t.Helper()
	s := subscribers.Subscriber{Channel: notifier.Email, Address: address, State: subscribers.Active, Cadence: subscribers.Daily}
	if change != nil {
		change(&s)
	}
	out, err := b.AddSubscriber(b.ctx, s, nil)
	b.must(err)
	return out.Number
}

func (b *box) turns(n subscribers.Number, change func(*subscribers.Subscriber)) {
	b.t.Helper()
	_, err := b.ChangeSubscriber(b.ctx, n, func(s *subscribers.Subscriber) error { change(s); return nil })
	b.must(err)
}

// digested lists what every digest for a reader tells, oldest first: "2,3|5".
func (b *box) digested(n subscribers.Number) string {
	b.t.Helper()
	rows, err := b.db.Query(fmt.Sprintf(`SELECT c.items FROM digest_readers AS r JOIN digest_contents AS c ON c.event_number = r.event_number AND c.place = r.place
		JOIN deliveries AS d ON d.id = r.event_number * 4294967296 + r.reader WHERE r.reader = %d ORDER BY r.event_number`, n))
	b.must(err)
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var items string
		b.must(rows.Scan(&items))
		out = append(out, items)
	}
	b.must(rows.Err())
	return strings.Join(out, "|")
}

func (b *box) wantDigests(n subscribers.Number, want string) {
	b.t.Helper()
	if got := b.digested(n); got != want {
		b.t.Errorf("the digests of %s tell %q, want %q", n, got, want)
	}
	if p := b.problems(); len(p) > 0 {
		b.t.Error(strings.Join(p, "\n"))
	}
}

// happens accepts an event of an incident, which is made where it is new.
func (b *box) happens(incident string, e notifier.Event) int64 {
	b.t.Helper()
	if b.number(`SELECT count(*) FROM incidents WHERE id = '%s'`, incident) == 0 {
		b.incident(incident)
	}
	e.IncidentID = incident
	if e.Kind == "" {
		e.Kind, e.Severity = notifier.KindIncident, notifier.SeverityMajor
	}
	return b.event(e)
}

func TestADigestTellsWhatHappenedSinceTheLast(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) { // the clock stands at noon
		b.happens("before", notifier.Event{})
		b.expand(10)
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{Type: notifier.IncidentCreated})
		b.happens("one", notifier.Event{})
		b.expand(10)
		if n := b.number(`SELECT count(*) FROM deliveries`); n != 0 {
			t.Errorf("%d deliveries at once", n)
		}
		b.wantDigests(ann, "")
		b.pass(day)
		if made := b.digests(); made != 1 {
			t.Errorf("made %d", made)
		}
		b.wantDigests(ann, "2,3")
		b.happens("one", notifier.Event{Type: notifier.IncidentResolved})
		if made := b.digests(); made != 0 {
			t.Errorf("made %d twice in a day", made)
		}
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "2,3|5") // 4 is the digest's own
		b.pass(day)
		if made := b.digests(); made != 0 {
			t.Errorf("a mail that says nothing")
		}
	})
}

func TestADigestIsADeliveryOfItsLaneThatExpiresAfterADay(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Language, s.Timezone = "de", "Europe/Oslo" })
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		got := b.claim("w", 10)
		want := notifier.Delivery{
			ID: notifier.MakeDeliveryID(2, int64(ann)), Lane: notifier.LaneDigest, Channel: notifier.Email, Address: "ann@example.com", Language: "de", Zone: "Europe/Oslo",
			Since: 1, Digest: 1, State: notifier.Sending, DueAt: b.time(), AcceptedAt: b.time(), ExpiresAt: b.time().Add(notifier.DigestLife),
		}
		if len(got) != 1 || got[0] != want {
			t.Fatalf("claimed %+v\nwant    %+v", got, want)
		}
		d, err := b.Digest(b.ctx, 2, 1)
		b.must(err)
		if d.Cadence != "daily" || d.Day != "2026-11-24" || d.Missed != 0 || !slices.Equal(d.Items, []notifier.DigestItem{{Since: 1, Event: 1}}) {
			t.Errorf("%+v", d)
		}
		story, err := b.Story(b.ctx, 2)
		if err != nil || story.Event.Type != notifier.DigestDue {
			t.Errorf("%+v, %v", story.Event, err)
		}
	})
}

func TestRunsThatNobodyMadeAreMadeUpForByOneThatSaysSo(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(3*day + time.Hour)
		if made := b.digests(); made != 1 {
			t.Errorf("made %d", made)
		}
		b.wantDigests(ann, "1")
		d, err := b.Digest(b.ctx, 2, 1)
		if err != nil || d.Missed != 2 || d.Day != "2026-11-26" {
			t.Errorf("%+v, %v", d, err)
		}
		b.happens("one", notifier.Event{})
		b.pass(day - time.Hour) // noon again
		b.digests()
		b.wantDigests(ann, "1|3")
	})
}

func TestWhatAReaderDoesNotWantMakesNoDigest(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.components()
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Filter.Components = []string{"web"} })
		bob := b.joins("bob@example.com", func(s *subscribers.Subscriber) { s.Filter.Severity = notifier.SeverityCritical })
		cyd := b.joins("cyd@example.com", nil)
		b.exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES ('email', 'cyd@example.com', 'bounce', 1)`)
		dan := b.joins("dan@example.com", nil)
		b.turns(dan, func(s *subscribers.Subscriber) { s.State = subscribers.Paused })
		b.digests()
		b.happens("one", notifier.Event{Components: []string{"imap7"}})
		b.happens("two", notifier.Event{Components: []string{"web"}})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "2")
		b.wantDigests(bob, "")
		b.wantDigests(cyd, "")
		b.wantDigests(dan, "")
		// Whoever wants more from now on is not told of what was before.
		b.turns(bob, func(s *subscribers.Subscriber) { s.Filter.Severity = notifier.SeverityNone })
		b.turns(dan, func(s *subscribers.Subscriber) { s.State = subscribers.Active })
		b.pass(day)
		b.digests()
		b.wantDigests(bob, "")
		b.wantDigests(dan, "")
		if due, err := b.MakeDigests(b.ctx, noons{"noon"}, b.time(), 3); err != nil || !due.Idle || !due.Next.Equal(b.time().Add(day)) {
			t.Errorf("%+v, %v", due, err)
		}
	})
}

func TestWhatIsCriticalComesAtOnceWhereThatIsAskedForAndIsNotTwiceTold(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Critical = true })
		bob := b.joins("bob@example.com", nil)
		b.digests()
		critical := notifier.Event{Kind: notifier.KindIncident, Severity: notifier.SeverityCritical, Type: notifier.IncidentCreated}
		b.happens("one", critical)
		b.happens("two", notifier.Event{})
		b.expand(10)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		over := notifier.Event{Kind: notifier.KindIncident, Severity: notifier.SeverityMinor, Type: notifier.IncidentResolved}
		b.happens("one", over) // it was lowered before, and goes to who was told
		b.expand(10)
		b.states(int64(ann), map[int64]notifier.DeliveryState{1: notifier.Sent, 2: "", 3: notifier.Pending})
		b.states(int64(bob), map[int64]notifier.DeliveryState{1: "", 2: "", 3: ""})
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "2")
		b.wantDigests(bob, "1,2,3")
	})
}

func TestWhatIsStillToComeAtOnceIsNoDigests(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Critical = true })
		bob := b.joins("bob@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{Type: notifier.IncidentCreated})
		critical := notifier.Event{Kind: notifier.KindIncident, Severity: notifier.SeverityCritical, Type: notifier.IncidentCreated}
		b.happens("two", critical)
		b.happens("three", notifier.Event{Type: notifier.IncidentCreated})
		b.pass(day) // and nothing was expanded yet
		b.digests()
		b.wantDigests(ann, "1")
		b.wantDigests(bob, "1,2,3")
		b.expand(10)
		b.states(int64(ann), map[int64]notifier.DeliveryState{1: "", 2: notifier.Pending, 3: ""})
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "1|3")
		b.wantDigests(bob, "1,2,3")
	})
}

func TestTheEndOfWhatADigestToldIsToldWhateverTheFilterSays(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.turns(ann, func(s *subscribers.Subscriber) { s.Filter.Severity = notifier.SeverityCritical })
		b.happens("one", notifier.Event{Type: notifier.IncidentUpdated})
		b.happens("one", notifier.Event{Type: notifier.IncidentResolved})
		b.happens("other", notifier.Event{Type: notifier.IncidentResolved})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "1|4")
	})
}

func TestAMistakeThatNobodyHeardOfIsLeftOut(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{Type: notifier.IncidentCreated})
		b.happens("one", notifier.Event{Type: notifier.IncidentRetracted})
		b.happens("two", notifier.Event{Type: notifier.IncidentCreated})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "3")
		b.happens("two", notifier.Event{Type: notifier.IncidentRetracted})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "3|5")
	})
}

func TestTurningToDigestsAndBackLosesNothingAndRepeatsNothing(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		for i := range 3 {
			b.joins(fmt.Sprintf("other%d@example.com", i), func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		}
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		// Two more: of the first the fan-out reached her, of the second it did not.
		b.happens("two", notifier.Event{})
		b.happens("three", notifier.Event{})
		_, err := b.ExpandSlice(b.ctx, 1)
		b.must(err)
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Daily })
		b.expand(10)
		b.happens("four", notifier.Event{})
		b.expand(10)
		b.digests()
		b.pass(day)
		b.digests()
		b.states(int64(ann), map[int64]notifier.DeliveryState{1: notifier.Sent, 2: notifier.Pending, 3: "", 4: ""})
		b.wantDigests(ann, "3,4")
		// And back: what waited comes in a last digest, and what comes next at once.
		b.happens("five", notifier.Event{}) // 6
		b.expand(10)
		b.happens("six", notifier.Event{}) // 7: nobody was reached yet
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		if made := b.digests(); made != 0 {
			t.Error("a last digest before it is known what comes at once")
		}
		b.expand(10)
		b.happens("seven", notifier.Event{}) // 8
		b.expand(10)
		if made := b.digests(); made != 1 {
			t.Errorf("made %d last digests", made)
		}
		b.wantDigests(ann, "3,4|6")
		b.states(int64(ann), map[int64]notifier.DeliveryState{6: "", 7: notifier.Pending, 8: notifier.Pending})
		d, err := b.Digest(b.ctx, 9, 1)
		if err != nil || d.Cadence != "" || d.Day != "" {
			t.Errorf("%+v, %v", d, err)
		}
		// Back and forth within a moment is as if nothing had been.
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Daily })
		b.happens("eight", notifier.Event{}) // 10
		b.expand(10)
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Instant })
		b.turns(ann, func(s *subscribers.Subscriber) { s.Cadence = subscribers.Weekly })
		b.digests()
		b.pass(7 * day)
		b.digests()
		b.wantDigests(ann, "3,4|6|10")
	})
}

func TestNobodyGetsTwoDigestsOfOneDay(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{})
		b.pass(day)
		b.digests()
		b.happens("two", notifier.Event{}) // 3
		hour, err := subscribers.HourOf(18)
		b.must(err)
		b.turns(ann, func(s *subscribers.Subscriber) { s.Hour = hour })
		b.pass(6 * time.Hour)
		b.digests()
		b.wantDigests(ann, "1")
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "1|3")
	})
}

// lost knows no zone but its own.
type lost struct{ noons }

func (c lost) Next(s subscribers.Schedule, after time.Time) (subscribers.Run, error) {
	if s.Timezone != "" {
		return subscribers.Run{}, fmt.Errorf("unknown zone %s", s.Timezone)
	}
	return c.noons.Next(s, after)
}

func TestAScheduleThatCannotBeReadHoldsUpNoOther(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		bob := b.joins("bob@example.com", func(s *subscribers.Subscriber) { s.Timezone = "Mars/Base" })
		c := lost{noons{"lost"}}
		b.digestsAt(c, b.time(), 3)
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digestsAt(c, b.time(), 3)
		b.wantDigests(ann, "1")
		b.wantDigests(bob, "")
	})
}

// moonless knows the zone of the moon when it plans, and no longer when it is due.
type moonless struct {
	noons
	forgot *bool
}

func (c moonless) Next(s subscribers.Schedule, after time.Time) (subscribers.Run, error) {
	if *c.forgot && s.Timezone != "" {
		return subscribers.Run{}, fmt.Errorf("unknown zone %s", s.Timezone)
	}
	return c.noons.Next(s, after)
}

func TestADigestRunThatFailsHoldsUpNoOtherAndIsSaid(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		bob := b.joins("bob@example.com", func(s *subscribers.Subscriber) {
			hour, err := subscribers.HourOf(11)
			b.must(err)
			s.Timezone, s.Hour = "Moon/Base", hour // due before the other
		})
		ann := b.joins("ann@example.com", nil)
		forgot := false
		c := moonless{noons{"moon"}, &forgot}
		b.digestsAt(c, b.time(), 3)
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		forgot = true
		var said error
		for said == nil {
			step, err := b.MakeDigests(b.ctx, c, b.time(), 3)
			if said = err; err == nil && step.Idle {
				t.Fatal("nobody hears of the schedule that failed")
			}
		}
		if !strings.Contains(said.Error(), "Moon/Base") {
			t.Errorf("said %q", said)
		}
		b.wantDigests(ann, "1")
		b.wantDigests(bob, "")
		forgot = false
		b.digestsAt(c, b.time(), 3)
		b.wantDigests(bob, "1")
	})
}

func TestADigestRunOfADayThatWasMadeEndsAndTheNextTellsWhatItWouldHave(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		bob := b.joins("bob@example.com", nil)
		b.happens("two", notifier.Event{}) // 3
		b.expand(10)
		// As it was left where a later hour had found the same day again.
		b.exec(`UPDATE digest_runs SET up_to = 3`)
		b.digests()
		b.wantDigests(ann, "1")
		b.wantDigests(bob, "")
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "1|3")
		b.wantDigests(bob, "3")
	})
}

func TestAnotherHourOfTheServicePlansItsDigestsAnew(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.joins("ann@example.com", nil)
		b.digests()
		if due, err := b.MakeDigests(b.ctx, noons{"later"}, b.time(), 3); err != nil || due.Idle {
			t.Errorf("%+v, %v", due, err)
		}
		if due, err := b.MakeDigests(b.ctx, noons{"later"}, b.time(), 3); err != nil || !due.Idle {
			t.Errorf("%+v, %v", due, err)
		}
	})
}

func TestManyProcessesMakeEveryDigestOnce(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		const readers = 57
		var all []subscribers.Number
		for i := range readers {
			all = append(all, b.joins(fmt.Sprintf("reader%d@example.com", i), func(s *subscribers.Subscriber) {
				s.Language = []string{"", "de"}[i%2]
			}))
		}
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		errs := make(chan error)
		for range 3 {
			other := storetest.At(t, b.dsn)(storetest.Clock(b.time))
			go func() {
				for {
					step, err := other.MakeDigests(b.ctx, noons{"noon"}, b.time(), 5)
					if err != nil || step.Idle && b.number(`SELECT count(*) FROM digest_runs WHERE up_to > 0 OR next_at <= %d`, b.time().UnixMicro()) == 0 {
						errs <- err
						return
					}
				}
			}()
		}
		for range 3 {
			b.must(<-errs)
		}
		for _, n := range all {
			b.wantDigests(n, "1")
		}
		if n := b.number(`SELECT count(*) FROM events WHERE type = 'digest'`); n != 1 {
			t.Errorf("%d events", n)
		}
		if n := b.number(`SELECT count(*) FROM digest_contents`); n != 1 {
			t.Errorf("%d contents", n)
		}
	})
}

func TestWhatDigestsToldIsForgottenWithTheirDeliveries(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		bob := b.joins("bob@example.com", nil)
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.must(b.EraseSubscriber(b.ctx, bob))
		if n := b.number(`SELECT count(*) FROM digest_readers WHERE reader = %d`, bob); n != 0 {
			t.Error("what the erased was told is still there")
		}
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.exec(`UPDATE incidents SET status = 'resolved', resolved_at = 1`)
		b.pass(100 * day)
		for {
			n, err := b.Prune(b.ctx, b.time().Add(-90*day), 1)
			b.must(err)
			if n == 0 {
				break
			}
		}
		if got := b.digested(ann); got != "" {
			t.Errorf("%q is still there", got)
		}
		for _, table := range []string{"digest_readers", "digest_contents", "digests"} {
			if n := b.number(`SELECT count(*) FROM %s`, table); n != 0 {
				t.Errorf("%d rows of %s", n, table)
			}
		}
	})
}

func TestAMoveTakesDigestsAlong(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", func(s *subscribers.Subscriber) {
			s.Cadence, s.Weekday, s.Critical = subscribers.Weekly, "tuesday", true
		})
		b.digests()
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day) // a Tuesday
		b.digests()
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		b.happens("two", notifier.Event{}) // 3
		b.expand(10)
		b.must(b.AskMove(b.ctx, ann, "ann@example.org"))
		move, err := b.Move(b.ctx, ann, false)
		b.must(err)
		for _, to := range []bool{false, true} {
			n := ann
			if to {
				n = move.To
			}
			_, err := b.AgreeMove(b.ctx, n, to)
			b.must(err)
		}
		is, err := b.Subscriber(b.ctx, move.To)
		b.must(err)
		if is.Schedule() != (subscribers.Schedule{Cadence: subscribers.Weekly, Weekday: "tuesday"}) || !is.Critical || is.State != subscribers.Active {
			t.Errorf("became %+v", is)
		}
		b.pass(7 * day)
		b.digests()
		var got []string
		for _, d := range b.claim("w", 10) {
			if d.Lane == notifier.LaneDigest {
				told, err := b.Digest(b.ctx, d.ID.Event(), d.Digest)
				b.must(err)
				got = append(got, fmt.Sprint(d.Address, told.Items))
			}
		}
		if len(got) != 1 || got[0] != "ann@example.org[{3 3}]" {
			t.Errorf("%v", got)
		}
	})
}

func TestABreakIsNotToldOf(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann := b.joins("ann@example.com", nil)
		b.digests()
		b.turns(ann, func(s *subscribers.Subscriber) { s.State, s.PausedUntil = subscribers.Paused, b.time().Add(day) })
		b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		if n, err := b.ResumeSubscribers(b.ctx, 10); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		b.happens("two", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, "2")
	})
}
