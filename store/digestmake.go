package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
)

// maxReader is the highest number that a reader can have.
const maxReader = math.MaxUint32

// digestReader is a reader whose digest is due, and how far their digests came.
type digestReader struct {
	Row subscriberRow `gorm:"embedded"`

	Cursor, Turned int64
	DigestDay      string
	UpTo           int64 `gorm:"-"` // where the next begins
}

// slice makes the digests of the next max readers of the schedule.
func (m *digestMaker) slice(max int) (made int, err error) {
	rows, progress, err := m.readers(max)
	if err != nil {
		return 0, err
	}
	// Whoever has had a digest of this day, by another schedule or zone, waits for the next.
	rows = slices.DeleteFunc(rows, func(r digestReader) bool { return r.DigestDay >= m.run.Day })
	b := &backlogs{store: m.store, tx: m.tx, upTo: m.run.UpTo}
	until, err := m.until()
	if err != nil {
		return 0, err
	}
	ended, err := b.endings(rows, until)
	if err != nil {
		return 0, err
	}
	rows = slices.DeleteFunc(rows, func(r digestReader) bool {
		return r.Cursor >= m.run.UpTo && !r.Row.AllQuiet && len(ended) == 0
	})
	all, err := b.tell(rows, ended)
	if err != nil {
		return 0, err
	}
	quiet, err := b.quiet(rows)
	if err != nil {
		return 0, err
	}
	var due []letterTo
	for i, items := range all {
		if len(items) > 0 || quiet[i] {
			due = append(due, letterTo{rows[i].Row, rows[i].Cursor + 1, items})
		}
	}
	if len(due) > 0 && m.run.EventNumber == 0 {
		return 0, m.announce() // and then this slice again
	}
	if made, err = m.store.insertDigests(m.tx, m.run.EventNumber, micros(m.now), due); err != nil {
		return 0, err
	}
	if err := m.move(rows, due, len(b.events) > 0 || len(due) > 0); err != nil {
		return 0, err
	}
	if progress == maxReader {
		return made, m.set(`up_to = 0, event_number = 0, progress = 0`)
	}
	return made, m.set(`progress = ?`, progress)
}

// until is up to when what ended quietly is told: of what ends once the digests of
// this run have their event, the next run tells.
func (m *digestMaker) until() (time.Time, error) {
	if m.run.EventNumber == 0 {
		return m.now, nil
	}
	when, err := acceptedAt(m.tx, []int64{m.run.EventNumber})
	return instant(when[m.run.EventNumber]), err
}

// move moves the cursors of all who were looked at. Where nothing happened at
// all they may stay: who changes their mind finds nothing there later, either.
func (m *digestMaker) move(rows []digestReader, due []letterTo, happened bool) error {
	if !happened || len(rows) == 0 {
		return nil
	}
	told := make(map[int64]bool, len(due))
	for i := range due {
		told[due[i].Number] = true
	}
	type place struct {
		cursor int64
		told   bool
	}
	places := map[place][]int64{}
	for _, r := range rows {
		if n := r.Row.Number; r.UpTo > r.Cursor || told[n] {
			at := place{max(r.UpTo, r.Cursor), told[n]}
			places[at] = append(places[at], n)
		}
	}
	for at, readers := range places {
		set, args := `cursor = ?`, []any{at.cursor}
		if at.told {
			set, args = `cursor = ?, day = ?`, append(args, m.run.Day)
		}
		in, arg := m.store.among(`subscriber`, readers)
		if err := m.tx.Exec(`UPDATE digest_cursors SET `+set+` WHERE `+in, append(args, arg)...).Error; err != nil {
			return fmt.Errorf("move the cursors: %w", err)
		}
	}
	return nil
}

// letterTo is one digest: events that are told to a reader.
type letterTo struct {
	subscriberRow
	since int64
	items []int64
}

// insertDigests makes the deliveries of digests of one event.
func (s *Store) insertDigests(tx *gorm.DB, event, now int64, all []letterTo) (int, error) {
	if len(all) == 0 {
		return 0, nil
	}
	places, err := placesOf(tx, event, all)
	if err != nil {
		return 0, err
	}
	rows := newBatch(len(all), "id bigint", "since bigint", "address text", "language text", "timezone text")
	told := newBatch(len(all), "reader bigint", "event_number bigint", "place bigint")
	for i := range all {
		d := &all[i]
		rows.add(int64(notifier.MakeDeliveryID(event, d.Number)), d.since, &d.Address, &d.Language, &d.Timezone)
		told.add(d.Number, event, places[listed(d.items)])
	}
	from, args := rows.from(s)
	t := tally{}
	after, upTo := int64(notifier.MakeDeliveryID(event, all[0].Number-1)), int64(notifier.MakeDeliveryID(event, all[len(all)-1].Number))
	made, err := s.insertCounted(tx, t, event, keysIn(after, upTo), `INSERT INTO deliveries (id, event_number, lane, channel, address, language, timezone, since, told, state, due_at)
		SELECT u.id, CAST(? AS bigint), CAST(? AS smallint), 'email', u.address, u.language, u.timezone, u.since, 0, 'pending', CAST(? AS bigint) FROM `+from,
		append([]any{event, int(notifier.LaneDigest), now}, args...))
	if err != nil {
		return 0, fmt.Errorf("make deliveries: %w", err)
	}
	if err := told.insert(s, tx, "digest_readers"); err != nil {
		return 0, fmt.Errorf("write what digests tell: %w", err)
	}
	if err := t.save(s, tx); err != nil {
		return 0, err
	}
	return int(made), s.bump(tx, "work")
}

// listed is how a list of events is kept; of none, as that of the event that there is not.
func listed(items []int64) string {
	if len(items) == 0 {
		return "0"
	}
	out := make([]string, len(items))
	for i, n := range items {
		out[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(out, ",")
}

// placesOf finds what digests tell among an event's contents, or adds it. Nobody
// else adds any meanwhile: the schedule's row is locked, or the event has one reader.
func placesOf(tx *gorm.DB, event int64, all []letterTo) (map[string]int64, error) {
	places, hashes := map[string]int64{}, map[string]string{}
	var asked []string
	for _, d := range all {
		items := listed(d.items)
		if _, ok := places[items]; ok {
			continue
		}
		places[items] = 0
		sum := sha256.Sum256([]byte(items))
		hash := hex.EncodeToString(sum[:16])
		hashes[hash] = items
		asked = append(asked, hash)
	}
	var last int64
	if err := tx.Raw(`SELECT coalesce(max(place), 0) FROM digest_contents WHERE event_number = ?`, event).Scan(&last).Error; err != nil {
		return nil, fmt.Errorf("look for what digests tell: %w", err)
	}
	for part := range slices.Chunk(asked, 500) {
		var found []struct {
			Hash  string
			Place int64
		}
		if err := tx.Raw(`SELECT hash, place FROM digest_contents WHERE event_number = ? AND hash IN ?`, event, part).Scan(&found).Error; err != nil {
			return nil, fmt.Errorf("look for what digests tell: %w", err)
		}
		for _, f := range found {
			places[hashes[f.Hash]] = f.Place
		}
	}
	for _, hash := range asked {
		items := hashes[hash]
		if places[items] > 0 {
			continue
		}
		last++
		places[items] = last
		if err := tx.Exec(`INSERT INTO digest_contents (event_number, place, hash, items) VALUES (?, ?, ?, ?)`, event, last, hash, items).Error; err != nil {
			return nil, fmt.Errorf("write what digests tell: %w", err)
		}
	}
	return places, nil
}

// lastDigest makes the digest that is owed to somebody who is told at once from
// now on, of what had waited for their next one.
func (s *Store) lastDigest(tx *gorm.DB) (made int, found bool, err error) {
	var owed []struct{ Subscriber, Cursor, LastUpTo int64 }
	if err := tx.Raw(`SELECT c.subscriber, c.cursor, c.last_up_to`+owedLast+` ORDER BY c.subscriber LIMIT 1`+s.skipLocked(), micros(s.Now())).Scan(&owed).Error; err != nil {
		return 0, false, fmt.Errorf("look for who is owed a last digest: %w", err)
	}
	if len(owed) == 0 {
		return 0, false, nil
	}
	o := owed[0]
	var rows []digestReader
	if err := tx.Raw(`SELECT s.*, c.cursor, c.last_up_to AS turned FROM subscribers AS s JOIN digest_cursors AS c ON c.subscriber = s.number
		WHERE s.number = ? AND s.state = 'active' AND s.channel = 'email' AND s.cadence IN ('instant', 'milestones')`, o.Subscriber).Scan(&rows).Error; err != nil {
		return 0, false, fmt.Errorf("find the reader: %w", err)
	}
	b := &backlogs{store: s, tx: tx, upTo: o.LastUpTo, handedOut: true}
	ended, err := b.endings(rows, s.Now())
	if err != nil {
		return 0, false, err
	}
	all, err := b.tell(rows, ended)
	if err != nil {
		return 0, false, err
	}
	if len(all) > 0 && len(all[0]) > 0 {
		event, err := s.acceptDigest(tx, o.Subscriber, s.Now())
		if err != nil {
			return 0, false, err
		}
		if err := tx.Exec(`INSERT INTO digests (event_number, cadence, hour, weekday, timezone, day, missed) VALUES (?, '', -1, 0, '', '', 0)`, event).Error; err != nil {
			return 0, false, fmt.Errorf("write what a digest is of: %w", err)
		}
		if made, err = s.insertDigests(tx, event, micros(s.Now()), []letterTo{{rows[0].Row, o.Cursor + 1, all[0]}}); err != nil {
			return 0, false, err
		}
	}
	if err := tx.Exec(`UPDATE digest_cursors SET cursor = last_up_to, last_up_to = 0 WHERE subscriber = ?`, o.Subscriber).Error; err != nil {
		return 0, false, fmt.Errorf("note a last digest: %w", err)
	}
	return made, true, nil
}

// forgetDigests forgets what digests of an event told readers up to one, from
// another on; whole: and what it was about.
func forgetDigests(tx *gorm.DB, event, from, upTo int64, whole bool) error {
	if err := tx.Exec(`DELETE FROM digest_readers WHERE event_number = ? AND reader >= ? AND reader <= ?`, event, from, upTo).Error; err != nil {
		return err
	}
	if !whole {
		return nil
	}
	return tx.Exec(`DELETE FROM digests WHERE event_number = ?`, event).Error
}
