package store

import (
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// A quiet end has no event, so no cursor comes to it. Whoever was told that
// something is open, by a digest or at once, and not that it is over, is told so by
// their next digest all the same: that tells the incident's last event once more, as
// the incident stands by now.
const (
	// endedFor is how long a quiet end is looked for: longer than from one monthly
	// digest to the next.
	endedFor = 62 * 24 * time.Hour
	// endedSlack is by how much the clocks of two processes may differ.
	endedSlack = time.Hour
)

// ending is the quiet end of an incident that somebody was told of.
type ending struct {
	at      int64   // when it was written down
	events  []int64 // of the incident; the last one is told again
	telling []int64 // those of them by which a reader knows that it is open
}

// endings are the quiet ends since the first of the readers' cursors, of which
// somebody may not have been told, before a time.
func (b *backlogs) endings(rows []digestReader, until time.Time) ([]ending, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	var first int64
	cursor := slices.MinFunc(rows, func(x, y digestReader) int { return int(x.Cursor - y.Cursor) }).Cursor
	if err := b.tx.Raw(`SELECT coalesce((SELECT accepted_at FROM events WHERE number = ?), 0)`, cursor).Scan(&first).Error; err != nil {
		return nil, fmt.Errorf("look for when digests came so far: %w", err)
	}
	first = max(first-endedSlack.Microseconds(), micros(until.Add(-endedFor)))
	var found []struct {
		ID        string
		Kind      notifier.Kind
		State     notifier.PublishState
		UpdatedAt int64
	}
	// Quiet is what is over though the last that was told of it, corrections aside, is not that.
	if err := b.tx.Raw(`SELECT i.id, i.kind, i.state, i.updated_at FROM incidents AS i WHERE i.updated_at >= ? AND (i.resolved_at > 0 OR i.state = ?)
		AND (SELECT e.type FROM events AS e WHERE e.incident_id = i.id AND e.type NOT IN ? ORDER BY e.number DESC LIMIT 1) NOT IN ? ORDER BY i.id`,
		first, string(notifier.Retracted), []notifier.EventType{notifier.IncidentCorrected, notifier.MaintenanceReminder},
		[]notifier.EventType{notifier.IncidentResolved, notifier.MaintenanceCompleted, notifier.IncidentRetracted}).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("look for what ended: %w", err)
	}
	ids := make([]string, len(found))
	kinds := map[string]notifier.Kind{}
	for n, i := range found {
		ids[n], kinds[i.ID] = i.ID, i.Kind
	}
	ends, err := quietEnds(b.tx, ids, kinds)
	if err != nil {
		return nil, err
	}
	var out []ending
	for _, i := range found {
		e := ends[i.ID]
		if i.State == notifier.Retracted {
			e.at = i.UpdatedAt
		}
		if len(e.telling) > 0 && e.at >= first && e.at < micros(until) {
			out = append(out, *e)
		}
	}
	return out, nil
}

// quietEnds are when incidents ended, and by which events readers know that they
// are open: asked of many at once, as every slice of a million digests asks.
func quietEnds(tx *gorm.DB, ids []string, kinds map[string]notifier.Kind) (map[string]*ending, error) {
	out := map[string]*ending{}
	for part := range slices.Chunk(ids, 500) {
		for _, id := range part {
			out[id] = &ending{}
		}
		var events []struct {
			IncidentID string
			Number     int64
			Type       notifier.EventType
		}
		if err := tx.Raw(`SELECT incident_id, number, type FROM events WHERE incident_id IN ? AND type <> ? ORDER BY number`, part, string(notifier.MaintenanceReminder)).Scan(&events).Error; err != nil {
			return nil, fmt.Errorf("read the events of what ended: %w", err)
		}
		for _, e := range events {
			end := out[e.IncidentID]
			end.events = append(end.events, e.Number)
			// Of work that is planned nobody believes that it is under way.
			if kinds[e.IncidentID] == notifier.KindIncident || e.Type == notifier.MaintenanceStarted || e.Type == notifier.MaintenanceExtended {
				end.telling = append(end.telling, e.Number)
			}
		}
		var said []struct {
			IncidentID string
			Status     notifier.Status
			CreatedAt  int64
		}
		if err := tx.Raw(`SELECT incident_id, status, created_at FROM updates WHERE incident_id IN ? ORDER BY incident_id, place DESC`, part).Scan(&said).Error; err != nil {
			return nil, fmt.Errorf("read how incidents ended: %w", err)
		}
		went := map[string]bool{} // on: before these words it was not over
		for _, u := range said {
			if went[u.IncidentID] = went[u.IncidentID] || !u.Status.Final(); !went[u.IncidentID] {
				out[u.IncidentID].at = u.CreatedAt // the first of the last words that say so
			}
		}
	}
	return out, nil
}

// tell is what a digest tells each of the readers of: what they missed, and the
// quiet ends that they have not been told of, though they were told that it is open.
func (b *backlogs) tell(rows []digestReader, ended []ending) ([][]int64, error) {
	out, err := b.missed(rows)
	if err != nil || len(ended) == 0 || len(rows) == 0 {
		return out, err
	}
	may, err := b.welcome(rows)
	if err != nil {
		return nil, err
	}
	lasts, err := b.lastTold(may, ended)
	if err != nil {
		return nil, err
	}
	for i, r := range may {
		for n, e := range ended {
			shown := func(item int64) bool { return slices.Contains(e.events, item) }
			last, told := lasts[r.Row.Number][n]
			if r.Row.Number == 0 || !told || last > e.at || slices.ContainsFunc(out[i], shown) {
				continue
			}
			out[i] = append(out[i], e.events[len(e.events)-1])
			slices.Sort(out[i])
		}
	}
	return out, nil
}

// lastTold is when readers who know that an incident is open were told of it last,
// by its place among those that ended.
func (b *backlogs) lastTold(rows []digestReader, ended []ending) (map[int64]map[int]int64, error) {
	of := map[int64]int{} // which one an event is of
	oldest := ended[0].events[0]
	for n, e := range ended {
		oldest = min(oldest, e.events[0])
		for _, number := range e.events {
			of[number] = n
		}
	}
	type telling struct {
		reader int64
		of     int
		event  int64
		by     int64 // the event that told it: itself, or a digest's
	}
	var all []telling
	var readers, keys []int64
	for _, r := range rows {
		if r.Row.Number == 0 {
			continue
		}
		readers = append(readers, r.Row.Number)
		for number := range of {
			if r.Row.Critical || number <= r.Turned { // as atOnce has it
				keys = append(keys, int64(notifier.MakeDeliveryID(number, r.Row.Number)))
			}
		}
	}
	if err := b.toldBefore(readers, oldest, func(reader, event, by int64) {
		if n, ok := of[event]; ok {
			all = append(all, telling{reader, n, event, by})
		}
	}); err != nil {
		return nil, err
	}
	came, err := b.came(keys)
	if err != nil {
		return nil, err
	}
	for id := range came {
		d := notifier.DeliveryID(id)
		all = append(all, telling{d.Reader(), of[d.Event()], d.Event(), d.Event()})
	}
	var by []int64
	for _, t := range all {
		by = append(by, t.by)
	}
	when, err := acceptedAt(b.tx, by)
	if err != nil {
		return nil, err
	}
	out := map[int64]map[int]int64{}
	for _, t := range all {
		if !slices.Contains(ended[t.of].telling, t.event) {
			continue
		}
		if out[t.reader] == nil {
			out[t.reader] = map[int]int64{}
		}
		out[t.reader][t.of] = 0
	}
	for _, t := range all {
		if last, knows := out[t.reader][t.of]; knows {
			out[t.reader][t.of] = max(last, when[t.by])
		}
	}
	return out, nil
}

// acceptedAt is when events were accepted, by number.
func acceptedAt(tx *gorm.DB, numbers []int64) (map[int64]int64, error) {
	slices.Sort(numbers)
	out := map[int64]int64{}
	for part := range slices.Chunk(slices.Compact(numbers), 500) {
		var found []struct{ Number, AcceptedAt int64 }
		if err := tx.Raw(`SELECT number, accepted_at FROM events WHERE number IN ?`, part).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("look for when it was told: %w", err)
		}
		for _, f := range found {
			out[f.Number] = f.AcceptedAt
		}
	}
	return out, nil
}
