package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

// heard waits for a wake-up.
func heard(t *testing.T, wake <-chan struct{}) {
	t.Helper()
	select {
	case <-wake:
	case <-time.After(time.Minute):
		t.Fatal("nothing was heard")
	}
}

// listening starts Listen and returns its wake-ups and how to end it.
func listening(t *testing.T, listen func(context.Context, func()) error) (<-chan struct{}, func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	wake, ended := make(chan struct{}, 100), make(chan error, 1)
	go func() { ended <- listen(ctx, func() { wake <- struct{}{} }) }()
	return wake, func() {
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("listening ended with %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("listening does not end")
		}
	}
}

func TestAnotherProcessHearsOfAnEventAtOnce(t *testing.T) {
	dsn := storetest.DSN(t, "postgres")
	here, there := storetest.At(t, dsn)(), storetest.At(t, dsn)()
	wake, stop := listening(t, there.Listen)
	defer stop()
	heard(t, wake) // it listens
	d := newDesk()
	if _, err := here.OpenIncident(t.Context(), d.open(t, notifier.Announcement{Title: "Mail is slow"})); err != nil {
		t.Fatal(err)
	}
	heard(t, wake)
}

func TestListeningComesBackAfterItsConnectionWasCut(t *testing.T) {
	dsn := storetest.DSN(t, "postgres")
	s := storetest.At(t, dsn)()
	wake, stop := listening(t, s.Listen)
	defer stop()
	heard(t, wake)
	db := storetest.SQL(t, dsn)
	for range 2 {
		if _, err := db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN allclear'`); err != nil {
			t.Fatal(err)
		}
		heard(t, wake) // for what may have been missed
	}
	if _, err := db.Exec(`SELECT pg_notify('allclear', '')`); err != nil {
		t.Fatal(err)
	}
	heard(t, wake)
}

func TestOnSQLiteListeningWaitsForItsEnd(t *testing.T) {
	_, stop := listening(t, storetest.Open(t, "sqlite")().Listen)
	stop()
}
