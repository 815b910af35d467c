package storetest

import (
	"context"
	"database/sql"
	"net/url"
	"strings"
	"testing"
)

// SQL opens a plain connection beside the store, for checks and accidents that
// the store itself has no method for. It is closed when the test ends. The
// drivers are those that the store brings.
func SQL(t testing.TB, dsn string) *sql.DB {
	t.Helper()
	driver, address := "pgx", dsn
	if !strings.Contains(dsn, "://") {
		file := url.URL{Scheme: "file", OmitHost: true, Path: dsn} // a path may hold # and ?
		driver, address = "sqlite", file.String()+"?_pragma=busy_timeout(10000)&_pragma=foreign_keys(1)"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Exec runs statements, which must succeed.
func Exec(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	db := SQL(t, dsn)
	for _, q := range statements {
		if _, err := db.ExecContext(context.Background(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}
