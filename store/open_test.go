package store_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store"
	"allclear/store/storetest"
)

func TestPingAnswersOnANewDatabaseAndNotOnAClosedOne(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		s := open()
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing twice: %v", err)
		}
		if err := s.Ping(t.Context()); err == nil {
			t.Error("a closed store answers")
		}
	})
}

// refused fails unless Open refuses in one line that holds the words.
func refused(t *testing.T, o store.Options, kind error, words ...string) string {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err == nil {
		_ = s.Close()
		t.Fatalf("%+v was opened", o)
	}
	if kind != nil && !errors.Is(err, kind) {
		t.Errorf("%v is not %v", err, kind)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
	return err.Error()
}

func TestAMissingDatabaseIsNamedAndNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.db")
	got := refused(t, store.Options{DSN: path}, notifier.ErrNotFound)
	if want := "no database at " + path + "; run allclear migrate or serve"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was made: %v", err)
	}
}

func TestADatabaseWithoutTablesIsNotMigratedByACommand(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			dsn := storetest.EmptyDSN(t, dialect)
			if dialect == "sqlite" {
				if err := os.WriteFile(dsn, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, store.Options{DSN: dsn}, notifier.ErrNotFound, "is empty", "allclear migrate")
			var tables int
			count := `SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'`
			if dialect == "sqlite" {
				count = `SELECT count(*) FROM sqlite_master`
			}
			if err := storetest.SQL(t, dsn).QueryRow(count).Scan(&tables); err != nil || tables != 0 {
				t.Errorf("%d tables were made, %v", tables, err)
			}
		})
	}
}

func TestANewerSchemaIsRefusedAndAnOlderOneNeedsMigrate(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			dsn := storetest.DSN(t, dialect)
			_ = storetest.At(t, dsn)().Close()
			storetest.Exec(t, dsn, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, true)`)
			for _, create := range []bool{false, true} {
				refused(t, store.Options{DSN: dsn, Create: create}, notifier.ErrConflict, "newer allclear", "4711")
			}
			// There is no schema before the first yet; one that was never
			// finished stands for it.
			storetest.Exec(t, dsn, `DELETE FROM goose_db_version WHERE version_id > 0`)
			refused(t, store.Options{DSN: dsn}, notifier.ErrNotFound, "allclear migrate")
		})
	}
}

func TestAWrongAddressIsExplained(t *testing.T) {
	dir := t.TempDir()
	noDatabase := filepath.Join(dir, "text.db")
	if err := os.WriteFile(noDatabase, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dsn   string
		words []string
	}{
		{"", []string{"empty"}},
		{":memory:", []string{"file's path"}},
		{"file:x.db?mode=memory", []string{"file's path"}},
		{"mysql://root@localhost/x", []string{"mysql://", "postgres://"}},
		{dir, []string{"folder"}},
		{filepath.Join(dir, "no", "such", "folder", "x.db"), []string{"no such file or directory"}},
		{noDatabase, []string{"not a database"}},
		{"postgres://localhost:port/x", []string{"cannot be read"}},
		{"postgres://localhost/x?sslmode=perhaps", []string{"cannot be read", "sslmode"}},
	} {
		t.Run(c.dsn, func(t *testing.T) { refused(t, store.Options{DSN: c.dsn, Create: true}, nil, c.words...) })
	}
}

func TestAShortSecretIsRefused(t *testing.T) {
	refused(t, store.Options{DSN: filepath.Join(t.TempDir(), "x.db"), Create: true, Secret: []byte("short")}, nil, "secret", "32")
}

// silent is a port where somebody listens and says nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestAServerThatCannotBeReachedIsNamedWithoutThePassword(t *testing.T) {
	closed := silent(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	_ = l.Close()
	for name, dsn := range map[string]string{
		"refused":        "postgres://user:S3cr3t%2F@" + gone + "/mail?sslmode=disable",
		"silent":         "postgres://user:S3cr3t%2F@" + closed + "/mail?sslmode=disable&connect_timeout=1",
		"both":           "postgres://user:S3cr3t%2F@" + gone + "," + closed + "/mail?sslmode=disable&connect_timeout=1&target_session_attrs=read-write",
		"no such name":   "postgres://user:S3cr3t%2F@nowhere.invalid/mail?sslmode=disable&connect_timeout=2",
		"keywords":       "host=nowhere.invalid user=user password=S3cr3t/ dbname=mail sslmode=disable connect_timeout=2",
		"raw characters": "postgres://user:S3cr3t/@" + gone + "/mail",
		"a broken port":  "postgres://user:S3cr3t@host:5x/mail",
	} {
		t.Run(name, func(t *testing.T) {
			if said := refused(t, store.Options{DSN: dsn, Create: true}, nil); strings.Contains(said, "S3cr3t") {
				t.Errorf("the password is told: %s", said)
			}
		})
	}
}

func TestAMissingPostgresDatabaseIsNamed(t *testing.T) {
	dsn := storetest.DSN(t, "postgres")
	head, tail, _ := strings.Cut(dsn, "/t_")
	_, options, _ := strings.Cut(tail, "?")
	refused(t, store.Options{DSN: head + "/not_there?" + options, Create: true}, notifier.ErrUnavailable, "not_there", "does not exist")
}

func TestHostsThatAreDownAreSkipped(t *testing.T) {
	dsn := storetest.DSN(t, "postgres")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	_ = l.Close()
	two := strings.Replace(dsn, "@", "@"+gone+",", 1) + "&target_session_attrs=read-write"
	s := storetest.At(t, two)()
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNoStatementIsCompiledUnlessTheAddressAsksForIt(t *testing.T) {
	dsn := storetest.DSN(t, "postgres")
	with := "?"
	if strings.Contains(dsn, "?") {
		with = "&"
	}
	for address, want := range map[string]string{dsn: "off", dsn + with + "jit=on": "on"} {
		if got := storetest.At(t, address)().Setting(t, "jit"); got != want {
			t.Errorf("jit is %s, want %s", got, want)
		}
	}
}

func TestTheFileIsForItsOwnerOnly(t *testing.T) {
	dsn := storetest.EmptyDSN(t, "sqlite")
	s := storetest.At(t, dsn)()
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{dsn, dsn + "-wal", dsn + "-shm"} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v", filepath.Base(name), info.Mode())
		}
	}
}

func TestAPathMayHoldWhatURLsWouldNot(t *testing.T) {
	for _, name := range []string{"with space.db", "a?b=c.db", "50%20.db", "hash#.db", "ümlaut.db", "mail:8.db"} {
		dsn := filepath.Join(t.TempDir(), name)
		s := storetest.At(t, dsn)()
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dsn); err != nil {
			t.Error(err)
		}
	}
}

func TestSQLiteSyncsEveryCommitAndChecksForeignKeys(t *testing.T) {
	dsn := storetest.EmptyDSN(t, "sqlite")
	s := storetest.At(t, dsn)()
	var mode string
	if err := storetest.SQL(t, dsn).QueryRow(`PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal_mode is %s, %v", mode, err)
	}
	settings := s.Pragmas(t)
	for name, want := range map[string]string{"synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000"} {
		for i, got := range settings[name] {
			if got != want {
				t.Errorf("%s of pool %d is %s, want %s", name, i, got, want)
			}
		}
	}
	if got := settings["query_only"]; got[0] != "1" || got[1] != "0" {
		t.Errorf("query_only of readers and writer: %v", got)
	}
}

// Two new processes on a new database must both come up.
func TestManyProcessesMayMigrateAtOnce(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) {
			dsn := storetest.EmptyDSN(t, dialect)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var all sync.WaitGroup
			errs := make([]error, 6)
			for i := range errs {
				all.Go(func() {
					s, err := store.Open(ctx, store.Options{DSN: dsn, Create: true})
					if err != nil {
						errs[i] = fmt.Errorf("process %d: %w", i, err)
						return
					}
					errs[i] = errors.Join(s.Ping(ctx), s.Migrate(ctx), s.Close())
				})
			}
			all.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpeningEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, dsn := range []string{filepath.Join(t.TempDir(), "x.db"), "postgres://u@" + silent(t) + "/x?sslmode=disable"} {
		if s, err := store.Open(ctx, store.Options{DSN: dsn, Create: true}); err == nil {
			_ = s.Close()
			t.Errorf("%s was opened", dsn)
		}
	}
}
