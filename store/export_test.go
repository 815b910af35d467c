package store

import (
	"fmt"
	"testing"
	"time"

	"gorm.io/gorm"
)

// Setting tells one of PostgreSQL's.
func (s *Store) Setting(t testing.TB, name string) (v string) {
	t.Helper()
	if err := s.db.Raw(`SHOW ` + name).Scan(&v).Error; err != nil {
		t.Fatal(err)
	}
	return v
}

// Pragmas tells SQLite's settings of the reading and of the writing connections.
func (s *Store) Pragmas(t testing.TB) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, name := range []string{"synchronous", "foreign_keys", "busy_timeout", "query_only"} {
		for _, db := range []*gorm.DB{s.db, s.writer} {
			var v string
			if err := db.Raw(`PRAGMA ` + name).Scan(&v).Error; err != nil {
				t.Fatal(err)
			}
			out[name] = append(out[name], v)
		}
	}
	return out
}

// LimitPages lets the SQLite file have no more than n pages, as a full disk would; 0 lifts that.
func (s *Store) LimitPages(t testing.TB, n int) {
	t.Helper()
	if n == 0 {
		n = 1 << 30
	}
	var is int
	if err := s.writer.Raw(fmt.Sprintf(`PRAGMA max_page_count = %d`, n)).Scan(&is).Error; err != nil {
		t.Fatal(err)
	}
}

// SetClock is what measuring the server's clock does.
func (s *Store) SetClock(server, asked, answered time.Time) {
	s.setClock(server.UnixMicro(), asked, answered)
}

// Offset is how far the database's clock is thought to be ahead.
func (s *Store) Offset() time.Duration { return time.Duration(s.offset.Load()) }

// AnswerLife is how long Once keeps an answer.
const AnswerLife = answerLife

// Cursor and OpenCursor write and read the place where a page ends.
func Cursor(n int64, text string) string { return cursor(n, text) }

// OpenCursor reads what Cursor wrote.
func OpenCursor(c string) (int64, string, error) { return openCursor(c) }

// WindowBehind is the keys that one step behind a reader looks at.
func (s *Store) WindowBehind(t testing.TB, event, reader int64, max int, states ...string) (after, upTo int64, more bool) {
	t.Helper()
	w, err := s.windowBehind(s.db, event, reader, max, states...)
	if err != nil {
		t.Fatal(err)
	}
	return w.after, w.upTo, w.more
}

// DueOf counts the deliveries of an event that claims walk past or take.
func (s *Store) DueOf(t testing.TB, event int64) (n int64) {
	t.Helper()
	spans, err := s.dueSpans(t.Context(), s.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, span := range spans {
		var here int64
		if err := s.db.Raw(`SELECT count(*) FROM deliveries WHERE event_number = ? AND state IN ('pending', 'held') AND (`+span.where+`)`, append([]any{event}, span.args...)...).
			Scan(&here).Error; err != nil {
			t.Fatal(err)
		}
		n += here
	}
	return n
}

// SetMostAside says how many rows of a file wait before they are taken up.
func (s *Store) SetMostAside(n int64) { s.mostAside = n }
