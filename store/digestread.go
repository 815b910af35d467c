package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// addDigests fills in what claimed digests tell.
func (s *Store) addDigests(tx *gorm.DB, ds []notifier.Delivery) error {
	var readers, events []int64
	for _, d := range ds {
		if d.Lane == notifier.LaneDigest {
			readers, events = append(readers, d.ID.Reader()), append(events, d.ID.Event())
		}
	}
	if len(readers) == 0 {
		return nil
	}
	slices.Sort(events)
	ofReader, arg := s.among(`reader`, readers)
	ofEvent, arg2 := s.among(`event_number`, slices.Compact(events))
	var found []struct {
		Reader, EventNumber int64
		Place               int
	}
	if err := tx.Raw(`SELECT reader, event_number, place FROM digest_readers WHERE `+ofReader+` AND `+ofEvent, arg, arg2).Scan(&found).Error; err != nil {
		return fmt.Errorf("read what digests tell: %w", err)
	}
	places := make(map[notifier.DeliveryID]int, len(found))
	for _, f := range found {
		places[notifier.MakeDeliveryID(f.EventNumber, f.Reader)] = f.Place
	}
	for i := range ds {
		ds[i].Digest = places[ds[i].ID]
	}
	return nil
}

// Digest is what some readers of an event of type digest are told, by the place
// that Delivery.Digest names; or ErrNotFound.
func (s *Store) Digest(ctx context.Context, event int64, place int) (notifier.Digest, error) {
	var out notifier.Digest
	var items string
	err := s.conn(ctx).Raw(`SELECT d.cadence, d.day, d.missed, d.domain, c.items FROM digests AS d JOIN digest_contents AS c ON c.event_number = d.event_number
		WHERE d.event_number = ? AND c.place = ?`, event, place).Row().Scan(&out.Cadence, &out.Day, &out.Missed, &out.Domain, &items)
	if errors.Is(err, sql.ErrNoRows) {
		return out, fmt.Errorf("digest %d of event %d: %w", place, event, notifier.ErrNotFound)
	}
	if err != nil {
		return out, translate(fmt.Errorf("read a digest: %w", err))
	}
	var numbers []int64
	for item := range strings.SplitSeq(items, ",") {
		n, err := strconv.ParseInt(item, 10, 64)
		if err != nil {
			return out, fmt.Errorf("read a digest: %w", err)
		}
		numbers = append(numbers, n)
	}
	out.Items, err = s.digestItems(s.conn(ctx), numbers)
	return out, translate(err)
}

// digestHead is which digest an event is, without what it tells; the zero one where
// that was forgotten.
func digestHead(db *gorm.DB, event int64) (out notifier.Digest, err error) {
	err = db.Raw(`SELECT cadence, day, missed, domain FROM digests WHERE event_number = ?`, event).Row().Scan(&out.Cadence, &out.Day, &out.Missed, &out.Domain)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return out, wrapped("read which digest it is", err)
}

// digestItems gathers events by their incidents.
func (s *Store) digestItems(db *gorm.DB, numbers []int64) ([]notifier.DigestItem, error) {
	in, arg := s.among(`number`, numbers)
	var found []struct {
		Number     int64
		IncidentID string
	}
	if err := db.Raw(`SELECT number, incident_id FROM events WHERE incident_id IS NOT NULL AND `+in+` ORDER BY number`, arg).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("read a digest's events: %w", err)
	}
	var out []notifier.DigestItem
	place := map[string]int{}
	for _, f := range found {
		at, ok := place[f.IncidentID]
		if !ok {
			at = len(out)
			place[f.IncidentID] = at
			out = append(out, notifier.DigestItem{Since: f.Number})
		}
		out[at].Event = f.Number
	}
	return out, nil
}

// PreviewDigest is what a digest that was made at a time would tell a subscriber,
// whenever their next one is due; no items where they have missed nothing, and
// Quiet where there would be one all the same.
func (s *Store) PreviewDigest(ctx context.Context, n subscribers.Number, at time.Time) (notifier.Digest, error) {
	db := s.conn(ctx)
	var last int64
	if err := db.Raw(`SELECT coalesce(max(number), 0) FROM events WHERE accepted_at <= ?`, micros(at)).Scan(&last).Error; err != nil {
		return notifier.Digest{}, translate(fmt.Errorf("look for the newest event: %w", err))
	}
	var rows []digestReader
	if err := db.Raw(`SELECT s.*, c.cursor, c.turned, c.day AS digest_day FROM subscribers AS s JOIN digest_cursors AS c ON c.subscriber = s.number
		WHERE s.number = ?`, int64(n)).Scan(&rows).Error; err != nil {
		return notifier.Digest{}, translate(fmt.Errorf("find the reader: %w", err))
	}
	out := notifier.Digest{}
	if len(rows) == 0 {
		return out, nil
	}
	out.Cadence = rows[0].Row.Cadence
	b := &backlogs{store: s, tx: db, upTo: last}
	ended, err := b.endings(rows, at)
	if err != nil {
		return out, translate(err)
	}
	all, err := b.tell(rows, ended)
	if err == nil && len(all[0]) == 0 {
		quiet, err := b.quiet(rows)
		out.Quiet = err == nil && quiet[0]
		return out, translate(err)
	}
	if err != nil {
		return out, translate(err)
	}
	out.Items, err = s.digestItems(db, all[0])
	return out, translate(err)
}

// DigestCalendar lists every schedule that somebody who is active has, with its
// next run as far as it is known, soonest first.
func (s *Store) DigestCalendar(ctx context.Context) ([]subscribers.Calendared, error) {
	var rows []struct {
		Of                       digestRow `gorm:"embedded"`
		AfterAt, NextAt, Readers int64
	}
	if err := s.conn(ctx).Raw(`SELECT r.cadence, r.hour, r.weekday, r.timezone, r.after_at, r.next_at, count(*) AS readers FROM digest_runs AS r
		JOIN subscribers AS s ON s.state = 'active' AND s.cadence <> 'instant' AND s.cadence <> 'milestones' AND s.cadence = r.cadence
			AND s.timezone = r.timezone AND s.hour = r.hour AND (r.cadence <> 'weekly' OR s.weekday = r.weekday)
		GROUP BY r.cadence, r.hour, r.weekday, r.timezone, r.after_at, r.next_at ORDER BY r.next_at, r.cadence, r.timezone, r.hour, r.weekday`).Scan(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("list when digests are due: %w", err))
	}
	out := make([]subscribers.Calendared, len(rows))
	for i, r := range rows {
		out[i] = subscribers.Calendared{Schedule: r.Of.schedule(), After: instant(r.AfterAt), At: instant(r.NextAt), Readers: r.Readers}
	}
	return out, nil
}
