package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"allclear/notifier"
	"allclear/subscribers"
)

// endpointRow is what belongs to an endpoint beside its subscriber's row.
type endpointRow struct {
	Subscriber   int64 `gorm:"primaryKey;autoIncrement:false"`
	Secret       []byte
	OldSecret    []byte
	OldUntil     int64
	ShownAt      int64
	ContactAt    int64
	ProvenAt     int64
	FailingSince int64
	DisabledAt   int64
	DisabledWhy  string
	Rate         float64
	Concurrency  int
	TokenHash    []byte
}

func (endpointRow) TableName() string { return "endpoints" }

func (r *endpointRow) hook(who subscribers.Subscriber, now time.Time) subscribers.Hook {
	h := subscribers.Hook{
		Subscriber: who, ContactAt: instant(r.ContactAt), ProvenAt: instant(r.ProvenAt), SecretShownAt: instant(r.ShownAt),
		FailingSince: instant(r.FailingSince), DisabledAt: instant(r.DisabledAt), DisabledWhy: subscribers.Disabled(r.DisabledWhy),
		Rate: r.Rate, Concurrency: r.Concurrency, HasToken: len(r.TokenHash) > 0,
	}
	for _, old := range r.olds(now) {
		h.OldSecrets = append(h.OldSecrets, old.until)
	}
	if h.DisabledWhy == "" && who.State == subscribers.Quarantined {
		h.DisabledWhy = subscribers.DisabledByStaff
	}
	return h
}

// addEndpoints adds the rows that new webhook subscribers have beside their own.
func (s *Store) addEndpoints(tx *gorm.DB, all []subscribers.Subscriber) error {
	rows := newBatch(0, "subscriber bigint")
	for _, a := range all {
		if a.Channel == notifier.Webhook {
			rows.add(int64(a.Number))
		}
	}
	if err := rows.insert(s, tx, "endpoints"); err != nil {
		return fmt.Errorf("add endpoints: %w", err)
	}
	return nil
}

// renewEndpoint makes an endpoint that comes back a new one: whoever has it now
// need not be who had it, and knew its secret.
func renewEndpoint(tx *gorm.DB, who subscribers.Subscriber) error {
	if who.Channel != notifier.Webhook {
		return nil
	}
	if err := tx.Exec(`DELETE FROM endpoints WHERE subscriber = ?`, int64(who.Number)).Error; err != nil {
		return fmt.Errorf("forget an endpoint's secret: %w", err)
	}
	if err := tx.Exec(`DELETE FROM attempts WHERE reader = ?`, int64(who.Number)).Error; err != nil {
		return fmt.Errorf("forget what an endpoint answered: %w", err)
	}
	if err := tx.Exec(`INSERT INTO endpoints (subscriber) VALUES (?)`, int64(who.Number)).Error; err != nil {
		return fmt.Errorf("renew an endpoint: %w", err)
	}
	return nil
}

// enableEndpoint forgets why an endpoint was not called.
func enableEndpoint(tx *gorm.DB, number int64) error {
	if err := tx.Exec(`UPDATE endpoints SET disabled_at = 0, disabled_why = '', failing_since = 0 WHERE subscriber = ?`, number).Error; err != nil {
		return fmt.Errorf("enable an endpoint: %w", err)
	}
	return nil
}

// Hook is an endpoint as whoever looks after it sees it, or ErrNotFound.
func (s *Store) Hook(ctx context.Context, n subscribers.Number) (subscribers.Hook, error) {
	h, _, err := s.hook(s.conn(ctx), n)
	return h, translate(err)
}

// lockHook is Hook for changing: the subscriber's row is locked, which comes
// before every lock on an endpoint's.
func (s *Store) lockHook(tx *gorm.DB, n subscribers.Number) (subscribers.Hook, endpointRow, error) {
	var row subscriberRow
	if err := tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("number = ?", int64(n)).Take(&row).Error; err != nil {
		return subscribers.Hook{}, endpointRow{}, fmt.Errorf("endpoint of subscriber %s: %w", n, err)
	}
	return s.hook(tx, n)
}

func (s *Store) hook(db *gorm.DB, n subscribers.Number) (subscribers.Hook, endpointRow, error) {
	var row subscriberRow
	if err := db.Where("number = ? AND channel = ?", int64(n), string(notifier.Webhook)).Take(&row).Error; err != nil {
		return subscribers.Hook{}, endpointRow{}, fmt.Errorf("endpoint of subscriber %s: %w", n, err)
	}
	found, err := s.fillSubscribers(db, []subscriberRow{row})
	if err != nil {
		return subscribers.Hook{}, endpointRow{}, err
	}
	var own endpointRow
	if err := db.Where("subscriber = ?", int64(n)).Take(&own).Error; err != nil {
		return subscribers.Hook{}, endpointRow{}, fmt.Errorf("endpoint of subscriber %s: %w", n, err)
	}
	return own.hook(found[0], s.Now()), own, nil
}

// ChangeHook writes what change makes of an endpoint's rate and concurrency;
// what it makes of the rest is dropped (ChangeSubscriber is for that). change
// may run more than once.
func (s *Store) ChangeHook(ctx context.Context, n subscribers.Number, change func(*subscribers.Hook) error) (subscribers.Hook, error) {
	var out subscribers.Hook
	err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		was, _, err := s.lockHook(tx, n)
		if err != nil {
			return err
		}
		is := was
		if err := change(&is); err != nil {
			return err
		}
		if err := is.Validate(); err != nil {
			return err
		}
		out = was
		out.Rate, out.Concurrency = is.Rate, is.Concurrency
		if is.Rate == was.Rate && is.Concurrency == was.Concurrency {
			return nil
		}
		if err := tx.Exec(`UPDATE endpoints SET rate = ?, concurrency = ? WHERE subscriber = ?`, is.Rate, is.Concurrency, int64(n)).Error; err != nil {
			return fmt.Errorf("change an endpoint: %w", err)
		}
		return s.audit(ctx, tx, "endpoint.change", n.String(), fmt.Sprintf("rate %g, concurrency %d", is.Rate, is.Concurrency))
	})
	if err != nil {
		return subscribers.Hook{}, err
	}
	return out, nil
}

// addWishes fills in what readers behind doors other than mail want by now,
// until when something that was asked for again is worth sending, and what came
// of the last try.
func (s *Store) addWishes(tx *gorm.DB, ds []notifier.Delivery) error {
	readers, ids := make([]int64, len(ds)), make([]int64, len(ds))
	for i, d := range ds {
		readers[i], ids[i] = d.ID.Reader(), int64(d.ID)
	}
	in, arg := s.among("number", readers)
	var found []struct {
		Number  int64
		Format  notifier.Format
		Quiet   notifier.Quiet
		Contact string
	}
	if err := tx.Raw(`SELECT number, format, quiet, contact FROM subscribers WHERE `+in, arg).Scan(&found).Error; err != nil {
		return fmt.Errorf("read what readers want: %w", err)
	}
	place := make(map[int64]int, len(found))
	for i, f := range found {
		place[f.Number] = i
	}
	var again []struct{ Delivery, Until int64 }
	in, arg = s.among("delivery", ids)
	if err := tx.Raw(`SELECT delivery, until FROM replays WHERE `+in, arg).Scan(&again).Error; err != nil {
		return fmt.Errorf("read what was asked for again: %w", err)
	}
	until := make(map[int64]int64, len(again))
	for _, a := range again {
		until[a.Delivery] = a.Until
	}
	var tried []struct {
		ID, TriedAt int64
		Reply       string
	}
	in, arg = s.among("id", ids)
	if err := tx.Raw(`SELECT id, tried_at, reply FROM deliveries WHERE tried_at > 0 AND `+in, arg).Scan(&tried).Error; err != nil {
		return fmt.Errorf("read what came of the last try: %w", err)
	}
	last := make(map[int64]int, len(tried))
	for i, t := range tried {
		last[t.ID] = i
	}
	for i := range ds {
		d := &ds[i]
		if at, ok := last[int64(d.ID)]; ok {
			d.TriedAt, d.Reply = instant(tried[at].TriedAt), tried[at].Reply
		}
		if at, ok := place[d.ID.Reader()]; ok {
			d.Format, d.Quiet, d.Contact = found[at].Format, found[at].Quiet, found[at].Contact
		}
		if whole := d.AcceptedAt.Add(notifier.EndpointLife); d.Channel == notifier.Webhook && whole.After(d.ExpiresAt) {
			d.ExpiresAt = whole
		}
		if u := instant(until[int64(d.ID)]); u.After(d.ExpiresAt) {
			d.ExpiresAt = u
		}
	}
	return nil
}
