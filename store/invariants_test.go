package store_test

import (
	"fmt"
	"strings"

	"allclear/notifier"
)

// problems compares what the store keeps with what can be counted, and looks
// for what must never be.
func (b *box) problems() (out []string) {
	b.t.Helper()
	names := []string{"total", "unsettled", "held", "tried"}
	counted := []string{`count(*)`, `sum(CASE WHEN state IN ('pending', 'sending', 'held') THEN 1 ELSE 0 END)`, `sum(CASE WHEN state = 'held' THEN 1 ELSE 0 END)`,
		`sum(CASE WHEN tried_at > 0 OR state NOT IN ('pending', 'sending', 'held') THEN 1 ELSE 0 END)`}
	for _, s := range notifier.DeliveryStates {
		if s.Final() {
			names, counted = append(names, string(s)), append(counted, fmt.Sprintf(`sum(CASE WHEN state = '%s' THEN 1 ELSE 0 END)`, s))
		}
	}
	names, counted = append(names, "first_sent_at", "last_sent_at"),
		append(counted, `coalesce(min(CASE WHEN sent_at > 0 THEN sent_at END), 0)`, `max(sent_at)`)
	read := func(query string) map[string]string {
		rows, err := b.db.Query(query)
		b.must(err)
		defer rows.Close()
		found := map[string]string{}
		for rows.Next() {
			values := make([]any, len(names)+2)
			into := make([]any, len(values))
			for i := range values {
				into[i] = &values[i]
			}
			b.must(rows.Scan(into...))
			found[fmt.Sprint(values[:2])] = fmt.Sprint(values[2:])
		}
		b.must(rows.Err())
		return found
	}
	cast := func(in []string) string { // sums are numeric on PostgreSQL
		return `CAST(` + strings.Join(in, ` AS bigint), CAST(`) + ` AS bigint)`
	}
	have := read(`SELECT event_number, channel, ` + cast(names) + ` FROM event_counts`)
	want := read(`SELECT event_number, channel, ` + cast(counted) + ` FROM deliveries GROUP BY event_number, channel`)
	for k, v := range want {
		if have[k] != v {
			out = append(out, fmt.Sprintf("the account of %s is\n%v\n%s, counted\n%s", k, names, have[k], v))
		}
	}
	for k := range have {
		if _, ok := want[k]; !ok {
			out = append(out, "an account of nothing: "+k)
		}
	}
	for what, query := range map[string]string{
		"events whose histogram does not hold what was sent": `SELECT count(*) FROM events e WHERE (SELECT count(*) FROM deliveries d WHERE d.event_number = e.number AND d.sent_at > 0)
			<> (SELECT coalesce(sum(l.messages), 0) FROM event_latency l WHERE l.event_number = e.number)`,
		"deliveries that wait behind what is not in flight": `SELECT count(*) FROM deliveries d WHERE behind > 0 AND NOT EXISTS
			(SELECT 1 FROM deliveries x WHERE x.id = d.behind AND x.state = 'sending' AND x.awaited)`,
		"awaited deliveries that nothing waits for": `SELECT count(*) FROM deliveries d WHERE awaited AND (state <> 'sending' OR NOT EXISTS (SELECT 1 FROM deliveries w WHERE w.behind = d.id))`,
		"readers with two deliveries of one incident": `SELECT count(*) FROM deliveries d JOIN events e ON e.number = d.event_number
			JOIN events f ON f.incident_id = e.incident_id AND f.number > e.number JOIN deliveries n ON n.id = f.number * 4294967296 + (d.id & 4294967295)
			WHERE d.state IN ('pending', 'sending', 'held') AND n.state IN ('pending', 'sending', 'held') AND n.behind <> d.id`,
		"deliveries that are parked for news that is out": `SELECT count(*) FROM deliveries d JOIN events e ON e.number = d.event_number
			WHERE d.state = 'pending' AND d.due_at = ` + fmt.Sprint(notifier.UntilResumed.UnixMicro()) + ` AND NOT EXISTS (SELECT 1 FROM events n WHERE n.incident_id = e.incident_id AND n.expanded_at = 0)`,
		"open deliveries of notices to addresses that may not be written to": `SELECT count(*) FROM deliveries d JOIN suppressions b ON b.channel = d.channel AND b.address = d.address
			WHERE d.state IN ('pending', 'sending', 'held') AND (d.id & 4294967295) >= 2147483648`,
		"recipients' places that leave a gap": `SELECT count(*) FROM audiences a WHERE a.state = 'current' AND a.recipients <> (SELECT count(*) FROM recipients r
			WHERE r.audience = a.number AND r.place > a.first AND r.place <= a.first + a.recipients)`,
		"open deliveries of readers who left": `SELECT count(*) FROM deliveries d JOIN subscribers s ON s.number = d.id & 4294967295
			WHERE d.state IN ('pending', 'sending', 'held') AND d.lane > 1 AND (s.state <> 'active'
			OR EXISTS (SELECT 1 FROM suppressions b WHERE b.channel = s.channel AND b.address = s.address))`,
	} {
		if n := b.number("%s", query); n != 0 {
			out = append(out, fmt.Sprintf("%d %s", n, what))
		}
	}
	return out
}

// sound fails the test where there are problems.
func (b *box) sound() {
	b.t.Helper()
	for _, p := range b.problems() {
		b.t.Error(p)
	}
}
