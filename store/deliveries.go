package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
)

// Deliveries returns a page of deliveries by event and reader, and the cursor
// of the next page ("" at the end). An event that does not exist is
// ErrNotFound; an address nobody has is an empty page.
func (s *Store) Deliveries(ctx context.Context, q notifier.DeliveryQuery) ([]notifier.Delivery, string, error) {
	if q.Limit < 1 || q.Limit > 200 {
		return nil, "", notifier.Invalidf("limit", "%d is not between 1 and 200", q.Limit)
	}
	if q.State != "" && !slices.Contains(notifier.DeliveryStates, q.State) {
		return nil, "", notifier.Invalidf("state", "%q is not the state of a delivery", q.State)
	}
	after := int64(0)
	if q.Cursor != "" {
		id, err := notifier.ParseDeliveryID(q.Cursor)
		if err != nil {
			return nil, "", notifier.Invalidf("cursor", "was not made by this list")
		}
		after = int64(id)
	}
	db := s.conn(ctx)
	page := &deliveryPage{store: s, db: db, q: q, after: after, upTo: math.MaxInt64}
	if q.Event != "" {
		e, err := eventByID(db, q.Event)
		if err != nil {
			return nil, "", err
		}
		page.after = max(page.after, int64(notifier.MakeDeliveryID(e.Number, 0)))
		page.upTo = int64(notifier.MakeDeliveryID(e.Number, math.MaxUint32))
	}
	find := page.byKey
	switch {
	case q.Address != "":
		find = page.byAddress
	case q.Event == "" && q.State != "":
		find = page.byState
	}
	if err := find(); err != nil {
		return nil, "", translate(err)
	}
	next := ""
	if len(page.out) > q.Limit {
		page.out = page.out[:q.Limit]
		next = page.out[q.Limit-1].ID.String()
	}
	if err := s.addTimes(db, page.out); err != nil {
		return nil, "", translate(err)
	}
	return page.out, next, nil
}

// deliveryPage collects one delivery more than the page holds, to know whether another page follows.
type deliveryPage struct {
	store       *Store
	db          *gorm.DB
	q           notifier.DeliveryQuery
	after, upTo int64 // keys: a range, (after, upTo]
	out         []notifier.Delivery
}

func (p *deliveryPage) find(from, order string, args ...any) (err error) {
	query := `SELECT ` + deliveryColumnsOf("d") + ` FROM ` + from + ` AND d.id > ` + bound + ` AND d.id <= ` + bound
	args = append(args, p.after, p.upTo)
	if p.q.State != "" {
		query, args = query+` AND d.state || '' = ?`, append(args, string(p.q.State))
	}
	p.out, err = readDeliveries(p.out, p.db.Raw(query+` ORDER BY `+order+` LIMIT `+strconv.Itoa(p.q.Limit+1-len(p.out)), args...))
	return err
}

// byKey walks along the primary key.
func (p *deliveryPage) byKey() error { return p.find(`deliveries AS d WHERE true`, `d.id`) }

// byAddress makes the keys of the address's deliveries, in every event that it
// could have one in: as a subscriber's, and as a recipient's of notices.
func (p *deliveryPage) byAddress() error {
	var readers []int64
	if err := p.db.Raw(`SELECT number FROM subscribers WHERE address = ? ORDER BY number`, p.q.Address).Scan(&readers).Error; err != nil {
		return fmt.Errorf("find a reader: %w", err)
	}
	if len(readers) > 0 {
		// Not "ORDER BY d.id", for which PostgreSQL, where there are many events,
		// would walk along everybody's deliveries.
		if err := p.find(`subscribers AS r JOIN events AS e ON e.reader IN (0, r.number) JOIN deliveries AS d ON d.id = e.number * 4294967296 + r.number
			WHERE r.number IN ?`, `d.id + 0`, readers); err != nil {
			return err
		}
	}
	addresses, err := p.store.knownAs(p.db, p.q.Address)
	if err != nil {
		return err
	}
	keys, err := p.store.noticeKeys(p.db, notifier.Channels, addresses)
	if err != nil || len(keys) == 0 {
		return err
	}
	asSubscriber := p.out
	p.out = nil
	in, arg := p.store.among(`d.id`, keys)
	err = p.find(`deliveries AS d WHERE `+in, `d.id + 0`, arg)
	p.out = append(p.out, asSubscriber...)
	slices.SortFunc(p.out, func(a, b notifier.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	return err
}

// byState looks only into events whose accounts have the state, so that a rare
// one is not searched for in everything that was ever sent.
func (p *deliveryPage) byState() error {
	column := string(p.q.State)
	if !p.q.State.Final() {
		column = "unsettled"
	}
	var events []int64
	if err := p.db.Raw(`SELECT DISTINCT event_number FROM event_counts AS c WHERE `+column+` > 0 AND event_number >= ?
		AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.number = c.event_number AND e.pruned_at > 0) ORDER BY event_number`,
		notifier.DeliveryID(p.after).Event()).Scan(&events).Error; err != nil {
		return fmt.Errorf("find events with %s deliveries: %w", p.q.State, err)
	}
	for _, e := range events {
		p.after = max(p.after, int64(notifier.MakeDeliveryID(e, 0)))
		p.upTo = int64(notifier.MakeDeliveryID(e, math.MaxUint32))
		if err := p.byKey(); err != nil || len(p.out) > p.q.Limit {
			return err
		}
	}
	return nil
}

const deliveryColumns = `id, lane, channel, address, language, timezone, since, told, attempts, state, due_at, tried_at, sent_at, relay, reply, remote`

// deliveryColumnsOf is deliveryColumns of a table by its name in a statement.
func deliveryColumnsOf(table string) string {
	return table + `.` + strings.ReplaceAll(deliveryColumns, ", ", ", "+table+".")
}

// readDeliveries appends what query finds.
func readDeliveries(out []notifier.Delivery, query *gorm.DB) ([]notifier.Delivery, error) {
	rows, err := query.Rows()
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var d notifier.Delivery
		var due, tried, sent int64
		if err := rows.Scan(&d.ID, &d.Lane, &d.Channel, &d.Address, &d.Language, &d.Zone, &d.Since, &d.Told, &d.Attempts, &d.State,
			&due, &tried, &sent, &d.Relay, &d.Reply, &d.Remote); err != nil {
			return nil, fmt.Errorf("read a delivery: %w", err)
		}
		d.DueAt, d.TriedAt, d.SentAt = instant(due), instant(tried), instant(sent)
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return out, nil
}
