package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

func microseconds(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// doors is what a batch of settlements says of the endpoints and phones that it
// was about, beside the deliveries: what was tried, which fail, and which want
// nothing more.
type doors struct {
	may      map[int64]bool // readers whose door may close with this batch
	attempts []attempt
	trials   map[int64]*trial
	gone     map[int64]notifier.Channel
	barred   []int64                        // deliveries of notices to phones that want nothing more
	closed   map[int64]subscribers.Disabled // endpoints that are disabled
	stopped  map[int64]bool                 // phones that are barred
	halted   bool                           // something in flight ended
}

// trial is how an endpoint did in a batch.
type trial struct {
	taken  int64   // when it took something last; 0: never
	failed []int64 // when it did not
}

// since is since when it fails, as far as the batch knows; 0: it does not.
func (t *trial) since() int64 {
	first := int64(0)
	for _, at := range t.failed {
		if at > t.taken && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

func newDoors(may map[int64]bool) *doors {
	return &doors{may: may, trials: map[int64]*trial{}, gone: map[int64]notifier.Channel{},
		closed: map[int64]subscribers.Disabled{}, stopped: map[int64]bool{}}
}

// mayClose are the readers whose endpoint or phone may want nothing more after
// the batch. The fan-out is kept out for them, which comes before every lock on
// a row, and which nothing else in a batch needs.
func (s *Store) mayClose(ctx context.Context, batch []notifier.Settlement) (map[int64]bool, error) {
	out := map[int64]bool{}
	var failing []int64
	for _, x := range batch {
		switch {
		case x.State == notifier.Sent:
		case x.ID.ToRecipient() && !x.Gone:
		case x.Gone:
			out[x.ID.Reader()] = true
		case x.Charged:
			failing = append(failing, x.ID.Reader())
		}
	}
	if len(failing) == 0 {
		return out, nil
	}
	in, arg := s.among("subscriber", failing)
	var found []int64
	if err := s.conn(ctx).Raw(`SELECT subscriber FROM endpoints WHERE failing_since > 0 AND failing_since <= ? AND `+in,
		micros(s.Now().Add(-notifier.EndpointPatience)), arg).Scan(&found).Error; err != nil {
		return nil, translate(fmt.Errorf("look for failing endpoints: %w", err))
	}
	for _, n := range found {
		out[n] = true
	}
	return out, nil
}

// note takes up what a settlement that counts says of its reader's door.
func (d *doors) note(r *deliveryRow, x notifier.Settlement) {
	channel := notifier.Channel(r.Channel)
	if channel == notifier.Email {
		return
	}
	if x.ID.ToRecipient() { // nobody's endpoint, and a phone by its number alone
		if x.Gone && x.State != notifier.Sent && channel == notifier.SMS {
			d.barred = append(d.barred, r.ID)
		}
		return
	}
	if x.Gone && x.State != notifier.Sent {
		d.gone[r.reader()] = channel
	}
	if channel != notifier.Webhook || !x.Tried && x.State != notifier.Sent {
		return
	}
	a := attempt{reader: r.reader(), Attempt: notifier.Attempt{
		Delivery: x.ID, At: instant(r.TriedAt), Status: x.Receipt.Status, Took: x.Receipt.Took, Answer: x.Receipt.Answer, State: r.State,
	}}
	if x.Receipt.Status == 0 && x.State != notifier.Sent {
		a.Trouble = x.Receipt.Reply
	}
	d.attempts = append(d.attempts, a)
	if x.State != notifier.Sent && !x.Charged { // our own trouble
		return
	}
	t := d.trials[a.reader]
	if t == nil {
		t = &trial{}
		d.trials[a.reader] = t
	}
	if x.State == notifier.Sent {
		t.taken = max(t.taken, r.TriedAt)
	} else {
		t.failed = append(t.failed, r.TriedAt)
	}
}

// end ends what is open for the readers whose doors close with the batch.
func (d *doors) end(l *ledger) error {
	if len(d.may) == 0 {
		return nil
	}
	var patient []int64
	for reader, t := range d.trials {
		if _, gone := d.gone[reader]; !gone && d.may[reader] && t.taken == 0 && len(t.failed) > 0 {
			patient = append(patient, reader)
		}
	}
	if len(patient) > 0 {
		in, arg := l.store.among("subscriber", patient)
		var found []struct{ Subscriber, FailingSince int64 }
		if err := l.tx.Raw(`SELECT subscriber, failing_since FROM endpoints WHERE failing_since > 0 AND `+in, arg).Scan(&found).Error; err != nil {
			return fmt.Errorf("read since when endpoints fail: %w", err)
		}
		for _, f := range found {
			if slices.Max(d.trials[f.Subscriber].failed)-f.FailingSince >= notifier.EndpointPatience.Microseconds() {
				d.closed[f.Subscriber] = subscribers.DisabledFailing
			}
		}
	}
	for reader, channel := range d.gone {
		if channel == notifier.Webhook {
			d.closed[reader] = subscribers.DisabledGone
		} else {
			d.stopped[reader] = true
		}
	}
	for _, reader := range slices.Sorted(maps.Keys(d.closed)) {
		if err := d.endOpen(l, reader, notifier.Webhook); err != nil {
			return err
		}
	}
	for _, reader := range slices.Sorted(maps.Keys(d.stopped)) {
		if err := d.endOpen(l, reader, notifier.SMS); err != nil {
			return err
		}
	}
	return nil
}

// endOpen ends a reader's open deliveries on a channel as suppressed, as
// withdraw does, on the rows of this batch's ledger.
func (d *doors) endOpen(l *ledger, reader int64, channel notifier.Channel) error {
	var ids []int64
	if err := l.tx.Raw(`SELECT DISTINCT c.event_number * 4294967296 + CAST(? AS bigint) FROM event_counts AS c
		JOIN events AS e ON e.number = c.event_number AND e.reader IN (0, ?) WHERE c.unsettled > 0 AND c.channel = ?`,
		reader, reader, string(channel)).Scan(&ids).Error; err != nil {
		return fmt.Errorf("find a reader's open deliveries: %w", err)
	}
	rows, err := l.lockIDs(ids)
	if err != nil {
		return err
	}
	var back []*deliveryRow
	for _, r := range rows {
		if r.State.Final() {
			continue
		}
		r.rest(notifier.Suppressed)
		r.Awaited = false
		d.halted = true
		back = append(back, r)
	}
	_, err = l.tellFirst(back)
	return err
}

// write keeps what was tried, and which endpoints fail.
func (d *doors) write(l *ledger) error {
	for i, a := range d.attempts { // as the batch leaves it
		if r := l.rows[int64(a.Delivery)]; r != nil {
			d.attempts[i].State = r.State
		}
	}
	if err := l.store.addAttempts(l.tx, d.attempts); err != nil {
		return err
	}
	var taken []int64
	since := newBatch(0, "id bigint", "since bigint")
	for _, reader := range slices.Sorted(maps.Keys(d.trials)) {
		t := d.trials[reader]
		if t.taken > 0 {
			taken = append(taken, reader)
		}
		if at := t.since(); at > 0 {
			since.add(reader, at)
		}
	}
	if len(taken) > 0 {
		in, arg := l.store.among("subscriber", taken)
		if err := l.tx.Exec(`UPDATE endpoints SET failing_since = 0 WHERE subscriber IN
			(SELECT subscriber FROM endpoints WHERE failing_since > 0 AND `+in+` ORDER BY subscriber`+l.store.forUpdate()+`)`, arg).Error; err != nil {
			return fmt.Errorf("note that endpoints answer: %w", err)
		}
	}
	if len(since.values[0]) > 0 {
		from, args := since.from(l.store)
		if err := l.tx.Exec(`UPDATE endpoints AS d SET failing_since = u.since FROM `+from+` WHERE d.subscriber = u.id AND d.failing_since = 0`, args...).Error; err != nil {
			return fmt.Errorf("note that endpoints fail: %w", err)
		}
	}
	return nil
}

// close disables the endpoints and bars the phones that want nothing more, and
// tells who looks after them. It is the last thing of a transaction.
func (d *doors) close(ctx context.Context, s *Store, tx *gorm.DB) error {
	for _, reader := range slices.Sorted(maps.Keys(d.stopped)) {
		if err := s.stop(ctx, tx, reader); err != nil {
			return err
		}
	}
	for _, reader := range slices.Sorted(maps.Keys(d.closed)) {
		if err := s.disable(ctx, tx, reader, d.closed[reader]); err != nil {
			return err
		}
	}
	for _, id := range d.barred {
		if err := s.barRecipient(ctx, tx, id); err != nil {
			return err
		}
	}
	if !d.halted {
		return nil
	}
	return s.bump(tx, "halts")
}

// barRecipient bars the phone that a notice's delivery was to.
func (s *Store) barRecipient(ctx context.Context, tx *gorm.DB, delivery int64) error {
	var phone string
	if err := tx.Raw(`SELECT address FROM deliveries WHERE id = ?`, delivery).Scan(&phone).Error; err != nil {
		return fmt.Errorf("bar a phone: %w", err)
	}
	if phone == nobody {
		return nil
	}
	return s.Suppress(ctx, subscribers.Suppression{Channel: notifier.SMS, Address: phone, Reason: subscribers.ReasonStop})
}

// disable takes an endpoint out of service and tells its contact, once. What was
// open for it has ended.
func (s *Store) disable(ctx context.Context, tx *gorm.DB, reader int64, why subscribers.Disabled) error {
	was := subscribers.Active
	done := tx.Exec(`UPDATE subscribers SET state = 'quarantined' WHERE number = ? AND state = 'active'`, reader)
	if done.Error == nil && done.RowsAffected == 0 {
		was = subscribers.Paused
		done = tx.Exec(`UPDATE subscribers SET state = 'quarantined', paused_until = 0 WHERE number = ? AND state = 'paused'`, reader)
	}
	if done.Error != nil {
		return fmt.Errorf("disable an endpoint: %w", done.Error)
	}
	if done.RowsAffected == 0 {
		return nil
	}
	if err := tx.Exec(`UPDATE endpoints SET disabled_at = ?, disabled_why = ? WHERE subscriber = ?`, micros(s.Now()), string(why), reader).Error; err != nil {
		return fmt.Errorf("note why an endpoint is disabled: %w", err)
	}
	n := subscribers.Number(reader)
	if err := s.audit(ctx, tx, "subscriber.change", n.String(), string(was)+" to quarantined, the endpoint is "+string(why)); err != nil {
		return err
	}
	return s.mail(tx, subscribers.Subscriber{Number: n}, notifier.EndpointDisabled)
}

// stop bars the phone of a reader who wants nothing more.
func (s *Store) stop(ctx context.Context, tx *gorm.DB, reader int64) error {
	done := tx.Exec(`INSERT INTO suppressions (channel, address, reason, created_at)
		SELECT channel, address, CAST(? AS text), CAST(? AS bigint) FROM subscribers WHERE number = ? AND channel = 'sms' ON CONFLICT DO NOTHING`,
		string(subscribers.ReasonStop), micros(s.Now()), reader)
	if done.Error != nil {
		return fmt.Errorf("bar a phone: %w", done.Error)
	}
	if done.RowsAffected == 0 {
		return nil
	}
	return s.audit(ctx, tx, "suppression.add", subscribers.Number(reader).String(), string(subscribers.ReasonStop))
}
