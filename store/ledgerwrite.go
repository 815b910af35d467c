package store

import (
	"encoding/json"
	"fmt"
	"strconv"

	"allclear/notifier"
)

// set is the assignment of a batch's columns, from u.
const set = ` SET state = u.state, attempts = u.attempts, due_at = u.due_at, since = u.since, told = u.told,
	behind = u.behind, awaited = u.awaited, worker = u.worker, lease_until = u.lease_until, tried_at = u.tried_at, sent_at = u.sent_at,
	relay = coalesce(u.relay, d.relay), reply = coalesce(u.reply, d.reply), remote = coalesce(u.remote, d.remote)`

// writeRows writes rows in one statement that finds each by its primary key.
func (l *ledger) writeRows(rows []*deliveryRow) error {
	write := l.writeJSON
	if l.store.dialect == postgres {
		write = l.writeArrays
	}
	if err := write(rows); err != nil {
		return fmt.Errorf("write deliveries: %w", err)
	}
	return nil
}

// writeArrays is writeRows on PostgreSQL: a column is an array.
func (l *ledger) writeArrays(rows []*deliveryRow) error {
	n := len(rows)
	var (
		id, due, since, told, behind = make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
		lease, tried, sent           = make([]int64, n), make([]int64, n), make([]int64, n)
		attempts                     = make([]int32, n)
		awaited                      = make([]bool, n)
		state, worker                = make([]string, n), make([]string, n)
		relay, reply, remote         = make([]*string, n), make([]*string, n), make([]*string, n)
	)
	for i, r := range rows {
		id[i], due[i], since[i], told[i], behind[i] = r.ID, r.DueAt, r.Since, r.Told, r.Behind
		lease[i], tried[i], sent[i] = r.LeaseUntil, r.TriedAt, r.SentAt
		attempts[i], awaited[i], state[i], worker[i] = int32(r.Attempts), r.Awaited, string(r.State), r.Worker
		if said, ok := l.receipts[r.ID]; ok {
			relay[i], reply[i], remote[i] = &said.Relay, &said.Reply, &said.Remote
		}
	}
	return l.tx.Exec(`UPDATE deliveries AS d`+set+` FROM unnest(CAST(? AS bigint[]), CAST(? AS text[]), CAST(? AS int[]), CAST(? AS bigint[]),
		CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS boolean[]), CAST(? AS text[]), CAST(? AS bigint[]),
		CAST(? AS bigint[]), CAST(? AS bigint[]), CAST(? AS text[]), CAST(? AS text[]), CAST(? AS text[]))
		AS u(id, state, attempts, due_at, since, told, behind, awaited, worker, lease_until, tried_at, sent_at, relay, reply, remote)
		WHERE d.id = u.id`,
		&id, &state, &attempts, &due, &since, &told, &behind, &awaited, &worker, &lease, &tried, &sent, &relay, &reply, &remote).Error
}

// writeJSON is writeRows on SQLite: a row is a list.
func (l *ledger) writeJSON(rows []*deliveryRow) error {
	b := make([]byte, 0, 160*len(rows))
	b = append(b, '[')
	for i, r := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		for _, v := range []int64{r.ID, int64(r.Attempts), r.DueAt, r.Since, r.Told, r.Behind, r.LeaseUntil, r.TriedAt, r.SentAt} {
			b = append(strconv.AppendInt(b, v, 10), ',')
		}
		b = append(strconv.AppendBool(b, r.Awaited), ',')
		b = append(text(b, string(r.State)), ',')
		b = text(b, r.Worker)
		if said, ok := l.receipts[r.ID]; ok {
			for _, v := range []string{said.Relay, said.Reply, said.Remote} {
				b = text(append(b, ','), v)
			}
		}
		b = append(b, ']')
	}
	b = append(b, ']')
	return l.tx.Exec(`UPDATE deliveries AS d`+set+` FROM (SELECT
		value ->> 0 AS id, value ->> 1 AS attempts, value ->> 2 AS due_at, value ->> 3 AS since, value ->> 4 AS told, value ->> 5 AS behind,
		value ->> 6 AS lease_until, value ->> 7 AS tried_at, value ->> 8 AS sent_at, value ->> 9 AS awaited, value ->> 10 AS state,
		value ->> 11 AS worker, value ->> 12 AS relay, value ->> 13 AS reply, value ->> 14 AS remote FROM json_each(?)) AS u
		WHERE d.id = u.id`, string(b)).Error
}

// text appends s as JSON.
func text(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string cannot fail
	return append(b, quoted...)
}

// clip makes what a peer said fit for both databases, whoever wrote it down.
func clip(r notifier.Receipt) notifier.Receipt {
	return notifier.Receipt{Relay: notifier.Clip(r.Relay), Reply: notifier.Clip(r.Reply), Remote: notifier.Clip(r.Remote)}
}
