package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
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
}

func (alarmRow) TableName() string { return "alarms" }

func (r *alarmRow) alarm() notifier.Alarm {
	return notifier.Alarm{
		Trouble: notifier.Trouble{Key: r.Key, About: r.About, Title: r.Title, Text: r.Text, Ended: r.Ended, URL: r.URL, Since: instant(r.Since), Once: r.Once},
		Seen:    instant(r.SeenAt), Told: instant(r.ToldAt), Over: r.Over,
	}
}

// keep writes what became of an alarm.
func (r *alarmRow) keep(a notifier.Alarm) {
	busy := r.BusyUntil
	*r = alarmRow{
		Key: a.Key, About: a.About, Title: a.Title, Text: a.Text, Ended: a.Ended, URL: a.URL, Once: a.Once,
		Since: micros(a.Since), SeenAt: micros(a.Seen), ToldAt: micros(a.Told), Over: a.Over, BusyUntil: busy,
	}
}

// NoteTroubles keeps what this process sees of troubles at the moment, for all
// that share the database. It writes even where there is none, so that its error
// tells that nothing can be written.
func (s *Store) NoteTroubles(ctx context.Context, seen []notifier.Trouble) error {
	// In one order, so that two processes cannot wait for each other.
	seen = slices.Clone(seen)
	slices.SortFunc(seen, func(a, b notifier.Trouble) int { return cmp.Compare(a.Key, b.Key) })
	return s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		if _, err := next(tx, "looks", 1); err != nil {
			return err
		}
		now := s.Now()
		for _, t := range seen {
			if err := s.noteTrouble(tx, t, now); err != nil {
				return fmt.Errorf("note a trouble: %w", err)
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
	if len(rows) > 0 {
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
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("busy_until <= ? AND (NOT once OR told_at = 0)", micros(now)).
			Order("key").Limit(alarmsTaken).Find(&rows).Error; err != nil {
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
	if err := s.conn(ctx).Raw(`SELECT count(*) FROM alarms WHERE NOT once OR told_at = 0`).Scan(&n).Error; err != nil {
		return 0, translate(fmt.Errorf("look for alarms: %w", err))
	}
	return n, nil
}

// AlarmTold notes that staff know of a, as TakeAlarms gave it. What is over is
// forgotten, unless it is seen again by now: then that is to be told.
func (s *Store) AlarmTold(ctx context.Context, a notifier.Alarm) error {
	return s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		var rows []alarmRow
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("key = ?", a.Key).Find(&rows).Error; err != nil {
			return fmt.Errorf("note that staff were told: %w", err)
		}
		now := s.Now()
		for _, row := range rows {
			is := row.alarm()
			switch {
			case a.Over && is.Over:
				if err := tx.Exec(`DELETE FROM alarms WHERE key = ?`, a.Key).Error; err != nil {
					return fmt.Errorf("forget an alarm: %w", err)
				}
				continue
			case a.Over:
				is.Told, is.Since = time.Time{}, is.Seen
			default:
				is.Told = now
			}
			if err := tx.Exec(`UPDATE alarms SET told_at = ?, since = ?, busy_until = 0 WHERE key = ?`, micros(is.Told), micros(is.Since), a.Key).Error; err != nil {
				return fmt.Errorf("note that staff were told: %w", err)
			}
		}
		return tx.Exec(`DELETE FROM alarms WHERE once AND told_at > 0 AND seen_at < ?`, micros(now.Add(-notifier.AlarmKept))).Error
	})
}
