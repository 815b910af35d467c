package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
)

// resumeStep is how many deliveries of a resumed domain are freed at a time.
const resumeStep = 2000

// Pulse answers in one query what processes ask several times a second. On
// PostgreSQL it also sets the clock right.
func (s *Store) Pulse(ctx context.Context) (notifier.Pulse, error) {
	query := `SELECT 'counter' AS scope, name AS key, '' AS who, value AS n FROM counters WHERE name IN ('event', 'work', 'halts', 'templates')
		UNION ALL SELECT scope, key, by, since FROM pauses WHERE scope <> 'resumed'`
	if s.dialect == postgres {
		query += ` UNION ALL SELECT 'clock', '', '', ` + serverTime
	}
	var found []struct {
		Scope, Key, Who string
		N               int64
	}
	asked := s.clock()
	if err := s.conn(ctx).Raw(query).Scan(&found).Error; err != nil {
		return notifier.Pulse{}, fmt.Errorf("take the pulse: %w", translate(err))
	}
	answered := s.clock()
	var p notifier.Pulse
	for _, f := range found {
		switch {
		case f.Scope == "clock":
			s.setClock(f.N, asked, answered)
		case f.Scope != "counter":
			p.Pauses = append(p.Pauses, notifier.Pause{Scope: notifier.PauseScope(f.Scope), Key: f.Key, By: f.Who, Since: instant(f.N)})
		case f.Key == "halts":
			p.Halts = f.N
		case f.Key == "templates":
			p.Templates = f.N
		default:
			p.Work += f.N // both only grow, so their sum moves whenever one does
		}
	}
	return p, nil
}

// checkScope checks what a pause is about.
func checkScope(scope notifier.PauseScope, key string) error {
	switch scope {
	case notifier.PauseAll:
		if key != "" {
			return notifier.Invalidf("key", "a pause of everything has no key")
		}
	case notifier.PauseChannel:
		if !slices.Contains([]notifier.Channel{notifier.Email, notifier.Webhook, notifier.SMS}, notifier.Channel(key)) {
			return notifier.Invalidf("key", "%q is not one of email, webhook, sms", key)
		}
	case notifier.PauseLane:
		if _, err := notifier.ParseLane(key); err != nil {
			return notifier.Invalidf("key", "%q is not one of confirm, incident, routine, digest, bulk", key)
		}
	case notifier.PauseRelay, notifier.PauseDomain:
		if key == "" || len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '@' && scope == notifier.PauseDomain }) {
			return notifier.Invalidf("key", "%q is not the name of a %s", notifier.Clip(key), scope)
		}
		if scope == notifier.PauseDomain && key != strings.ToLower(key) {
			return notifier.Invalidf("key", "write the domain in lower case")
		}
	default:
		return notifier.Invalidf("scope", "%q is not one of all, channel, lane, relay, domain", scope)
	}
	return nil
}

// Pause holds part of the queue back. By and Since are filled in where they are
// empty; pausing what is paused already changes nothing.
func (s *Store) Pause(ctx context.Context, p notifier.Pause) error {
	if err := checkScope(p.Scope, p.Key); err != nil {
		return err
	}
	if p.By == "" {
		p.By = notifier.ActorFrom(ctx).Name
	}
	if p.Since.IsZero() {
		p.Since = s.Now()
	}
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if p.Scope == notifier.PauseDomain {
			if err := tx.Exec(`DELETE FROM pauses WHERE scope = 'resumed' AND key = ?`, p.Key).Error; err != nil {
				return fmt.Errorf("pause the queue: %w", err)
			}
		}
		done := tx.Exec(`INSERT INTO pauses (scope, key, by, since) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`, string(p.Scope), p.Key, p.By, micros(p.Since))
		if done.Error != nil {
			return fmt.Errorf("pause the queue: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			return nil
		}
		if err := s.Audit(ctx, "queue.pause", pauseName(p.Scope, p.Key), ""); err != nil {
			return err
		}
		return s.bump(tx, "work", "halts")
	})
}

// Resume takes a pause away. What a pause of a domain held back becomes due, in
// small steps; a resumption that is interrupted is gone on with by Reap.
func (s *Store) Resume(ctx context.Context, scope notifier.PauseScope, key string) error {
	if err := checkScope(scope, key); err != nil {
		return err
	}
	if err := s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		done := tx.Exec(`DELETE FROM pauses WHERE scope = ? AND key = ?`, string(scope), key)
		if done.Error != nil {
			return fmt.Errorf("resume the queue: %w", done.Error)
		}
		if done.RowsAffected == 0 {
			return notifier.Refuse(notifier.ErrNotFound, "there is no pause of %s", pauseName(scope, key))
		}
		if scope == notifier.PauseDomain {
			if err := tx.Exec(`INSERT INTO pauses (scope, key, by, since) VALUES ('resumed', ?, ?, ?) ON CONFLICT DO NOTHING`, key, notifier.ActorFrom(ctx).Name, micros(s.Now())).Error; err != nil {
				return fmt.Errorf("resume the queue: %w", err)
			}
		}
		if err := s.Audit(ctx, "queue.resume", pauseName(scope, key), ""); err != nil {
			return err
		}
		return s.bump(tx, "work", "halts")
	}); err != nil || scope != notifier.PauseDomain {
		return err
	}
	return s.resumeDomains(ctx)
}

func pauseName(scope notifier.PauseScope, key string) string {
	if key == "" {
		return string(scope)
	}
	return string(scope) + " " + key
}

// bump moves counters that processes watch, in this order everywhere: halts last.
func (s *Store) bump(tx *gorm.DB, counters ...string) error {
	for _, c := range counters {
		if _, err := next(tx, c, 1); err != nil {
			return err
		}
	}
	return s.notify(tx)
}

// resumeDomains frees what waits for domains that have been resumed.
func (s *Store) resumeDomains(ctx context.Context) error {
	var domains []string
	if err := s.conn(ctx).Raw(`SELECT key FROM pauses WHERE scope = 'resumed' ORDER BY key`).Scan(&domains).Error; err != nil {
		return fmt.Errorf("list resumed domains: %w", translate(err))
	}
	for _, d := range domains {
		for _, c := range []notifier.Channel{notifier.Email, notifier.Webhook, notifier.SMS} {
			for _, lane := range notifier.Lanes {
				if err := s.resumeLane(ctx, d, c, lane); err != nil {
					return fmt.Errorf("resume a domain: %w", err)
				}
			}
		}
		if err := s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
			return tx.Exec(`DELETE FROM pauses WHERE scope = 'resumed' AND key = ?`, d).Error
		}); err != nil {
			return fmt.Errorf("resume a domain: %w", err)
		}
	}
	return nil
}

// resumeLane frees a domain's deliveries of one lane, along the index of due
// times: in an order that no other has, and so many looked at in a step, of
// whatever domain, that no planner is tempted away from it.
func (s *Store) resumeLane(ctx context.Context, domain string, c notifier.Channel, lane notifier.Lane) error {
	behind := `(due_at, id) > (?, ?)`
	if s.dialect == sqlite { // which does not find a pair whose second is the key
		behind = `due_at = ? AND id > ?`
	}
	like := `%@` + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(domain)
	for after := int64(0); ; {
		var found []struct {
			ID   int64
			Ours bool
		}
		if err := s.conn(ctx).Raw(`SELECT id, address LIKE ? ESCAPE '\' AS ours FROM deliveries
			WHERE channel = ? AND lane = ? AND state IN ('pending', 'held') AND `+behind+` ORDER BY due_at, id LIMIT ?`,
			like, string(c), int(lane), micros(notifier.UntilResumed), after, resumeStep).Scan(&found).Error; err != nil {
			return translate(err)
		}
		var ids []int64
		for _, f := range found {
			if f.Ours {
				ids = append(ids, f.ID)
			}
			after = f.ID
		}
		if len(ids) > 0 {
			if err := s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
				l := s.ledger(tx)
				rows, err := l.lockIDs(ids)
				if err != nil {
					return err
				}
				now := micros(s.Now())
				for _, r := range rows {
					if r.State == notifier.Held && r.Behind == 0 && r.DueAt >= micros(notifier.UntilResumed) {
						r.wait(notifier.Pending, now)
						l.released = true
					}
				}
				return l.save()
			}); err != nil {
				return err
			}
		}
		if len(found) < resumeStep {
			return nil
		}
	}
}
