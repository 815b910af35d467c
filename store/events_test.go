package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// eventNumbers is what one look at the outbox sees.
func eventNumbers(db *sql.DB) (out []int64, err error) {
	rows, err := db.Query(`SELECT number FROM events`)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// Whoever reads events up to a number may never see a lower one appear later:
// else the fan-out would skip it, or tell the updates of an incident in the
// wrong order.
func TestNumbersOfEventsAreCommittedInTheirOrder(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			dsn, d := storetest.DSN(t, dialect), newDesk()
			writers := []*store.Store{storetest.At(t, dsn)(), storetest.At(t, dsn)()}
			db := storetest.SQL(t, dsn)
			var work, watch sync.WaitGroup
			var done atomic.Bool
			watch.Go(func() {
				seen := map[int64]bool{}
				var top int64
				for last := false; !last; {
					last = done.Load()
					there, err := eventNumbers(db)
					if err != nil {
						t.Error(err)
						return
					}
					highest := top
					for _, n := range there {
						if n < top && !seen[n] {
							t.Errorf("event %d appeared after event %d", n, top)
						}
						seen[n] = true
						highest = max(highest, n)
					}
					top = highest
				}
				if len(seen) != 80 || top != 80 {
					t.Errorf("%d events, the last has number %d", len(seen), top)
				}
			})
			for _, s := range writers {
				for range 4 {
					work.Go(func() {
						for range 10 {
							if _, err := s.OpenIncident(t.Context(), d.open(t, notifier.Announcement{Title: "x"})); err != nil {
								t.Error(err)
							}
						}
					})
				}
			}
			work.Wait()
			done.Store(true)
			watch.Wait()
		})
	}
}

func TestAnEventThatWasRolledBackTakesNoNumber(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		b.opened(d, notifier.Announcement{Title: "x"})
		err := b.Atomic(b.ctx, func(ctx context.Context) error {
			if _, err := b.OpenIncident(ctx, d.open(t, notifier.Announcement{Title: "y"})); err != nil {
				return err
			}
			return fmt.Errorf("changed my mind")
		})
		if err == nil {
			t.Error("no error")
		}
		if p := b.opened(d, notifier.Announcement{Title: "z"}); p.Event.Number != 2 {
			t.Errorf("number %d", p.Event.Number)
		}
	})
}

func TestWorkMovesWithEveryEvent(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		before, err := b.Pulse(b.ctx)
		b.must(err)
		b.opened(d, notifier.Announcement{Title: "x"})
		after, err := b.Pulse(b.ctx)
		b.must(err)
		if after.Work == before.Work {
			t.Error("nobody will look for the event")
		}
	})
}

// Whatever is posted in whatever order, an incident's numbers, updates and
// lives agree with what Progress and Story say.
func TestAnyCourseOfAnIncidentIsKeptWhole(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		rapid.Check(t, func(t *rapid.T) {
			p, err := notifier.Open(notifier.Announcement{Title: "x", Quiet: rapid.Bool().Draw(t, "quiet")}, d.desk())
			if err != nil {
				t.Fatal(err)
			}
			p, err = b.OpenIncident(b.ctx, p)
			if err != nil {
				t.Fatal(err)
			}
			events := 0
			if p.Event != nil {
				events++
			}
			for range rapid.IntRange(0, 4).Draw(t, "updates") {
				d.Advance(1000)
				say := notifier.Saying{
					Body: rapid.SampledFrom([]string{"a", "ß", "{{at \"now\"}}"}).Draw(t, "body"), Quiet: rapid.Bool().Draw(t, "quiet"),
					Status: rapid.SampledFrom([]notifier.Status{"", notifier.Identified, notifier.Monitoring, notifier.Resolved}).Draw(t, "status"),
				}
				if p, err = b.ReviseIncident(b.ctx, p.Incident.ID, d.say(say)); err != nil {
					t.Fatal(err)
				}
				if p.Event != nil {
					events++
				}
			}
			got, err := b.Incident(b.ctx, p.Incident.ID)
			if err != nil {
				t.Fatal(err)
			}
			if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", p.Incident) {
				t.Fatalf("got  %+v\nwant %+v", got, p.Incident)
			}
			last, told := int64(0), 0
			for _, u := range got.Updates {
				if u.Event == 0 {
					continue
				}
				if told++; u.Event <= last {
					t.Fatalf("update %s has event %d after %d", u.ID, u.Event, last)
				}
				last = u.Event
				story, err := b.Story(b.ctx, u.Event)
				if err != nil {
					t.Fatal(err)
				}
				if said := story.Incident.Updates; said[len(said)-1].ID != u.ID || story.Incident.Status != u.Status || len(story.Previous) != told-1 {
					t.Fatalf("the story of event %d: %+v", u.Event, story)
				}
			}
			if told != events {
				t.Fatalf("%d events, %d of them with an update", events, told)
			}
		})
	})
}

func TestConfirmationsStandBesideIncidentsInTheSameOrder(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		b.opened(d, notifier.Announcement{Title: "x"})
		_, err := b.AddSubscriber(b.ctx, subscribers.Subscriber{Channel: notifier.Email, Address: "a@example.org", State: subscribers.Pending, Cadence: subscribers.Instant},
			func(s subscribers.Subscriber) *notifier.Event { e := s.ConfirmEvent(d.desk()); return &e })
		b.must(err)
		if n := b.number(`SELECT number FROM events WHERE type = 'subscriber.confirm' AND incident_id IS NULL AND reader = 1 AND lane = 1`); n != 2 {
			t.Errorf("number %d", n)
		}
	})
}
