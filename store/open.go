package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	gormsqlite "github.com/glebarez/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"allclear/notifier"
)

// leastSecret is how many bytes Options.Secret has at least.
const leastSecret = 32

// keywords is a PostgreSQL address in its other spelling: host=a,b dbname=c.
var keywords = regexp.MustCompile(`^\s*(host|hostaddr|port|user|password|dbname|service|sslmode|target_session_attrs)\s*=`)

// Open opens the database and checks its schema. What it answers in place of a
// Store is one line for the person who started the program, without any
// password: a *notifier.Refusal of ErrNotFound (no database), ErrConflict (a
// schema that is not this program's) or ErrUnavailable (no answer), or an
// *notifier.Invalid (an address that cannot be one).
func Open(ctx context.Context, o Options) (*Store, error) {
	if n := len(o.Secret); n > 0 && n < leastSecret {
		return nil, notifier.Invalidf("secret", "%d bytes; at least %d are needed", n, leastSecret)
	}
	s := &Store{dsn: o.DSN, secret: o.Secret, clock: o.Now, fixed: o.Now != nil, log: o.Log, gathers: make(chan struct{}, 1), mostAside: mostAside}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	open := s.openSQLite
	switch scheme, _, found := strings.Cut(o.DSN, "://"); {
	case o.DSN == "":
		return nil, notifier.Invalidf("database", "is empty; use a file's path or postgres://...")
	case found && (scheme == "postgres" || scheme == "postgresql"), keywords.MatchString(o.DSN):
		open = s.openPostgres
	case found && !strings.ContainsAny(scheme, `/\.`):
		return nil, notifier.Invalidf("database", "%q is not supported; use a file's path or postgres://...", scheme+"://")
	}
	if err := open(ctx, o.Create); err != nil {
		_ = s.Close()
		return nil, err
	}
	if err := s.checkSchema(ctx, o.Create); err != nil {
		_ = s.Close()
		return nil, err
	}
	if err := s.readClock(ctx); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends every connection. Transactions that still run fail.
func (s *Store) Close() error {
	s.checkpoints.close()
	var errs []error
	for _, db := range []*gorm.DB{s.db, s.writer} {
		if db == nil || db == s.writer && s.writer == s.db && len(errs) > 0 {
			continue
		}
		pool, err := db.DB()
		if err == nil {
			err = pool.Close() // closing twice is harmless
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Ping reports whether the database answers and holds this program's tables.
func (s *Store) Ping(ctx context.Context) error {
	var n int64
	if err := s.db.WithContext(ctx).Raw(`SELECT value FROM counters WHERE name = 'event'`).Scan(&n).Error; err != nil {
		return fmt.Errorf("ask the database: %w", translate(err))
	}
	return nil
}

// where names the database for people, without its password.
func (s *Store) where() string {
	if s.dialect == sqlite {
		return "the database at " + s.dsn
	}
	return s.server
}

// settings are GORM's: no hidden transactions (ours are explicit), no statement
// cache of its own (it leaks; the drivers have theirs), errors in GORM's words
// where it has some, and silence: errors are returned, not printed.
func settings() *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true,
		TranslateError:         true,
		Logger:                 logger.Discard,
		DisableAutomaticPing:   true,
	}
}

// busyTimeout is how long SQLite waits for a lock, in milliseconds.
const busyTimeout = "10000"

// readers is how many connections read a SQLite file at the same time.
const readers = 4

func (s *Store) openSQLite(ctx context.Context, create bool) error {
	s.dialect = sqlite
	if s.dsn == ":memory:" || strings.HasPrefix(s.dsn, "file:") {
		return notifier.Invalidf("database", "%q is not supported; use a file's path", s.dsn)
	}
	path, err := filepath.Abs(s.dsn)
	if err != nil {
		return fmt.Errorf("find the database: %w", err)
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return notifier.Invalidf("database", "%s is a folder; name a file", s.dsn)
	case errors.Is(err, os.ErrNotExist) && !create:
		return notifier.Refuse(notifier.ErrNotFound, "no database at %s; run allclear migrate or serve", s.dsn)
	case errors.Is(err, os.ErrNotExist):
		// Made here and not by SQLite, because it holds people's addresses:
		// its journals take over these permissions.
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return notifier.Refuse(notifier.ErrUnavailable, "cannot create a database at %s: %s", s.dsn, bare(err))
		}
		_ = f.Close()
	case err != nil:
		return notifier.Refuse(notifier.ErrUnavailable, "cannot open the database at %s: %s", s.dsn, bare(err))
	}
	// SQLite would open what it may only read and fail later, in riddles. The
	// file is not opened to find out: closing it would let go of the locks that
	// other connections of this process hold on it (POSIX record locks).
	if err := accessible(path); err != nil {
		return notifier.Refuse(notifier.ErrUnavailable, "cannot open the database at %s for reading and writing: %s", s.dsn, bare(err))
	}
	if s.writer, err = s.pool(ctx, sqliteDSN(path, "_txlock=immediate", "_pragma=journal_mode(WAL)", "_pragma=wal_autocheckpoint("+checkpointPages+")"), 1); err != nil {
		return err
	}
	s.db, err = s.pool(ctx, sqliteDSN(path, "_pragma=query_only(1)"), readers)
	return err
}

// sqliteDSN writes the address of a file, with what every connection to it needs:
//
//   - busy_timeout: another process (a command beside serve) may be writing;
//     wait for it instead of failing.
//   - synchronous(FULL): with WAL's usual NORMAL the last commits may be lost
//     when the power fails, and an incident that was answered with 201 must not be.
//   - foreign_keys: SQLite does not check them unless it is asked to.
//   - journal_size_limit: a log that once grew gives its space back.
//
// The writer adds journal_mode(WAL), so that readers and the writer do not
// wait for each other, and _txlock=immediate: a transaction takes the write
// lock when it begins, where it can wait for it, and not in its middle, where
// it could only fail. Readers add query_only, so that nothing is written
// beside the one writing connection by mistake.
func sqliteDSN(path string, more ...string) string {
	u := url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(path)}
	return u.String() + "?" + strings.Join(append([]string{
		"mode=rw",
		"_pragma=busy_timeout(" + busyTimeout + ")",
		"_pragma=synchronous(FULL)",
		"_pragma=foreign_keys(1)",
		"_pragma=journal_size_limit(67108864)",
	}, more...), "&")
}

// pool opens connections to the file. Two processes that open a new file at
// once meet while its journal is made; SQLite does not wait there by itself.
func (s *Store) pool(ctx context.Context, dsn string, size int) (*gorm.DB, error) {
	pool, err := sql.Open(gormsqlite.DriverName, dsn)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", s.where(), err)
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	var db *gorm.DB
	for try := 1; ; try++ {
		if err = pool.PingContext(ctx); err == nil {
			if db, err = gorm.Open(&gormsqlite.Dialector{Conn: pool}, settings()); err == nil {
				return db, nil
			}
		}
		if code := sqliteCode(err); code != sqliteBusy || try == 50 {
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	_ = pool.Close()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, notifier.Refuse(notifier.ErrUnavailable, "cannot open the database at %s: %s", s.dsn, bare(err))
}

// bare is an error's innermost text: the sentence without the path, which is told already.
func bare(err error) string {
	var pathErr *os.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
