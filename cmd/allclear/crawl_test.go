package main

import (
	"database/sql"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// TestACrawlerChangesNoRow opens everything that is linked anywhere, as
// scanners of mail and search engines do, in every way that should only look.
func TestACrawlerChangesNoRow(t *testing.T) {
	onBoth(t, func(t *testing.T, dsn string) {
		relay := emailtest.NewServer(t, emailtest.Options{})
		s := boot(t, programOptions{settings: settingsFor(t, dsn, relay.URL("tls=off"))})
		follow(t, s.db, 2)
		if err := s.db.AddComponent(t.Context(), notifier.Component{Key: "imap7", Name: "imap7"}); err != nil {
			t.Fatal(err)
		}
		for n := range 21 { // more than the first page holds
			s.announce(fmt.Sprintf("Post %d", n), object{"kind": "post", "severity": "none", "notify": false})
		}
		s.announce("Long ago", object{"notify": false, "at": "2026-01-05T10:00:00Z", "body": "x"})
		s.call("POST", "/subscribers", object{"address": "waits@example.com"}, http.StatusCreated)
		incident, first := s.announce("imap7 does not answer", object{"components": []string{"imap7"}})
		events := []string{first, s.update(incident, "identified", "A power supply has burnt out.")}
		_, work := s.announce("New shelf", object{"kind": "maintenance", "severity": "none", "starts_at": "2026-12-24T02:00:00Z", "ends_at": "2026-12-24T04:00:00Z"})
		for _, e := range append(events, work) {
			s.done(e)
		}
		eventually(t, "the mail to confirm", func() bool { return len(byReader(t, relay.Messages())["waits@example.com"]) == 1 })
		if _, err := s.db.ChangeSubscriber(t.Context(), 2, func(x *subscribers.Subscriber) error { x.State = subscribers.Unsubscribed; return nil }); err != nil {
			t.Fatal(err)
		}

		c := crawler{t: t, base: s.URL(), seen: map[string]bool{}}
		for _, m := range relay.Messages() {
			c.find(strings.NewReplacer("=3D", "=", "=\r\n", "").Replace(string(m.Data)))
		}
		mails := len(c.found)
		c.find(`<a href="/"><a href="/badge.svg"><a href="/api/v2/summary.json"><a href="/nosuch"><a href="/healthz"><a href="/readyz"><a href="/metrics">`)
		db := storetest.SQL(t, dsn)
		// What has just been sent may be settled in this moment.
		before := dump(t, db)
		eventually(t, "a database at rest", func() bool {
			was := before
			before = dump(t, db)
			return slices.Equal(was, before)
		})
		for n := 0; n < len(c.found); n++ {
			c.visit(c.found[n])
		}
		for _, want := range []string{"/confirm/", "/unsubscribe/", "/incidents/", "/?cursor=", "/history/2026-01", "/feed.atom", "/feed.json", "/maintenance.ics", "/assets/allclear.css?v="} {
			if !slices.ContainsFunc(c.found, func(u string) bool { return strings.HasPrefix(u, want) }) {
				t.Errorf("nothing leads to %s", want)
			}
		}
		if mails < 5 {
			t.Errorf("only %d addresses were found in mails", mails)
		}
		for _, line := range difference(before, dump(t, db)) {
			t.Errorf("a row changed: %s", line)
		}
	})
}

type crawler struct {
	t     *testing.T
	base  string
	seen  map[string]bool
	found []string // below base
}

var linked = regexp.MustCompile(`(?:href|src|action|formaction)="([^"]*)"`)

// find adds the addresses of ours that a text holds, whatever it is.
func (c *crawler) find(text string) {
	var all []string
	for _, m := range linked.FindAllStringSubmatch(text, -1) {
		all = append(all, html.UnescapeString(m[1]))
	}
	all = append(all, regexp.MustCompile(regexp.QuoteMeta(c.base)+"[^\\s\"'<>\\\\()&;]*").FindAllString(text, -1)...)
	for _, u := range all {
		u, _, _ = strings.Cut(strings.TrimPrefix(u, c.base), "#")
		if strings.HasPrefix(u, "/") && !c.seen[u] {
			c.seen[u] = true
			c.found = append(c.found, u)
		}
	}
}

// visit looks at an address in every way, 20 times.
func (c *crawler) visit(path string) {
	c.t.Helper()
	for n := range 20 {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, nil)
			if err != nil {
				c.t.Fatal(err)
			}
			if n%2 == 1 {
				r.Header.Set("Sec-Purpose", "prefetch;prerender")
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				c.t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || res.StatusCode >= 500 {
				c.t.Errorf("%s %s: %s, %v", method, path, res.Status, err)
			}
			if method == http.MethodGet && n == 0 {
				c.find(string(body))
			}
		}
	}
}

// dump is every row of every table, as text.
func dump(t *testing.T, db *sql.DB) []string {
	t.Helper()
	tables := column(t, db, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`)
	if tables == nil {
		tables = column(t, db, `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY table_name`)
	}
	if len(tables) < 10 {
		t.Fatalf("only %d tables: %v", len(tables), tables)
	}
	var out []string
	for _, table := range tables {
		rows, err := db.QueryContext(t.Context(), `SELECT * FROM "`+table+`"`)
		if err != nil {
			t.Fatal(err)
		}
		names, err := rows.Columns()
		if err != nil {
			t.Fatal(err)
		}
		from := len(out)
		for rows.Next() {
			cells, into := make([]any, len(names)), make([]any, len(names))
			for i := range cells {
				into[i] = &cells[i]
			}
			if err := rows.Scan(into...); err != nil {
				t.Fatal(err)
			}
			out = append(out, fmt.Sprintf("%s %v", table, cells))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		_ = rows.Close() //nolint:sqlclosecheck // in a loop
		slices.Sort(out[from:])
	}
	return out
}

// column is the first column of a query, nil where the database does not understand it.
func column(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		return nil
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// difference is the lines that only one of two sorted dumps has.
func difference(before, after []string) (out []string) {
	for _, l := range before {
		if !slices.Contains(after, l) {
			out = append(out, "- "+l)
		}
	}
	for _, l := range after {
		if !slices.Contains(before, l) {
			out = append(out, "+ "+l)
		}
	}
	return out
}
