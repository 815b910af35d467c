package store

import (
	"fmt"
	"slices"

	"allclear/notifier"
)

// atOnce are the keys of deliveries by which readers were told at once, or are
// about to be. Somebody who gets digests can have one of what happened before
// they began with them, of what is critical where they asked for that, and of the
// end of what they were told of so.
func (b *backlogs) atOnce(rows []digestReader, begun map[string]int64) (map[int64]bool, error) {
	maySome := func(r digestReader) bool {
		return slices.ContainsFunc(b.events, func(e notifier.Event) bool { return mayHaveCome(r, e, begun) })
	}
	if !slices.ContainsFunc(rows, maySome) {
		return map[int64]bool{}, nil
	}
	if err := b.findLater(begun); err != nil {
		return nil, err
	}
	var keys []int64
	for _, r := range rows {
		for _, events := range [][]notifier.Event{b.events, b.later} {
			for _, e := range events {
				if mayHaveCome(r, e, begun) {
					keys = append(keys, int64(notifier.MakeDeliveryID(e.Number, r.Row.Number)))
				}
			}
		}
	}
	return b.came(keys)
}

// mayHaveCome reports whether a reader who may be written to can have been told
// of an event at once.
func mayHaveCome(r digestReader, e notifier.Event, begun map[string]int64) bool {
	return r.Row.Number > 0 && e.Number > r.Cursor && (r.Row.Critical && e.Kind == notifier.KindIncident || begun[e.IncidentID] <= r.Turned)
}

// findLater finds what the incidents said beyond what digests go to.
func (b *backlogs) findLater(begun map[string]int64) error {
	ids := make([]string, 0, len(begun))
	for id := range begun {
		ids = append(ids, id)
	}
	b.later = nil
	for part := range slices.Chunk(ids, 500) {
		var found []struct {
			Number     int64
			IncidentID string
			Kind       notifier.Kind
		}
		if err := b.tx.Raw(`SELECT number, incident_id, kind FROM events WHERE incident_id IN ? AND number > ? AND type <> ?`,
			part, b.upTo, string(notifier.MaintenanceReminder)).Scan(&found).Error; err != nil {
			return fmt.Errorf("look for what was said since: %w", err)
		}
		for _, f := range found {
			b.later = append(b.later, notifier.Event{Number: f.Number, IncidentID: f.IncidentID, Kind: f.Kind})
		}
	}
	return nil
}

// heard is the last event of each incident that came to a reader at once, by the
// keys of deliveries that did.
func (b *backlogs) heard(reader int64, came map[int64]bool) map[string]int64 {
	if len(came) == 0 {
		return nil
	}
	out := map[string]int64{}
	for _, events := range [][]notifier.Event{b.events, b.later} {
		for _, e := range events {
			if came[int64(notifier.MakeDeliveryID(e.Number, reader))] {
				out[e.IncidentID] = max(out[e.IncidentID], e.Number)
			}
		}
	}
	return out
}
