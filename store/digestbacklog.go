package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// backlogs finds what readers missed, up to an event.
type backlogs struct {
	store *Store
	tx    *gorm.DB
	upTo  int64
	// handedOut leaves out what is not expanded: it comes at once, later.
	handedOut bool
	events    []notifier.Event // since the first of the readers' cursors
	later     []notifier.Event // of the same incidents, what is beyond upTo: of no digest yet, but some may have had it at once
}

// missed is what a digest tells each of the readers of. It notes in rows up to
// where that goes: not beyond what may still come to a reader at once, because
// the fan-out has not come to it.
func (b *backlogs) missed(rows []digestReader) ([][]int64, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	first := slices.MinFunc(rows, func(x, y digestReader) int { return int(x.Cursor - y.Cursor) }).Cursor
	var err error
	if b.events, err = b.since(first); err != nil || len(b.events) == 0 {
		return make([][]int64, len(rows)), err
	}
	begun, err := b.begun(false)
	if err != nil {
		return nil, err
	}
	_, expanded, err := newestEvents(b.tx)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rows[i].UpTo = b.settled(rows[i], begun, expanded)
	}
	if rows, err = b.welcome(rows); err != nil {
		return nil, err
	}
	plain := make([]subscriberRow, len(rows))
	for i, r := range rows {
		plain[i] = r.Row
	}
	people, err := b.store.fillSubscribers(b.tx, plain)
	if err != nil {
		return nil, err
	}
	atOnce, err := b.atOnce(rows, begun)
	if err != nil {
		return nil, err
	}
	h, err := b.homes(rows)
	if err != nil {
		return nil, err
	}
	told, err := b.told(rows, people, h)
	if err != nil {
		return nil, err
	}
	withdrawn, err := b.withdrawn(begun)
	if err != nil {
		return nil, err
	}
	out := make([][]int64, len(rows))
	for i, r := range rows {
		if r.Row.Number == 0 { // barred
			continue
		}
		from, to := b.place(r.Cursor+1), b.place(r.UpTo+1)
		heard := b.heard(r.Row.Number, atOnce)
		out[i] = people[i].Missed(subscribers.Backlog{
			Events:  b.events[from:max(from, to)],
			Heard:   func(incident string) int64 { return heard[incident] },
			Told:    func(incident string) bool { return told[r.Row.Number][incident] },
			Touches: h.touches(r.Row.Address),
		})
		if len(withdrawn) > 0 {
			out[i] = b.unsay(out[i], r.Cursor, begun, withdrawn, heard)
		}
	}
	return out, nil
}

// place is where the first event from a number on stands.
func (b *backlogs) place(number int64) int {
	at, _ := slices.BinarySearchFunc(b.events, number, func(e notifier.Event, n int64) int { return int(e.Number - n) })
	return at
}

// settled is the last event up to which it is known what comes to a reader at once.
func (b *backlogs) settled(r digestReader, begun map[string]int64, expanded int64) int64 {
	who := r.Row.subscriber()
	for _, e := range b.events[b.place(expanded+1):] {
		if !e.ExpandedAt.IsZero() { // what waits before it, as by hold-down, keeps nothing of this open
			continue
		}
		if who.AtOnce(e) || who.Critical && e.Type.Closing() || begun[e.IncidentID] <= r.Turned {
			return e.Number - 1
		}
	}
	return b.upTo
}

// since are the announcements behind a cursor.
func (b *backlogs) since(cursor int64) ([]notifier.Event, error) {
	var rows []eventRow
	of := b.tx
	if b.handedOut {
		of = of.Where("expanded_at > 0")
	}
	if err := of.Where("number > ? AND number <= ? AND incident_id IS NOT NULL AND type <> ?", cursor, b.upTo, string(notifier.MaintenanceReminder)).Order("number").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read what happened: %w", err)
	}
	corrected, err := b.regraded(cursor)
	if err != nil {
		return nil, err
	}
	out := make([]notifier.Event, len(rows))
	for i, r := range rows {
		if to, ok := corrected[r.Number]; ok {
			r.Severity = to
		}
		if out[i], err = r.event(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// regraded are the severities that were corrected of announcements behind a cursor
// that are handed out: what has come to nobody yet is the filters' by what is right.
// (Of what is not handed out the correction changed the event itself.)
func (b *backlogs) regraded(cursor int64) (map[int64]int, error) {
	var found []struct {
		Number   int64
		Severity int
	}
	if err := b.tx.Raw(`SELECT e.number, u.severity FROM events AS e JOIN updates AS u ON u.id = e.update_id
		WHERE e.number > ? AND e.number <= ? AND e.expanded_at > 0 AND e.kind = ? AND u.severity <> e.severity`, cursor, b.upTo, string(notifier.KindIncident)).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("look for what was graded wrong: %w", err)
	}
	out := make(map[int64]int, len(found))
	for _, f := range found {
		out[f.Number] = f.Severity
	}
	return out, nil
}

// welcome takes the number from those whose address may not be written to.
func (b *backlogs) welcome(rows []digestReader) ([]digestReader, error) {
	addresses := make([]string, len(rows))
	for i, r := range rows {
		addresses[i] = r.Row.Address
	}
	out := slices.Clone(rows)
	for part := range slices.Chunk(addresses, 500) {
		barred, err := suppressed(b.tx, notifier.Email, part)
		if err != nil {
			return nil, err
		}
		for i := range out {
			if barred[out[i].Row.Address] {
				out[i].Row.Number = 0
			}
		}
	}
	return out, nil
}

// quiet reports who is told so where there is nothing new. Whoever may be written
// to is asked for by itself: where nothing happened nobody was looked at.
func (b *backlogs) quiet(rows []digestReader) ([]bool, error) {
	out := make([]bool, len(rows))
	if !slices.ContainsFunc(rows, func(r digestReader) bool { return r.Row.AllQuiet }) {
		return out, nil
	}
	may, err := b.welcome(rows)
	if err != nil {
		return nil, err
	}
	for i, r := range may {
		out[i] = r.Row.AllQuiet && r.Row.Number > 0
	}
	return out, nil
}

// came are those of the keys of deliveries that told somebody something, or are
// about to: what failed or expired they have not been told.
func (b *backlogs) came(keys []int64) (map[int64]bool, error) {
	out := map[int64]bool{}
	for part := range slices.Chunk(keys, 5000) {
		in, arg := b.store.among(`id`, part)
		var found []int64
		if err := b.tx.Raw(`SELECT id FROM deliveries WHERE `+in+` AND state || '' NOT IN ('failed', 'expired', 'cancelled')`, arg).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("look for what came at once: %w", err)
		}
		for _, id := range found {
			out[id] = true
		}
	}
	return out, nil
}

// begun is the first event of each incident that something happened to, or of
// those that ended.
func (b *backlogs) begun(ended bool) (map[string]int64, error) {
	var ids []string
	seen := map[string]bool{}
	for _, e := range b.events {
		if !seen[e.IncidentID] && (!ended || e.Type.Closing()) {
			seen[e.IncidentID] = true
			ids = append(ids, e.IncidentID)
		}
	}
	out := make(map[string]int64, len(ids))
	for part := range slices.Chunk(ids, 500) {
		var found []struct {
			IncidentID string
			First      int64
		}
		if err := b.tx.Raw(`SELECT incident_id, min(number) AS first FROM events WHERE incident_id IN ? GROUP BY incident_id`, part).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("look for when it began: %w", err)
		}
		for _, f := range found {
			out[f.IncidentID] = f.First
		}
	}
	return out, nil
}

// told are the incidents of which readers were told by earlier digests: of those
// that ended now, and that began before, and only of readers whose filter alone
// would not tell them of the end.
func (b *backlogs) told(rows []digestReader, people []subscribers.Subscriber, h homes) (map[int64]map[string]bool, error) {
	begun, err := b.begun(true)
	if err != nil {
		return nil, err
	}
	oldest := int64(0)
	var asked []int64
	for i, r := range rows {
		touches := h.touches(r.Row.Address)
		for _, e := range b.events {
			if first := begun[e.IncidentID]; r.Row.Number > 0 && e.Number > r.Cursor && e.Type.Closing() && first <= r.Cursor && !people[i].Filter.Match(e, touches) {
				if asked = append(asked, r.Row.Number); oldest == 0 || first < oldest {
					oldest = first
				}
			}
		}
	}
	out := map[int64]map[string]bool{}
	if len(asked) == 0 {
		return out, nil
	}
	slices.Sort(asked)
	incidents, err := b.incidentsOf(begun)
	if err != nil {
		return nil, err
	}
	return out, b.toldBefore(slices.Compact(asked), oldest, func(reader, event, _ int64) {
		if id, ok := incidents[event]; ok {
			if out[reader] == nil {
				out[reader] = map[string]bool{}
			}
			out[reader][id] = true
		}
	})
}

// toldBefore calls do for everything that digests behind an event told readers:
// with the event that was told, and the digest's.
func (b *backlogs) toldBefore(readers []int64, behind int64, do func(reader, event, by int64)) error {
	var found []struct {
		Reader, EventNumber int64
		Items               string
	}
	in, arg := b.store.among(`r.reader`, readers)
	if err := b.tx.Raw(`SELECT r.reader, r.event_number, c.items FROM digest_readers AS r JOIN digest_contents AS c ON c.event_number = r.event_number AND c.place = r.place
		WHERE `+in+` AND r.event_number > ?`, arg, behind).Scan(&found).Error; err != nil {
		return fmt.Errorf("look for what earlier digests told: %w", err)
	}
	for _, f := range found {
		for item := range strings.SplitSeq(f.Items, ",") {
			event, err := strconv.ParseInt(item, 10, 64)
			if err != nil {
				return fmt.Errorf("read what a digest told: %w", err)
			}
			do(f.Reader, event, f.EventNumber)
		}
	}
	return nil
}

// incidentsOf leads from the events of incidents to them.
func (b *backlogs) incidentsOf(begun map[string]int64) (map[int64]string, error) {
	out := map[int64]string{}
	for id := range begun {
		var numbers []int64
		if err := b.tx.Raw(`SELECT number FROM events WHERE incident_id = ?`, id).Scan(&numbers).Error; err != nil {
			return nil, fmt.Errorf("read an incident's events: %w", err)
		}
		for _, n := range numbers {
			out[n] = id
		}
	}
	return out, nil
}
