package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
)

func TestATransactionIsWholeOrNot(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		broken := errors.New("broken")
		for _, end := range []error{broken, nil} {
			err := b.Atomic(b.ctx, func(ctx context.Context) error {
				p, err := b.OpenIncident(ctx, d.open(t, notifier.Announcement{Title: "x"}))
				if err != nil {
					return err
				}
				if _, err := b.Incident(ctx, p.Incident.ID); err != nil {
					t.Errorf("the transaction does not see what it wrote: %v", err)
				}
				if _, err := b.Incident(b.ctx, p.Incident.ID); !errors.Is(err, notifier.ErrNotFound) {
					t.Errorf("others see what may be rolled back: %v", err)
				}
				return b.Atomic(ctx, func(ctx context.Context) error { return errors.Join(b.Audit(ctx, "inner", "", ""), end) })
			})
			if !errors.Is(err, end) {
				t.Error(err)
			}
		}
		if n := b.number(`SELECT count(*) FROM incidents`); n != 1 {
			t.Errorf("%d incidents", n)
		}
		if n := b.number(`SELECT count(*) FROM audit WHERE action = 'inner'`); n != 1 {
			t.Errorf("%d inner audits", n)
		}
	})
}

func TestATransactionEndsWithItsContext(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		ctx, cancel := context.WithCancel(b.ctx)
		err := b.Atomic(ctx, func(ctx context.Context) error {
			_, err := b.OpenIncident(ctx, d.open(t, notifier.Announcement{Title: "x"}))
			cancel()
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if n := b.number(`SELECT count(*) FROM incidents`); n != 0 {
			t.Errorf("%d incidents", n)
		}
		b.opened(d, notifier.Announcement{Title: "y"}) // and the connection is good for the next
	})
}

// Two transactions that wait for each other must both come through.
func TestADeadlockIsRunAgain(t *testing.T) {
	eachDesk(t, func(t *testing.T, b *box, d *desk) {
		if b.Dialect() == "sqlite" {
			t.Skip("one writer has nobody to wait for")
		}
		var meet, all sync.WaitGroup
		meet.Add(2)
		for _, keys := range [][]string{{"web", "imap7"}, {"imap7", "web"}} {
			all.Go(func() {
				tries := 0
				err := b.Atomic(b.ctx, func(ctx context.Context) error {
					tries++
					for i, key := range keys {
						if _, err := b.ChangeComponent(ctx, key, func(c *notifier.Component) error { c.Group += "x"; return nil }); err != nil {
							return err
						}
						if i == 0 && tries == 1 {
							meet.Done()
							meet.Wait()
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		components, err := b.Components(b.ctx)
		b.must(err)
		for _, c := range components {
			if c.Group != "xx" {
				t.Errorf("%s was changed %d times", c.Key, len(c.Group))
			}
		}
	})
}

func TestAFullDiskIsUnavailableUntilThereIsRoom(t *testing.T) {
	d := newDesk()
	s := storetest.Open(t, "sqlite")(storetest.Clock(d.Now))
	var err error
	s.LimitPages(t, 100)
	for range 1000 {
		if _, err = s.OpenIncident(t.Context(), d.open(t, notifier.Announcement{Title: "x", Body: strings.Repeat("word ", 2000)})); err != nil {
			break
		}
	}
	if !errors.Is(err, notifier.ErrUnavailable) {
		t.Fatalf("%v", err)
	}
	before, _, err := s.Incidents(t.Context(), notifier.IncidentQuery{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	s.LimitPages(t, 0)
	if _, err := s.OpenIncident(t.Context(), d.open(t, notifier.Announcement{Title: "y"})); err != nil {
		t.Fatal(err)
	}
	after, _, err := s.Incidents(t.Context(), notifier.IncidentQuery{Limit: 200})
	if err != nil || len(after) != len(before)+1 {
		t.Errorf("%d incidents, %d before, %v", len(after), len(before), err)
	}
}

func TestALostServerIsUnavailableAndFoundAgain(t *testing.T) {
	dsn, d := storetest.DSN(t, "postgres"), newDesk()
	s := storetest.At(t, dsn)()
	db := storetest.SQL(t, dsn)
	err := s.Atomic(t.Context(), func(ctx context.Context) error {
		if err := s.Audit(ctx, "before", "", ""); err != nil {
			return err
		}
		if _, err := db.Exec(`SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
			return err
		}
		return s.Audit(ctx, "after", "", "")
	})
	if !errors.Is(err, notifier.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if _, err := s.OpenIncident(t.Context(), d.open(t, notifier.Announcement{Title: "x"})); err != nil {
		t.Errorf("the next: %v", err)
	}
	if n := texts(t, db, `SELECT count(*)::text FROM audit WHERE action IN ('before', 'after')`); n[0] != "0" {
		t.Errorf("%s were kept", n[0])
	}
}

func TestALockedFileIsWaitedFor(t *testing.T) {
	dsn, d := storetest.DSN(t, "sqlite"), newDesk()
	s := storetest.At(t, dsn)()
	other, err := storetest.SQL(t, dsn).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{`BEGIN IMMEDIATE`, `UPDATE counters SET value = value + 10 WHERE name = 'event'`} {
		if _, err := other.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	var p notifier.Posting
	go func() {
		var err error
		p, err = s.OpenIncident(t.Context(), d.open(t, notifier.Announcement{Title: "x"}))
		done <- err
	}()
	if _, _, err := s.Incidents(t.Context(), notifier.IncidentQuery{Limit: 1}); err != nil {
		t.Errorf("readers wait for writers: %v", err)
	}
	if _, err := other.ExecContext(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if err != nil || p.Event.Number != 11 {
			t.Errorf("%+v, %v", p.Event, err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for ever")
	}
}

func TestAtomicMayBeUsedByTheServiceAndItsCommandsAtOnce(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			open := storetest.Open(t, dialect)
			var all sync.WaitGroup
			for _, s := range []*store.Store{open(), open(), open()} {
				all.Go(func() {
					for range 20 {
						if err := s.Audit(t.Context(), "x", "", ""); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}
