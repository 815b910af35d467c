package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// replayLife is how long what was asked for again is worth sending, whenever its
// event was.
const replayLife = notifier.IncidentLife

// Replay sends one message to an endpoint again, under the same id, whatever
// became of it. One that waits is due now. A Refusal of ErrConflict: the endpoint
// is not called, or another message of the incident is on its way to it, behind
// which this one would be out of order.
func (s *Store) Replay(ctx context.Context, n subscribers.Number, id notifier.DeliveryID) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if id.Reader() != int64(n) {
			return notifier.Refuse(notifier.ErrNotFound, "there is no delivery %s to this endpoint", id)
		}
		r, err := s.retry(tx, id.Event())
		if err != nil {
			return err
		}
		if _, err := s.callable(tx, n); err != nil {
			return err
		}
		var keys []int64
		if err := tx.Raw(`SELECT o.number * 4294967296 + CAST(? AS bigint) FROM events AS e JOIN events AS o ON o.incident_id = e.incident_id WHERE e.number = ?`,
			int64(n), id.Event()).Scan(&keys).Error; err != nil {
			return fmt.Errorf("read the incident's events: %w", err)
		}
		rows, err := r.lockIDs(append(keys, int64(id)))
		if err != nil {
			return err
		}
		for _, o := range rows {
			if o.ID != int64(id) && !o.State.Final() {
				return notifier.Refuse(notifier.ErrConflict, "another message of this incident is on its way to the endpoint; replay this one when it is through")
			}
		}
		d := r.rows[int64(id)]
		switch {
		case d == nil || d.Channel != string(notifier.Webhook):
			return notifier.Refuse(notifier.ErrNotFound, "there is no delivery %s to this endpoint", id)
		case d.State == notifier.Sending:
			return notifier.Refuse(notifier.ErrConflict, "this delivery is being sent just now")
		}
		d.again(r.now)
		if err := s.extend(tx, []int64{d.ID}); err != nil {
			return err
		}
		if err := r.save(); err != nil {
			return fmt.Errorf("replay a delivery: %w", err)
		}
		if err := s.audit(ctx, tx, "delivery.replay", id.String(), ""); err != nil {
			return err
		}
		return s.bump(tx, "work")
	})
}

// callable reads an endpoint that is called, while the fan-out is kept out, so
// that it stays so.
func (s *Store) callable(tx *gorm.DB, n subscribers.Number) (subscribers.Hook, error) {
	h, _, err := s.hook(tx, n)
	if err != nil {
		return h, err
	}
	if h.State != subscribers.Active {
		return h, notifier.Refuse(notifier.ErrConflict, "this endpoint is %s; nothing is sent to it until it is active again", h.State)
	}
	barred, err := suppressed(tx, notifier.Webhook, []string{h.Address})
	if err == nil && barred[h.Address] {
		err = notifier.Refuse(notifier.ErrConflict, "this endpoint is suppressed")
	}
	return h, err
}

// extend notes until when deliveries that were asked for again are worth sending.
func (s *Store) extend(tx *gorm.DB, ids []int64) error {
	b := newBatch(len(ids), "delivery bigint", "until bigint")
	for _, id := range ids {
		b.add(id, micros(s.Now().Add(replayLife)))
	}
	from, args := b.from(s)
	if err := tx.Exec(`INSERT INTO replays (delivery, until) SELECT delivery, until FROM `+from+` WHERE true
		ON CONFLICT (delivery) DO UPDATE SET until = excluded.until`, args...).Error; err != nil {
		return fmt.Errorf("note what was asked for again: %w", err)
	}
	return nil
}

// RecoverEndpoint sends an endpoint what it missed since a time, and returns how
// many messages that are: what failed, expired or was suppressed, what waits for
// its next try, and what was never made because the endpoint was paused or disabled. As ever it is one
// message for each incident, about its newest state, that tells of all it missed
// before; what a newer message has told of already is left out (Replay is for that).
func (s *Store) RecoverEndpoint(ctx context.Context, n subscribers.Number, since time.Time) (int, error) {
	started := 0
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		started = 0
		if err := s.lockFanout(tx, false); err != nil {
			return err
		}
		h, err := s.callable(tx, n)
		if err != nil {
			return err
		}
		r := &recovery{ledger: s.ledger(tx), who: h.Subscriber, now: micros(s.Now())}
		if r.since = micros(since); r.since < micros(h.CreatedAt) {
			r.since = micros(h.CreatedAt) // before that nothing was missed
		}
		if err := r.run(); err != nil {
			return fmt.Errorf("recover an endpoint: %w", err)
		}
		if started = len(r.started); started == 0 {
			return nil
		}
		if err := s.extend(tx, r.started); err != nil {
			return err
		}
		if err := r.save(); err != nil {
			return fmt.Errorf("recover an endpoint: %w", err)
		}
		if err := s.audit(ctx, tx, "endpoint.recover", n.String(), fmt.Sprintf("%d since %s", started, instant(r.since).Format(time.RFC3339))); err != nil {
			return err
		}
		return s.bump(tx, "work")
	})
	if err != nil {
		return 0, err
	}
	return started, nil
}

// recovery is what one endpoint missed, on its way to it.
type recovery struct {
	*ledger
	who     subscribers.Subscriber
	since   int64
	now     int64
	started []int64
}

func (r *recovery) run() error {
	var incidents []string
	if err := r.tx.Raw(`SELECT DISTINCT e.incident_id FROM events AS e WHERE e.pruned_at = 0 AND e.accepted_at >= ? AND e.reader = 0 AND e.incident_id IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM incidents AS i WHERE i.id = e.incident_id AND i.state = ?
			AND NOT EXISTS (SELECT 1 FROM events AS t WHERE t.incident_id = i.id AND t.type = ?))`,
		r.since, string(notifier.Retracted), string(notifier.IncidentRetracted)).Scan(&incidents).Error; err != nil {
		return fmt.Errorf("look for what was missed: %w", err)
	}
	byIncident := map[string][]notifier.Event{}
	var keys []int64
	for part := range slices.Chunk(incidents, 500) {
		var rows []eventRow
		if err := r.tx.Where("incident_id IN ? AND expanded_at > 0 AND pruned_at = 0 AND NOT withdrawn AND held_until <= expanded_at AND type <> ?", part, string(notifier.MaintenanceReminder)).Order("number").Find(&rows).Error; err != nil {
			return fmt.Errorf("read what was missed: %w", err)
		}
		for _, row := range rows {
			e, err := row.event()
			if err != nil {
				return err
			}
			byIncident[e.IncidentID] = append(byIncident[e.IncidentID], e)
			keys = append(keys, r.key(e))
		}
	}
	if _, err := r.lockIDs(keys); err != nil {
		return err
	}
	slices.Sort(incidents)
	for _, incident := range incidents {
		if err := r.incident(byIncident[incident]); err != nil {
			return err
		}
	}
	return nil
}

func (r *recovery) key(e notifier.Event) int64 {
	return int64(notifier.MakeDeliveryID(e.Number, int64(r.who.Number)))
}

// incident recovers what was missed of one, from its events in their order.
func (r *recovery) incident(events []notifier.Event) error {
	told, first := int64(0), int64(0)
	var open *deliveryRow
	var target *notifier.Event
	for i, e := range events {
		d := r.rows[r.key(e)]
		switch {
		case d != nil && !d.State.Final():
			open = d
		case d != nil && (d.State == notifier.Sent || d.State == notifier.Bounced):
			told, first, target = e.Number, 0, nil // and whatever was missed before
		case micros(e.AcceptedAt) < r.since, d != nil && d.State == notifier.Superseded, d == nil && !r.wants(e, told):
		default:
			from := e.Number
			if d != nil {
				from = d.Since
			}
			if target = &events[i]; first == 0 || from < first {
				first = from
			}
		}
	}
	switch {
	case open != nil:
		if target != nil && open.State != notifier.Sending && first <= open.event() {
			open.Since = min(open.Since, first) // it is on its way, and tells of this too
		}
		if open.State != notifier.Sending && open.DueAt > r.now && open.DueAt < micros(notifier.UntilResumed) {
			open.again(r.now) // it would have been tried only later
			r.started = append(r.started, open.ID)
		}
		return nil
	case target == nil:
		return nil
	}
	id := r.key(*target)
	r.started = append(r.started, id)
	if d := r.rows[id]; d != nil {
		d.again(r.now)
		d.Since, d.Told = first, told
		return nil
	}
	if err := r.tx.Exec(`INSERT INTO deliveries (id, event_number, lane, channel, address, language, timezone, since, told, state, due_at)
		SELECT CAST(? AS bigint), CAST(? AS bigint), CAST(? AS smallint), channel, address, language, timezone, CAST(? AS bigint), CAST(? AS bigint), 'pending', CAST(? AS bigint)
		FROM subscribers WHERE number = ?`, id, target.Number, int(target.Lane), first, told, r.now, int64(r.who.Number)).Error; err != nil {
		return fmt.Errorf("make what was never made: %w", err)
	}
	a := r.accounts.of(target.Number, string(notifier.Webhook))
	a.total++
	a.count(1, notifier.Pending, false)
	return nil
}

// wants is whether an event would be made for the endpoint today.
func (r *recovery) wants(e notifier.Event, told int64) bool {
	return e.Type.Closing() && told > 0 || r.who.Filter.Match(e, nil) && r.who.Cadence.Wants(e)
}
