package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"allclear/notifier"
)

// Standing is the story of an event's incident as it stood at a time: that of the
// newest event by then, whoever was told of it, with what was said since without
// telling anybody. A digest shows how things stood when it was made, whenever it is
// sent; what came later is the next one's, a quiet end too (digestended.go).
func (s *Store) Standing(ctx context.Context, number int64, until time.Time) (notifier.Story, error) {
	var newest int64
	if err := s.conn(ctx).Raw(`SELECT coalesce(max(n.number), 0) FROM events AS e JOIN events AS n ON n.incident_id = e.incident_id AND n.number > e.number
		AND n.accepted_at < ? AND n.type <> ? WHERE e.number = ?`, micros(until), string(notifier.MaintenanceReminder), number).Scan(&newest).Error; err != nil {
		return notifier.Story{}, translate(fmt.Errorf("look for how event %d went on: %w", number, err))
	}
	return s.story(ctx, max(number, newest), func(i *notifier.Incident, e *notifier.Event) { stand(i, e, until) })
}

// stand takes the quiet updates behind an event into it, and a quiet end.
func stand(i *notifier.Incident, e *notifier.Event, until time.Time) {
	if e.Type == notifier.IncidentRetracted {
		return
	}
	next := slices.IndexFunc(i.Updates, func(u notifier.Update) bool { return u.Event > e.Number })
	said := i.Updates
	if next >= 0 {
		said = said[:next]
	}
	own := slices.IndexFunc(said, func(u notifier.Update) bool { return u.ID == e.UpdateID })
	for last := len(said) - 1; last > own && own >= 0 && said[last].Event == 0 && !said[last].CreatedAt.Before(until); last-- {
		said = said[:last]
	}
	if last := len(said) - 1; last > own && own >= 0 && (e.Type != notifier.IncidentCorrected || last >= 0 && said[last].CreatedAt.After(e.AcceptedAt)) {
		e.UpdateID = said[last].ID
		e.Type = typeOfQuiet(i.Kind, said[last].Status, e.Type)
		if said[last].CreatedAt.After(e.AcceptedAt) && next < 0 {
			e.Components = i.Components
		}
	}
	if next < 0 && i.State == notifier.Retracted && i.UpdatedAt.Before(until) {
		e.Type = notifier.IncidentRetracted
	}
}

// typeOfQuiet is what an update that told nobody would have been called.
func typeOfQuiet(k notifier.Kind, status notifier.Status, was notifier.EventType) notifier.EventType {
	switch {
	case k == notifier.KindIncident && status.Final():
		return notifier.IncidentResolved
	case k == notifier.KindMaintenance && status.Final():
		return notifier.MaintenanceCompleted
	case k == notifier.KindIncident:
		return notifier.IncidentUpdated
	}
	return was
}

// withdrawn are those incidents that are withdrawn by now, whether or not anybody
// was told.
func (b *backlogs) withdrawn(begun map[string]int64) (map[string]bool, error) {
	ids := make([]string, 0, len(begun))
	for id := range begun {
		ids = append(ids, id)
	}
	out := map[string]bool{}
	for part := range slices.Chunk(ids, 500) {
		var found []string
		if err := b.tx.Raw(`SELECT id FROM incidents WHERE id IN ? AND state = ?`, part, string(notifier.Retracted)).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("look for what was withdrawn: %w", err)
		}
		for _, id := range found {
			out[id] = true
		}
	}
	return out, nil
}

// unsay takes from what a digest tells the incidents that were withdrawn before
// the reader heard of them at all: by this digest they would hear of a mistake.
func (b *backlogs) unsay(items []int64, cursor int64, begun map[string]int64, withdrawn map[string]bool, heard map[string]int64) []int64 {
	return slices.DeleteFunc(items, func(n int64) bool {
		id := b.events[b.place(n)].IncidentID
		return withdrawn[id] && begun[id] > cursor && heard[id] == 0
	})
}
