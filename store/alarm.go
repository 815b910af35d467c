package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"allclear/notifier"
)

type alarmRow struct {
	Key, About, Title, Text, Ended, URL string
	Once                                bool
	Since, SeenAt, ToldAt               int64
	Over                                bool
	BusyUntil                           int64
	ToldTo                              string
	DoneAt                              int64
}

func (alarmRow) TableName() string { return "alarms" }

func (r *alarmRow) alarm() notifier.Alarm {
	return notifier.Alarm{
		Trouble: notifier.Trouble{Key: r.Key, About: r.About, Title: r.Title, Text: r.Text, Ended: r.Ended, URL: r.URL, Since: instant(r.Since), Once: r.Once},
		Seen:    instant(r.SeenAt), Told: instant(r.ToldAt), Over: r.Over,
		To: strings.FieldsFunc(r.ToldTo, func(c rune) bool { return c == ',' }),
	}
}

// keep writes what became of an alarm.
func (r *alarmRow) keep(a notifier.Alarm) {
	busy := r.BusyUntil
	*r = alarmRow{
		Key: a.Key, About: a.About, Title: a.Title, Text: a.Text, Ended: a.Ended, URL: a.URL, Once: a.Once,
		Since: micros(a.Since), SeenAt: micros(a.Seen), ToldAt: micros(a.Told), Over: a.Over, BusyUntil: busy, ToldTo: strings.Join(a.To, ","),
	}
}

// NoteTroubles keeps what this process sees of troubles at the moment, for all
// that share the database. It writes even where there is none, so that its error
// tells that nothing can be written. One that cannot be kept is logged, and
// holds up none of the others.
func (s *Store) NoteTroubles(ctx context.Context, seen []notifier.Trouble) error {
	// In one order, so that two processes cannot wait for each other.
	seen = slices.Clone(seen)
	slices.SortFunc(seen, func(a, b notifier.Trouble) int { return cmp.Compare(a.Key, b.Key) })
	return s.work(ctx, func(ctx context.Context, tx *gorm.DB) error {
		if _, err := next(tx, "looks", 1); err != nil {
			return err
		}
		now := s.Now()
		for _, t := range seen {
			err := tx.Transaction(func(tx *gorm.DB) error { return s.noteTrouble(tx, t, now) })
			if ctx.Err() != nil {
				return fmt.Errorf("note a trouble: %w", err)
			}
			if err != nil {
				s.log.ErrorContext(ctx, "a trouble cannot be noted, so staff are not told of it", "part", "store", "about", t.About, "error", err)
			}
		}
		return nil
	})
}

func (s *Store) noteTrouble(tx *gorm.DB, t notifier.Trouble, now time.Time) error {
	var rows []alarmRow
	if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("key = ?", t.Key).Find(&rows).Error; err != nil {
		return err
	}
	var a notifier.Alarm
	var row alarmRow
	if len(rows) > 0 && rows[0].DoneAt == 0 { // one that is over and told of is another
		row = rows[0]
		a = row.alarm()
	}
	a.See(t, now)
	row.keep(a)
	if len(rows) == 0 {
		return tx.Create(&row).Error
	}
	return tx.Model(&alarmRow{}).Where("key = ?", row.Key).Select("*").Updates(&row).Error
}

// TakeAlarms gives the caller what staff are to be told now, and nobody else
// for as long as notifier.AlarmTry. calm: what nobody sees any more is over;
// whoever has only begun to look does not know that.
func (s *Store) TakeAlarms(ctx context.Context, calm bool) ([]notifier.Alarm, error) {
	if n, err := s.alarmsOpen(ctx); err != nil || n == 0 {
		return nil, err
	}
	var out []notifier.Alarm
	err := s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		out = nil
		var rows []alarmRow
		now := s.Now()
		// What is due, as Alarm.Due has it, before it is cut short; what nobody knows of comes first.
		due := `told_at = 0 OR over OR told_at <= ?`
		args := []any{micros(now), micros(now.Add(-notifier.AlarmAgain))}
		if calm {
			due, args = due+` OR seen_at < ?`, append(args, micros(now.Add(-notifier.AlarmCalm)))
		}
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("done_at = 0 AND (NOT once OR told_at = 0) AND busy_until <= ? AND ("+due+")", args...).
			Order("told_at, key").Limit(alarmsTaken).Find(&rows).Error; err != nil {
			return fmt.Errorf("look for alarms: %w", err)
		}
		for i := range rows {
			a := rows[i].alarm()
			if calm {
				a.Rest(now)
			}
			if !a.Due(now) {
				continue
			}
			if err := tx.Exec(`UPDATE alarms SET over = ?, busy_until = ? WHERE key = ?`, a.Over, micros(now.Add(notifier.AlarmTry)), a.Key).Error; err != nil {
				return fmt.Errorf("take an alarm: %w", err)
			}
			out = append(out, a)
		}
		return nil
	})
	return out, err
}

// alarmsTaken bounds what one look takes; the rest is for the next.
const alarmsTaken = 100

// alarmsOpen counts what may be due, without writing anything.
func (s *Store) alarmsOpen(ctx context.Context) (n int64, err error) {
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM alarms WHERE done_at = 0 AND (NOT once OR told_at = 0)`).Scan(&n).Error; err != nil {
		return 0, translate(fmt.Errorf("look for alarms: %w", err))
	}
	return n, nil
}

// AlarmTold notes that staff know of a, as TakeAlarms gave it, by a.To. What is
// over is kept for a while to be looked up, unless it is seen again by now: then
// that is to be told.
func (s *Store) AlarmTold(ctx context.Context, a notifier.Alarm) error {
	return s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		var rows []alarmRow
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("key = ?", a.Key).Find(&rows).Error; err != nil {
			return fmt.Errorf("note that staff were told: %w", err)
		}
		now := s.Now()
		for _, row := range rows {
			is, done := row.alarm(), row.DoneAt
			switch {
			case done > 0: // one more was told of the end
			case a.Over && is.Over:
				is.Told, done = now, micros(now)
			case a.Over:
				is.Told, is.Since = time.Time{}, is.Seen
			default:
				is.Told = now
			}
			for _, to := range a.To {
				if !slices.Contains(is.To, to) {
					is.To = append(is.To, to)
				}
			}
			if err := tx.Exec(`UPDATE alarms SET told_at = ?, told_to = ?, since = ?, done_at = ?, busy_until = 0 WHERE key = ?`,
				micros(is.Told), strings.Join(is.To, ","), micros(is.Since), done, a.Key).Error; err != nil {
				return fmt.Errorf("note that staff were told: %w", err)
			}
		}
		return tx.Exec(`DELETE FROM alarms WHERE once AND told_at > 0 AND seen_at < ? OR done_at > 0 AND done_at < ?`,
			micros(now.Add(-notifier.AlarmKept)), micros(now.Add(-notifier.AlarmKept))).Error
	})
}

// AlarmLog is what staff were told of the service itself and what they are not
// told of yet: what lasts first, then what is over, latest seen first.
func (s *Store) AlarmLog(ctx context.Context, limit int) ([]notifier.Alarm, error) {
	var rows []alarmRow
	if err := s.conn(ctx).Order("over OR once, seen_at DESC, key").Limit(between(limit, 1, 1000)).Find(&rows).Error; err != nil {
		return nil, translate(fmt.Errorf("list alarms: %w", err))
	}
	out := make([]notifier.Alarm, len(rows))
	for i := range rows {
		out[i] = rows[i].alarm()
	}
	return out, nil
}
