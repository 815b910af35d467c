package store

import (
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
	"allclear/subscribers"
)

// digestRow is a schedule as its columns have it.
type digestRow struct {
	Cadence  string
	Hour     int
	Weekday  int
	Timezone string
}

func rowOfSchedule(r subscriberRow) digestRow {
	d := digestRow{r.Cadence, r.Hour, 0, r.Timezone}
	if r.Cadence == string(subscribers.Weekly) {
		d.Weekday = r.Weekday
	}
	return d
}

func (d digestRow) schedule() subscribers.Schedule {
	return subscribers.Schedule{
		Cadence: subscribers.Cadence(d.Cadence), Hour: subscribers.Hour(d.Hour + 1), Weekday: weekday(d.Weekday), Timezone: d.Timezone,
	}
}

// where is the condition for its row.
func (d digestRow) where() (string, []any) {
	return ` WHERE cadence = ? AND hour = ? AND weekday = ? AND timezone = ?`, []any{d.Cadence, d.Hour, d.Weekday, d.Timezone}
}

// digested reports whether a subscriber gets digests, as it stands.
func digested(r subscriberRow) bool {
	return subscribers.Cadence(r.Cadence).Digest() && r.State == string(subscribers.Active)
}

// keepSchedules writes the schedules that subscribers chose, where they are new.
func (s *Store) keepSchedules(tx *gorm.DB, rows ...subscriberRow) error {
	seen := map[digestRow]bool{}
	for _, r := range rows {
		d := rowOfSchedule(r)
		if seen[d] || !subscribers.Cadence(r.Cadence).Digest() {
			continue
		}
		seen[d] = true
		if err := tx.Exec(`INSERT INTO digest_runs (cadence, hour, weekday, timezone, after_at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
			d.Cadence, d.Hour, d.Weekday, d.Timezone, micros(s.Now())).Error; err != nil {
			return fmt.Errorf("write when digests are due: %w", err)
		}
	}
	return nil
}

// beginDigests lets the digests of those of subscribers who get some begin with
// what comes next. Somebody who was told at once until now is told at once of
// what the fan-out had reached them with, and the rest is their first digest's:
// so their cursors stand before the first event that is not expanded, and what
// came at once is left out. The fan-out is kept out meanwhile.
func (s *Store) beginDigests(tx *gorm.DB, numbers []int64) error {
	if len(numbers) == 0 {
		return nil
	}
	last, open, err := newestEvents(tx)
	if err != nil {
		return err
	}
	// Each by their number: of thousands at once PostgreSQL may look through all who are active.
	from, arg := s.each(numbers, `SELECT number, state, cadence FROM subscribers WHERE number = u.value OFFSET 0`, `subscribers AS d ON d.number = u.value`)
	if err := tx.Exec(`INSERT INTO digest_cursors (subscriber, cursor, turned) SELECT d.number, CAST(? AS bigint), CAST(? AS bigint) FROM `+from+`
		WHERE d.state = 'active' AND d.cadence IN ('daily', 'weekly', 'monthly')
		ON CONFLICT (subscriber) DO UPDATE SET cursor = excluded.cursor, turned = excluded.turned, last_up_to = 0`, open, last, arg).Error; err != nil {
		return fmt.Errorf("begin digests: %w", err)
	}
	return nil
}

// addDigested writes what belongs to new subscribers who get digests.
func (s *Store) addDigested(tx *gorm.DB, all []subscribers.Subscriber) error {
	var rows []subscriberRow
	var numbers []int64
	for i := range all {
		if !all[i].Cadence.Digest() {
			continue
		}
		rows = append(rows, rowOfSubscriber(all[i]))
		if all[i].State == subscribers.Active {
			numbers = append(numbers, int64(all[i].Number))
		}
	}
	if err := s.keepSchedules(tx, rows...); err != nil {
		return err
	}
	return s.beginDigests(tx, numbers)
}

// newestEvents are the last event's number, and the last that all before it are expanded with.
func newestEvents(tx *gorm.DB) (last, expanded int64, err error) {
	if err := tx.Raw(`SELECT coalesce(max(number), 0), coalesce((SELECT min(number) - 1 FROM events WHERE expanded_at = 0 AND incident_id IS NOT NULL), max(number), 0) FROM events`).
		Row().Scan(&last, &expanded); err != nil {
		return 0, 0, fmt.Errorf("look for the newest event: %w", err)
	}
	return last, expanded, nil
}

// turnsDigests reports whether a change moves somebody between what comes at once and digests.
func turnsDigests(was, is subscriberRow) bool {
	return digested(was) != digested(is) || digested(is) && was.Critical != is.Critical
}

// turnDigests does what a change of a subscriber means for their digests: a new
// schedule is kept, whoever begins with digests begins with what comes next, and
// whoever is told at once from now on is owed what waits for their next digest.
func (s *Store) turnDigests(tx *gorm.DB, was, is subscriberRow) error {
	if rowOfSchedule(was) != rowOfSchedule(is) {
		if err := s.keepSchedules(tx, is); err != nil {
			return err
		}
	}
	if !turnsDigests(was, is) {
		return nil
	}
	if err := s.lockFanout(tx, false); err != nil {
		return err
	}
	last, _, err := newestEvents(tx)
	if err != nil {
		return err
	}
	turn := func(set string, args ...any) (bool, error) {
		done := tx.Exec(`UPDATE digest_cursors SET `+set, append(args, is.Number)...)
		if done.Error != nil {
			return false, fmt.Errorf("turn to or from digests: %w", done.Error)
		}
		return done.RowsAffected > 0, nil
	}
	switch {
	case digested(was) && digested(is): // critical ones come otherwise than before
		_, err = turn(`turned = ? WHERE subscriber = ?`, last)
	case digested(is) && was.State == is.State:
		// A last digest that is still owed is the first of the new ones.
		owed, err := turn(`turned = ?, last_up_to = 0 WHERE subscriber = ? AND last_up_to > 0`, last)
		if err != nil || owed {
			return err
		}
		return s.beginDigests(tx, []int64{is.Number})
	case digested(is):
		return s.beginDigests(tx, []int64{is.Number})
	case is.State == string(subscribers.Active):
		_, err = turn(`turned = ?, last_up_to = ? WHERE subscriber = ?`, last, last)
	}
	return err
}

// carryDigests lets the digests of a subscription that moved go on where they
// were: the new address gets the last one too, where the old one was not sent it.
func carryDigests(tx *gorm.DB, from, to int64) error {
	var was []struct {
		Cursor int64
		Day    string
	}
	if err := tx.Raw(`SELECT cursor, day FROM digest_cursors WHERE subscriber = ?`, from).Scan(&was).Error; err != nil || len(was) == 0 {
		return wrapped("look for how far digests came", err)
	}
	var last []struct {
		Since int64
		State notifier.DeliveryState
	}
	if err := tx.Raw(`SELECT d.since, d.state FROM digest_readers AS r JOIN deliveries AS d ON d.id = r.event_number * 4294967296 + r.reader
		WHERE r.reader = ? ORDER BY r.event_number DESC LIMIT 1`, from).Scan(&last).Error; err != nil {
		return fmt.Errorf("look for the last digest: %w", err)
	}
	if len(last) > 0 && last[0].State != notifier.Sent && last[0].State != notifier.Bounced {
		was[0].Cursor, was[0].Day = last[0].Since-1, ""
	}
	if err := tx.Exec(`UPDATE digest_cursors SET cursor = ?, day = ? WHERE subscriber = ?`, was[0].Cursor, was[0].Day, to).Error; err != nil {
		return fmt.Errorf("carry digests over: %w", err)
	}
	// What they were told of, they know.
	return wrapped("carry over what digests told", tx.Exec(`INSERT INTO digest_readers (reader, event_number, place)
		SELECT CAST(? AS bigint), event_number, place FROM digest_readers WHERE reader = ? ON CONFLICT DO NOTHING`, to, from).Error)
}

// wrapped is err with what was tried; nil where there is none.
func wrapped(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
