package store

import (
	"context"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"allclear/notifier"
)

// Hold-down keeps the first news of an incident, and what follows it, from being
// expanded until a time that stands with the events: it outlives every process,
// and any of them ends it. Then the events expand in their order as ever, but of
// those that newer news follows the deliveries are parked: made, and not due, so
// that the newest event supersedes them and tells everybody what they missed (I4).

// newerNews is whether the event e was held and newer news of its incident waits behind it.
const newerNews = `held_until > 0 AND EXISTS (SELECT 1 FROM events AS n WHERE n.incident_id = e.incident_id AND n.number > e.number AND n.expanded_at = 0)`

// dueFrom is since when deliveries of an event are due that were not tried yet:
// since its hold ended, so that what is released is not late at once.
const dueFrom = `CASE WHEN held_until > accepted_at THEN held_until ELSE accepted_at END`

// due is when the deliveries of the event are due, as dueFrom says; those that
// are parked, not before the newest event takes their place.
func (x *expansion) due() int64 {
	if x.event.Parked {
		return micros(notifier.UntilResumed)
	}
	return min(x.now, x.event.DueFrom)
}

// heldBefore is until when the incident holds back what it said before; 0: it
// holds nothing. What it says now waits as long.
func (s *Store) heldBefore(tx *gorm.DB, incident string) (until int64, err error) {
	if err := tx.Raw(`SELECT coalesce(max(held_until), 0) FROM events WHERE incident_id = ? AND expanded_at = 0 AND held_until > ?`,
		incident, micros(s.Now())).Scan(&until).Error; err != nil {
		return 0, fmt.Errorf("look whether the incident is held: %w", err)
	}
	return until, nil
}

// settleHold does to what an incident holds back as its fate is.
// released: something goes out by it.
func (s *Store) settleHold(ctx context.Context, tx *gorm.DB, incident string, fate notifier.HoldFate) (released bool, err error) {
	if fate == notifier.HoldLasts {
		return false, nil
	}
	// The events first, as where an end shortens their lives: a retraction with a
	// word comes here without that. Whoever expands one of them is through with
	// its slice then, and whether its time was over is asked after the wait.
	if err := tx.Exec(`SELECT count(*) FROM (SELECT 1 FROM events WHERE incident_id = ? AND expanded_at = 0 AND held_until > 0 ORDER BY number`+s.forUpdate()+`) AS e`, incident).Error; err != nil {
		return false, fmt.Errorf("lock what is held: %w", err)
	}
	now := micros(s.Now())
	switch fate {
	case notifier.HoldEnds:
		done := tx.Exec(`UPDATE events SET held_until = ? WHERE incident_id = ? AND expanded_at = 0 AND held_until > ?`, now, incident, now)
		if done.Error != nil {
			return false, fmt.Errorf("let what is held go: %w", done.Error)
		}
		if done.RowsAffected > 0 {
			return true, s.bump(tx, "work")
		}
	case notifier.HoldDropped: // but for what some have already, by somebody's clock
		done := tx.Exec(`UPDATE events SET expanded_at = ? WHERE incident_id = ? AND expanded_at = 0 AND progress = 0 AND held_until > ?`, now, incident, now)
		if done.Error != nil {
			return false, fmt.Errorf("drop what is held: %w", done.Error)
		}
		if done.RowsAffected > 0 {
			return false, s.audit(ctx, tx, "incident.unsaid", incident, fmt.Sprintf("%d events were held, and are told to nobody", done.RowsAffected))
		}
	}
	return false, nil
}

// Holds lists what incidents hold back, first what goes out soonest.
func (s *Store) Holds(ctx context.Context) ([]notifier.Hold, error) {
	var rows []struct {
		IncidentID, Title string
		Until, Events     int64
	}
	if err := s.conn(ctx).Raw(`SELECT e.incident_id, i.title, max(e.held_until) AS until, count(*) AS events FROM events AS e JOIN incidents AS i ON i.id = e.incident_id
		WHERE e.expanded_at = 0 AND e.held_until > ? GROUP BY e.incident_id, i.title ORDER BY max(e.held_until), e.incident_id`, micros(s.Now())).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("list what is held: %w", err))
	}
	out := make([]notifier.Hold, len(rows))
	for n, r := range rows {
		out[n] = notifier.Hold{IncidentID: r.IncidentID, Title: r.Title, Until: instant(r.Until), Events: r.Events}
	}
	return out, nil
}

// ReleaseHold sends what an incident holds back now. ErrConflict: it holds nothing.
func (s *Store) ReleaseHold(ctx context.Context, incident string) error {
	return s.write(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if _, err := lockIncident(tx, incident); err != nil {
			return err
		}
		until, err := s.heldBefore(tx, incident)
		if err != nil {
			return err
		}
		if until == 0 {
			return notifier.Refuse(notifier.ErrConflict, "nothing of this incident is held back")
		}
		if _, err := s.settleHold(ctx, tx, incident, notifier.HoldEnds); err != nil {
			return err
		}
		return s.audit(ctx, tx, "incident.release", incident, "")
	})
}

// forgetUnsaid takes from the incident's updates the events that were taken back
// while they were held: of those nobody was told.
func forgetUnsaid(tx *gorm.DB, i *notifier.Incident) error {
	var unsaid []int64
	if err := tx.Raw(`SELECT number FROM events WHERE incident_id = ? AND expanded_at > 0 AND held_until > expanded_at`, i.ID).Scan(&unsaid).Error; err != nil {
		return fmt.Errorf("look for what was taken back: %w", err)
	}
	for n := range i.Updates {
		if slices.Contains(unsaid, i.Updates[n].Event) {
			i.Updates[n].Event = 0
		}
	}
	return nil
}
