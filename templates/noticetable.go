package templates

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/number"

	"allclear/notifier"
)

// How much of a recipient's rows a mail shows. What it leaves out is attached.
const (
	shownRows    = 50
	shownColumns = 5
	labelSize    = 60  // characters of a column's name
	cellSize     = 200 // characters of a cell
	tightCell    = 60  // and where a mail would be too large with that
	attachedSize = 5 << 20
)

// noticeTable is what a mail shows of a recipient's rows.
type noticeTable struct {
	Start   string // side on which lines begin
	Columns []string
	Rows    [][]noticeCell
	More    string // a sentence where rows, columns or the ends of cells are left out; else ""
}

type noticeCell struct {
	Label string // its column's
	Text  string
}

// sheet is a recipient's rows by column: those the template needs first, then
// in the file's order.
type sheet struct {
	columns []sheetColumn
	rows    [][]*notifier.Field // a cell for each column; nil where the row has none
	unread  int                 // rows behind them, of which nothing is known
}

type sheetColumn struct {
	key, name string
	needed    bool
	text      bool // printed as it was written, whatever it looks like
}

// all is how many rows the recipient has.
func (s *sheet) all() int { return len(s.rows) + s.unread }

func sheetOf(r notifier.Recipient, needed []string) sheet {
	s, rows := sheet{unread: int(r.More)}, r.Rows
	at := map[string]int{}      // place by key
	keys := map[string]string{} // by name, which is worked out once
	for _, k := range needed {
		at[k], s.columns = len(s.columns), append(s.columns, sheetColumn{key: k, name: k, needed: true, text: notifier.TextColumn(k)})
	}
	s.rows = make([][]*notifier.Field, len(rows))
	for n, row := range rows {
		cells := make([]*notifier.Field, len(s.columns), len(needed)+len(row))
		for i := range row {
			f := &row[i]
			k, known := keys[f.Name]
			if !known {
				k = columnKey(f.Name)
				keys[f.Name] = k
			}
			place, known := at[k]
			if !known {
				place = len(s.columns)
				at[k], s.columns = place, append(s.columns, sheetColumn{key: k, name: f.Name, text: notifier.TextColumn(f.Name)})
			}
			for len(cells) <= place {
				cells = append(cells, nil)
			}
			if cells[place] == nil { // of two with one name the first
				cells[place] = f
			}
		}
		s.rows[n] = cells
	}
	return s
}

// cell is the field of a row in a column; the empty one where there is none.
func (s *sheet) cell(row, column int) notifier.Field {
	var f notifier.Field
	if cells := s.rows[row]; column < len(cells) && cells[column] != nil {
		f = *cells[column]
	}
	if s.columns[column].text {
		f.Value = nil // as files were read once, it may be a number or a time
	}
	return f
}

// find is the place of a column; -1 where there is none.
func (s *sheet) find(key string) int {
	return slices.IndexFunc(s.columns, func(c sheetColumn) bool { return c.key == key })
}

// table lays out rows: most of them, with cells of at most so many characters.
// whole says that nothing was left out.
func (n *notice) table(s *sheet, most, size int) (t noticeTable, whole bool) {
	t.Start, whole = n.words.Start(), true
	var shown []int
	for i, c := range s.columns {
		if !c.needed && n.saidAlready(s, i) {
			continue
		}
		if len(shown) == shownColumns {
			whole = false
			break
		}
		shown = append(shown, i)
		label := n.label(c)
		whole = whole && (ours(c.key) || label == tame(c.name, 1<<20))
		t.Columns = append(t.Columns, n.words.cat.isolate(label))
	}
	if len(shown) == 0 || len(s.rows) == 0 {
		return noticeTable{}, whole
	}
	for row := range min(most, len(s.rows)) {
		cells := make([]noticeCell, len(shown))
		for i, column := range shown {
			f := s.cell(row, column)
			full := n.value(f, 1<<20)
			text := clip(full, size)
			whole = whole && text == full
			switch {
			case full == "" && s.columns[column].key == "subject":
				text = n.words.cat.must("notice.no-subject")
			case f.Value == nil:
				text = n.words.cat.isolate(text)
			}
			cells[i] = noticeCell{Label: t.Columns[i], Text: text}
		}
		t.Rows = append(t.Rows, cells)
	}
	return t, whole && s.all() <= most
}

// label is a column's name in a mail: in the reader's language where it is ours.
func (n *notice) label(c sheetColumn) string {
	if ours(c.key) {
		return n.words.cat.must("notice.column." + c.key)
	}
	return tame(c.name, labelSize)
}

// wordedColumns are those that the languages have a word for.
func wordedColumns() []string { return []string{"subject", "date", "folder", "sender"} }

func ours(key string) bool { return slices.Contains(wordedColumns(), key) }

// saidAlready reports whether a column has nothing to tell in the table: the
// text holds it, and it is the same in every row, or it is empty in all.
func (n *notice) saidAlready(s *sheet, column int) bool {
	said := slices.Contains(n.columns, s.columns[column].key)
	for row := range s.rows {
		text := s.cell(row, column).Text
		if said && text != s.cell(0, column).Text || !said && strings.TrimSpace(text) != "" {
			return false
		}
	}
	return true
}

// value prints a field for the reader: a time in the reader's zone and UTC, a
// number as the language writes it, at most so many characters.
func (n *notice) value(f notifier.Field, most int) string {
	switch v := f.Value.(type) {
	case time.Time:
		if day, err := time.Parse(time.DateOnly, strings.TrimSpace(f.Text)); err == nil {
			return n.times.date(day, true) // a day was written, and no instant
		}
		return n.times.Moment(v, time.Time{})
	case float64:
		if shape, ok := decimals(f.Text); ok {
			return n.words.cat.numbers.Sprint(number.Decimal(v, shape))
		}
	}
	return tame(f.Text, most)
}

// decimals prints a number with as many digits behind the point as it was
// written with. false: it has more digits than are kept of it, and is printed
// as it is.
func decimals(text string) (number.Option, bool) {
	digits := 0
	for _, r := range text {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	if strings.ContainsAny(text, "eE") {
		return number.MaxFractionDigits(15), digits <= 15
	}
	_, behind, _ := strings.Cut(strings.TrimSpace(text), ".")
	return number.Scale(len(behind)), digits <= 15
}

// attachment is every row of a recipient as CSV (RFC 4180, comma, CRLF), with
// the columns' whole names. It begins with UTF-8's mark, because Excel takes a
// file without one for Windows' own encoding and shows nonsense; whatever else
// reads CSV passes over it. Times are RFC 3339 in UTC: those of the file name no
// zone. A cell that a spreadsheet would run gets an apostrophe. rows is how
// many had room.
func (n *notice) attachment(s *sheet) (a notifier.Attachment, rows int, err error) {
	var out bytes.Buffer
	out.WriteString("\ufeff")
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	cells := make([]string, len(s.columns))
	for i, c := range s.columns {
		cells[i] = notifier.SafeCell(entire(c.name))
	}
	err = w.Write(cells)
	for row := 0; row < len(s.rows) && err == nil; row++ {
		size := 0
		for i := range cells {
			cells[i] = notifier.SafeCell(attached(s.cell(row, i)))
			size += len(cells[i]) + 1
		}
		if rows > 0 && out.Len()+size > attachedSize {
			break
		}
		err = w.Write(cells)
		w.Flush()
		rows++
	}
	w.Flush()
	if err == nil {
		err = w.Error()
	}
	return notifier.Attachment{Name: n.template + ".csv", Type: "text/csv; charset=utf-8", Data: out.Bytes()}, rows, err
}

// attached is a field as a file holds it.
func attached(f notifier.Field) string {
	if t, ok := f.Value.(time.Time); ok {
		if _, err := time.Parse(time.DateOnly, strings.TrimSpace(f.Text)); err != nil {
			return t.UTC().Format(time.RFC3339)
		}
	}
	return entire(f.Text)
}

// entire is a text as it is, in UTF-8 and without NULs.
func entire(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "") }
