package notifier

import (
	"slices"
	"strings"
)

// RowColumns lists what some template of notices needs of every row of a
// recipient, not of the first one alone: columns, and behind them those that a
// template needs together. They are counted while a file is taken up, as its
// notice may be given another template afterwards. Who adds one sets judged of all
// audiences to 0, so that those are read through that were counted without it.
var RowColumns = []string{"subject", "date", "folder", "sender", "subject+date+folder", "sender+date"}

// singleColumns is how many of RowColumns stand for themselves.
const singleColumns = 4

// TogetherColumn is the one of RowColumns that a row lacks where it lacks any of
// these columns.
func TogetherColumn(columns []string) string { return strings.Join(columns, "+") }

// Cells are some of RowColumns: bit n is the nth.
type Cells uint8

// Has reports whether the column's bit is set.
func (c Cells) Has(column int) bool { return c>>column&1 == 1 }

// LackingCells are those of RowColumns that a row has not, or empty. A subject
// may be empty: there are mails without one. Of two cells with one name the
// first counts, as in the mail.
func LackingCells(row []Field) Cells {
	lacks, seen := Cells(1)<<singleColumns-1, Cells(0)
	for i := range row {
		name := strings.ToLower(strings.TrimSpace(row[i].Name))
		for n, column := range RowColumns[:singleColumns] {
			bit := Cells(1) << n
			if name != column || seen&bit != 0 {
				continue
			}
			seen |= bit
			if column == "subject" || strings.TrimSpace(row[i].Text) != "" {
				lacks &^= bit
			}
		}
	}
	for n, parts := range [...]Cells{0b0111, 0b1010} { // as their names say
		if lacks&parts != 0 {
			lacks |= 1 << (singleColumns + n)
		}
	}
	return lacks
}

// LackingColumns reports whether a row lacks any of these of RowColumns.
func LackingColumns(row []Field, columns []string) bool {
	lacks := LackingCells(row)
	return slices.ContainsFunc(columns, func(column string) bool { return lacks.Has(slices.Index(RowColumns, column)) })
}

// Needing is what a notice's letter needs of a recipient.
type Needing struct {
	Rows    []string // columns of RowColumns, in every row
	First   []string // columns in the first row, in lower case
	Account bool     // their account
}

// Lacks reports whether a recipient, of whom this is the first row, lacks what
// is needed of it, or their account.
func (n *Needing) Lacks(account string, first []Field) bool {
	cell := func(key string) string {
		i := slices.IndexFunc(first, func(f Field) bool { return ColumnKey(f.Name) == key })
		if i < 0 {
			return ""
		}
		return strings.TrimSpace(first[i].Text)
	}
	if n.Account && strings.TrimSpace(account) == "" && cell("account") == "" {
		return true
	}
	return slices.ContainsFunc(n.First, func(key string) bool { return cell(key) == "" })
}

// textColumns are printed as they were written, whatever they look like: a folder
// 2026-11 is found under that name only.
var textColumns = []string{"subject", "folder", "sender", "message_id", "account"}

// TextColumn reports whether a column of that name holds text, and no time or number.
func TextColumn(name string) bool {
	return slices.Contains(textColumns, strings.NewReplacer("-", "_", " ", "_").Replace(ColumnKey(name)))
}

// ColumnKey is a column's name as names are compared.
func ColumnKey(name string) string { return strings.ToLower(strings.Join(strings.Fields(name), " ")) }
