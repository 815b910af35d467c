package store

import (
	"context"
	"fmt"
	"slices"

	"allclear/notifier"
)

// What a second address does not get, because it failed there, or because the
// address ended before it was sent, goes to the first: nobody is to be told
// nowhere because they named another way to be told.

// returned is what one reader is to be told of an incident at their first address.
type returned struct {
	first, second int64
	incident      string
	since         int64          // the first event that was missed
	rows          []*deliveryRow // to the second address, the newest last
}

// passOn lets what waits for a second address go on, now that what was in flight
// to the first has come to rest: what was taken there need not be told here, and
// what was not is told here and no longer there.
func (l *ledger) passOn(first, waiting *deliveryRow) error {
	waiting.wait(notifier.Pending, micros(l.store.Now()))
	switch first.State {
	case notifier.Pending, notifier.Held:
		first.rest(notifier.Superseded)
	case notifier.Sent, notifier.Bounced, notifier.Cancelled:
		// There is one at the latest where waiting is of.
		if err := l.tx.Raw(`SELECT min(n.number) FROM events AS e JOIN events AS n ON n.incident_id = e.incident_id AND n.number > e.number
			WHERE e.number = ?`, first.event()).Scan(&waiting.Since).Error; err != nil {
			return fmt.Errorf("look for what was not told yet: %w", err)
		}
	}
	return nil
}

// tellFirst makes deliveries to the first addresses of what ended at second ones
// unsent: one for each incident, of the newest event and all that was missed
// before, in the place of what waits there already. Who may not be written to at
// the first address gets nothing. The fan-out must be kept out. What was ended
// here is cancelled, because it is told there, or else superseded by what is newer.
// It reports whether something is due now.
func (l *ledger) tellFirst(ended []*deliveryRow) (due bool, err error) {
	all, err := l.returning(ended)
	if err != nil || len(all) == 0 {
		return false, err
	}
	events, err := l.eventsOf(all)
	if err != nil {
		return false, err
	}
	var ids []int64
	for _, b := range all {
		for _, e := range events[b.incident] {
			ids = append(ids, int64(notifier.MakeDeliveryID(e, b.first)), int64(notifier.MakeDeliveryID(e, b.second)))
		}
	}
	if _, err := l.lockIDs(ids); err != nil {
		return false, err
	}
	for _, b := range all {
		made, err := l.tellOneFirst(b, events[b.incident])
		if err != nil {
			return false, fmt.Errorf("tell a reader at their first address: %w", err)
		}
		due = due || made
	}
	return due, nil
}

// mayGoBack reports whether something of a batch failed for good at a second
// address, so that the first is to get it. The fan-out is kept out for that.
func (s *Store) mayGoBack(ctx context.Context, batch []notifier.Settlement) (yes bool, err error) {
	var failed []int64
	for _, x := range batch {
		if x.State == notifier.Failed && !x.ID.ToRecipient() {
			failed = append(failed, x.ID.Reader())
		}
	}
	if len(failed) == 0 {
		return false, nil
	}
	in, arg := s.among(`number`, failed)
	if err := s.conn(ctx).Raw(`SELECT EXISTS (SELECT 1 FROM subscribers WHERE second_of > 0 AND `+in+`)`, arg).Scan(&yes).Error; err != nil {
		return false, translate(fmt.Errorf("look for second addresses: %w", err))
	}
	return yes, nil
}

// returning are those of ended that were for second addresses whose firsts may be
// written to, by reader and incident.
func (l *ledger) returning(ended []*deliveryRow) ([]*returned, error) {
	if len(ended) == 0 {
		return nil, nil
	}
	readers, numbers := make([]int64, len(ended)), make([]int64, len(ended))
	for i, r := range ended {
		readers[i], numbers[i] = r.reader(), r.event()
	}
	in, arg := l.store.among(`z.number`, readers)
	var people []struct{ First, Second int64 }
	if err := l.tx.Raw(`SELECT f.number AS first, z.number AS second FROM subscribers AS z JOIN subscribers AS f ON f.number = z.second_of
		WHERE z.second_of > 0 AND f.state = 'active' AND f.channel = 'email' AND `+in+`
			AND NOT EXISTS (SELECT 1 FROM suppressions AS b WHERE b.channel = f.channel AND b.address = f.address)`, arg).Scan(&people).Error; err != nil {
		return nil, fmt.Errorf("look for first addresses: %w", err)
	}
	if len(people) == 0 {
		return nil, nil
	}
	firstOf := make(map[int64]int64, len(people))
	for _, p := range people {
		firstOf[p.Second] = p.First
	}
	in, arg = l.store.among(`number`, numbers)
	var of []struct {
		Number     int64
		IncidentID string
	}
	if err := l.tx.Raw(`SELECT number, incident_id FROM events WHERE reader = 0 AND incident_id IS NOT NULL AND NOT withdrawn AND `+in, arg).Scan(&of).Error; err != nil {
		return nil, fmt.Errorf("read what was not sent: %w", err)
	}
	incidents := make(map[int64]string, len(of))
	for _, e := range of {
		incidents[e.Number] = e.IncidentID
	}
	type key struct {
		second   int64
		incident string
	}
	found := map[key]*returned{}
	var out []*returned
	for _, r := range slices.SortedFunc(slices.Values(ended), func(a, b *deliveryRow) int { return int(a.event() - b.event()) }) {
		first, incident := firstOf[r.reader()], incidents[r.event()]
		if first == 0 || incident == "" {
			continue
		}
		k := key{r.reader(), incident}
		if found[k] == nil {
			found[k] = &returned{first: first, second: r.reader(), incident: incident, since: r.Since}
			out = append(out, found[k])
		}
		found[k].since = min(found[k].since, r.Since)
		found[k].rows = append(found[k].rows, r)
	}
	return out, nil
}

// eventsOf are the events of the incidents, in their order.
func (l *ledger) eventsOf(all []*returned) (map[string][]int64, error) {
	var ids []string
	for _, b := range all {
		ids = append(ids, b.incident)
	}
	var found []struct {
		Number     int64
		IncidentID string
	}
	out := map[string][]int64{}
	for part := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(ids))), 500) {
		if err := l.tx.Raw(`SELECT number, incident_id FROM events WHERE incident_id IN ? ORDER BY number`, part).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("read the incidents' events: %w", err)
		}
		for _, f := range found {
			out[f.IncidentID] = append(out[f.IncidentID], f.Number)
		}
	}
	return out, nil
}

func (l *ledger) tellOneFirst(b *returned, events []int64) (due bool, err error) {
	last := b.rows[len(b.rows)-1]
	fate := func(state notifier.DeliveryState) { // what failed has failed
		for _, r := range b.rows {
			if r.State == notifier.Suppressed {
				r.rest(state)
			}
		}
	}
	var waiting []*deliveryRow
	var flying, newer *deliveryRow
	told := int64(0)
	for _, e := range events {
		if r := l.rows[int64(notifier.MakeDeliveryID(e, b.second))]; r != nil && e > last.event() && (r.State == notifier.Pending || r.State == notifier.Held) {
			r.Since = min(r.Since, b.since) // it is tried there first
			return false, nil
		}
		r := l.rows[int64(notifier.MakeDeliveryID(e, b.first))]
		switch {
		case r == nil:
		case e >= last.event():
			newer = r
		case r.State == notifier.Sending:
			flying = r
		case r.State == notifier.Pending, r.State == notifier.Held:
			waiting = append(waiting, r)
		case r.State == notifier.Sent, r.State == notifier.Bounced:
			told = e
		}
	}
	switch {
	case newer != nil && (newer.State == notifier.Pending || newer.State == notifier.Held):
		newer.Since = min(newer.Since, b.since)
		fate(notifier.Cancelled)
		return false, nil
	case newer != nil: // as where what failed is tried again, the newest is enough
		fate(notifier.Superseded)
		return false, nil
	}
	d := deliveryRow{
		ID: int64(notifier.MakeDeliveryID(last.event(), b.first)), Lane: last.Lane, Channel: string(notifier.Email), State: notifier.Pending,
		Since: b.since, Told: told, DueAt: micros(l.store.Now()),
	}
	if last.DueAt == micros(notifier.UntilResumed) && l.was[last.ID].State == notifier.Pending { // parked, and newer news follows
		d.DueAt = last.DueAt
	}
	for _, w := range waiting {
		d.Since = min(d.Since, w.Since)
		w.rest(notifier.Superseded)
	}
	if flying != nil {
		d.State, d.DueAt, d.Behind = notifier.Held, micros(notifier.UntilResumed), flying.ID
		// A row in a worker's hands is not the ledger's to write.
		if err := l.tx.Exec(`UPDATE deliveries SET awaited = true WHERE id = ?`, flying.ID).Error; err != nil {
			return false, fmt.Errorf("wait for a delivery in flight: %w", err)
		}
		flying.Awaited = true
		l.was[flying.ID] = *flying
	}
	done := l.tx.Exec(`INSERT INTO deliveries (id, event_number, lane, channel, address, language, timezone, since, told, state, due_at, behind)
		SELECT CAST(? AS bigint), CAST(? AS bigint), CAST(? AS smallint), f.channel, f.address, f.language, f.timezone, CAST(? AS bigint), CAST(? AS bigint), CAST(? AS text), CAST(? AS bigint), CAST(? AS bigint)
		FROM subscribers AS f WHERE f.number = ?`,
		d.ID, d.event(), int(d.Lane), d.Since, d.Told, string(d.State), d.DueAt, d.Behind, b.first)
	if done.Error != nil {
		return false, fmt.Errorf("make the delivery: %w", done.Error)
	}
	a := l.accounts.of(d.event(), d.Channel)
	a.total++
	a.count(1, d.State, false)
	l.rows[d.ID], l.was[d.ID] = &d, d
	l.released = true
	fate(notifier.Cancelled)
	return d.State == notifier.Pending, nil
}
