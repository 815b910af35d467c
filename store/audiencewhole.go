package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gorm.io/gorm"

	"allclear/notifier"
)

// How many recipients have a column in every row that a letter is made from is
// counted as their rows come (audience_whole). How many rows were looked at for
// that stands with the file (judged): they are fewer than it has where it was
// taken up before they were counted.

// judgedRow is a row of a recipient as it is looked at.
type judgedRow struct {
	size  int // bytes as it is kept
	lacks notifier.Cells
}

// reach follows a recipient's rows as withRows reads them, to know where it stops.
type reach struct {
	rows, bytes         int
	pageRows, pageBytes int
	over                bool
}

// row reports whether the next row is read.
func (r *reach) row(size int) bool {
	if r.over {
		return false
	}
	r.rows, r.bytes, r.pageRows, r.pageBytes = r.rows+1, r.bytes+size, r.pageRows+1, r.pageBytes+size
	if r.pageRows == pageRows || r.pageBytes >= pageBytes {
		r.turn()
	}
	return true
}

// turn ends a page, as the end of a file does.
func (r *reach) turn() {
	r.pageRows, r.pageBytes = 0, 0
	r.over = r.bytes >= knownBytes || r.rows >= knownRows
}

// lacking is what the next rows lack, as far as they are read.
func (r *reach) lacking(rows []judgedRow) (lacks notifier.Cells) {
	for _, row := range rows {
		if !r.row(row.size) {
			break
		}
		lacks |= row.lacks
	}
	return lacks
}

// judge counts who has which column in every row, before the batch is written.
// Who is new counts by the rows of the batch. Who was counted before has their
// earlier rows read, where they lack what they may have been counted with.
func (a *adding) judge() error {
	asked := map[int64][]*recipient{} // by the file they are in
	var before notifier.Cells
	known := false
	for _, r := range a.all {
		if !r.fresh && len(r.come) > 0 && !known {
			known = true
			var err error
			if before, err = a.wholeBefore(); err != nil {
				return err
			}
		}
		if r.fresh {
			lacks := (&reach{}).lacking(r.come)
			for n := range notifier.RowColumns {
				if !lacks.Has(n) {
					a.whole[n]++
				}
			}
			continue
		}
		for _, row := range r.come {
			r.asks |= row.lacks & before
		}
		if r.asks != 0 {
			asked[r.audience] = append(asked[r.audience], r)
		}
	}
	for file, people := range asked {
		people, err := a.wholeFirst(file, people)
		if err != nil {
			return err
		}
		for _, r := range people {
			if err := a.unwhole(r); err != nil {
				return fmt.Errorf("read a recipient's rows: %w", err)
			}
		}
	}
	return nil
}

// wholeBefore are the columns that anybody has in every row so far: what nobody
// has, as the file has no such column, nobody is asked for.
func (a *adding) wholeBefore() (cells notifier.Cells, err error) {
	counts, err := wholeOf(a.tx, a.files)
	for n := range counts {
		if counts[n] > 0 {
			cells |= 1 << n
		}
	}
	return cells, err
}

// wholeFirst are those of a file's recipients whose first row has what they are
// asked for: most who lack something lack it there, and need no second look.
func (a *adding) wholeFirst(file int64, people []*recipient) (left []*recipient, err error) {
	var places []int64
	at := map[int64]*recipient{}
	for _, r := range people {
		places, at[r.place] = append(places, r.place), r
	}
	from, arg := a.store.each(places, `SELECT 1 AS one`, `(SELECT 1 AS one) AS one`)
	var found []struct {
		Place  int64
		Fields *string
	}
	if err := a.tx.Raw(`SELECT u.value AS place, (SELECT r.fields FROM recipient_rows AS r WHERE r.audience = `+bound+` AND r.place = u.value ORDER BY r.line LIMIT 1) AS fields FROM `+from, file, arg).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("read first rows: %w", err)
	}
	for _, f := range found {
		r := at[f.Place]
		if f.Fields == nil { // forgotten
			continue
		}
		row, err := judged([]byte(*f.Fields))
		if err != nil {
			return nil, err
		}
		if r.asks &^= row.lacks; r.asks != 0 {
			left = append(left, r)
		}
	}
	return left, nil
}

// unwhole counts a recipient no more with what their earlier rows all have, and
// one of the batch lacks.
func (a *adding) unwhole(r *recipient) error {
	var at reach
	files := slices.Sorted(slices.Values(a.files))
	for _, f := range files {
		if f < r.audience {
			continue
		}
		at.turn()
		for last, more := (keptRow{}), true; more; {
			n := 0 // a page at a time: PostgreSQL would send the rest, too
			if err := eachKept(a.tx, `SELECT audience, place, line, fields FROM recipient_rows WHERE audience = ? AND place = ? AND line > ? ORDER BY line LIMIT ?`, []any{f, r.place, last.line, pageRows}, func(k keptRow) bool {
				n, last = n+1, k
				if at.row(k.size) {
					r.asks &^= k.lacks
				}
				return r.asks != 0 && !at.over
			}); err != nil {
				return err
			}
			if r.asks == 0 || at.over {
				return nil
			}
			more = n == pageRows
		}
	}
	lost := at.lacking(r.come) & r.asks
	for n := range notifier.RowColumns {
		if lost.Has(n) {
			a.whole[n]--
		}
	}
	return nil
}

// saveWhole keeps what judge counted.
func (a *adding) saveWhole() error {
	b := newBatch(len(a.whole), "audience bigint", "name text", "count bigint")
	for n, count := range a.whole {
		if count != 0 {
			b.add(a.file.Number, &notifier.RowColumns[n], count)
		}
	}
	if len(b.values[0]) == 0 {
		return nil
	}
	from, args := b.from(a.store)
	return a.tx.Exec(`INSERT INTO audience_whole (audience, name, count) SELECT audience, name, count FROM `+from+` WHERE true
		ON CONFLICT (audience, name) DO UPDATE SET count = audience_whole.count + excluded.count`, args...).Error
}

// wholeOf is how many recipients of files have each of RowColumns in every row.
func wholeOf(db *gorm.DB, files []int64) ([]int64, error) {
	var found []struct {
		Name  string
		Count int64
	}
	if err := db.Raw(`SELECT name, CAST(sum(count) AS bigint) AS count FROM audience_whole WHERE audience IN ? GROUP BY name`, append([]int64{0}, files...)).Scan(&found).Error; err != nil {
		return nil, fmt.Errorf("count who has what: %w", err)
	}
	counts := make([]int64, len(notifier.RowColumns))
	for _, f := range found {
		if n := slices.Index(notifier.RowColumns, f.Name); n >= 0 {
			counts[n] = f.Count
		}
	}
	return counts, nil
}

// AudienceWhole is how many recipients of a notice's audience have a column in
// every row that their letter is made from, for each of notifier.RowColumns. An
// audience that was taken up before that was counted is read through.
func (s *Store) AudienceWhole(ctx context.Context, notice string) (map[string]int64, error) {
	db := s.conn(ctx)
	files, err := s.filesOf(db, notice)
	if err != nil {
		return nil, translate(err)
	}
	var numbers []int64
	lines, people := int64(0), int64(0) // rows that were not looked at, and who there is
	for _, f := range files {
		numbers, lines, people = append(numbers, f.Number), lines+f.Lines-f.Judged, people+f.Recipients
	}
	counts, err := wholeOf(db, numbers)
	if err == nil && lines > 0 {
		counts, err = wholeRead(db, numbers, people)
	}
	if err != nil {
		return nil, translate(err)
	}
	out := map[string]int64{}
	for n, column := range notifier.RowColumns {
		out[column] = counts[n]
	}
	return out, nil
}

// wholeRead counts from the rows themselves, of so many recipients, one row in
// memory at a time. Who was forgotten lacks nothing.
func wholeRead(db *gorm.DB, files []int64, people int64) ([]int64, error) {
	counts := make([]int64, len(notifier.RowColumns))
	for n := range counts {
		counts[n] = people
	}
	query, args := `SELECT audience, place, line, fields FROM recipient_rows WHERE audience IN ? ORDER BY place, audience, line`, []any{files}
	if len(files) == 1 { // as they are kept
		query, args = `SELECT audience, place, line, fields FROM recipient_rows WHERE audience = ? ORDER BY place, line`, []any{files[0]}
	}
	var at reach
	var last keptRow
	var lacks notifier.Cells
	count := func() {
		for n := range counts {
			if lacks.Has(n) {
				counts[n]--
			}
		}
	}
	err := eachKept(db, query, args, func(k keptRow) bool {
		switch {
		case k.place != last.place:
			count()
			at, lacks = reach{}, 0
		case k.audience != last.audience:
			at.turn()
		}
		if last = k; at.row(k.size) {
			lacks |= k.lacks
		}
		return true
	})
	count()
	if err != nil {
		return nil, fmt.Errorf("look through an audience: %w", err)
	}
	return counts, nil
}

// keptRow is a row of a recipient that is kept.
type keptRow struct {
	audience, place, line int64
	judgedRow
}

// eachKept gives do the rows of a query until it has enough.
func eachKept(db *gorm.DB, query string, args []any, do func(keptRow) (more bool)) error {
	rows, err := db.Raw(query, args...).Rows()
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var k keptRow
		var text []byte
		if err := rows.Scan(&k.audience, &k.place, &k.line, &text); err != nil {
			return err
		}
		if k.judgedRow, err = judged(text); err != nil {
			return err
		}
		if !do(k) {
			break
		}
	}
	return rows.Err()
}

func judged(text []byte) (judgedRow, error) {
	var fields []notifier.Field
	if err := json.Unmarshal(text, &fields); err != nil {
		return judgedRow{}, fmt.Errorf("read a recipient's rows: %w", err)
	}
	return judgedRow{len(text), notifier.LackingCells(fields)}, nil
}
