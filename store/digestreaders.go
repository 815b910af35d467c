package store

import (
	"fmt"

	"allclear/notifier"
	"allclear/subscribers"
)

// readers are the next of the schedule, by number, and whether they are the last.
// They are found first, and how far their digests came then, by their numbers: of a
// join PostgreSQL may make one that walks the cursors in their order, and begins at
// the first of all for every slice.
func (m *digestMaker) readers(max int) (rows []digestReader, progress int64, err error) {
	all, err := m.scheduled(max)
	if err != nil {
		return nil, 0, err
	}
	progress = maxReader
	if len(all) == max {
		progress = all[max-1].Number
	}
	cursors, err := m.cursors(all)
	if err != nil {
		return nil, 0, err
	}
	rows = make([]digestReader, 0, len(all))
	for _, is := range all {
		if c, ok := cursors[is.Number]; ok {
			c.Row = is
			rows = append(rows, c)
		}
	}
	return rows, progress, nil
}

// scheduled are the next subscribers with the schedule.
func (m *digestMaker) scheduled(max int) ([]subscriberRow, error) {
	of, args := ``, []any{m.run.Timezone, m.run.Hour, m.run.Progress}
	if m.run.Cadence == string(subscribers.Weekly) {
		of = ` AND weekday = ?`
		args = append(args, m.run.Weekday)
	}
	// The cadence stands in the statement so that both planners see what the index
	// is about. Only what decides about a digest is read, and not by reflection:
	// with a million readers that alone was half of the work.
	found, err := m.tx.Raw(`SELECT number, address, severity, kinds, chooses, timezone, language, incident, types, critical, all_quiet, mine FROM subscribers
		WHERE state = 'active' AND cadence = '`+m.run.Cadence+`' AND cadence <> 'instant' AND cadence <> 'milestones'
			AND timezone = ? AND hour = ? AND number > ?`+of+` ORDER BY number LIMIT ?`, append(args, max)...).Rows()
	if err != nil {
		return nil, fmt.Errorf("find the next readers: %w", err)
	}
	defer func() { _ = found.Close() }()
	rows := make([]subscriberRow, 0, max)
	for found.Next() {
		is := subscriberRow{Channel: string(notifier.Email), State: string(subscribers.Active), Cadence: m.run.Cadence}
		if err := found.Scan(&is.Number, &is.Address, &is.Severity, &is.Kinds, &is.Chooses, &is.Timezone, &is.Language, &is.Incident, &is.Types, &is.Critical, &is.AllQuiet, &is.Mine); err != nil {
			return nil, fmt.Errorf("read the next readers: %w", err)
		}
		rows = append(rows, is)
	}
	return rows, wrapped("read the next readers", found.Err())
}

// cursors are how far the digests of readers came, by reader.
func (m *digestMaker) cursors(of []subscriberRow) (map[int64]digestReader, error) {
	readers := make([]int64, len(of))
	for i := range of {
		readers[i] = of[i].Number
	}
	from, arg := m.store.each(readers, `SELECT subscriber, cursor, turned, day FROM digest_cursors WHERE subscriber = u.value OFFSET 0`,
		`digest_cursors AS d ON d.subscriber = u.value`)
	found, err := m.tx.Raw(`SELECT d.subscriber, d.cursor, d.turned, d.day FROM `+from, arg).Rows()
	if err != nil {
		return nil, fmt.Errorf("find how far digests came: %w", err)
	}
	defer func() { _ = found.Close() }()
	out := make(map[int64]digestReader, len(of))
	for found.Next() {
		var n int64
		var r digestReader
		if err := found.Scan(&n, &r.Cursor, &r.Turned, &r.DigestDay); err != nil {
			return nil, fmt.Errorf("read how far digests came: %w", err)
		}
		out[n] = r
	}
	return out, wrapped("read how far digests came", found.Err())
}
