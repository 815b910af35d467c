package store

import (
	"encoding/json"
	"fmt"

	"gorm.io/gorm"

	"allclear/notifier"
)

// How much of one recipient's rows is read at a time, and how much of them a
// letter is made from. What is behind that is counted, so that memory does not
// grow with a join gone wrong: read, rows are several times as large, and every
// connection has a letter at work.
const (
	pageRows   = 1000
	pageBytes  = 1 << 20
	knownRows  = 50_000
	knownBytes = 2 << 20
)

// rowPage is a stretch of what one file says of a recipient.
type rowPage struct {
	rows  [][]notifier.Field
	bytes int
	last  int64 // the line to go on behind
	more  bool  // there may be more
}

// readRows reads what a file says of the recipient at a place behind a line.
func readRows(db *gorm.DB, file, place, after int64) (p rowPage, err error) {
	rows, err := db.Raw(`SELECT line, fields FROM recipient_rows WHERE audience = ? AND place = ? AND line > ? ORDER BY line LIMIT ?`, file, place, after, pageRows).Rows()
	if err != nil {
		return p, fmt.Errorf("read a recipient's rows: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for p.bytes < pageBytes && rows.Next() {
		var text []byte
		if err := rows.Scan(&p.last, &text); err != nil {
			return p, fmt.Errorf("read a recipient's rows: %w", err)
		}
		var fields []notifier.Field
		if err := json.Unmarshal(text, &fields); err != nil {
			return p, fmt.Errorf("read a recipient's rows: %w", err)
		}
		if len(fields) == 0 {
			fields = nil
		}
		p.rows, p.bytes = append(p.rows, fields), p.bytes+len(text)
	}
	p.more = p.bytes >= pageBytes || len(p.rows) == pageRows
	if err := rows.Err(); err != nil {
		return p, fmt.Errorf("read a recipient's rows: %w", err)
	}
	return p, nil
}

// recipient is who it is, without rows.
func (r recipientRow) recipient() notifier.Recipient {
	return notifier.Recipient{
		Place: r.Place, Channel: notifier.Channel(r.Channel), Address: r.Address, Language: r.Language, Timezone: r.Timezone, Account: r.Account,
	}
}

// eachRows gives do what the files say of a recipient, a page at a time, until
// it says that it has enough; what comes behind that is counted.
func eachRows(db *gorm.DB, files []audienceRow, r recipientRow, do func(rowPage) (enough bool, err error)) (more int64, err error) {
	enough := false
	for _, f := range files {
		if f.Number < r.Audience {
			continue
		}
		after := int64(0)
		for open := true; open && !enough; {
			p, err := readRows(db, f.Number, r.Place, after)
			if err != nil {
				return 0, err
			}
			if enough, err = do(p); err != nil {
				return 0, err
			}
			after, open = max(after, p.last), p.more
		}
		if !enough {
			continue
		}
		var left int64
		if err := db.Raw(`SELECT count(*) FROM recipient_rows WHERE audience = ? AND place = ? AND line > ?`, f.Number, r.Place, after).Scan(&left).Error; err != nil {
			return 0, fmt.Errorf("count a recipient's rows: %w", err)
		}
		more += left
	}
	return more, nil
}

// withRows adds what the files say of a recipient: a range of keys in each.
func withRows(db *gorm.DB, files []audienceRow, r recipientRow) (notifier.Recipient, error) {
	out, bytes := r.recipient(), 0
	var err error
	out.More, err = eachRows(db, files, r, func(p rowPage) (bool, error) {
		out.Rows, bytes = append(out.Rows, p.rows...), bytes+p.bytes
		return bytes >= knownBytes || len(out.Rows) >= knownRows, nil
	})
	return out, err
}

// checkLengths refuses a file that says more of one recipient than anybody
// could be told: another team's join that went wrong, as a rule.
func (a *adding) checkLengths(rows []coming) error {
	if a.file.ComponentKey != "" { // whose rows are not kept
		return nil
	}
	come := map[person]int64{}
	for i := range rows {
		who := person{string(rows[i].Channel), rows[i].Address}
		come[who]++
		n := come[who]
		if to := a.of[who]; to != nil {
			n += to.lines
		}
		if n > notifier.MostRows {
			return notifier.Invalidf(fmt.Sprintf("line %d", rows[i].Line), "is row %d of one recipient, and nobody can be told of more than %d; where a join multiplied rows, mend it, else sum them up", n, notifier.MostRows)
		}
	}
	return nil
}

// lengths adds to the recipients of earlier files how many rows this one has of them.
func (a *adding) lengths() error {
	var places []int64
	at := map[int64]*recipient{}
	for _, r := range a.all {
		if r.audience != a.file.Number {
			places, at[r.place] = append(places, r.place), r
		}
	}
	if len(places) == 0 {
		return nil
	}
	from, arg := a.store.each(places, `SELECT 1 AS one`, `(SELECT 1 AS one) AS one`)
	var found []struct{ Place, N int64 }
	if err := a.tx.Raw(`SELECT u.value AS place, (SELECT count(*) FROM recipient_rows AS r WHERE r.audience = `+bound+` AND r.place = u.value) AS n FROM `+from, a.file.Number, arg).Scan(&found).Error; err != nil {
		return fmt.Errorf("count rows: %w", err)
	}
	for _, f := range found {
		r := at[f.Place]
		r.lines, r.here = r.lines+f.N, f.N
	}
	return nil
}
