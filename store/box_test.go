package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
)

// box is a store with readers and events, and a clock that stands until it is moved.
type box struct {
	*store.Store
	t   testing.TB
	ctx context.Context
	dsn string
	db  *sql.DB // beside the store: what it has no method for

	mu  sync.Mutex
	now time.Time
}

// eachBox runs a test on a new box of each database.
func eachBox(t *testing.T, test func(t *testing.T, b *box)) {
	t.Helper()
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) { test(t, newBox(t, dialect)) })
	}
}

func newBox(t testing.TB, dialect string) *box {
	t.Helper()
	b := &box{t: t, ctx: context.Background(), dsn: storetest.DSN(t, dialect), now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	b.Store = storetest.At(t, b.dsn)(storetest.Clock(b.time))
	b.db = storetest.SQL(t, b.dsn)
	return b
}

func (b *box) time() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *box) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

func (b *box) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *box) exec(format string, args ...any) {
	b.t.Helper()
	if _, err := b.db.Exec(fmt.Sprintf(format, args...)); err != nil {
		b.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

func (b *box) number(format string, args ...any) (n int64) {
	b.t.Helper()
	if err := b.db.QueryRow(fmt.Sprintf(format, args...)).Scan(&n); err != nil {
		b.t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
	return n
}

// readers adds n active readers of everything, numbered from 1 on.
func (b *box) readers(n int) {
	b.t.Helper()
	const columns = `INSERT INTO subscribers (number, channel, address, state, cadence, created_at) `
	if b.Dialect() == "postgres" {
		b.exec(columns+`SELECT n, 'email', 'reader' || n || '@example.com', 'active', 'instant', 1 FROM generate_series(1, %d) AS n`, n)
	} else {
		b.exec(columns+`WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < %d)
			SELECT n, 'email', 'reader' || n || '@example.com', 'active', 'instant', 1 FROM r`, n)
	}
	b.exec(`UPDATE counters SET value = %d WHERE name = 'subscriber'`, n)
}

// incident adds an incident without any event.
func (b *box) incident(id string) {
	b.t.Helper()
	b.exec(`INSERT INTO incidents (id, title, kind, severity, status, state, opened_at, created_at, updated_at)
		VALUES ('%s', 'Mail is slow', 'incident', 2, 'investigating', 'published', 1, 1, 1)`, id)
}

// event accepts an event now and returns its number. Zero fields are those of a critical incident's update.
func (b *box) event(e notifier.Event) int64 {
	b.t.Helper()
	if e.Type == "" {
		e.Type = notifier.IncidentUpdated
	}
	if e.Kind == "" {
		e.Kind, e.Severity = notifier.KindIncident, notifier.SeverityCritical
	}
	if e.Lane == 0 {
		e.Lane = notifier.LaneIncident
	}
	if e.ExpiresAt.IsZero() {
		e.ExpiresAt = b.time().Add(notifier.IncidentLife)
	}
	components := "[]"
	for i, c := range e.Components {
		if i == 0 {
			components = `["` + c + `"`
		} else {
			components += `,"` + c + `"`
		}
		if i == len(e.Components)-1 {
			components += "]"
		}
	}
	incident := "NULL"
	if e.IncidentID != "" {
		incident = "'" + e.IncidentID + "'"
	}
	b.exec(`UPDATE counters SET value = value + 1 WHERE name = 'event'`)
	n := b.number(`SELECT value FROM counters WHERE name = 'event'`)
	b.exec(`INSERT INTO events (number, id, type, lane, kind, severity, components, incident_id, reader, accepted_at, expires_at, raised)
		VALUES (%d, 'event%d', '%s', %d, '%s', %d, '%s', %s, %d, %d, %d, %t)`, n, n, e.Type, e.Lane, e.Kind, e.Severity, components, incident, e.Reader,
		b.time().UnixMicro(), e.ExpiresAt.UnixMicro(), e.Raised)
	return n
}

// expand expands everything, in slices of the size.
func (b *box) expand(slice int) (made int64) {
	b.t.Helper()
	for {
		got, err := b.ExpandSlice(b.ctx, slice)
		b.must(err)
		if got.Idle {
			return made
		}
		made += got.Made
	}
}

// claim claims for a worker from every lane.
func (b *box) claim(worker string, limit int) []notifier.Delivery {
	b.t.Helper()
	out, err := b.Claim(b.ctx, notifier.Claim{Worker: worker, Channel: notifier.Email, Lanes: notifier.Lanes, Limit: limit, Lease: time.Minute})
	b.must(err)
	return out
}

// settle settles deliveries of a worker alike.
func (b *box) settle(worker string, state notifier.DeliveryState, ds ...notifier.Delivery) {
	b.t.Helper()
	var batch []notifier.Settlement
	for _, d := range ds {
		x := notifier.Settlement{ID: d.ID, State: state, At: b.time(), Tried: true, Worker: worker, Receipt: notifier.Receipt{Relay: "relay", Reply: "said", Remote: "queued"}}
		switch state {
		case notifier.Pending:
			x.DueAt, x.Charged = b.time().Add(time.Minute), true
		case notifier.Held:
			x.DueAt = b.time().Add(time.Minute)
		case notifier.Failed:
			x.Charged = true
		}
		batch = append(batch, x)
	}
	b.must(b.Settle(b.ctx, batch))
}

// kept is a delivery's row.
type kept struct {
	State                          notifier.DeliveryState
	Since, Told, Behind            int64
	Attempts                       int
	Awaited                        bool
	DueAt, TriedAt, SentAt         int64
	Worker, Relay, Address, Remote string
}

// row reads the delivery of an event for a reader; State is "" where there is none.
func (b *box) row(event, reader int64) (k kept) {
	b.t.Helper()
	err := b.db.QueryRow(fmt.Sprintf(`SELECT state, since, told, behind, attempts, awaited, due_at, tried_at, sent_at, worker, relay, address, remote
		FROM deliveries WHERE id = %d`, notifier.MakeDeliveryID(event, reader))).Scan(&k.State, &k.Since, &k.Told, &k.Behind, &k.Attempts, &k.Awaited,
		&k.DueAt, &k.TriedAt, &k.SentAt, &k.Worker, &k.Relay, &k.Address, &k.Remote)
	if err != nil && err != sql.ErrNoRows {
		b.t.Fatal(err)
	}
	return k
}

// states fails unless the deliveries of a reader are in these states, by event.
func (b *box) states(reader int64, want map[int64]notifier.DeliveryState) {
	b.t.Helper()
	for event, state := range want {
		if got := b.row(event, reader).State; got != state {
			b.t.Errorf("event %d of reader %d is %q, want %q", event, reader, got, state)
		}
	}
}
