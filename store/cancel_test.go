package store_test

import (
	"testing"
	"time"

	"allclear/notifier"
)

// withdrawQuietly takes an incident back without a word.
func (b *box) withdrawQuietly(incident string) {
	b.t.Helper()
	_, err := b.ReviseIncident(b.ctx, incident, func(i notifier.Incident) (notifier.Posting, error) {
		i.State = notifier.Retracted
		return notifier.Posting{Incident: i}, nil
	})
	b.must(err)
}

func TestAStepAlongAnEventIsBoundedByWhatItLooksAtAndByWhatItFinds(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(100)
		e := b.incidentless()
		b.expand(100)
		b.settle("w", notifier.Sent, b.claim("w", 90)...)
		for _, c := range []struct {
			reader, upTo int64
			max          int
			more         bool
		}{
			{0, 50, 5, true},  // nothing found: ten times as many are looked at
			{50, 95, 5, true}, // the fifth that was found
			{95, 100, 5, true},
			{90, 1 << 32, 50, false},
			{100, 1 << 32, 5, false},
		} {
			after, upTo, more := b.WindowBehind(t, e, c.reader, c.max, "pending")
			if after != int64(notifier.MakeDeliveryID(e, c.reader)) || upTo-int64(notifier.MakeDeliveryID(e, 0)) != min(c.upTo, 1<<32-1) || more != c.more {
				t.Errorf("%d behind reader %d: up to %d, more %t; want %d, %t", c.max, c.reader, upTo-int64(notifier.MakeDeliveryID(e, 0)), more, c.upTo, c.more)
			}
		}
	})
}

func TestCancellingPassesWhatIsSettledInSmallSteps(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(100)
		b.incident("one")
		e := b.event(notifier.Event{IncidentID: "one"})
		b.expand(100)
		b.settle("w", notifier.Sent, b.claim("w", 99)...)
		b.withdrawQuietly("one")
		for n := range int64(2) { // fifty looked at, then the other fifty
			if got := b.row(e, 100).State; got != notifier.Pending {
				t.Errorf("it is %s after %d steps", got, n)
			}
			_, err := b.ExpandSlice(b.ctx, 5)
			b.must(err)
		}
		b.states(100, map[int64]notifier.DeliveryState{e: notifier.Cancelled})
		b.expand(5)
		b.sound()
	})
}

func TestWhatIsWithdrawnInFlightIsCancelledWithWhatWaitsBehindIt(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(6)
		b.incident("one")
		first := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		flying := b.claim("w", 4)
		b.settle("w", notifier.Pending, flying[3])
		second := b.event(notifier.Event{IncidentID: "one"})
		b.expand(10)
		b.withdrawQuietly("one")
		for range 10 {
			_, err := b.ExpandSlice(b.ctx, 2)
			b.must(err)
			b.sound()
		}
		if n := b.number(`SELECT count(*) FROM deliveries WHERE state NOT IN ('cancelled', 'superseded')`); n != 0 {
			t.Errorf("%d are open", n)
		}
		b.settle("w", notifier.Sent, flying[0]) // the last byte was out already
		b.states(1, map[int64]notifier.DeliveryState{first: notifier.Sent, second: notifier.Cancelled})
		b.sound()
	})
}

// What was withdrawn lies where it was due, between what others wait for.
func TestAClaimLeapsOverWhatWasWithdrawn(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(3)
		var kept []int64
		for _, id := range []string{"one", "mistake", "two", "another", "three"} {
			b.incident(id)
			e := b.event(notifier.Event{IncidentID: id})
			if id != "mistake" && id != "another" {
				kept = append(kept, e)
			}
			if id != "two" { // which is due at the same time as another
				b.pass(time.Second)
			}
		}
		b.expand(10)
		b.settle("w", notifier.Pending, b.claim("w", 5)...) // two of the mistake's are due at another time now
		b.pass(time.Hour)
		b.withdrawQuietly("mistake")
		b.withdrawQuietly("another")
		var got []notifier.DeliveryID
		for {
			ds := b.claim("w", 2)
			if len(ds) == 0 {
				break
			}
			got = append(got, ids(ds)...)
		}
		seen := map[int64]int{}
		for _, id := range got {
			seen[id.Event()]++
		}
		if len(got) != 9 || seen[kept[0]] != 3 || seen[kept[1]] != 3 || seen[kept[2]] != 3 {
			t.Errorf("claimed %v", got)
		}
		b.expand(10)
		b.sound()
	})
}

// Somebody else holds the lock, and waiting for it would end in an error.
func TestWhatWasWithdrawnIsNoReasonToTakeTheWriteLock(t *testing.T) {
	b := newBox(t, "sqlite")
	b.readers(3)
	b.incident("one")
	b.event(notifier.Event{IncidentID: "one"})
	b.expand(10)
	b.settle("w", notifier.Pending, b.claim("w", 1)...)
	b.pass(time.Hour)
	b.withdrawQuietly("one")
	tx, err := b.db.Begin()
	b.must(err)
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`UPDATE counters SET value = value WHERE name = 'work'`); err != nil {
		t.Fatal(err)
	}
	if got := b.claim("w", 10); len(got) != 0 {
		t.Errorf("claimed %+v", got)
	}
}
