package store_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

var (
	// aNode begins the part of a PostgreSQL plan about one way into deliveries.
	aNode = regexp.MustCompile(`(?:^|-> +)(?:Parallel )?(Seq Scan|Bitmap Index Scan|Index(?: Only)? Scan(?: Backward)?)(?: using (deliveries_\w+))? on (deliveries\w*)`)
	// aStep is SQLite's, with the table by its name in our statements.
	aStep = regexp.MustCompile(`^(SCAN|SEARCH) (deliveries|d|n)\b(?: EXISTS)?(?: USING (?:COVERING )?(INTEGER PRIMARY KEY|INDEX \w+)(?: \((.*)\))?)?`)
	// bounded is what a way into deliveries asks of its key. Without it all of
	// an index is walked, be it only to have its order: the index of what is in
	// flight alone is as small as that.
	bounded = map[string]*regexp.Regexp{
		"deliveries_pkey":         regexp.MustCompile(`\bid = |\bid >=? .*\bid <=? `),
		"deliveries_due":          regexp.MustCompile(`channel = .*lane = `),
		"deliveries_behind":       regexp.MustCompile(`behind = `),
		"deliveries_leased":       regexp.MustCompile(``),
		"INTEGER PRIMARY KEY":     regexp.MustCompile(`rowid=|rowid>\? AND rowid<`),
		"INDEX deliveries_due":    regexp.MustCompile(`channel=\? AND lane=`),
		"INDEX deliveries_behind": regexp.MustCompile(`behind=`),
		"INDEX deliveries_leased": regexp.MustCompile(``),
	}
)

// scans finds in a plan that all deliveries are read, or all of an index.
func scans(plan string) bool {
	lines := strings.Split(plan, "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if step := aStep.FindStringSubmatch(line); step != nil {
			if b := bounded[step[3]]; b == nil || !b.MatchString(step[4]) {
				return true
			}
		}
		node := aNode.FindStringSubmatch(line)
		if node == nil || node[3] == "deliveries" && node[1] == "Bitmap Heap Scan" {
			continue
		}
		index, condition := node[2], ""
		if node[1] == "Bitmap Index Scan" {
			index = node[3]
		} else if node[3] != "deliveries" {
			continue
		}
		for _, below := range lines[i+1:] {
			if strings.Contains(below, "-> ") {
				break
			}
			if _, c, found := strings.Cut(below, "Index Cond: "); found {
				condition = strings.ReplaceAll(c, "d.", "")
				break
			}
		}
		if b := bounded[index]; b == nil || !b.MatchString(condition) {
			return true
		}
	}
	return false
}

func TestAPlanThatWalksAWholeIndexIsFound(t *testing.T) {
	for plan, want := range map[string]bool{
		"LockRows\n  ->  Index Scan using deliveries_pkey on deliveries\n        Filter: (behind > 0)":                                            true,
		"Limit\n  ->  Index Scan using deliveries_pkey on deliveries d\n        Index Cond: (id > 0)":                                             true,
		"Sort\n  ->  Parallel Seq Scan on deliveries":                                                                                             true,
		"Index Only Scan using deliveries_due on deliveries\n  Index Cond: ((id > 1) AND (id <= 5))":                                              true,
		"Bitmap Heap Scan on deliveries\n  ->  Bitmap Index Scan on deliveries_behind":                                                            true,
		"Index Scan Backward using deliveries_pkey on deliveries\n  Index Cond: ((id > 1) AND (id <= 5))":                                         false,
		"Index Scan using deliveries_due on deliveries\n  Index Cond: ((channel = 'email'::text) AND (lane = '2'::smallint) AND (due_at <= '1'))": false,
		"Bitmap Heap Scan on deliveries\n  ->  Bitmap Index Scan on deliveries_behind\n        Index Cond: (behind = u.value)":                    false,
		"SCAN deliveries": true,
		"SEARCH d USING INTEGER PRIMARY KEY (rowid>?)":                                     true,
		"SCAN deliveries USING INDEX deliveries_due":                                       true,
		"SEARCH d USING COVERING INDEX deliveries_behind (behind>?)":                       true,
		"SEARCH deliveries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)":                false,
		"SEARCH deliveries USING INDEX deliveries_due (channel=? AND lane=? AND due_at<?)": false,
	} {
		if got := scans("SELECT\n" + plan); got != want {
			t.Errorf("%t, want %t, of\n%s", got, want, plan)
		}
	}
}

// planned fails where a statement of do scans deliveries, or no plan holds one of the words.
func (b *box) planned(name string, do func(), words ...string) {
	b.t.Helper()
	plans := b.Explained(b.t, do)
	for i, p := range plans { // the ids are many
		plans[i] = regexp.MustCompile(`[{\[][0-9,]{50,}[}\]]`).ReplaceAllString(p, "{...}")
	}
	all := strings.Join(plans, "\n\n")
	for _, p := range plans {
		if scans(p) {
			b.t.Errorf("%s scans deliveries:\n%s", name, p)
		}
		if readsAllAttempts.MatchString(p) {
			b.t.Errorf("%s reads all attempts:\n%s", name, p)
		}
	}
	for _, w := range words {
		if !strings.Contains(all, w) {
			b.t.Errorf("%s does without %q:\n%s", name, w, all)
		}
	}
}

// moments are when the statistics may have been made that the planner goes by:
// what all deliveries looked like then. Nobody knows when a server makes them,
// and from one minute to the next all may be different.
var moments = map[string]string{
	"never":                       ``,
	"while there were few":        `state = 'pending'`,
	"while all were due":          `state = 'pending'`,
	"while all were in flight":    `state = 'sending', worker = 'w', lease_until = 1`,
	"while all waited for others": `state = 'held', behind = id - 1, due_at = 253370764800000000`,
	"while all waited for a few":  `state = 'held', behind = id % 300 + 1, due_at = 253370764800000000`,
	"while a domain was held":     `state = 'held', due_at = 253370764800000000`,
	"when all was sent":           `state = 'sent', sent_at = 1, tried_at = 1`,
	"when all had failed":         `state = 'failed', tried_at = 1`,
}

// Nothing that happens while messages are sent may read all deliveries, whatever
// the planner thinks of them. The batches are small so that there are many of
// them in twenty thousand. SQLite plans alike whatever the size, knows nothing
// of states, and is slow under the race detector: it gets fewer, and fewer moments.
func TestNothingScansTheDeliveries(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 300,000 deliveries")
	}
	eachBox(t, func(t *testing.T, b *box) {
		n := 20_000
		if b.Dialect() == "sqlite" {
			n = 600
		} else {
			b.exec(`ALTER TABLE deliveries SET (autovacuum_enabled = false)`) // or it would choose the moment
		}
		for _, moment := range slices.Sorted(maps.Keys(moments)) {
			if b.Dialect() == "sqlite" && !slices.Contains([]string{"never", "while there were few", "while all were due", "when all was sent"}, moment) {
				continue
			}
			t.Run(moment, func(t *testing.T) {
				b.t = t
				b.empty()
				if b.Dialect() == "postgres" {
					b.exec(`TRUNCATE deliveries`)
				}
				b.exec(`UPDATE counters SET value = 0 WHERE name = 'event'`)
				b.incident("one")
				first := b.event(notifier.Event{IncidentID: "one"})
				if set := moments[moment]; set != "" {
					few := n
					if moment == "while there were few" {
						few = 10
					}
					b.readers(few)
					b.expand(2000)
					b.exec(`UPDATE deliveries SET %s`, set)
					b.exec(`ANALYZE`)
					b.exec(`DELETE FROM subscribers`)
					b.exec(`DELETE FROM event_counts`)
					b.exec(`%s`, map[string]string{"postgres": `TRUNCATE deliveries`, "sqlite": `DELETE FROM deliveries`}[b.Dialect()])
					b.exec(`UPDATE events SET progress = 0, expanded_at = 0`)
				}
				b.readers(n)
				b.expand(2000)
				b.everything(n, first)
			})
		}
	})
}

// everything happens to the n deliveries of an event, and to more.
func (b *box) everything(n int, first int64) {
	b.t.Helper()
	key, due, leased, leap := "USING INTEGER PRIMARY KEY", "INDEX deliveries_due", "INDEX deliveries_leased", "(channel=? AND lane=? AND due_at=? AND id>?)"
	if b.Dialect() == "postgres" {
		key, due, leased, leap = "deliveries_pkey", "deliveries_due", "deliveries_leased", "AND (ROW(due_at, id) > ROW("
	}
	var ds []notifier.Delivery
	b.planned("a claim", func() { ds = b.claim("w", 100) }, due, key)
	b.planned("an idle claim", func() {
		_, _ = b.Claim(b.ctx, notifier.Claim{Worker: "w", Channel: notifier.SMS, Lanes: notifier.Lanes, Limit: 1, Lease: time.Minute})
	}, due)
	b.planned("a settlement", func() { b.settle("w", notifier.Sent, ds[:50]...) }, key)
	b.planned("a retry", func() { b.settle("w", notifier.Pending, ds[50:60]...) }, key)
	b.planned("a failure", func() { b.settle("w", notifier.Failed, ds[60:70]...) }, key)
	b.planned("a surprise", func() { b.settle("w", notifier.Sent, ds[69]) }, key)
	b.planned("a check", func() { b.mine("w", ds) }, key)
	b.planned("an extension", func() { b.must(b.Extend(b.ctx, "w", ids(ds), time.Minute)) }, key)
	b.planned("a release", func() { b.must(b.Release(b.ctx, "w", ids(ds[70:80]))) }, key)
	b.planned("a worker's end", func() { b.must(b.Release(b.ctx, "w", nil)) }, leased)
	b.claim("w", 100)
	b.pass(time.Hour)
	b.planned("reaping", func() { _, _ = b.Reap(b.ctx, notifier.Email) }, leased)
	b.planned("progress", func() { b.progress(first) }, leased)
	b.planned("depths", func() { _, _ = b.Depths(b.ctx) }, due)
	for _, q := range []notifier.DeliveryQuery{
		{Event: eventID(b, first)}, {Address: "reader500@example.com"}, {State: notifier.Failed}, {State: notifier.Pending}, {Cursor: "1-1"},
	} {
		q.Limit = 50
		b.planned("a list", func() { _, _, _ = b.Deliveries(b.ctx, q) }, key)
	}
	b.planned("retrying", func() { b.retryFailed(first) }, key)
	b.planned("retrying one", func() { b.must(b.RetryDelivery(b.ctx, notifier.MakeDeliveryID(first, int64(n)))) }, key)
	flying := b.claim("w", 400) // more than the 200 different values that a planner without statistics believes in
	second := b.event(notifier.Event{IncidentID: "one"})
	b.planned("an update", func() {
		_, err := b.ExpandSlice(b.ctx, 400)
		b.must(err)
	}, key)
	b.planned("settling what others wait for", func() { b.settle("w", notifier.Failed, flying[:10]...) }, "deliveries_behind", key)
	b.planned("letting go what waited", func() { b.must(b.Release(b.ctx, "w", nil)) }, "deliveries_behind", key)
	b.planned("retrying with a newer event", func() { b.retryFailed(first) }, key)
	b.planned("leaving", func() { b.must(b.into(int64(n)*7/10, subscribers.Paused)) }, key)
	b.must(b.Pause(b.ctx, notifier.Pause{Scope: notifier.PauseDomain, Key: "example.com"}))
	b.planned("holding a domain back", func() { b.holdBack("w", b.claim("w", 100)) }, key)
	b.planned("resuming a domain", func() { b.must(b.Resume(b.ctx, notifier.PauseDomain, "example.com")) }, due)
	b.expand(2000)
	b.sound()
	flying = b.claim("w", 100)
	b.exec(`UPDATE events SET withdrawn = true, progress = 0 WHERE number = %d`, second)
	b.planned("a claim beside a withdrawal", func() {
		if got := b.claim("w", 100); len(got) != 0 {
			b.t.Errorf("%d were claimed of what was withdrawn", len(got))
		}
	}, due, leap)
	b.planned("a check beside a withdrawal", func() {
		if got := b.mine("w", flying); len(got) != 0 {
			b.t.Errorf("%d are still the worker's", len(got))
		}
	}, key)
	b.planned("cancelling", func() {
		_, err := b.ExpandSlice(b.ctx, 200)
		b.must(err)
	}, key)
	b.expand(2000)
	b.sound()
	b.over("one")
	b.pass(100 * day)
	// Some attempts, and none to forget: of a table without a row a plan says nothing.
	b.exec(`INSERT INTO endpoints (subscriber) SELECT number FROM subscribers`)
	b.exec(`INSERT INTO attempts (reader, at, delivery, status, took, answer, trouble, state) SELECT number, 253370764800000000, 0, 200, 1, 'ok', '', '' FROM subscribers`)
	b.planned("forgetting", func() {
		if got, err := b.Prune(b.ctx, b.time(), 200); got == 0 || err != nil {
			b.t.Errorf("%d were forgotten, %v", got, err)
		}
	}, key)
}

// readsAllRecipients finds in a plan that more of an audience is looked at than
// what is asked for.
var readsAllRecipients = regexp.MustCompile(`Seq Scan on (recipients|recipient_rows|rows_aside|rejects)|SCAN (recipients|recipient_rows|rows_aside|rejects|r)\b` +
	`|(?:recipients_pkey on recipients r|Bitmap Index Scan on recipients_pkey)\b[^\n]*\n\s*Index Cond: \((?:r\.)?audience = `)

// walksAFile finds that a whole file is walked along its key; in order and up to a limit it may be.
var walksAFile = regexp.MustCompile(`USING PRIMARY KEY \(audience=\?\)`)

// A file of ten million rows is taken up, sent, reported and forgotten in small
// steps, and none of them may read all of it, whatever the planner knows.
func TestNothingScansTheRecipients(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 40,000 recipients")
	}
	eachBox(t, func(t *testing.T, b *box) {
		n := 10_000
		if b.Dialect() == "sqlite" {
			n = 1000
		} else {
			for _, table := range []string{"deliveries", "recipients", "recipient_rows", "rows_aside", "rejects"} {
				b.exec(`ALTER TABLE %s SET (autovacuum_enabled = false)`, table)
			}
		}
		for round, analyzed := range []bool{false, true} {
			looked := func(name string, do func()) {
				t.Helper()
				for _, p := range b.Explained(t, do) {
					if readsAllRecipients.MatchString(p+"\n") || scans(p) || walksAFile.MatchString(p) && !strings.Contains(p, "LIMIT") {
						t.Errorf("%s, analyzed %t, reads everything:\n%s", name, analyzed, p)
					}
				}
			}
			id, other := []string{"a", "b"}[round], []string{"c", "d"}[round]
			b.ready(other, n)
			b.draft(id)
			e, err := b.BeginAudience(b.ctx, id, true)
			b.must(err)
			all, bad := people(n), slices.Repeat([]notifier.Reject{{Line: 1, Reason: "x", Text: "y"}}, 2000)
			b.must(b.AddToAudience(b.ctx, e, all[:n-500], bad))
			if analyzed {
				b.exec(`ANALYZE`)
			}
			looked("adding", func() { b.must(b.AddToAudience(b.ctx, e, append(all[n-500:], all[:500]...), bad)) })
			looked("finishing", func() { _, err := b.FinishAudience(b.ctx, e, 0, [32]byte{9}); b.must(err) })
			e, err = b.BeginAudience(b.ctx, id, false)
			b.must(err)
			looked("joining", func() { b.must(b.AddToAudience(b.ctx, e, all[:500], bad)) })
			_, err = b.FinishAudience(b.ctx, e, 0, [32]byte{10})
			b.must(err)
			looked("reading one", func() { _, _ = b.Recipient(b.ctx, id, 77) })
			looked("finding one", func() { _, _ = b.RecipientByAddress(b.ctx, id, notifier.Email, "user77@example.com") })
			looked("rejects", func() { _, _, _ = b.Rejects(b.ctx, id, 1, 10) })
			looked("a breakdown", func() { _, _ = b.AudienceBreakdown(b.ctx, id) })
			b.order(id, notifier.NoticeOrder{Canary: 10})
			looked("expanding", func() { _, err := b.ExpandSlice(b.ctx, 200); b.must(err) })
			b.settle("w", notifier.Failed, b.claim("w", 200)...)
			looked("tending", func() { _, err := b.TendNotices(b.ctx); b.must(err) })
			if b.notice(id).State == notifier.NoticeHalted {
				b.must(b.ResumeNotice(b.ctx, id))
			}
			looked("claiming", func() { b.claim("w", 10) })
			looked("a notice", func() { b.notice(id) })
			looked("a report", func() { _, _ = b.NoticeReport(b.ctx, id, 100, 50) })
			looked("told", func() {
				_, _, _ = b.Deliveries(b.ctx, notifier.DeliveryQuery{Address: "user77@example.com", Limit: 10})
			})
			looked("suppressing", func() {
				b.must(b.Suppress(b.ctx, subscribers.Suppression{Channel: notifier.Email, Address: "user77@example.com", Reason: subscribers.ReasonManual}))
			})
			looked("retrying", func() { _, err := b.RetryFailedNotice(b.ctx, id); b.must(err) })
			looked("excluding", func() { _, err := b.exclude(other, id); _ = err })
			looked("cancelling", func() { b.must(b.CancelNotice(b.ctx, id)); _, err := b.ExpandSlice(b.ctx, 100); b.must(err) })
			b.expand(2000)
			b.pass(31 * day)
			for range 20 {
				looked("forgetting", func() { _, err := b.ForgetAudiences(b.ctx, b.time(), 2000); b.must(err) })
			}
			looked("sweeping", func() { _, err := b.TendNotices(b.ctx); b.must(err) })
		}
	})
}
