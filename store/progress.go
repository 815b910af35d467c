package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// countsRow is an event's account on one channel.
type countsRow struct {
	EventNumber                                                       int64
	Total, Unsettled, Held, Sending, Tried                            int64
	Sent, Bounced, Failed, Superseded, Suppressed, Cancelled, Expired int64
	FirstSentAt, LastSentAt                                           int64
}

// Progress tells how far an event has come, by its opaque id. It reads the
// event's account and never its deliveries, but for those in flight.
func (s *Store) Progress(ctx context.Context, eventID string) (notifier.Progress, error) {
	db := s.conn(ctx)
	e, err := eventByID(db, eventID)
	if err != nil {
		return notifier.Progress{}, err
	}
	p := notifier.Progress{Event: e, Counts: map[notifier.DeliveryState]int64{}}
	for _, state := range notifier.DeliveryStates {
		p.Counts[state] = 0
	}
	channels, err := accountsOf(db, []int64{e.Number})
	if err != nil {
		return notifier.Progress{}, translate(err)
	}
	var first, last int64
	for _, c := range channels {
		p.Total += c.Total
		p.Tried += c.Tried
		c.addTo(p.Counts)
		if c.FirstSentAt > 0 && (first == 0 || c.FirstSentAt < first) {
			first = c.FirstSentAt
		}
		last = max(last, c.LastSentAt)
	}
	p.FirstSentAt, p.LastSentAt = instant(first), instant(last)
	if first == 0 {
		return p, nil
	}
	var steps []step
	if err := db.Raw(`SELECT step, messages FROM event_latency WHERE event_number = ? ORDER BY step`, e.Number).Scan(&steps).Error; err != nil {
		return notifier.Progress{}, fmt.Errorf("read an event's times of sending: %w", translate(err))
	}
	at := func(q float64) time.Time {
		us := micros(e.AcceptedAt) + quantile(steps, q).Microseconds()
		return instant(min(max(us, first), last))
	}
	p.P50SentAt, p.P99SentAt = at(0.50), at(0.99)
	return p, nil
}

// accountsOf reads the accounts of events. It is one statement, so that what is
// in flight belongs to the same moment. That is counted among all that is in
// flight: the planners would rather look through the events' deliveries, but
// the additions keep them from that.
func accountsOf(db *gorm.DB, events []int64) (out []countsRow, err error) {
	if err := db.Raw(`SELECT c.*, (SELECT count(*) FROM deliveries AS d WHERE d.state = 'sending' AND d.lease_until > 0
		AND d.event_number + 0 = c.event_number AND d.channel || '' = c.channel) AS sending FROM event_counts AS c WHERE c.event_number IN ?`, events).Scan(&out).Error; err != nil {
		return nil, fmt.Errorf("read an event's account: %w", err)
	}
	return out, nil
}

// addTo adds the account to counts by state.
func (c countsRow) addTo(counts map[notifier.DeliveryState]int64) {
	for state, n := range map[notifier.DeliveryState]int64{
		notifier.Pending: c.Unsettled - c.Held - c.Sending, notifier.Sending: c.Sending, notifier.Held: c.Held, notifier.Sent: c.Sent,
		notifier.Bounced: c.Bounced, notifier.Failed: c.Failed, notifier.Superseded: c.Superseded, notifier.Suppressed: c.Suppressed,
		notifier.Cancelled: c.Cancelled, notifier.Expired: c.Expired,
	} {
		counts[state] += n
	}
}

// eventByID reads an event by its opaque id.
func eventByID(db *gorm.DB, id string) (notifier.Event, error) {
	var row eventRow
	found := db.Where("id = ?", id).Limit(1).Find(&row)
	switch {
	case found.Error != nil:
		return notifier.Event{}, fmt.Errorf("read an event: %w", translate(found.Error))
	case found.RowsAffected == 0:
		return notifier.Event{}, notifier.Refuse(notifier.ErrNotFound, "there is no event %s", notifier.Clip(id))
	}
	return row.event()
}

// Depths tells how much waits, by channel and lane: from the accounts of events
// that are not through.
func (s *Store) Depths(ctx context.Context) ([]notifier.Depth, error) {
	db := s.conn(ctx)
	type line struct {
		Channel string
		Lane    int
	}
	var open []struct {
		Line            line `gorm:"embedded"`
		Unsettled, Held int64
	}
	// Oldest is found by the index of due times, in the first entry of a span.
	if err := db.Raw(`SELECT c.channel, e.lane, CAST(sum(c.unsettled) AS bigint) AS unsettled, CAST(sum(c.held) AS bigint) AS held
		FROM event_counts AS c JOIN events AS e ON e.number = c.event_number
		WHERE c.unsettled > 0 GROUP BY c.channel, e.lane ORDER BY e.lane, c.channel`).Scan(&open).Error; err != nil {
		return nil, fmt.Errorf("read the queue's depth: %w", translate(err))
	}
	var flying []struct {
		Line line `gorm:"embedded"`
		N    int64
	}
	if err := db.Raw(`SELECT channel, lane, count(*) AS n FROM deliveries WHERE state = 'sending' AND lease_until > 0 GROUP BY channel, lane`).Scan(&flying).Error; err != nil {
		return nil, fmt.Errorf("count what is in flight: %w", translate(err))
	}
	sending := map[line]int64{}
	for _, f := range flying {
		sending[f.Line] = f.N
	}
	spans, err := s.dueSpans(ctx, s.Now())
	if err != nil {
		return nil, err
	}
	out := make([]notifier.Depth, 0, len(open))
	for _, o := range open {
		d := notifier.Depth{
			Channel: notifier.Channel(o.Line.Channel), Lane: notifier.Lane(o.Line.Lane), Held: o.Held,
			Sending: min(sending[o.Line], o.Unsettled-o.Held), // read a moment later
		}
		d.Pending = o.Unsettled - o.Held - d.Sending
		if d.Oldest, err = s.oldest(db, d, spans); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// oldest is when what waits longest in a lane was due, beside what is withdrawn
// or stopped.
func (s *Store) oldest(db *gorm.DB, d notifier.Depth, spans []span) (time.Time, error) {
	for _, span := range spans {
		var found []int64
		if err := db.Raw(`SELECT due_at FROM deliveries WHERE channel = ? AND lane = ? AND state IN ('pending', 'held') AND `+span.where+notWithdrawn+`
			ORDER BY due_at, id LIMIT 1`, append([]any{string(d.Channel), int(d.Lane)}, span.args...)...).Scan(&found).Error; err != nil {
			return time.Time{}, fmt.Errorf("find what waits longest: %w", translate(err))
		}
		if len(found) > 0 {
			return instant(found[0]), nil
		}
	}
	return time.Time{}, nil
}
