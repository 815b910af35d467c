package store

import (
	"fmt"
	"slices"

	"gorm.io/gorm"

	"allclear/notifier"
)

// untold are outages that are over, whose readers are still to be told what
// their second addresses were sent, and whose events are all expanded, but for what
// is held down beyond the one parameter: by then their mail is back (expandsecond.go).
const untold = ` FROM outages AS o WHERE o.told_at = 0 AND o.back_at > 0
	AND NOT EXISTS (SELECT 1 FROM events AS e WHERE e.expanded_at = 0 AND e.incident_id IS NOT NULL AND e.number <= o.until_event AND e.held_until <= ?)`

type outageRow struct {
	Number, FromEvent, UntilEvent, EventNumber, Progress int64
	Domain                                               string
}

// summarise makes one short step of telling the first addresses of a domain that
// is back what their second ones were sent meanwhile: each one once, by a
// digest; who gets digests finds it in the next one of those. The outage's row
// is locked for the step, and how far it came is committed with what it made.
func (s *Store) summarise(tx *gorm.DB, max int) (made int, found bool, err error) {
	var rows []outageRow
	if err := tx.Raw(`SELECT o.number, o.domain, o.from_event, o.until_event, o.event_number, o.progress`+untold+` ORDER BY o.number LIMIT 1`+s.skipLocked(), micros(s.Now())).Scan(&rows).Error; err != nil {
		return 0, false, fmt.Errorf("look for domains that are back: %w", err)
	}
	if len(rows) == 0 {
		return 0, false, nil
	}
	m := &summary{store: s, tx: tx, outage: rows[0], now: micros(s.Now())}
	if made, err = m.step(max); err != nil {
		return 0, false, fmt.Errorf("sum up the outage of %s: %w", m.outage.Domain, err)
	}
	return made, true, nil
}

// summary is one step through the readers of an outage.
type summary struct {
	store   *Store
	tx      *gorm.DB
	outage  outageRow
	now     int64
	events  []notifier.Event   // what happened while it was down
	earlier map[string][]int64 // all events of its incidents until then
}

func (m *summary) step(max int) (int, error) {
	if err := m.read(); err != nil {
		return 0, err
	}
	var firsts []int64
	if len(m.events) > 0 {
		if err := m.tx.Raw(`SELECT second_of FROM subscribers WHERE second_of > ? AND second_of > 0 GROUP BY second_of ORDER BY second_of LIMIT ?`, m.outage.Progress, max).Scan(&firsts).Error; err != nil {
			return 0, fmt.Errorf("find the next readers: %w", err)
		}
	}
	due, err := m.due(firsts)
	if err != nil {
		return 0, err
	}
	if len(due) > 0 && m.outage.EventNumber == 0 { // and then this slice again
		return 0, m.announce()
	}
	if err := m.supersede(due); err != nil {
		return 0, err
	}
	made, err := m.store.insertDigests(m.tx, m.outage.EventNumber, m.now, due)
	if err != nil {
		return 0, err
	}
	if len(firsts) < max {
		return made, m.set(`told_at = ?`, m.now)
	}
	return made, m.set(`progress = ?`, firsts[len(firsts)-1])
}

func (m *summary) set(what string, arg int64) error {
	return wrapped("note how far it came", m.tx.Exec(`UPDATE outages SET `+what+` WHERE number = ?`, arg, m.outage.Number).Error)
}

// read finds what happened meanwhile. What was a mistake is left out: who was
// told of it was told so.
func (m *summary) read() error {
	var rows []eventRow
	if err := m.tx.Raw(`SELECT e.* FROM events AS e JOIN incidents AS i ON i.id = e.incident_id WHERE e.number >= ? AND e.number <= ? AND e.type <> ? AND i.state <> ? ORDER BY e.number`,
		m.outage.FromEvent, m.outage.UntilEvent, string(notifier.MaintenanceReminder), string(notifier.Retracted)).Scan(&rows).Error; err != nil {
		return fmt.Errorf("read what happened: %w", err)
	}
	m.earlier = map[string][]int64{}
	for _, r := range rows {
		e, err := r.event()
		if err != nil {
			return err
		}
		m.events = append(m.events, e)
		if m.earlier[e.IncidentID] != nil {
			continue
		}
		var numbers []int64
		if err := m.tx.Raw(`SELECT number FROM events WHERE incident_id = ? AND number <= ? ORDER BY number`, e.IncidentID, m.outage.UntilEvent).Scan(&numbers).Error; err != nil {
			return fmt.Errorf("read an incident's events: %w", err)
		}
		m.earlier[e.IncidentID] = numbers
	}
	return nil
}

// announce writes the event that the summaries belong to.
func (m *summary) announce() error {
	e, err := m.store.acceptDigest(m.tx, 0, instant(m.now))
	if err != nil {
		return err
	}
	if err := m.tx.Exec(`INSERT INTO digests (event_number, cadence, hour, weekday, timezone, day, missed, domain) VALUES (?, '', -1, 0, '', '', 0, ?)`, e, m.outage.Domain).Error; err != nil {
		return fmt.Errorf("write what summaries are of: %w", err)
	}
	return m.set(`event_number = ?`, e)
}

// due are the summaries of those of firsts whose second addresses were sent
// something, or were to be.
func (m *summary) due(firsts []int64) ([]letterTo, error) {
	if len(firsts) == 0 {
		return nil, nil
	}
	in, arg := m.store.among(`s.number`, firsts)
	within, args := inDomains(`s.address`, []string{m.outage.Domain})
	var people []subscriberRow
	if err := m.tx.Raw(`SELECT s.* FROM subscribers AS s WHERE `+in+` AND s.state = 'active' AND s.channel = 'email' AND s.cadence IN ('instant', 'milestones') AND `+within+`
		AND NOT EXISTS (SELECT 1 FROM suppressions AS b WHERE b.channel = s.channel AND b.address = s.address) ORDER BY s.number`,
		append([]any{arg}, args...)...).Scan(&people).Error; err != nil {
		return nil, fmt.Errorf("read the readers: %w", err)
	}
	in, arg = m.store.among(`second_of`, firsts)
	var seconds []struct{ Number, SecondOf int64 }
	if err := m.tx.Raw(`SELECT number, second_of FROM subscribers WHERE second_of > 0 AND `+in, arg).Scan(&seconds).Error; err != nil {
		return nil, fmt.Errorf("find their second addresses: %w", err)
	}
	firstOf := make(map[int64]int64, len(seconds))
	var keys []int64
	for _, z := range seconds {
		firstOf[z.Number] = z.SecondOf
		for _, e := range m.events {
			keys = append(keys, int64(notifier.MakeDeliveryID(e.Number, z.Number)))
		}
	}
	type telling struct{ first, event, since int64 }
	var tellings []telling
	var missing []int64 // who were told of more than what an event itself says
	for part := range slices.Chunk(keys, 5000) {
		in, arg := m.store.among(`d.id`, part)
		var found []struct{ ID, Since int64 }
		// What was missed at the first address, and told here, is summed up too. What
		// was parked here and told by newer news at the first is not, nor what could
		// not be sent here and went there.
		if err := m.tx.Raw(`SELECT d.id, CASE WHEN EXISTS (SELECT 1 FROM deliveries AS o WHERE o.id = d.since * 4294967296 + (d.id & 4294967295)) THEN d.event_number ELSE d.since END AS since
			FROM deliveries AS d WHERE `+in+` AND d.state || '' <> 'cancelled' AND NOT (d.due_at = ? AND d.state || '' IN ('pending', 'superseded') AND NOT EXISTS
				(SELECT 1 FROM events AS e JOIN events AS n ON n.incident_id = e.incident_id AND n.number > e.number
				JOIN deliveries AS x ON x.id = n.number * 4294967296 + (d.id & 4294967295) WHERE e.number = d.event_number))
				AND NOT (d.state || '' IN ('failed', 'bounced') AND EXISTS (SELECT 1 FROM subscribers AS z JOIN events AS e ON e.number = d.event_number
					JOIN events AS n ON n.incident_id = e.incident_id AND n.number >= e.number
					JOIN deliveries AS x ON x.id = n.number * 4294967296 + z.second_of AND x.since <= d.since WHERE z.number = d.id & 4294967295))`,
			arg, micros(notifier.UntilResumed)).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("look for what went elsewhere: %w", err)
		}
		for _, f := range found {
			d := notifier.DeliveryID(f.ID)
			first := firstOf[d.Reader()]
			tellings = append(tellings, telling{first, d.Event(), f.Since})
			if f.Since < d.Event() {
				missing = append(missing, first)
			}
		}
	}
	heard, err := m.heard(missing)
	if err != nil {
		return nil, err
	}
	told := map[int64][]int64{}
	for _, t := range tellings {
		told[t.first] = append(told[t.first], t.event, m.missed(t.since, t.event, heard[t.first]))
	}
	var out []letterTo
	for _, p := range people {
		if items := told[p.Number]; len(items) > 0 {
			slices.Sort(items)
			items = slices.Compact(items)
			out = append(out, letterTo{p, items[0], items})
		}
	}
	return out, nil
}

// heard are the events of the incidents that were sent to first addresses, in their order.
func (m *summary) heard(firsts []int64) (map[int64][]int64, error) {
	var keys []int64
	for _, numbers := range m.earlier {
		for _, e := range numbers {
			for _, first := range firsts {
				keys = append(keys, int64(notifier.MakeDeliveryID(e, first)))
			}
		}
	}
	out := map[int64][]int64{}
	for part := range slices.Chunk(keys, 5000) {
		in, arg := m.store.among(`id`, part)
		var found []int64
		if err := m.tx.Raw(`SELECT id FROM deliveries WHERE `+in+` AND state || '' IN ('sent', 'bounced')`, arg).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("look for what first addresses were sent: %w", err)
		}
		for _, id := range found {
			d := notifier.DeliveryID(id)
			out[d.Reader()] = append(out[d.Reader()], d.Event())
		}
	}
	return out, nil
}

// missed is the first event of what a second address was told from one on until
// another, without what the first address was sent after all: it was in flight
// when the second was told.
func (m *summary) missed(since, event int64, heard []int64) int64 {
	if since == event {
		return since
	}
	for _, numbers := range m.earlier {
		if !slices.Contains(numbers, event) {
			continue
		}
		for _, n := range numbers {
			if n >= since && n <= event && slices.Contains(heard, n) {
				since = min(n+1, event)
			}
		}
		for _, n := range numbers { // the next of the incident
			if n >= since {
				return n
			}
		}
	}
	return since
}

// supersede ends what still waits for first addresses of the incidents that a
// summary tells, and has the summary tell that too: it is newer, and nobody is to
// read that something broke after reading that it is over.
func (m *summary) supersede(due []letterTo) error {
	incidentOf := map[int64]string{}
	for _, e := range m.events {
		incidentOf[e.Number] = e.IncidentID
	}
	var ids []int64
	place := map[int64]int{}
	for i, d := range due {
		place[d.Number] = i
		seen := map[string]bool{}
		for _, n := range d.items {
			if id := incidentOf[n]; !seen[id] {
				seen[id] = true
				for _, e := range m.earlier[id] {
					ids = append(ids, int64(notifier.MakeDeliveryID(e, d.Number)))
				}
			}
		}
	}
	l := m.store.ledger(m.tx)
	for part := range slices.Chunk(ids, 5000) {
		rows, err := l.lockIDs(part)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.State != notifier.Pending && r.State != notifier.Held {
				continue
			}
			r.rest(notifier.Superseded)
			d := &due[place[r.reader()]]
			d.items = append(d.items, r.Since, r.event())
		}
	}
	for i := range due {
		slices.Sort(due[i].items)
		due[i].items = slices.Compact(due[i].items)
		due[i].since = due[i].items[0]
	}
	return l.save()
}
