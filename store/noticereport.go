package store

import (
	"context"
	"fmt"
	"math"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// NoticeReport returns a page of what became of a notice for its recipients, in
// the order of their places; after is the last place of the page before. Who
// has no delivery yet is in it, too. An address that was forgotten shows as a
// keyed hash.
func (s *Store) NoticeReport(ctx context.Context, notice string, after int64, limit int) ([]notifier.Reported, error) {
	db := s.conn(ctx)
	c, err := takeNotice(db, notice)
	if err != nil {
		return nil, translate(err)
	}
	files, err := currentFiles(db, notice)
	if err != nil {
		return nil, translate(err)
	}
	limit = between(limit, 1, 5000)
	var out []notifier.Reported
	for _, f := range files {
		if len(out) == limit || after >= f.First+f.Recipients {
			continue
		}
		if out, err = s.report(db, &c, f, after, limit, out); err != nil {
			return nil, translate(err)
		}
	}
	return out, nil
}

// NeverWritten is how many of a notice's mails were given up before anybody was
// asked to take them, because their recipients lack what they need.
func (s *Store) NeverWritten(ctx context.Context, notice string) (never int64, err error) {
	db := s.conn(ctx)
	c, err := takeNotice(db, notice)
	if err != nil || c.Event == 0 {
		return 0, translate(err)
	}
	before := int64(notifier.MakeDeliveryID(c.Event, notifier.RecipientReader(0)))
	if err := db.Raw(`SELECT count(*) FROM deliveries WHERE `+inKeys+` AND state || '' = 'failed' AND remote = '' AND reply LIKE ?`,
		before, before+c.Recipients, notifier.Unwritten+"recipient % has %").Scan(&never).Error; err != nil {
		return 0, translate(fmt.Errorf("count what was never written: %w", err))
	}
	return never, nil
}

func (s *Store) report(db *gorm.DB, c *course, f audienceRow, after int64, limit int, out []notifier.Reported) ([]notifier.Reported, error) {
	base := int64(math.MaxInt64) - f.First - f.Recipients - 1 // where no delivery is
	if c.Event > 0 {
		base = int64(notifier.MakeDeliveryID(c.Event, notifier.RecipientReader(0)))
	}
	rows, err := db.Raw(`SELECT p.place, p.channel, p.address, p.account, coalesce(d.id, 0), coalesce(d.state, ''), coalesce(d.attempts, 0),
			coalesce(d.tried_at, 0), coalesce(d.sent_at, 0), coalesce(d.relay, ''), coalesce(d.reply, ''), coalesce(d.remote, '')
		FROM (SELECT * FROM recipients WHERE audience = ? AND place > ? ORDER BY place LIMIT ?) AS p LEFT JOIN deliveries AS d ON d.id = CAST(? AS bigint) + p.place ORDER BY p.place`,
		f.Number, after, limit-len(out), base).Rows()
	if err != nil {
		return nil, fmt.Errorf("read a report: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r notifier.Reported
		var tried, sent int64
		if err := rows.Scan(&r.Place, &r.Channel, &r.Address, &r.Account, &r.Delivery, &r.State, &r.Attempts, &tried, &sent, &r.Relay, &r.Reply, &r.Remote); err != nil {
			return nil, fmt.Errorf("read a report: %w", err)
		}
		r.TriedAt, r.SentAt = instant(tried), instant(sent)
		r.State = c.shown(r.State)
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read a report: %w", err)
	}
	return out, nil
}

// shown is the state of a recipient's delivery, which there may not be yet: as
// the notice's counts have it.
func (c *course) shown(state notifier.DeliveryState) notifier.DeliveryState {
	waits := state == "" || state == notifier.Pending
	switch {
	case c.State == notifier.NoticeCancelled && (waits || state == notifier.Held):
		return notifier.Cancelled
	case waits && (c.State == notifier.NoticePaused || c.State == notifier.NoticeHalted):
		return notifier.Held
	case waits:
		return notifier.Pending
	}
	return state
}

// noticeKeys are the keys of what notices send to addresses, on one of the
// channels, also where that is not made yet.
func (s *Store) noticeKeys(db *gorm.DB, channels []notifier.Channel, addresses []string) (keys []int64, err error) {
	names := make([]string, len(channels))
	for i, c := range channels {
		names[i] = string(c)
	}
	if err := db.Raw(`SELECT o.event_number * 4294967296 + CAST(? AS bigint) + r.place FROM recipients AS r JOIN audiences AS a ON a.number = r.audience + 0 AND a.state = 'current'
		JOIN notices AS o ON o.id = a.notice_id WHERE r.address IN ? AND r.channel IN ? AND o.event_number > 0`,
		notifier.RecipientReader(0), addresses, names).Scan(&keys).Error; err != nil {
		return nil, fmt.Errorf("find what notices send to an address: %w", err)
	}
	return keys, nil
}

// knownAs are an address and the hashes that stand for it where it was forgotten.
func (s *Store) knownAs(db *gorm.DB, address string) ([]string, error) {
	out := []string{address}
	for _, c := range notifier.Channels {
		key, err := s.erasedKey(db, c)
		if err != nil {
			return nil, err
		}
		out = append(out, key(address))
	}
	return out, nil
}

// noticeKeysOf are the keys of what notices send to a subscriber's address.
func (s *Store) noticeKeysOf(db *gorm.DB, n subscribers.Number) ([]int64, error) {
	var row subscriberRow
	if err := db.Where("number = ?", int64(n)).Limit(1).Find(&row).Error; err != nil || row.Number == 0 {
		return nil, err
	}
	addresses, err := s.knownAs(db, row.Address)
	if err != nil {
		return nil, err
	}
	return s.noticeKeys(db, []notifier.Channel{notifier.Channel(row.Channel)}, addresses)
}
