package store

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
)

// deliveryRow is what is read of a delivery to change it, and written back.
type deliveryRow struct {
	ID       int64
	Lane     notifier.Lane
	Channel  string
	State    notifier.DeliveryState
	Attempts int
	DueAt    int64
	Since    int64
	Told     int64
	Behind   int64 // held until that delivery, in flight, is settled
	Awaited  bool  // another one is held behind this one
	Worker   string
	TriedAt  int64
	SentAt   int64 // the first time, where it is sent again
}

func (r *deliveryRow) event() int64  { return notifier.DeliveryID(r.ID).Event() }
func (r *deliveryRow) reader() int64 { return notifier.DeliveryID(r.ID).Reader() }

// rest takes the delivery out of a worker's hands, into state.
func (r *deliveryRow) rest(state notifier.DeliveryState) {
	r.State, r.Worker, r.Behind = state, "", 0
}

// wait makes the delivery due at a time.
func (r *deliveryRow) wait(state notifier.DeliveryState, due int64) {
	r.rest(state)
	r.DueAt = due
}

// ledger is the deliveries that one transaction changes. What is changed on
// its rows is written by save, together with the events' accounts, which come
// from comparing every row with what it was: nobody counts by hand.
type ledger struct {
	store    *Store
	tx       *gorm.DB
	rows     map[int64]*deliveryRow
	was      map[int64]deliveryRow
	receipts map[int64]notifier.Receipt // what peers said of rows, to be kept with them
	accounts tally                      // what was moved by other means
	released bool                       // something became due that nobody knows of
}

func (s *Store) ledger(tx *gorm.DB) *ledger {
	return &ledger{store: s, tx: tx, rows: map[int64]*deliveryRow{}, was: map[int64]deliveryRow{}, receipts: map[int64]notifier.Receipt{}, accounts: tally{}}
}

const rowColumns = `id, lane, channel, state, attempts, due_at, since, told, behind, awaited, worker, tried_at, sent_at`

// forUpdate locks rows until the transaction ends; SQLite has one writer anyway.
func (s *Store) forUpdate() string {
	if s.dialect == postgres {
		return ` FOR UPDATE`
	}
	return ``
}

// skipLockedOf is skipLocked of one table of a statement, by its name there.
func (s *Store) skipLockedOf(table string) string {
	if s.dialect == postgres {
		return ` FOR UPDATE OF ` + table + ` SKIP LOCKED`
	}
	return ``
}

// skipLocked is forUpdate without waiting for those who hold other rows.
func (s *Store) skipLocked() string {
	if s.dialect == postgres {
		return ` FOR UPDATE SKIP LOCKED`
	}
	return ``
}

// lockIDs reads these deliveries for changing and returns them by id, which is
// the order in which everyone locks. Rows that are here already keep what was
// changed. Each is looked up by itself, in the order of the list: given a
// condition and an order, a planner that is wrong about how many fulfil it
// walks all deliveries to have them in that order.
func (l *ledger) lockIDs(ids []int64) ([]*deliveryRow, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	from, arg := l.store.each(ids, `SELECT `+rowColumns+` FROM deliveries WHERE id = u.value FOR UPDATE`, `deliveries AS d ON d.id = u.value`)
	return l.lockFrom(from, arg)
}

// lockBy is lockIDs for those that a condition names, in whose order tail has it.
func (l *ledger) lockBy(tail string, args ...any) ([]*deliveryRow, error) {
	return l.lockFrom(`deliveries AS d `+tail, args...)
}

func (l *ledger) lockFrom(from string, args ...any) ([]*deliveryRow, error) {
	found, err := l.tx.Raw(`SELECT d.`+strings.ReplaceAll(rowColumns, ", ", ", d.")+` FROM `+from, args...).Rows()
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	defer func() { _ = found.Close() }()
	var out []*deliveryRow
	for found.Next() {
		r := new(deliveryRow)
		if err := found.Scan(&r.ID, &r.Lane, &r.Channel, &r.State, &r.Attempts, &r.DueAt, &r.Since, &r.Told,
			&r.Behind, &r.Awaited, &r.Worker, &r.TriedAt, &r.SentAt); err != nil {
			return nil, fmt.Errorf("read a delivery: %w", err)
		}
		if have, ok := l.rows[r.ID]; ok {
			out = append(out, have)
			continue
		}
		l.rows[r.ID], l.was[r.ID] = r, *r
		out = append(out, r)
	}
	if err := found.Err(); err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return out, nil
}

// follow lets what waits behind deliveries go on, once these have come to rest.
func (l *ledger) follow(settled []*deliveryRow) error {
	var ids []int64
	for _, r := range settled {
		if r.Awaited && r.State != notifier.Sending {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	// Nothing new comes to wait for what this transaction holds, so that a look
	// before the lock misses nothing.
	from, arg := l.store.each(ids, `SELECT id FROM deliveries WHERE behind = u.value AND behind > 0 OFFSET 0`,
		`deliveries AS d ON d.behind = u.value AND d.behind > 0`)
	var behind []int64
	if err := l.tx.Raw(`SELECT d.id FROM `+from, arg).Scan(&behind).Error; err != nil {
		return fmt.Errorf("find what waits: %w", err)
	}
	waiting, err := l.lockIDs(behind)
	if err != nil {
		return err
	}
	for _, w := range waiting {
		first, ok := l.rows[w.Behind]
		switch {
		case !ok:
			continue
		case first.reader() == w.reader():
			handOver(first, w, micros(l.store.Now()))
		default:
			if err := l.passOn(first, w); err != nil {
				return err
			}
		}
		l.released = true
	}
	for _, id := range ids {
		l.rows[id].Awaited = false
	}
	return nil
}

// handOver decides what becomes of waiting, a newer delivery of the same
// incident, now that first has come to rest. Where first was sent or is final,
// waiting is due. Where first would be tried again, waiting takes its place:
// one message with both, when first would have been due.
func handOver(first, waiting *deliveryRow, now int64) {
	switch first.State {
	case notifier.Pending, notifier.Held:
		waiting.wait(first.State, first.DueAt)
		waiting.Since = min(waiting.Since, first.Since)
		waiting.Told = first.Told
		first.rest(notifier.Superseded)
	case notifier.Suppressed, notifier.Cancelled:
		waiting.wait(notifier.Pending, now)
	case notifier.Sent, notifier.Bounced:
		waiting.wait(notifier.Pending, now)
		waiting.Told = max(waiting.Told, first.event())
	default:
		waiting.wait(notifier.Pending, now)
	}
}

// inKeys is the condition that a delivery's key is in a range, (?, ?]. As what
// sub-queries answer, the bounds are not known to who plans: PostgreSQL thinks
// of half a percent of the table and uses the key, whatever its statistics say,
// which may be of an hour ago when hardly anything was there.
const (
	inKeys = `id > ` + bound + ` AND id <= ` + bound
	bound  = `(SELECT CAST(? AS bigint))`
)

// among is the condition that column is one of ids, by index, and its argument.
// How many they are is hidden as the bounds of inKeys are: PostgreSQL would read
// all there is for a long list.
func (s *Store) among(column string, ids []int64) (string, any) {
	if s.dialect == postgres {
		return column + ` = ANY(CAST((SELECT CAST(? AS bigint[])) AS bigint[]))`, &ids // a bare slice would be spread by GORM
	}
	return column + ` IN (SELECT value FROM json_each(?))`, numbers(ids)
}

// each is what a statement reads from that looks up d for every one of ids, in
// their order, whatever the planner thinks of d: on PostgreSQL by a query that
// is not made one with what is around it, on SQLite by a join that is not turned round.
func (s *Store) each(ids []int64, query, join string) (from string, arg any) {
	if s.dialect == postgres {
		return `unnest(CAST(? AS bigint[])) AS u(value) CROSS JOIN LATERAL (` + query + `) AS d`, &ids
	}
	return `json_each(?) AS u CROSS JOIN ` + join, numbers(ids)
}

// numbers writes ids as JSON.
func numbers(ids []int64) string {
	b := []byte{'['}
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return string(append(b, ']'))
}

// save writes every row that changed, none of which is in anyone's hands any
// more, then the accounts of their events, as the last thing of a transaction:
// everyone in the same order.
func (l *ledger) save() error {
	var sent, others []*deliveryRow
	t := l.accounts
	for _, id := range slices.Sorted(maps.Keys(l.rows)) {
		was, is := l.was[id], l.rows[id]
		_, said := l.receipts[id]
		if was == *is && !said {
			continue
		}
		if is.State == notifier.Sent {
			sent = append(sent, is)
		} else {
			others = append(others, is)
		}
		t.move(&was, is)
	}
	if len(t) == 0 && len(sent)+len(others) == 0 {
		return nil
	}
	if _, err := l.writeSent(sent, ``); err != nil {
		return fmt.Errorf("write what was sent: %w", err)
	}
	if err := l.writeOthers(others); err != nil {
		return fmt.Errorf("write deliveries: %w", err)
	}
	if err := t.save(l.store, l.tx); err != nil {
		return err
	}
	if l.released {
		return l.store.notify(l.tx)
	}
	return nil
}

// notify wakes the other processes on PostgreSQL when the transaction commits.
func (s *Store) notify(tx *gorm.DB) error {
	if s.dialect != postgres {
		return nil
	}
	if err := tx.Exec(`SELECT pg_notify('` + channel + `', '')`).Error; err != nil {
		return fmt.Errorf("notify other processes: %w", err)
	}
	return nil
}
