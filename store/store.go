// Package store keeps everything allclear knows, on SQLite or PostgreSQL. It is
// the only package that knows GORM, SQL, dialects and migrations.
//
// Every exported method is one transaction; a method called with a context that
// carries a transaction (see Atomic and Once) joins it. Statements are written
// once for both databases wherever both understand them.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
)

// Options say how a Store is opened.
type Options struct {
	// DSN is a file's path for SQLite, or postgres://... (several hosts by comma). Mandatory.
	DSN string
	// Create makes a missing SQLite file and brings the schema up to date.
	// Without it a missing database or an old schema is an error.
	Create bool
	// Secret encrypts what is kept encrypted; at least 32 bytes. Mandatory for
	// Once; commands that never answer requests may leave it out.
	Secret []byte
	// Now is the clock; nil means the system's, on PostgreSQL set right by the
	// server's, so that the leases of many hosts agree.
	Now func() time.Time
	// Log receives what has no caller to be told to; nil means nowhere.
	Log *slog.Logger
}

// Store is the database. Its methods may be called from many goroutines.
type Store struct {
	db          *gorm.DB // reads, and on PostgreSQL writes too
	writer      *gorm.DB // the one writing connection of SQLite; db itself on PostgreSQL
	dialect     string   // "sqlite" or "postgres"
	dsn         string
	server      string      // PostgreSQL's database and hosts, for people
	fence       *fence      // against old primaries; nil on SQLite
	turns       turns       // at writer, on SQLite
	checkpoints checkpoints // of SQLite's log
	secret      []byte
	clock       func() time.Time
	fixed       bool         // the clock was given and is not to be corrected
	offset      atomic.Int64 // nanoseconds that the database's clock is ahead of ours
	log         *slog.Logger
	texts       noticeTexts
	gathers     chan struct{} // one at a time: what it remembers is bounded
	mostAside   int64         // rows of a file that wait to be taken up; tests let fewer
}

// The dialects, named as their folders in migrations are.
const (
	sqlite   = "sqlite"
	postgres = "postgres"
)

// Dialect is "sqlite" or "postgres".
func (s *Store) Dialect() string { return s.dialect }

// Now is the service's clock: UTC, whole microseconds.
func (s *Store) Now() time.Time {
	return s.clock().Add(time.Duration(s.offset.Load())).UTC().Truncate(time.Microsecond)
}

type txKey struct{}

// conn is what a read runs on: the transaction that ctx carries, or the pool.
func (s *Store) conn(ctx context.Context) *gorm.DB {
	if tx, ok := ctx.Value(txKey{}).(*gorm.DB); ok {
		return tx.WithContext(ctx)
	}
	return s.db.WithContext(ctx)
}

// Atomic runs do in one transaction, which do's context carries; it joins the
// transaction that ctx carries already. An error of do rolls back. A deadlock
// or a serialization failure runs do once more, so do must not have effects
// outside the database.
func (s *Store) Atomic(ctx context.Context, do func(ctx context.Context) error) error {
	return s.write(ctx, func(ctx context.Context, _ *gorm.DB) error { return do(ctx) })
}

// write is Atomic for the store's own methods: do gets the transaction too.
func (s *Store) write(ctx context.Context, do func(ctx context.Context, tx *gorm.DB) error) error {
	return s.writeInTurn(ctx, true, do)
}

// work is write for what goes on by itself, in small steps: where the database
// has one writer, it lets those go first whom somebody waits for.
func (s *Store) work(ctx context.Context, do func(ctx context.Context, tx *gorm.DB) error) error {
	return s.writeInTurn(ctx, false, do)
}

func (s *Store) writeInTurn(ctx context.Context, urgent bool, do func(ctx context.Context, tx *gorm.DB) error) error {
	if tx, ok := ctx.Value(txKey{}).(*gorm.DB); ok {
		return translate(do(ctx, tx.WithContext(ctx)))
	}
	if s.dialect == sqlite {
		if err := s.turns.take(ctx, urgent); err != nil {
			return err
		}
		defer s.turns.done()
	}
	for try := 1; ; try++ {
		err := s.writer.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			return do(context.WithValue(ctx, txKey{}, tx), tx)
		})
		if err == nil && s.dialect == sqlite {
			s.checkpoints.committed(s.db, s.Now())
		}
		if errors.Is(err, sql.ErrTxDone) && ctx.Err() != nil {
			// database/sql ends the transaction of an ended context by itself;
			// whether commit or that came first is chance.
			err = ctx.Err()
		}
		if err == nil || try == 5 || !again(err) || ctx.Err() != nil {
			s.mend(err)
			return translate(err)
		}
	}
}

// mend ends a transaction that SQLite left open: when a disk is full, a COMMIT
// can fail and the transaction go on, while database/sql thinks it is over and
// gives the one writing connection to the next, who could not begin.
func (s *Store) mend(err error) {
	if code := sqliteCode(err); code == sqliteFull || code == sqliteIOErr || code == sqliteBusy {
		_ = s.writer.Exec(`ROLLBACK`).Error // usually there is nothing to end
	}
}

// next takes n numbers from a counter under its row lock and returns the last.
// The lock is held until the transaction ends, so that numbers are handed out
// in the order of commits; take them as late in a transaction as possible.
func next(tx *gorm.DB, counter string, n int64) (int64, error) {
	var value int64
	err := tx.Raw(`UPDATE counters SET value = value + ? WHERE name = ? RETURNING value`, n, counter).Scan(&value).Error
	if err != nil {
		return 0, fmt.Errorf("take a number of %s: %w", counter, err)
	}
	return value, nil
}

// randomText makes an opaque id of 80 random bits: 16 characters of a-z and 2-7.
func randomText() string { return lower32.EncodeToString(randomBytes(10)) }

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}
