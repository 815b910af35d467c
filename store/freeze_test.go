package store_test

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"allclear/store/storetest"
)

var freeze = flag.Bool("freeze", false, "write testdata/schemaN.DIALECT.sql from this program's schema and testdata/sample.sql; do it once, when a schema is released")

// TestFreeze keeps a database of today for the upgrade test of all days to come.
func TestFreeze(t *testing.T) {
	if !*freeze {
		t.Skip("only with -freeze")
	}
	for _, dialect := range storetest.Dialects() {
		dsn := storetest.DSN(t, dialect)
		_ = storetest.At(t, dsn)().Close()
		storetest.Exec(t, dsn, sample(t, dialect)...)
		db := storetest.SQL(t, dsn)
		var version int
		if err := db.QueryRow(`SELECT max(version_id) FROM goose_db_version`).Scan(&version); err != nil {
			t.Fatal(err)
		}
		dump := dumpSQLite
		if dialect == "postgres" {
			dump = func(t *testing.T, _ *sql.DB) string { return dumpPostgres(t, dsn) }
		}
		path := fmt.Sprintf("testdata/schema%d.%s.sql", version, dialect)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatalf("%v: what is frozen stays as it is", err)
		}
		_, err = f.WriteString(dump(t, db))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func dumpPostgres(t *testing.T, dsn string) string {
	t.Helper()
	program := "pg_dump"
	if found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump"); len(found) > 0 {
		program = found[len(found)-1]
	}
	out, err := exec.Command(program, "--no-owner", "--no-privileges", "--inserts", dsn).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	var kept []string
	for l := range strings.Lines(string(out)) {
		if !strings.HasPrefix(l, "--") && !strings.HasPrefix(l, `\`) && strings.TrimSpace(l) != "" {
			kept = append(kept, l)
		}
	}
	return strings.Join(kept, "")
}

func dumpSQLite(t *testing.T, db *sql.DB) string {
	t.Helper()
	var out strings.Builder
	for _, l := range texts(t, db, `SELECT sql || ';' FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid`) {
		out.WriteString(l + "\n")
	}
	for _, table := range texts(t, db, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid`) {
		columns := texts(t, db, `SELECT name FROM pragma_table_info('`+table+`') ORDER BY cid`)
		quoted := make([]string, len(columns))
		for i, c := range columns {
			quoted[i] = `quote("` + c + `")`
		}
		for _, values := range texts(t, db, `SELECT `+strings.Join(quoted, ` || ', ' || `)+` FROM `+table+` ORDER BY rowid`) {
			fmt.Fprintf(&out, "INSERT INTO %s VALUES (%s);\n", table, values)
		}
	}
	for _, l := range texts(t, db, `SELECT sql || ';' FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid`) {
		out.WriteString(l + "\n")
	}
	return out.String()
}

// texts reads a column of text.
func texts(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		out = append(out, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
