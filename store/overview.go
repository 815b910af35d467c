package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"allclear/notifier"
	"allclear/subscribers"
)

// lookedAt is how many waiting mails of a lane are looked at to find domains in
// trouble: enough to see one, and few enough to look while millions wait.
const lookedAt = 1000

// HeldDomains are the domains for which most mail waits that was tried or is
// held back, most first. What has not been tried yet is due already, so the
// index of due times leads past it.
func (s *Store) HeldDomains(ctx context.Context, limit int) ([]notifier.HeldDomain, error) {
	found := map[string]*notifier.HeldDomain{}
	for _, lane := range notifier.Lanes {
		var rows []struct {
			Address, Reply string
			DueAt          int64
		}
		if err := s.conn(ctx).Raw(`SELECT address, reply, due_at FROM deliveries WHERE channel = 'email' AND lane = ? AND state IN ('pending', 'held') AND due_at > ?
			ORDER BY due_at LIMIT ?`, int(lane), micros(s.Now()), lookedAt).Scan(&rows).Error; err != nil {
			return nil, translate(fmt.Errorf("look at what waits: %w", err))
		}
		for _, r := range rows {
			domain := subscribers.Domain(r.Address)
			d := found[domain]
			if d == nil {
				d = &notifier.HeldDomain{Domain: domain, Due: instant(r.DueAt)}
				found[domain] = d
			}
			d.N++
			d.Reply = cmp.Or(d.Reply, r.Reply)
			if due := instant(r.DueAt); due.Before(d.Due) {
				d.Due = due
			}
		}
	}
	out := make([]notifier.HeldDomain, 0, len(found))
	for _, d := range found {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b notifier.HeldDomain) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Domain, b.Domain))
	})
	return out[:min(limit, len(out))], nil
}

// LatestEvents are the latest events of an incident, or of all where it is "",
// newest first; none that is for one reader only.
func (s *Store) LatestEvents(ctx context.Context, incident string, limit int) ([]notifier.Event, error) {
	var rows []eventRow
	find := s.conn(ctx).Where("reader = 0").Order("number DESC").Limit(limit)
	if incident != "" {
		find = find.Where("incident_id = ?", incident)
	}
	if err := find.Find(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("read the latest events: %w", err))
	}
	out := make([]notifier.Event, 0, len(rows))
	for _, r := range rows {
		e, err := r.event()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// Suppression is why an address may not be written to, because it was erased for
// one; ErrNotFound where it may.
func (s *Store) Suppression(ctx context.Context, channel notifier.Channel, address string) (subscribers.Suppression, error) {
	db := s.conn(ctx)
	key, err := s.erasedKey(db, channel)
	if err != nil {
		return subscribers.Suppression{}, translate(err)
	}
	var rows []suppressionRow
	if err := db.Raw(`SELECT channel, address, reason, note, created_at FROM suppressions WHERE channel = ? AND address IN (?, ?)`, string(channel), address, key(address)).Scan(&rows).Error; err != nil {
		return subscribers.Suppression{}, translate(fmt.Errorf("look for a suppression: %w", err))
	}
	if len(rows) == 0 {
		return subscribers.Suppression{}, fmt.Errorf("suppression: %w", notifier.ErrNotFound)
	}
	r := rows[0]
	return subscribers.Suppression{
		Channel: notifier.Channel(r.Channel), Address: address, Reason: subscribers.Reason(r.Reason), Note: r.Note, CreatedAt: instant(r.CreatedAt),
	}, nil
}

// TroubledEndpoints are those that fail or are not called any more, longest in
// trouble first.
func (s *Store) TroubledEndpoints(ctx context.Context, limit int) ([]subscribers.Hook, error) {
	var numbers []int64
	if err := s.conn(ctx).Raw(`SELECT e.subscriber FROM endpoints AS e JOIN subscribers AS r ON r.number = e.subscriber
		WHERE e.failing_since > 0 AND r.state <> 'unsubscribed' ORDER BY e.failing_since, e.subscriber LIMIT ?`, limit).Scan(&numbers).Error; err != nil {
		return nil, translate(fmt.Errorf("look for endpoints in trouble: %w", err))
	}
	out := make([]subscribers.Hook, 0, len(numbers))
	for _, n := range numbers {
		h, err := s.Hook(ctx, subscribers.Number(n))
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}
