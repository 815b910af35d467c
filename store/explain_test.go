package store

import (
	"slices"
	"strings"
	"testing"

	"gorm.io/gorm"
)

// Explained runs do and returns the plan of every statement about deliveries,
// attempts or recipients that it led to, and about other tables that are named,
// below the statement itself.
func (s *Store) Explained(t testing.TB, do func(), others ...string) (plans []string) {
	t.Helper()
	tables := append([]string{"deliveries", "attempts", "recipient", "rejects"}, others...)
	note := func(tx *gorm.DB) {
		statement := tx.Statement.SQL.String()
		if !slices.ContainsFunc(tables, func(table string) bool { return strings.Contains(statement, table) }) {
			return
		}
		explain := `EXPLAIN `
		if s.dialect == sqlite {
			explain = `EXPLAIN QUERY PLAN `
		}
		rows, err := tx.Statement.ConnPool.QueryContext(tx.Statement.Context, explain+statement, tx.Statement.Vars...)
		if err != nil {
			t.Errorf("explain %s: %v", statement, err)
			return
		}
		defer func() { _ = rows.Close() }()
		plan := strings.Join(strings.Fields(statement), " ")
		for rows.Next() {
			var line string
			var id, parent, unused int
			into := []any{&line}
			if s.dialect == sqlite {
				into = []any{&id, &parent, &unused, &line}
			}
			if err := rows.Scan(into...); err != nil {
				t.Error(err)
			}
			plan += "\n" + line
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
		plans = append(plans, plan)
	}
	pools := []*gorm.DB{s.db}
	if s.writer != s.db {
		pools = append(pools, s.writer)
	}
	for _, db := range pools {
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		must(db.Callback().Raw().Before("gorm:raw").Register("explain", note))
		must(db.Callback().Row().Before("gorm:row").Register("explain", note))
		must(db.Callback().Query().Before("gorm:query").Register("explain", note))
		defer func() {
			must(db.Callback().Raw().Remove("explain"))
			must(db.Callback().Row().Remove("explain"))
			must(db.Callback().Query().Remove("explain"))
		}()
	}
	do()
	return plans
}

// Meanwhile does something once, right before the nth statement that holds text.
func (s *Store) Meanwhile(t testing.TB, text string, nth int, do func()) {
	t.Helper()
	hook := func(tx *gorm.DB) {
		if !strings.Contains(tx.Statement.SQL.String(), text) {
			return
		}
		if nth--; nth == 0 {
			do()
		}
	}
	if err := s.db.Callback().Query().Before("gorm:query").Register("meanwhile", hook); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Callback().Row().Before("gorm:row").Register("meanwhile", hook); err != nil {
		t.Fatal(err)
	}
}
