// Package storetest makes throw-away databases of both kinds for tests, so that
// every promise of the store is kept on SQLite and on PostgreSQL alike.
//
// PostgreSQL is a cluster of the test program's own, made from the binaries of
// this machine, or the server that TEST_DATABASE_URL names. Where neither is to
// be had, tests on PostgreSQL are skipped, or fail if ALLCLEAR_TEST_STRICT=1.
package storetest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"allclear/store"
)

// Dialects lists both databases, as store.Store.Dialect names them.
func Dialects() []string { return []string{"sqlite", "postgres"} }

// Opener opens a test's database. Opening it again is like another process
// that comes to the same database. Every Store is closed when the test ends.
type Opener func(change ...func(*store.Options)) *store.Store

// Each runs a test on a new database of each kind, as two sub-tests.
func Each(t *testing.T, test func(t *testing.T, open Opener)) {
	t.Helper()
	for _, dialect := range Dialects() {
		t.Run(dialect, func(t *testing.T) { test(t, Open(t, dialect)) })
	}
}

// Open makes a new database of one kind, with the schema.
func Open(t testing.TB, dialect string) Opener {
	t.Helper()
	return At(t, DSN(t, dialect))
}

// theFile is an SQLite database with the schema and nothing else, as most tests
// begin with one: to migrate takes a third of a second where races are watched.
var theFile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "allclear-schema-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "allclear.db")
	db, err := store.Open(context.Background(), store.Options{DSN: path, Create: true, Secret: Secret()})
	if err != nil {
		return nil, err
	}
	if err := db.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// At opens the database that dsn names, where a test needs its address too.
func At(t testing.TB, dsn string) Opener {
	return func(change ...func(*store.Options)) *store.Store {
		t.Helper()
		o := store.Options{DSN: dsn, Create: true, Secret: Secret()}
		for _, c := range change {
			c(&o)
		}
		s, err := store.Open(t.Context(), o)
		if err != nil {
			t.Fatalf("open %s: %v", dsn, err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
}

// DSN is the address of a new database, with the schema.
func DSN(t testing.TB, dialect string) string {
	t.Helper()
	if dialect != "sqlite" {
		return newDatabase(t, true)
	}
	dsn := EmptyDSN(t, dialect)
	schema, err := theFile()
	if err == nil {
		err = os.WriteFile(dsn, schema, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// EmptyDSN is the address of a database without any table. On SQLite the file
// does not exist yet.
func EmptyDSN(t testing.TB, dialect string) string {
	t.Helper()
	if dialect == "sqlite" {
		return filepath.Join(t.TempDir(), "allclear.db")
	}
	return newDatabase(t, false)
}

// Clock sets a Store's clock: open(storetest.Clock(clock.Now)).
func Clock(now func() time.Time) func(*store.Options) {
	return func(o *store.Options) { o.Now = now }
}

// Secret is the service's secret in tests.
func Secret() []byte { return bytes.Repeat([]byte("test"), 8) }
