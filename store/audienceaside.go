package store

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
)

// Where a file has everybody's rows mixed, each one would be written to a place
// of its own: a page of the database, twice, for a hundred bytes. Such rows are
// put aside as they come, one behind the other, until there are many or the file
// ends. Then they are taken up recipient by recipient, in the order in which
// these appear in the file, each one's rows in theirs: the audience is what it
// would have been without.

// mostAside is how many rows wait before they are taken up. The order in which
// they are takes 24 bytes of memory for each while it is found, and 8 then.
const mostAside = 1 << 20

// asideStep is how many rows are taken up in one transaction, and asideBytes how
// much, as the batches are in which they came.
const (
	asideStep  = 2000
	asideBytes = 2 << 20
)

// scattered reports whether a batch of so many rows would be written all over
// what the file has of recipients already.
func (a *adding) scattered(rows int) bool {
	if a.file.ComponentKey != "" { // whose rows are not kept
		return false
	}
	n, last := 0, a.file.First+a.file.Recipients // whose rows are the last ones
	for _, r := range a.all {
		if r.here > 0 && r.place != last {
			n++
		}
	}
	return n*8 > rows
}

// putAside keeps rows to be taken up later.
func (a *adding) putAside(rows []coming) error {
	if len(rows) == 0 {
		return nil
	}
	texts := make([]string, len(rows))
	for i := range rows {
		a.columns(&rows[i], false) // in the order in which they appear
		texts[i] = rows[i].asideText()
		a.file.Aside++
	}
	before := a.file.Aside - int64(len(rows))
	// One value a row, as it is: to take it out of a list costs as much as to write it.
	if a.store.dialect == postgres {
		return a.tx.Exec(`INSERT INTO rows_aside (audience, place, text) SELECT `+bound+`, `+bound+` + u.n, u.text FROM unnest(CAST(? AS text[])) WITH ORDINALITY AS u(text, n)`, a.file.Number, before, &texts).Error
	}
	list, _ := json.Marshal(texts) // strings cannot fail
	return a.tx.Exec(`INSERT INTO rows_aside (audience, place, text) SELECT ?, ? + u.key, u.value FROM json_each(?) AS u`, a.file.Number, before+1, string(list)).Error
}

// ownerDigits is how long a row's first line is: a hash of who it is of.
const ownerDigits = 16

// asideText is a row in lines: the hash, who it is of, its line in the file and
// what it lacks, language, time zone, fields as JSON, and the account, which may
// be of more than one.
func (r *coming) asideText() string {
	who := string(r.Channel) + " " + r.Address
	h := fnv.New64a()
	_, _ = h.Write([]byte(who)) // never fails
	return strings.Join([]string{hex.EncodeToString(h.Sum(nil)), who, strconv.Itoa(r.Line) + " " + strconv.Itoa(int(r.lacks)), r.Language, r.Timezone, r.text, r.Account}, "\n")
}

// readAside reads what asideText wrote.
func readAside(text string) (r coming, err error) {
	lines := strings.SplitN(text, "\n", 7)
	if len(lines) < 7 {
		return r, errors.New("a row that was put aside is not whole")
	}
	line, lacks, _ := strings.Cut(lines[2], " ")
	cells, err := strconv.ParseUint(lacks, 10, 8)
	if err == nil {
		r.Line, err = strconv.Atoi(line)
	}
	if err != nil {
		return r, fmt.Errorf("read a row that was put aside: %w", err)
	}
	channel, address, _ := strings.Cut(lines[1], " ")
	r.Channel, r.Address = notifier.Channel(channel), address
	r.lacks, r.Language, r.Timezone, r.text, r.Account = notifier.Cells(cells), lines[3], lines[4], lines[5], lines[6]
	return r, nil
}

// gather takes up what was put aside of a file, in small steps. Where it breaks
// off it is gone on with by whoever goes on with the file.
func (s *Store) gather(ctx context.Context, u notifier.Upload) error {
	find := func() (f audienceRow, err error) {
		err = s.conn(ctx).Raw(`SELECT * FROM audiences WHERE number = ?`, u.Edition).Scan(&f).Error
		return f, translate(err)
	}
	if f, err := find(); err != nil || f.aside() == 0 {
		return err
	}
	select {
	case s.gathers <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.gathers }()
	f, err := find()
	if err != nil {
		return err
	}
	order, err := s.orderAside(ctx, &f)
	for err == nil && f.aside() > 0 {
		order, err = s.gatherSome(ctx, u, &f, order)
	}
	if err != nil {
		return fmt.Errorf("take up rows that were put aside: %w", err)
	}
	return nil
}

// orderAside is the order in which rows are taken up that were put aside: where
// their recipient appears first, counted from the first that waits, in the upper
// half, and where they stand in the lower one.
func (s *Store) orderAside(ctx context.Context, f *audienceRow) ([]int64, error) {
	type row struct {
		owner uint64
		at    int64
	}
	all := make([]row, 0, f.aside())
	rows, err := s.conn(ctx).Raw(`SELECT place, substr(text, 1, `+strconv.Itoa(ownerDigits)+`) FROM rows_aside WHERE audience = ? AND place > ? ORDER BY place`, f.Number, f.Gathered).Rows()
	if err != nil {
		return nil, translate(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var r row
		var owner string
		if err := rows.Scan(&r.at, &owner); err != nil {
			return nil, translate(err)
		}
		if r.owner, err = strconv.ParseUint(owner, 16, 64); err != nil {
			return nil, fmt.Errorf("read whose a row is: %w", err)
		}
		r.at -= f.Gathered
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return nil, translate(err)
	}
	slices.SortFunc(all, func(x, y row) int { return cmp.Or(cmp.Compare(x.owner, y.owner), cmp.Compare(x.at, y.at)) })
	order, first := make([]int64, 0, len(all)), int64(0)
	for i, r := range all {
		if i == 0 || r.owner != all[i-1].owner {
			first = r.at
		}
		if key := first<<32 | r.at; key > f.Gathering {
			order = append(order, key)
		}
	}
	slices.Sort(order)
	return order, nil
}

// gatherSome takes up the next rows, and returns what is left of the order.
func (s *Store) gatherSome(ctx context.Context, u notifier.Upload, f *audienceRow, order []int64) (left []int64, err error) {
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		file, err := s.lockFile(tx, u)
		if err != nil {
			return err
		}
		if file.Gathered != f.Gathered || file.Gathering != f.Gathering || file.Aside != f.Aside {
			return notifier.Refuse(notifier.ErrConflict, "the file is finished by somebody else")
		}
		rows, last, err := s.rowsAside(tx, &file, order[:min(len(order), asideStep)])
		if err != nil {
			return err
		}
		left = order[last:]
		if len(left) == 0 {
			file.Gathered, file.Gathering = file.Aside, 0
		} else {
			file.Gathering = order[last-1]
		}
		a := newAdding(s, tx, file)
		if rows, err = a.keep(rows); err != nil {
			return err
		}
		if err := a.know(rows); err != nil {
			return err
		}
		if err := a.add(rows); err != nil {
			return err
		}
		if err := a.save(); err != nil {
			return err
		}
		*f = a.file
		return nil
	})
	return left, err
}

// rowsAside reads rows in an order, as many as one step takes up, and returns
// how far it came.
func (s *Store) rowsAside(tx *gorm.DB, f *audienceRow, order []int64) (out []coming, last int, err error) {
	places := make([]int64, len(order))
	for i, key := range order {
		places[i] = f.Gathered + key&0xffff_ffff
	}
	from, arg := s.each(places, `SELECT * FROM rows_aside AS r WHERE r.audience = `+bound+` AND r.place = u.value OFFSET 0`, `rows_aside AS d ON d.audience = `+bound+` AND d.place = u.value`)
	rows, err := tx.Raw(`SELECT d.place, d.text FROM `+from, arg, f.Number).Rows()
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }()
	for bytes := 0; rows.Next(); {
		var place int64
		var text string
		if err := rows.Scan(&place, &text); err != nil {
			return nil, 0, err
		}
		r, err := readAside(text)
		if err != nil {
			return nil, 0, err
		}
		last += 1 + slices.Index(places[last:], place) // without those of who was erased
		out = append(out, r)
		if bytes += len(r.text); bytes >= asideBytes {
			return out, last, nil
		}
	}
	return out, len(order), rows.Err()
}

// sweepAside takes away a little of what was put aside of an audience that stays.
func (s *Store) sweepAside(ctx context.Context) (did bool, err error) {
	const left = `SELECT number FROM audiences WHERE state = 'current' AND notice_id <> '' AND aside > 0 LIMIT 1`
	var number int64
	if err := s.conn(ctx).Raw(left).Scan(&number).Error; err != nil || number == 0 {
		return false, translate(err)
	}
	err = s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
		gone, err := deleteSome(tx, "rows_aside", number, sweepStep)
		if err == nil && gone == 0 {
			err = tx.Exec(`UPDATE audiences SET aside = 0, gathered = 0 WHERE number = ?`, number).Error
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("sweep up rows that were put aside: %w", err)
	}
	return true, nil
}

// forgetAside takes away the rows of an address that were put aside, and returns
// how many. What was taken up of them is forgotten where it is.
func (s *Store) forgetAside(ctx context.Context, address string) (n int, err error) {
	var files []int64
	if err := s.conn(ctx).Raw(`SELECT number FROM audiences WHERE aside > 0 ORDER BY number`).Scan(&files).Error; err != nil {
		return 0, fmt.Errorf("forget rows that were put aside: %w", translate(err))
	}
	for _, file := range files {
		for after, more := int64(0), true; more; {
			var theirs []int64
			if theirs, after, more, err = s.asideOf(ctx, file, after, address); err != nil {
				return n, fmt.Errorf("look through rows that were put aside: %w", translate(err))
			}
			if len(theirs) == 0 {
				continue
			}
			if err := s.overwriting(ctx, func(tx *gorm.DB) error {
				in, arg := s.among(`place`, theirs)
				return tx.Exec(`DELETE FROM rows_aside WHERE audience = ? AND `+in, file, arg).Error
			}); err != nil {
				return n, fmt.Errorf("forget rows that were put aside: %w", err)
			}
			n += len(theirs)
		}
	}
	return n, nil
}

// asideOf are the places of an address's rows among the next that were put aside,
// how far it looked, and whether there is more.
func (s *Store) asideOf(ctx context.Context, file, after int64, address string) (theirs []int64, last int64, more bool, err error) {
	var found []struct {
		Place int64
		Text  string
	}
	if err := s.conn(ctx).Raw(`SELECT place, text FROM rows_aside WHERE audience = ? AND place > ? ORDER BY place LIMIT ?`, file, after, sweepStep).Scan(&found).Error; err != nil {
		return nil, after, false, err
	}
	for _, f := range found {
		after = f.Place
		r, err := readAside(f.Text)
		if err != nil {
			return nil, after, false, err
		}
		if of := r.Address; of == address || r.Channel == notifier.Email && fold(of) == fold(address) {
			theirs = append(theirs, f.Place)
		}
	}
	return theirs, after, len(found) == sweepStep, nil
}
