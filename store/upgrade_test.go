package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// eachFrozen runs a test on every database of a released schema, as the program
// of that day left it.
func eachFrozen(t *testing.T, test func(t *testing.T, dialect, dsn string)) {
	t.Helper()
	for _, dialect := range storetest.Dialects() {
		dumps, err := filepath.Glob("testdata/schema*." + dialect + ".sql")
		if err != nil || len(dumps) == 0 {
			t.Fatalf("no frozen schema for %s, %v", dialect, err)
		}
		for _, path := range dumps {
			t.Run(filepath.Base(path), func(t *testing.T) {
				dump, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				dsn := storetest.EmptyDSN(t, dialect)
				storetest.Exec(t, dsn, string(dump))
				test(t, dialect, dsn)
			})
		}
	}
}

func TestADatabaseOfEveryEarlierVersionIsBroughtUpWithAllItHolds(t *testing.T) {
	eachFrozen(t, func(t *testing.T, dialect, dsn string) {
		now := time.UnixMicro(1795447270000000).UTC()
		b := &box{t: t, ctx: t.Context(), dsn: dsn, now: now}
		b.Store = storetest.At(t, dsn)(storetest.Clock(b.time))
		b.db = storetest.SQL(t, dsn)

		inc, err := b.Incident(b.ctx, "inc1")
		b.must(err)
		if inc.Title != "Mail is slow, “very”" || inc.Status != notifier.Identified || *inc.Impact.DelayMinMinutes != 5 || len(inc.Updates) != 2 ||
			inc.Updates[1].Body != "Zażółć gęślą jaźń" || inc.Updates[1].Event != 2 || fmt.Sprint(inc.Components) != "[web imap7]" ||
			!inc.CreatedAt.Equal(time.UnixMicro(1795447200000003)) {
			t.Errorf("incident: %+v", inc)
		}
		all, _, err := b.Incidents(b.ctx, notifier.IncidentQuery{Limit: 10})
		b.must(err)
		if len(all) != 3 || all[0].ID != "inc3" || all[1].ResolvedAt.IsZero() {
			t.Errorf("incidents: %+v", all)
		}
		story, err := b.Story(b.ctx, 2)
		b.must(err)
		if story.Event.ID != "evt2" || len(story.Previous) != 1 || story.Components["web"] != "The web" {
			t.Errorf("story: %+v", story)
		}
		progress, err := b.Progress(b.ctx, "evt1")
		b.must(err)
		if progress.Total != 2 || progress.Counts[notifier.Sent] != 1 || progress.State() != notifier.Done || !progress.FirstSentAt.Equal(time.UnixMicro(1795447201000000)) {
			t.Errorf("progress: %+v", progress)
		}
		ann, err := b.Subscriber(b.ctx, 1)
		b.must(err)
		same(t, "subscriber", ann, subscribers.Subscriber{
			Number: 1, Channel: notifier.Email, Address: "a@example.org", State: subscribers.Active, Cadence: subscribers.Instant, Timezone: "Europe/Oslo", Language: "no",
			Filter:    subscribers.Filter{Components: []string{"web"}, Severity: notifier.SeverityMinor, Kinds: []notifier.Kind{notifier.KindIncident}},
			CreatedAt: time.UnixMicro(1795447100000000).UTC(), ConfirmedAt: time.UnixMicro(1795447150000000).UTC(),
		})
		if n, err := b.Followers(b.ctx); err != nil || n != 2 {
			t.Errorf("%d followers, %v", n, err)
		}
		barred, _, err := b.Suppressions(b.ctx, "", 10)
		b.must(err)
		if len(barred) != 1 || barred[0].Reason != subscribers.ReasonBounce {
			t.Errorf("suppressions: %+v", barred)
		}
		token, err := b.TokenByHash(b.ctx, [32]byte([]byte("12345678901234567890123456789012")))
		b.must(err)
		if token.Name != "monitor" || token.Role != notifier.RolePoster {
			t.Errorf("token: %+v", token)
		}
		pulse, err := b.Pulse(b.ctx)
		b.must(err)
		if len(pulse.Pauses) != 1 || pulse.Pauses[0].Key != "example.net" {
			t.Errorf("pulse: %+v", pulse)
		}
		b.sound()

		// And life goes on: the one in flight is told, the one that waits goes
		// out, the pending one is asked, and numbers follow the old ones.
		b.must(b.Settle(b.ctx, []notifier.Settlement{{ID: notifier.MakeDeliveryID(2, 1), State: notifier.Sent, Tried: true, At: now, Worker: "w1"}}))
		if n := b.expand(100); n != 1 {
			t.Errorf("%d confirmations were made", n)
		}
		if got := b.claim("w2", 10); len(got) != 2 {
			t.Errorf("claimed: %+v", got)
		}
		d := newDesk()
		p, err := b.OpenIncident(b.ctx, d.open(t, notifier.Announcement{Title: "next"}))
		b.must(err)
		s, err := b.AddSubscriber(b.ctx, reader("e@example.org", subscribers.Active), nil)
		b.must(err)
		if p.Event.Number != 4 || s.Number != 5 {
			t.Errorf("event %d, subscriber %d", p.Event.Number, s.Number)
		}
		b.sound()
	})
}

// An upgraded database and a new one must be the same, or every later change
// would have to know where a database came from. This also finds a migration
// that was changed after its release.
func TestAnUpgradedDatabaseIsLikeANewOne(t *testing.T) {
	shape := map[string][]string{
		"sqlite": {`SELECT type || ' ' || name || ' ' || sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%' ORDER BY name`},
		"postgres": {
			`SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '') FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, column_name`,
			`SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY conrelid::regclass::text, conname`,
			`SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname`,
		},
	}
	eachFrozen(t, func(t *testing.T, dialect, dsn string) {
		fresh := storetest.DSN(t, dialect)
		for _, at := range []string{dsn, fresh} {
			_ = storetest.At(t, at)().Close()
		}
		for _, query := range shape[dialect] {
			was, is := texts(t, storetest.SQL(t, dsn), query), texts(t, storetest.SQL(t, fresh), query)
			if len(was) != len(is) {
				t.Errorf("%d things, a new one has %d", len(was), len(is))
			}
			for i := range min(len(was), len(is)) {
				if was[i] != is[i] {
					t.Errorf("upgraded: %s\nnew: %s", was[i], is[i])
				}
			}
		}
	})
}

func TestACommandDoesNotUpgradeBesideARunningServer(t *testing.T) {
	eachFrozen(t, func(t *testing.T, dialect, dsn string) {
		const version = `SELECT CAST(max(version_id) AS text) FROM goose_db_version`
		before := texts(t, storetest.SQL(t, dsn), version)
		if s, err := store.Open(t.Context(), store.Options{DSN: dsn}); err == nil {
			_ = s.Close() // the newest of all
		} else {
			refused(t, store.Options{DSN: dsn}, notifier.ErrConflict, "older schema", "allclear migrate")
		}
		same(t, "version", texts(t, storetest.SQL(t, dsn), version), before)
	})
}

// A program between two releases may lack a version that has a lower number than its newest.
func TestAVersionThatIsMissingInBetweenIsFoundAndMadeUpFor(t *testing.T) {
	const between = 12
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			dsn := storetest.DSN(t, dialect)
			s := storetest.At(t, dsn)()
			s.Lose(t, between)
			_ = s.Close()
			refused(t, store.Options{DSN: dsn}, notifier.ErrConflict, "lacks 12", "allclear migrate")
			if _, err := storetest.At(t, dsn)().AddSubscriber(t.Context(), subscribers.Subscriber{Channel: notifier.Email, Address: "ann@example.com", State: subscribers.Active, Cadence: subscribers.Instant}, nil); err != nil {
				t.Error(err)
			}
			again, err := store.Open(t.Context(), store.Options{DSN: dsn})
			if err != nil {
				t.Fatal(err)
			}
			_ = again.Close()
		})
	}
}
