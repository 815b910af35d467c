package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

type subscriberRow struct {
	Number         int64 `gorm:"primaryKey;autoIncrement:false"`
	Channel        string
	Address        string
	State          string
	Severity       int
	Kinds          int
	Chooses        bool
	Cadence        string
	Timezone       string
	Language       string
	CreatedAt      int64 `gorm:"autoCreateTime:false"`
	ConfirmedAt    int64
	UnsubscribedAt int64
	Shared         bool
	Contact        string
	PausedUntil    int64
	LeftBy         string
	LeftFrom       string
	LeftReason     string
	WithFirst      bool
	Incident       string
	Types          int
	Format         string
	Quiet          string
	Hour           int // -1: the service's
	Weekday        int // 1 is Monday, 7 is Sunday; 0: not chosen
	Critical       bool
	AllQuiet       bool
	Mine           bool
	SecondOf       int64
}

func (subscriberRow) TableName() string { return "subscribers" }

type subscriberComponentRow struct {
	Subscriber   int64  `gorm:"primaryKey;autoIncrement:false"`
	ComponentKey string `gorm:"primaryKey"`
}

func (subscriberComponentRow) TableName() string { return "subscriber_components" }

func rowOfSubscriber(s subscribers.Subscriber) subscriberRow {
	kinds := 0
	for _, k := range s.Filter.Kinds {
		kinds |= kindBits[k]
	}
	types := 0
	for _, t := range s.Filter.Types {
		types |= typeBits[t]
	}
	return subscriberRow{
		Number: int64(s.Number), Channel: string(s.Channel), Address: s.Address, State: string(s.State),
		Severity: int(s.Filter.Severity), Kinds: kinds, Chooses: len(s.Filter.Components) > 0, Cadence: string(s.Cadence),
		Timezone: s.Timezone, Language: s.Language,
		CreatedAt: micros(s.CreatedAt), ConfirmedAt: micros(s.ConfirmedAt), UnsubscribedAt: micros(s.Unsubscribed),
		Shared: s.Group, Contact: s.Contact, PausedUntil: micros(s.PausedUntil),
		LeftBy: string(s.Left.By), LeftFrom: string(s.Left.From), LeftReason: s.Left.Reason, WithFirst: s.Left.WithFirst, Incident: s.Filter.Incident,
		Types: types, Format: string(s.Format), Quiet: string(s.Quiet),
		Hour: s.Hour.Or(-1), Weekday: slices.Index(subscribers.Weekdays, s.Weekday) + 1, Critical: s.Critical, AllQuiet: s.AllQuiet, Mine: s.Filter.Mine,
		SecondOf: int64(s.SecondOf),
	}
}

func (r subscriberRow) subscriber() subscribers.Subscriber {
	s := subscribers.Subscriber{
		Number: subscribers.Number(r.Number), Channel: notifier.Channel(r.Channel), Address: r.Address, State: subscribers.State(r.State),
		Filter: subscribers.Filter{Severity: notifier.Severity(r.Severity), Incident: r.Incident, Mine: r.Mine}, Cadence: subscribers.Cadence(r.Cadence),
		Timezone: r.Timezone, Language: r.Language,
		CreatedAt: instant(r.CreatedAt), ConfirmedAt: instant(r.ConfirmedAt), Unsubscribed: instant(r.UnsubscribedAt),
		Group: r.Shared, Contact: r.Contact, PausedUntil: instant(r.PausedUntil),
		Left:   subscribers.Leave{By: subscribers.Way(r.LeftBy), From: subscribers.State(r.LeftFrom), Reason: r.LeftReason, WithFirst: r.WithFirst},
		Format: notifier.Format(r.Format), Quiet: notifier.Quiet(r.Quiet),
		Hour: subscribers.Hour(r.Hour + 1), Weekday: weekday(r.Weekday), Critical: r.Critical, AllQuiet: r.AllQuiet,
		SecondOf: subscribers.Number(r.SecondOf),
	}
	for _, k := range notifier.Kinds {
		if r.Kinds&kindBits[k] != 0 {
			s.Filter.Kinds = append(s.Filter.Kinds, k)
		}
	}
	for _, t := range notifier.Announcements {
		if r.Types&typeBits[t] != 0 {
			s.Filter.Types = append(s.Filter.Types, t)
		}
	}
	return s
}

func weekday(n int) subscribers.Weekday {
	if n < 1 || n > 7 {
		return ""
	}
	return subscribers.Weekdays[n-1]
}

// fillSubscribers adds the components that subscribers chose, by key.
func (s *Store) fillSubscribers(db *gorm.DB, rows []subscriberRow) ([]subscribers.Subscriber, error) {
	out := make([]subscribers.Subscriber, len(rows))
	place := map[int64]int{}
	var choosing []int64
	for i, r := range rows {
		out[i] = r.subscriber()
		if r.Chooses {
			choosing = append(choosing, r.Number)
			place[r.Number] = i
		}
	}
	if err := s.fillSeconds(db, out); err != nil {
		return nil, err
	}
	if err := s.fillWishes(db, out); err != nil {
		return nil, err
	}
	if len(choosing) == 0 {
		return out, nil
	}
	in, arg := s.among("subscriber", choosing)
	var chosen []subscriberComponentRow
	if err := db.Raw(`SELECT subscriber, component_key FROM subscriber_components WHERE `+in, arg).Scan(&chosen).Error; err != nil {
		return nil, fmt.Errorf("read what subscribers chose: %w", err)
	}
	for _, c := range chosen {
		f := &out[place[c.Subscriber]].Filter
		f.Components = append(f.Components, c.ComponentKey)
	}
	for i := range out {
		slices.Sort(out[i].Filter.Components)
	}
	return out, nil
}

// Subscriber returns one, or ErrNotFound.
func (s *Store) Subscriber(ctx context.Context, n subscribers.Number) (subscribers.Subscriber, error) {
	db := s.conn(ctx)
	var row subscriberRow
	if err := db.Where("number = ?", int64(n)).Take(&row).Error; err != nil {
		return subscribers.Subscriber{}, translate(fmt.Errorf("subscriber %s: %w", n, err))
	}
	found, err := s.fillSubscribers(db, []subscriberRow{row})
	if err != nil {
		return subscribers.Subscriber{}, translate(err)
	}
	return found[0], nil
}

// maxSubscribers is the most that a page holds.
const maxSubscribers = 1000

// Subscribers returns a page by number, and the cursor of the next one; "" is
// the end. Every page is a query of its own, so that an export holds nobody up.
func (s *Store) Subscribers(ctx context.Context, q subscribers.Query) ([]subscribers.Subscriber, string, error) {
	db := s.conn(ctx)
	limit := between(q.Limit, 1, maxSubscribers)
	find := db.Order("number").Limit(limit + 1)
	if q.Channel != "" {
		find = find.Where("channel = ?", string(q.Channel))
	}
	if q.State != "" {
		find = find.Where("state = ?", string(q.State))
	}
	if q.Address != "" {
		find = find.Where("address = ?", q.Address)
		if q.Channel == "" { // the index begins with the channel
			find = find.Where("channel IN ?", []notifier.Channel{notifier.Email, notifier.Webhook, notifier.SMS})
		}
	}
	if q.Part != "" { // asked by people, one at a time: it may walk through all
		literal := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(q.Part))
		find = find.Where(`lower(address) LIKE ? ESCAPE '\'`, "%"+literal+"%")
	}
	if q.Cursor != "" {
		after, text, err := openCursor(q.Cursor)
		if err != nil || text != "" {
			return nil, "", notifier.Invalidf("cursor", "is not one that a page of this list gave")
		}
		find = find.Where("number > ?", after)
	}
	var rows []subscriberRow
	if err := find.Find(&rows).Error; err != nil {
		return nil, "", translate(fmt.Errorf("list subscribers: %w", err))
	}
	next := ""
	if len(rows) > limit {
		rows = rows[:limit]
		next = cursor(rows[limit-1].Number, "")
	}
	out, err := s.fillSubscribers(db, rows)
	return out, next, translate(err)
}

// Followers counts those who are active.
func (s *Store) Followers(ctx context.Context) (int64, error) {
	var n int64
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM subscribers WHERE state = 'active' AND second_of = 0`).Scan(&n).Error; err != nil {
		return 0, translate(fmt.Errorf("count followers: %w", err))
	}
	return n, nil
}
