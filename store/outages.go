package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"allclear/subscribers"
)

// An outage of a domain is kept by whoever changes what it depends on, in the
// same transaction and under the lock by which events are numbered: so it is
// said for ever of every event whether it happened while the domain was down,
// whichever process expands it, and when.

// SetOwnDomains keeps which domains' mail depends on which component, in place
// of what was kept before.
func (s *Store) SetOwnDomains(ctx context.Context, own []subscribers.OwnDomain) error {
	// A look first: usually nothing is new, or there is none at all.
	there, err := s.OwnDomains(ctx)
	if err != nil {
		return err
	}
	own = slices.Clone(own)
	slices.SortFunc(own, func(a, b subscribers.OwnDomain) int { return strings.Compare(a.Domain, b.Domain) })
	if slices.Equal(there, own) && len(own) == 0 {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if _, err := next(tx, "event", 0); err != nil { // who starts beside us waits
			return err
		}
		if err := tx.Exec(`DELETE FROM own_domains`).Error; err != nil {
			return fmt.Errorf("write the own domains: %w", err)
		}
		var said []string
		for _, o := range own {
			if err := tx.Exec(`INSERT INTO own_domains (domain, component) VALUES (?, ?)`, o.Domain, o.Component).Error; err != nil {
				return fmt.Errorf("write the own domains: %w", err)
			}
			said = append(said, o.Domain+"="+o.Component)
		}
		if !slices.Equal(there, own) {
			if err := s.audit(ctx, tx, "domains.set", "", strings.Join(said, ", ")); err != nil {
				return err
			}
		}
		return s.reckonAll(tx, 0)
	})
}

// OwnDomains lists them by domain.
func (s *Store) OwnDomains(ctx context.Context) ([]subscribers.OwnDomain, error) {
	own, err := ownDomains(s.conn(ctx))
	return own, translate(err)
}

func ownDomains(db *gorm.DB) ([]subscribers.OwnDomain, error) {
	var out []subscribers.OwnDomain
	if err := db.Raw(`SELECT domain, component FROM own_domains`).Scan(&out).Error; err != nil {
		return nil, fmt.Errorf("list the own domains: %w", err)
	}
	slices.SortFunc(out, func(a, b subscribers.OwnDomain) int { return strings.Compare(a.Domain, b.Domain) })
	return out, nil
}

// Outages lists the domains that are down, with since when.
func (s *Store) Outages(ctx context.Context) ([]subscribers.Outage, error) {
	var rows []struct {
		Domain, Component string
		DownAt            int64
	}
	if err := s.conn(ctx).Raw(`SELECT domain, component, down_at FROM outages WHERE back_at = 0`).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("list what is down: %w", err))
	}
	out := make([]subscribers.Outage, len(rows))
	for i, r := range rows {
		out[i] = subscribers.Outage{OwnDomain: subscribers.OwnDomain{Domain: r.Domain, Component: r.Component}, Since: instant(r.DownAt)}
	}
	slices.SortFunc(out, func(a, b subscribers.Outage) int { return strings.Compare(a.Domain, b.Domain) })
	return out, nil
}

// componentDown is notifier.Component.Down in SQL, about the component c; a
// property test holds them equal.
const componentDown = `(c.state IN ('partial_outage', 'major_outage') OR EXISTS (SELECT 1 FROM incidents AS i
	WHERE i.kind = 'incident' AND i.state = 'published' AND i.resolved_at = 0 AND i.severity >= 2
		AND (EXISTS (SELECT 1 FROM incident_components AS n WHERE n.incident_id = i.id AND n.component_key = c.key)
			OR NOT EXISTS (SELECT 1 FROM incident_components AS n WHERE n.incident_id = i.id))))`

// reckon finds which domains went down or came back by what the transaction
// changed. Call it after accept: event is the one that was accepted, which
// counts as the first while they are down, or the last; 0: there is none.
func (s *Store) reckon(tx *gorm.DB, event int64) error {
	var some bool
	if err := tx.Raw(`SELECT count(*) > 0 FROM own_domains`).Scan(&some).Error; err != nil {
		return fmt.Errorf("look for own domains: %w", err)
	}
	if !some {
		return nil
	}
	return s.reckonAll(tx, event)
}

func (s *Store) reckonAll(tx *gorm.DB, event int64) error {
	last, err := next(tx, "event", 0) // one at a time, and of what those before have committed
	if err != nil {
		return err
	}
	now, from := micros(s.Now()), event
	if from == 0 {
		from = last + 1
	}
	const down = `SELECT d.domain FROM own_domains AS d JOIN components AS c ON c.key = d.component WHERE ` + componentDown
	done := tx.Exec(`UPDATE outages SET back_at = CASE WHEN down_at > CAST(? AS bigint) THEN down_at ELSE CAST(? AS bigint) END, until_event = ?
		WHERE back_at = 0 AND domain NOT IN (`+down+`)`, now, now, last)
	if done.Error != nil {
		return fmt.Errorf("note that a domain is back: %w", done.Error)
	}
	if done.RowsAffected > 0 {
		if err := s.bump(tx, "work"); err != nil {
			return err
		}
	}
	if err := tx.Exec(`INSERT INTO outages (number, domain, component, down_at, from_event)
		SELECT (SELECT coalesce(max(number), 0) FROM outages) + row_number() OVER (ORDER BY d.domain), d.domain, d.component, CAST(? AS bigint), CAST(? AS bigint)
		FROM own_domains AS d JOIN components AS c ON c.key = d.component
		WHERE `+componentDown+` AND NOT EXISTS (SELECT 1 FROM outages AS o WHERE o.domain = d.domain AND o.back_at = 0)`, now, from).Error; err != nil {
		return fmt.Errorf("note that a domain is down: %w", err)
	}
	return nil
}
