package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
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

func TestWhoAskedForItIsToldThatThereIsNothingNewOnceADay(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.happens("before", notifier.Event{})
		b.expand(10)
		quiet := func(s *subscribers.Subscriber) { s.AllQuiet = true }
		ann, bob, cyd := b.joins("ann@example.com", quiet), b.joins("bob@example.com", nil), b.joins("cyd@example.com", quiet)
		b.exec(`INSERT INTO suppressions (channel, address, reason, created_at) VALUES ('email', 'cyd@example.com', 'bounce', 1)`)
		b.digests()
		for range 2 { // nothing happens at all
			b.pass(day)
			if made := b.digests(); made != 1 {
				t.Errorf("made %d", made)
			}
			if made := b.digests(); made != 0 {
				t.Errorf("made %d twice in a day", made)
			}
		}
		b.wantDigests(ann, "0|0")
		one := b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, fmt.Sprintf("0|0|%d", one))
		b.pass(day)
		b.digests()
		b.wantDigests(ann, fmt.Sprintf("0|0|%d|0", one))
		b.wantDigests(bob, fmt.Sprint(one))
		b.wantDigests(cyd, "")
		event := b.number(`SELECT max(event_number) FROM digests`)
		d, err := b.Digest(b.ctx, event, 1)
		b.must(err)
		if d.Cadence != "daily" || d.Day == "" || len(d.Items) != 0 {
			t.Errorf("%+v", d)
		}
		b.turns(ann, func(s *subscribers.Subscriber) { s.State = subscribers.Unsubscribed })
		b.pass(day)
		if made := b.digests(); made != 0 {
			t.Errorf("made %d for who left", made)
		}
	})
}

func TestWhereNothingWasEverAnnouncedThereIsNothingNewEither(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		ann, bob := b.joins("ann@example.com", func(s *subscribers.Subscriber) { s.AllQuiet = true }), b.joins("bob@example.com", nil)
		b.digests()
		b.pass(day)
		if made := b.digests(); made != 1 {
			t.Errorf("made %d", made)
		}
		b.wantDigests(ann, "0")
		one := b.happens("one", notifier.Event{})
		b.expand(10)
		b.pass(day)
		b.digests()
		b.wantDigests(ann, fmt.Sprintf("0|%d", one))
		b.wantDigests(bob, fmt.Sprint(one))
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

func (c lost) Next(s subscribers.Schedule, after time.Time) (subscribers.Run, error) {
	if s.Timezone != "" {
		return subscribers.Run{}, fmt.Errorf("unknown zone %s", s.Timezone)
	}
	return c.noons.Next(s, after)
}

func (c moonless) Next(s subscribers.Schedule, after time.Time) (subscribers.Run, error) {
	if *c.forgot && s.Timezone != "" {
		return subscribers.Run{}, fmt.Errorf("unknown zone %s", s.Timezone)
	}
	return c.noons.Next(s, after)
}
