package store

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
)

// redirect is a reader of the slice whose mail was down when the event
// happened, and who is told at their second address in its place.
type redirect struct{ First, Second int64 }

// findRedirects finds whom of the slice the event reaches elsewhere:
// subscribers.ToSecond in SQL. What is found stands for the whole slice, so that
// nobody is passed over at both addresses, nor told at both.
func (x *expansion) findRedirects() error {
	if x.event.Reader > 0 || !x.event.IncidentID.Valid {
		return nil
	}
	some, err := anySeconds(x.tx)
	if x.seconds = some; err != nil || !some {
		return err
	}
	// What was held down until their mail was back and the summary begun, is not in
	// that, and goes to where it would have gone.
	var domains []string
	if err := x.tx.Raw(`SELECT domain FROM outages WHERE from_event <= ? AND (back_at = 0 OR until_event >= ? AND event_number = 0 AND progress = 0 AND told_at = 0) GROUP BY domain ORDER BY domain`, x.event.Number, x.event.Number).
		Scan(&domains).Error; err != nil {
		return fmt.Errorf("look for what was down: %w", err)
	}
	if len(domains) == 0 && !x.event.Type.Closing() {
		return nil
	}
	within, args := inDomains("f.address", domains)
	people := ``
	if x.event.Type == notifier.MaintenanceReminder {
		people = ` AND z.channel <> 'webhook'` // who is reminded is a person, and it is mailed to them
	}
	var found []struct {
		First, Second int64
		Down          bool
	}
	if err := x.tx.Raw(`SELECT f.number AS first, z.number AS second, `+within+` AS down FROM subscribers AS z JOIN subscribers AS f ON f.number = z.second_of
		WHERE z.second_of > ? AND z.second_of <= ? AND z.state = 'active' AND f.state = 'active' AND f.channel = 'email'`+people+`
			AND NOT `+shut(`z.channel`)+`
			AND NOT EXISTS (SELECT 1 FROM suppressions AS b WHERE b.channel = z.channel AND b.address = z.address)
			AND NOT EXISTS (SELECT 1 FROM suppressions AS b WHERE b.channel = f.channel AND b.address = f.address) ORDER BY f.number`,
		append(args, x.lo, x.hi)...).Scan(&found).Error; err != nil {
		return fmt.Errorf("look for whom to tell elsewhere: %w", err)
	}
	for _, f := range found {
		if to := (redirect{f.First, f.Second}); f.Down {
			x.redirects = append(x.redirects, to)
		} else if x.event.Type.Closing() {
			x.tails = append(x.tails, to)
		}
	}
	return nil
}

// notElsewhere keeps from a reader of the slice what is made elsewhere: second
// addresses, which are told with their firsts, and those who are told at one.
func (x *expansion) notElsewhere() (string, []any) {
	if x.event.Reader > 0 || !x.seconds {
		return ``, nil
	}
	if len(x.redirects) == 0 {
		return ` AND s.second_of = 0`, nil
	}
	firsts := make([]int64, len(x.redirects))
	for i, r := range x.redirects {
		firsts[i] = r.First
	}
	in, arg := x.store.among(`s.number`, firsts)
	return ` AND s.second_of = 0 AND NOT (` + in + `)`, []any{arg}
}

// toldElsewhere is the condition that a reader of the slice was told of the
// incident at a second address.
func (x *expansion) toldElsewhere() (string, []any) {
	if !x.seconds || len(x.earlier) == 0 {
		return `false`, nil
	}
	var list []string
	var args []any
	for _, e := range x.earlier {
		list, args = append(list, `CAST(? AS bigint) + z.number`), append(args, int64(notifier.MakeDeliveryID(e.Number, 0)))
	}
	return `EXISTS (SELECT 1 FROM subscribers AS z JOIN deliveries AS d ON d.id IN (` + strings.Join(list, `, `) + `)
		WHERE z.second_of = s.number AND z.second_of > 0 AND d.state IN ('sent', 'bounced'))`, args
}

// inDomains is the condition that a mail address is in one of the domains.
func inDomains(column string, domains []string) (string, []any) {
	var each []string
	var args []any
	for _, d := range domains {
		each = append(each, `substr(`+column+`, length(`+column+`) - CAST(? AS integer)) = ?`)
		args = append(args, len(d), "@"+d)
	}
	if len(each) == 0 {
		return `false`, nil
	}
	return `(` + strings.Join(each, ` OR `) + `)`, args
}

// tellElsewhere makes the deliveries to second addresses: to those of readers
// who are told there, and of an end to those who were.
func (x *expansion) tellElsewhere() error {
	if len(x.redirects) > 0 {
		wants, args, err := x.wants()
		if err != nil {
			return err
		}
		// What readers were told, they were told at either address.
		if x.event.Type.Closing() {
			wants += ` OR s.heard > 0`
		}
		if err := x.insertSeconds(x.redirects, wants, args, `d.state IN ('pending', 'held', 'sending')`, !x.event.Parked); err != nil {
			return err
		}
	}
	if len(x.tails) > 0 {
		return x.insertSeconds(x.tails, `s.told > 0`, nil, parked, false)
	}
	return nil
}

// flightPatience is how long what goes to a second address waits for what is in
// flight to the first: nearly always it is known by then whether that was taken.
const flightPatience = 10 * time.Second

// insertSeconds makes the deliveries of some to second addresses, counts them,
// and supersedes what waits there, and for the first: the reader gets one message
// with what they missed. What a reader wants is the first's to say. missed is the
// condition on what waits for the first, or is in flight to it, that is told here.
// await: what is in flight to the first is waited for a little, so that it is not
// told here where it was taken there (ledger.passOn).
func (x *expansion) insertSeconds(to []redirect, wants string, wantArgs []any, missed string, await bool) error {
	seconds := make([]int64, len(to))
	for i, r := range to {
		seconds[i] = r.Second
	}
	in, arg := x.store.among(`z.number`, seconds)
	columns, join, args := `0 AS told, CAST(NULL AS bigint) AS since, 0 AS flying, 0 AS ahead, 0 AS heard`, ``, []any{}
	if len(x.earlier) > 0 {
		const here, open = `d.id & 4294967295 = z.number`, `d.state IN ('pending', 'held')`
		columns = `max(CASE WHEN d.state IN ('sent', 'bounced') AND ` + here + ` THEN d.event_number ELSE 0 END) AS told,
			min(CASE WHEN ` + open + ` AND ` + here + ` OR NOT ` + here + ` AND ` + missed + ` THEN d.since END) AS since,
			max(CASE WHEN d.state = 'sending' AND ` + here + ` THEN d.id ELSE 0 END) AS flying,
			max(CASE WHEN d.state = 'sending' AND NOT ` + here + ` AND ` + strconv.FormatBool(await) + ` THEN d.id ELSE 0 END) AS ahead,
			max(CASE WHEN d.state IN ('sent', 'bounced', 'pending', 'held', 'sending') THEN 1 ELSE 0 END) AS heard`
		var list []string
		for _, e := range x.earlier {
			base := int64(notifier.MakeDeliveryID(e.Number, 0))
			list, args = append(list, `CAST(? AS bigint) + z.number`, `CAST(? AS bigint) + f.number`), append(args, base, base)
			if e.Open {
				if err := x.lockSeconds(e.Number, to); err != nil {
					return err
				}
			}
		}
		join = ` LEFT JOIN deliveries AS d ON d.id IN (` + strings.Join(list, `, `) + `)`
	}
	query := `INSERT INTO deliveries (id, event_number, lane, channel, address, language, timezone, since, told, state, due_at, behind)
		SELECT CAST(? AS bigint) + s.door, CAST(? AS bigint), CAST(? AS smallint), s.to_channel, s.to_address, s.language, s.timezone,
			coalesce(s.since, CAST(? AS bigint)), s.told, CASE WHEN s.flying + s.ahead > 0 THEN 'held' ELSE 'pending' END,
			CASE WHEN s.flying > 0 THEN CAST(? AS bigint) WHEN s.ahead > 0 THEN CAST(? AS bigint) ELSE CAST(? AS bigint) END,
			CASE WHEN s.flying > 0 THEN s.flying ELSE s.ahead END
		FROM (SELECT f.number, f.cadence, f.critical, f.kinds, f.types, f.incident, f.severity, f.chooses, f.mine, f.language, f.timezone,
				z.number AS door, z.channel AS to_channel, z.address AS to_address, ` + columns + `
			FROM subscribers AS z JOIN subscribers AS f ON f.number = z.second_of` + join + ` WHERE ` + in + ` GROUP BY f.number, z.number) AS s
		WHERE (` + wants + ` OR s.since IS NOT NULL OR s.flying > 0)` + x.unsaid() + `
		ON CONFLICT DO NOTHING`
	args = append(append([]any{
		int64(notifier.MakeDeliveryID(x.event.Number, 0)), x.event.Number, int(x.event.Lane), x.event.Number,
		micros(notifier.UntilResumed), x.now + flightPatience.Microseconds(), x.due(),
	}, args...), arg)
	made, err := x.store.insertCounted(x.tx, x.accounts, x.event.Number, x.secondKeys(x.event.Number, to), query, append(args, wantArgs...))
	if err != nil {
		return fmt.Errorf("make deliveries to second addresses: %w", err)
	}
	x.made += made
	if err := x.replace(func(event int64) keys { return x.secondKeys(event, to) }); err != nil {
		return err
	}
	var open []int64
	for _, e := range x.earlier {
		if e.Open {
			open = append(open, e.Number)
		}
	}
	if err := x.endElsewhere(open, `d.state || '' IN ('pending', 'held')`, `z.second_of`, `z.number`); err != nil || !await || len(x.earlier) == 0 {
		return err
	}
	k := x.secondKeys(x.event.Number, to)
	if err := x.tx.Exec(`UPDATE deliveries SET awaited = true WHERE state || '' = 'sending' AND id IN (SELECT behind FROM deliveries WHERE behind > 0 AND `+k.where+`)`,
		k.args...).Error; err != nil {
		return fmt.Errorf("wait for what is in flight to first addresses: %w", err)
	}
	return nil
}

// secondKeys are the keys of deliveries of an event to second addresses.
func (x *expansion) secondKeys(event int64, to []redirect) keys {
	ids := make([]int64, len(to))
	for i, r := range to {
		ids[i] = int64(notifier.MakeDeliveryID(event, r.Second))
	}
	in, arg := x.store.among(`id`, ids)
	return keys{in, []any{arg}}
}

// lockSeconds keeps what waits for second addresses of an earlier event as it is.
// What waits for the firsts, or is in flight to them, lockEarlier does: a slice is
// of firsts, whichever numbers their seconds have.
func (x *expansion) lockSeconds(event int64, to []redirect) error {
	if x.store.dialect != postgres {
		return nil
	}
	k := x.secondKeys(event, to)
	if err := x.tx.Exec(`SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE `+k.where+` AND state IN ('pending', 'sending', 'held')
		ORDER BY id FOR UPDATE) AS d`, k.args...).Error; err != nil {
		return fmt.Errorf("lock what waits for second addresses: %w", err)
	}
	return nil
}
