package storetest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/store"
)

// server is a PostgreSQL where databases can be made.
type server struct {
	url      string   // of its own database
	template string   // a database with the schema; "" where there is none to copy
	strategy string   // how it is copied, for CREATE DATABASE
	missing  error    // why there is no server
	lifeline *os.File // held open for as long as this process lives
}

// theServer is started by the first test that asks.
var theServer = sync.OnceValue(findServer)

func findServer() server {
	if u := os.Getenv("TEST_DATABASE_URL"); u != "" {
		return server{url: u} // no template: nothing may be left behind there
	}
	u, lifeline, err := startCluster()
	if err != nil {
		return server{missing: err}
	}
	s := server{url: u, template: "allclear_template", lifeline: lifeline}
	// From version 15 on a copy is written to the log, page by page, unless it is told
	// not to be; before that it never was, and nothing can be told.
	s.strategy = ` STRATEGY FILE_COPY`
	if s.exec(`CREATE DATABASE `+s.template+s.strategy) != nil {
		s.strategy = ""
		if err := s.exec(`CREATE DATABASE ` + s.template); err != nil {
			return server{missing: err}
		}
	}
	if err := s.migrate(s.template); err != nil {
		return server{missing: err}
	}
	return s
}

// newDatabase makes a database that is dropped when the test ends.
func newDatabase(t testing.TB, schema bool) string {
	t.Helper()
	s := theServer()
	if s.missing != nil {
		if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
			t.Fatalf("no PostgreSQL: %v", s.missing)
		}
		t.Skipf("no PostgreSQL to test on: %v; install its server (initdb, pg_ctl) or set TEST_DATABASE_URL", s.missing)
	}
	name := "t_" + strings.ToLower(rand.Text())
	create := `CREATE DATABASE ` + name
	if schema && s.template != "" {
		create += ` TEMPLATE ` + s.template + s.strategy
	}
	if err := s.exec(create); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.exec(`DROP DATABASE ` + name + ` WITH (FORCE)`); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	if schema && s.template == "" {
		if err := s.migrate(name); err != nil {
			t.Fatal(err)
		}
	}
	return s.dsn(name)
}

func (s server) dsn(database string) string {
	u, err := url.Parse(s.url)
	if err != nil {
		return s.url
	}
	u.Path = "/" + database
	return u.String()
}

func (s server) migrate(database string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := store.Open(ctx, store.Options{DSN: s.dsn(database), Create: true})
	if err != nil {
		return err
	}
	return db.Close()
}

// exec runs one statement on the server's own database.
func (s server) exec(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := sql.Open("pgx", s.url) // a driver that the store brings
	if err != nil {
		return fmt.Errorf("connect to the test server: %w", err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("ask the test server: %w", err)
	}
	return nil
}
