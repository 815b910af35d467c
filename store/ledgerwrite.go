package store

import (
	"encoding/json"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
)

// Rows are written by one statement a batch, which finds each by its primary
// key. What was sent has a statement of its own: it is nearly everything, and
// fewer columns are changed by it.

const (
	writeSent = `UPDATE deliveries AS d SET state = 'sent', worker = '', lease_until = 0, behind = 0, awaited = false,
		attempts = d.attempts + u.charged, tried_at = u.tried_at, sent_at = u.sent_at, relay = u.relay, reply = u.reply, remote = u.remote FROM `
	writeOthers = `UPDATE deliveries AS d SET state = u.state, worker = '', lease_until = 0, behind = u.behind, awaited = u.awaited,
		attempts = u.attempts, due_at = u.due_at, since = u.since, told = u.told, tried_at = u.tried_at,
		relay = coalesce(u.relay, d.relay), reply = coalesce(u.reply, d.reply), remote = coalesce(u.remote, d.remote) FROM `
)

// writeSent writes what was sent, where it is as the condition says, and
// returns how many rows that were.
func (l *ledger) writeSent(rows []*deliveryRow, and string, args ...any) (int64, error) {
	b := newBatch(len(rows), "id bigint", "charged bigint", "tried_at bigint", "sent_at bigint", "relay text", "reply text", "remote text")
	for _, r := range rows {
		said := l.receipts[r.ID]
		// Added to what is there: what is written without being read has no number.
		b.add(r.ID, int64(r.Attempts-l.was[r.ID].Attempts), r.TriedAt, r.SentAt, &said.Relay, &said.Reply, &said.Remote)
	}
	return b.run(l, writeSent, and, args...)
}

func (l *ledger) writeOthers(rows []*deliveryRow) error {
	b := newBatch(len(rows), "id bigint", "state text", "behind bigint", "awaited boolean", "attempts bigint", "due_at bigint", "since bigint",
		"told bigint", "tried_at bigint", "relay text", "reply text", "remote text")
	for _, r := range rows {
		state := string(r.State)
		values := []any{r.ID, &state, r.Behind, r.Awaited, int64(r.Attempts), r.DueAt, r.Since, r.Told, r.TriedAt, nil, nil, nil}
		if said, ok := l.receipts[r.ID]; ok {
			values[9], values[10], values[11] = &said.Relay, &said.Reply, &said.Remote
		}
		b.add(values...)
	}
	_, err := b.run(l, writeOthers, ``)
	return err
}

// batch is rows on their way into a statement: on PostgreSQL an array a
// column, on SQLite one JSON list of lists.
type batch struct {
	columns []string // name and type
	values  [][]any  // by column
}

func newBatch(rows int, columns ...string) *batch {
	b := &batch{columns: columns, values: make([][]any, len(columns))}
	for i := range b.values {
		b.values[i] = make([]any, 0, rows)
	}
	return b
}

func (b *batch) add(row ...any) {
	for i, v := range row {
		b.values[i] = append(b.values[i], v)
	}
}

// run executes an UPDATE of d from the batch as u, and returns how many rows it changed.
func (b *batch) run(l *ledger, update, and string, more ...any) (int64, error) {
	if len(b.values[0]) == 0 {
		return 0, nil
	}
	from, args := b.from(l.store)
	done := l.tx.Exec(update+from+` WHERE d.id = u.id`+and, append(args, more...)...)
	return done.RowsAffected, done.Error
}

// insert adds the batch to a table.
func (b *batch) insert(s *Store, tx *gorm.DB, table string) error {
	if len(b.values[0]) == 0 {
		return nil
	}
	names := make([]string, len(b.columns))
	for i, c := range b.columns {
		names[i], _, _ = strings.Cut(c, " ")
	}
	columns := strings.Join(names, ", ")
	from, args := b.from(s)
	return tx.Exec(`INSERT INTO `+table+` (`+columns+`) SELECT `+columns+` FROM `+from, args...).Error
}

// from is the batch as what a statement reads from, named u.
func (b *batch) from(s *Store) (from string, args []any) {
	if s.dialect == postgres {
		return b.arrays()
	}
	return b.lists()
}

func (b *batch) arrays() (from string, args []any) {
	names, casts := make([]string, len(b.columns)), make([]string, len(b.columns))
	for i, c := range b.columns {
		name, kind, _ := strings.Cut(c, " ")
		// In a sub-query, as in among; and arrays of any are encoded one by one, by reflection.
		names[i], casts[i] = name, `(SELECT CAST(? AS `+kind+`[]))`
		switch kind {
		case "bigint":
			args = append(args, typed[int64](b.values[i]))
		case "boolean":
			args = append(args, typed[bool](b.values[i]))
		default:
			args = append(args, typed[*string](b.values[i]))
		}
	}
	return `unnest(` + strings.Join(casts, ", ") + `) AS u(` + strings.Join(names, ", ") + `)`, args
}

// typed are values of one type, behind a pointer because GORM would spread a bare slice.
func typed[T any](values []any) *[]T {
	out := make([]T, len(values))
	for i, v := range values {
		out[i], _ = v.(T) // nil is NULL
	}
	return &out
}

func (b *batch) lists() (from string, args []any) {
	fields := make([]string, len(b.columns))
	for i, c := range b.columns {
		name, _, _ := strings.Cut(c, " ")
		fields[i] = `value ->> ` + strconv.Itoa(i) + ` AS ` + name
	}
	text := make([]byte, 0, 128*len(b.values[0]))
	for row := range b.values[0] {
		for i := range b.columns {
			mark := byte(',')
			if i == 0 {
				mark = '['
			}
			text = appendJSON(append(text, mark), b.values[i][row])
		}
		text = append(text, ']', ',')
	}
	text[len(text)-1] = ']'
	return `(SELECT ` + strings.Join(fields, ", ") + ` FROM json_each(?)) AS u`, []any{`[` + string(text)}
}

func appendJSON(b []byte, v any) []byte {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	case *string:
		if v != nil {
			quoted, _ := json.Marshal(*v) // a string cannot fail
			return append(b, quoted...)
		}
	}
	return append(b, "null"...)
}

// clip makes what a peer said fit for both databases, whoever wrote it down.
func clip(r notifier.Receipt) notifier.Receipt {
	return notifier.Receipt{Relay: notifier.Clip(r.Relay), Reply: notifier.Clip(r.Reply), Remote: notifier.Clip(r.Remote)}
}
