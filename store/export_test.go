package store

import (
	"testing"
	"time"

	"gorm.io/gorm"
)

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

// SetClock is what measuring the server's clock does.
func (s *Store) SetClock(server, asked, answered time.Time) {
	s.setClock(server.UnixMicro(), asked, answered)
}

// Offset is how far the database's clock is thought to be ahead.
func (s *Store) Offset() time.Duration { return time.Duration(s.offset.Load()) }

// AnswerLife is how long Once keeps an answer.
const AnswerLife = answerLife
