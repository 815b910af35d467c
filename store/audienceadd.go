package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"gorm.io/gorm"

	"allclear/notifier"
)

// AddToAudience takes up the next rows of a file, in their order, and those
// that cannot be used: some hundred to 2,000 of both, in one short transaction.
// Rows of one address on one channel are one recipient's, wherever they stand.
func (s *Store) AddToAudience(ctx context.Context, u notifier.Upload, rows []notifier.AudienceRow, rejects []notifier.Reject) error {
	return s.TakeUp(ctx, u, rows, rejects, "")
}

// TakeUp is AddToAudience of rows behind which an upload can go on: taken says
// how far the file was read (see LeftAudiences).
func (s *Store) TakeUp(ctx context.Context, u notifier.Upload, rows []notifier.AudienceRow, rejects []notifier.Reject, taken string) error {
	if len(rows)+len(rejects) == 0 {
		return nil
	}
	come, err := written(rows)
	if err != nil {
		return err
	}
	for {
		var full bool // what was put aside has to be taken up first
		err := s.work(ctx, func(_ context.Context, tx *gorm.DB) error {
			file, err := s.lockFile(tx, u)
			if err != nil {
				return err
			}
			if full = file.Gathering > 0 || file.aside() >= s.mostAside; full {
				return nil
			}
			file.Taken = taken
			if err := newAdding(s, tx, file).take(come, rejects); err != nil {
				return fmt.Errorf("add to an audience: %w", err)
			}
			return nil
		})
		if err != nil || !full {
			return err
		}
		if err := s.gather(ctx, u); err != nil {
			return err
		}
	}
}

// coming is a row on its way into a file.
type coming struct {
	notifier.AudienceRow
	text  string // its fields, as they are kept
	lacks notifier.Cells
}

// written are rows as they are kept.
func written(rows []notifier.AudienceRow) ([]coming, error) {
	out := make([]coming, len(rows))
	for i, r := range rows {
		if r.Fields == nil {
			r.Fields = []notifier.Field{}
		}
		text, err := json.Marshal(r.Fields)
		if err != nil {
			return nil, notifier.Invalidf("", "line %d: %s", r.Line, err)
		}
		out[i] = coming{r, string(text), notifier.LackingCells(r.Fields)}
	}
	return out, nil
}

// person is who a recipient is: rows with the same one are one recipient's.
type person struct{ channel, address string }

// recipient is somebody in the file or in those it is added to.
type recipient struct {
	audience, place, lines int64
	here                   int64 // of lines, in this file
	more                   int64 // rows of this batch
	fresh                  bool  // this batch is the first that has them
	come                   []judgedRow
	asks                   notifier.Cells // what their earlier rows are looked through for
}

// share is what recipients are counted by.
type share struct{ kind, name string }

type counted struct{ place, n int64 }

// adding is a batch of rows on its way into a file.
type adding struct {
	store  *Store
	tx     *gorm.DB
	file   audienceRow
	files  []int64 // that it is added to, and itself
	of     map[person]*recipient
	all    []*recipient // of them
	shares map[share]*counted
	whole  []int64 // recipients who have a column in every row, more or fewer, for each of notifier.RowColumns
}

func newAdding(s *Store, tx *gorm.DB, file audienceRow) *adding {
	return &adding{store: s, tx: tx, file: file, of: map[person]*recipient{}, shares: map[share]*counted{}, whole: make([]int64, len(notifier.RowColumns))}
}

// take adds a batch as it came: where rows wait that were put aside, behind them.
func (a *adding) take(rows []coming, rejects []notifier.Reject) error {
	rows, err := a.keep(rows)
	if err != nil {
		return err
	}
	aside := a.file.aside() > 0
	if !aside {
		if err := a.know(rows); err != nil {
			return err
		}
		aside = a.scattered(len(rows))
	}
	if aside {
		err = a.putAside(rows)
	} else {
		err = a.add(rows)
	}
	if err != nil {
		return err
	}
	if err := a.reject(rejects); err != nil {
		return err
	}
	return a.save()
}

// add adds rows whose recipients are known where they were there before.
func (a *adding) add(rows []coming) error {
	if err := a.checkLengths(rows); err != nil {
		return err
	}
	people := newBatch(0, "audience bigint", "place bigint", "channel text", "address text", "folded text", "language text", "timezone text", "account text", "lines bigint")
	data := newBatch(len(rows), "audience bigint", "place bigint", "line bigint", "fields text")
	var fresh []coming
	var places []int64
	for i := range rows {
		r := &rows[i]
		who := person{string(r.Channel), r.Address}
		to := a.of[who]
		if to == nil {
			a.file.Recipients++
			to = &recipient{audience: a.file.Number, place: a.file.First + a.file.Recipients, fresh: true}
			a.meet(who, to)
			fresh, places = append(fresh, *r), append(places, to.place)
			if err := a.count(r); err != nil {
				return err
			}
		} else {
			a.columns(r, false)
		}
		to.more++
		a.file.Lines++
		if a.file.ComponentKey != "" { // who lives somewhere has nothing to tell
			continue
		}
		to.come = append(to.come, judgedRow{len(r.text), r.lacks})
		a.file.Judged++
		data.add(a.file.Number, to.place, a.file.Lines, &r.text)
	}
	if err := a.twins(fresh); err != nil {
		return err
	}
	if err := a.judge(); err != nil {
		return err
	}
	for i := range fresh {
		r := &fresh[i]
		channel, folded := string(r.Channel), fold(r.Address)
		if folded == r.Address {
			folded = ""
		}
		who := a.of[person{channel, r.Address}]
		people.add(a.file.Number, places[i], &channel, &r.Address, &folded, &r.Language, &r.Timezone, &r.Account, who.more)
		who.more = 0
	}
	if err := people.insert(a.store, a.tx, "recipients"); err != nil {
		return err
	}
	if err := data.insert(a.store, a.tx, "recipient_rows"); err != nil {
		return err
	}
	if err := a.lengthen(); err != nil {
		return err
	}
	return a.erased(fresh)
}

// save ends a batch.
func (a *adding) save() error {
	if err := a.saveShares(); err != nil {
		return err
	}
	a.file.TouchedAt = micros(a.store.Now())
	return saveFile(a.tx, &a.file)
}

func (a *adding) meet(who person, r *recipient) {
	a.of[who], a.all = r, append(a.all, r)
}

// fold is an address in lower case, of ASCII letters alone.
func fold(address string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, address)
}

// know finds those of the rows' people who are in the audience already.
func (a *adding) know(rows []coming) error {
	a.files = []int64{a.file.Number}
	if !a.file.Replaces && a.file.Base > 0 {
		base, err := currentFiles(a.tx, a.file.NoticeID)
		if err != nil {
			return err
		}
		for _, f := range base {
			if f.Number <= a.file.Base {
				a.files = append(a.files, f.Number)
			}
		}
	}
	addresses := make([]string, 0, len(rows))
	for i := range rows {
		addresses = append(addresses, rows[i].Address)
	}
	slices.Sort(addresses)
	found, err := a.store.recipientsAt(a.tx, `address`, slices.Compact(addresses), a.files)
	if err != nil {
		return err
	}
	for _, f := range found {
		r := &recipient{audience: f.Audience, place: f.Place, lines: f.Lines}
		if f.Audience == a.file.Number {
			r.here = f.Lines
		}
		a.meet(person{f.Channel, f.Address}, r)
	}
	if a.file.ComponentKey != "" { // whose rows are not kept
		return nil
	}
	return a.lengths()
}

// recipientRow is a recipient without the data.
type recipientRow struct {
	Audience, Place   int64
	Channel, Address  string
	Language          string
	Timezone, Account string
	Lines             int64
}

const recipientColumns = `r.audience, r.place, r.channel, r.address, r.language, r.timezone, r.account, r.lines`

// recipientsAt finds recipients of files by a column that has an index, each
// value by itself. Which file it is in is looked at afterwards: the planners
// would rather walk the whole file that is being read, for every value anew.
func (s *Store) recipientsAt(tx *gorm.DB, column string, values []string, files []int64) (out []recipientRow, err error) {
	also := ``
	if column == `folded` {
		also = ` AND r.folded <> ''`
	}
	for part := range slices.Chunk(values, 500) {
		var found []recipientRow
		if s.dialect == postgres {
			err = tx.Raw(`SELECT `+recipientColumns+` FROM unnest(CAST(? AS text[])) AS v(value)
				CROSS JOIN LATERAL (SELECT * FROM recipients AS r WHERE r.`+column+` = v.value AND r.audience + 0 = ANY(CAST(? AS bigint[]))`+also+` OFFSET 0) AS r`, &part, &files).Scan(&found).Error
		} else {
			text, _ := json.Marshal(part) // strings cannot fail
			err = tx.Raw(`SELECT `+recipientColumns+` FROM json_each(?) AS v CROSS JOIN recipients AS r ON r.`+column+` = v.value AND +r.audience IN ?`+also,
				string(text), files).Scan(&found).Error
		}
		if err != nil {
			return nil, fmt.Errorf("look for recipients: %w", err)
		}
		out = append(out, found...)
	}
	return out, nil
}

// lengthen notes with recipients who were known already that they have more rows.
func (a *adding) lengthen() error {
	// The file's number comes with each: given once, it would have the planner
	// walk the whole file and look for every recipient in what it is given.
	b := newBatch(0, "audience bigint", "place bigint", "more bigint")
	for _, r := range a.all {
		if r.more > 0 && r.audience == a.file.Number {
			b.add(r.audience, r.place, r.more)
		}
	}
	if len(b.values[0]) == 0 {
		return nil
	}
	from, args := b.from(a.store)
	return a.tx.Exec(`UPDATE recipients SET lines = lines + u.more FROM `+from+` WHERE recipients.audience = u.audience AND recipients.place = u.place`, args...).Error
}

func (a *adding) reject(rejects []notifier.Reject) error {
	b := newBatch(len(rejects), "audience bigint", "place bigint", "line bigint", "reason text", "text text", "header text")
	for i := range rejects {
		a.file.Rejected++
		a.file.Encoding = oneEncoding(a.file.Encoding, rejects[i].Encoding)
		reason, text, header := clean(rejects[i].Reason), clean(rejects[i].Text), clean(rejects[i].Header)
		b.add(a.file.Number, a.file.FirstReject+a.file.Rejected, int64(rejects[i].Line), &reason, &text, &header)
	}
	return b.insert(a.store, a.tx, "rejects")
}

// clean makes a text one that both databases take.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}
