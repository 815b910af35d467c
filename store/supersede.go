package store

import (
	"fmt"
	"slices"

	"allclear/notifier"
)

// earlier is an event of the same incident before the expanded one.
type earlier struct {
	Number int64
	Open   bool // some of its deliveries are not final
	Held   bool // it was held down: some may be parked
}

// findEarlier lists the earlier events of the incident that somebody was sent
// or waits for.
func (x *expansion) findEarlier() error {
	if err := x.tx.Raw(`SELECT e.number, sum(c.unsettled) > 0 AS open, max(e.held_until) > 0 AS held FROM events e JOIN event_counts c ON c.event_number = e.number
		WHERE e.incident_id = ? AND e.number < ? AND c.unsettled + c.sent + c.bounced > 0 GROUP BY e.number ORDER BY e.number`,
		x.event.IncidentID.String, x.event.Number).Scan(&x.earlier).Error; err != nil {
		return fmt.Errorf("list the incident's events: %w", err)
	}
	return nil
}

// lockEarlier locks what of them waits in the slice, so that it stays as it is now.
func (x *expansion) lockEarlier() error {
	if x.store.dialect != postgres {
		return nil
	}
	for _, e := range x.earlier {
		if !e.Open {
			continue
		}
		after, upTo := x.keys(e.Number)
		if err := x.tx.Exec(`SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE `+inKeys+` AND state IN ('pending', 'sending', 'held')
			ORDER BY id FOR UPDATE) AS d`, after, upTo).Error; err != nil {
			return fmt.Errorf("lock what waits: %w", err)
		}
	}
	return nil
}

// replace ends unsent deliveries of earlier events, those of which it is told
// the keys, as superseded, where the new event has one for the reader, and notes
// on those in flight that the new one waits behind them.
func (x *expansion) replace(of func(event int64) keys) error {
	base := int64(notifier.MakeDeliveryID(x.event.Number, 0))
	for _, e := range x.earlier {
		if !e.Open {
			continue
		}
		k := of(e.Number)
		args := append(slices.Clone(k.args), base)
		// Joined to '', state matches no partial index. PostgreSQL, when it thinks
		// that hardly anything waits, would look for a slice through all that does.
		replaced := ` WHERE ` + k.where + ` AND state || '' IN ('pending', 'held')
			AND EXISTS (SELECT 1 FROM deliveries AS n WHERE n.id = CAST(? AS bigint) + (deliveries.id & 4294967295))`
		var found []struct {
			Channel string
			State   notifier.DeliveryState
			Tried   bool
			N       int64
		}
		if err := x.tx.Raw(`SELECT channel, state, tried_at > 0 AS tried, count(*) AS n FROM deliveries`+replaced+` GROUP BY channel, state, tried_at > 0`,
			args...).Scan(&found).Error; err != nil {
			return fmt.Errorf("count what is superseded: %w", err)
		}
		for _, f := range found {
			a := x.accounts.of(e.Number, f.Channel)
			a.count(-f.N, f.State, f.Tried)
			a.count(f.N, notifier.Superseded, f.Tried)
		}
		if len(found) > 0 {
			if err := x.tx.Exec(`UPDATE deliveries SET state = 'superseded', behind = 0`+replaced, args...).Error; err != nil {
				return fmt.Errorf("supersede deliveries: %w", err)
			}
		}
		if err := x.tx.Exec(`UPDATE deliveries SET awaited = true WHERE `+k.where+` AND state || '' = 'sending'
			AND EXISTS (SELECT 1 FROM deliveries AS n WHERE n.id = CAST(? AS bigint) + (deliveries.id & 4294967295) AND n.behind = deliveries.id)`,
			args...).Error; err != nil {
			return fmt.Errorf("wait for deliveries in flight: %w", err)
		}
	}
	return nil
}
