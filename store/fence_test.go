package store_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"allclear/store"
	"allclear/store/storetest"
)

// written asks until a write succeeds: connections of before a failover are found out one by one.
func written(t *testing.T, s *store.Store, what string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		err := s.Audit(t.Context(), what, "", "")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// audited counts what was written on one server.
func audited(t *testing.T, s *storetest.Server) (n int) {
	t.Helper()
	if err := storetest.SQL(t, s.DSN()).QueryRowContext(t.Context(), `SELECT count(*) FROM audit`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAnOldPrimaryThatComesBackIsLeftAlone(t *testing.T) {
	p := storetest.NewPair(t)
	var log bytes.Buffer
	before := storetest.At(t, p.DSN())(func(o *store.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	written(t, before, "on the first primary")
	p.A.Kill()
	p.B.Promote()
	written(t, before, "on the second")
	p.A.Start()
	p.A.Exec(`ALTER SYSTEM RESET synchronous_standby_names`, `SELECT pg_reload_conf()`) // it would take writes at once

	p.B.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'allclear'`)
	written(t, before, "by who was there, when it must connect anew")
	if !strings.Contains(log.String(), "an old primary is left alone") || strings.Count(log.String(), "\n") != 1 {
		t.Errorf("it is not told once:\n%s", &log)
	}
	after := storetest.At(t, p.DSN())()
	written(t, after, "by who starts only now")
	if a, b := audited(t, p.A), audited(t, p.B); a != 1 || b != 4 {
		t.Errorf("the old primary has %d rows and the new one %d, want 1 and 4", a, b)
	}
}

func TestAConnectionToAPrimaryThatWasReplacedIsNotUsedOnceThatIsKnown(t *testing.T) {
	p := storetest.NewPair(t)
	_ = storetest.At(t, p.DSN())().Close() // makes the schema, which takes more than one connection
	var ahead atomic.Int64
	s := storetest.At(t, p.DSN())(storetest.Clock(func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }))
	written(t, s, "on the first primary")
	p.B.Promote() // while the first one lives
	p.A.Exec(`ALTER SYSTEM RESET synchronous_standby_names`, `SELECT pg_reload_conf()`)
	// One connection is in use, so that the other is made anew and meets both servers.
	both := func(what string) {
		if err := s.Atomic(t.Context(), func(ctx context.Context) error {
			if _, err := s.Followers(ctx); err != nil {
				return err
			}
			written(t, s, what)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	ahead.Add(int64(time.Hour))
	both("on the second, beside the connection to the first")
	both("on the second")
	written(t, s, "on the second again")
	if a, b := audited(t, p.A), audited(t, p.B); a != 1 || b != 4 {
		t.Errorf("the old primary has %d rows and the new one %d, want 1 and 4", a, b)
	}
}
