package store

import (
	"fmt"
	"slices"

	"allclear/notifier"
)

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
