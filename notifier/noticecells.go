package notifier

import "strings"

// RowColumns lists the columns that some template of notices needs of every row
// of a recipient, not of the first one alone. They are counted while a file is
// taken up, as its notice may be given another template afterwards.
var RowColumns = []string{"subject", "date", "folder", "sender"}

// Cells are some of RowColumns: bit n is the nth.
type Cells uint8

// Has reports whether the column's bit is set.
func (c Cells) Has(column int) bool { return c>>column&1 == 1 }

// LackingCells are those of RowColumns that a row has not, or empty. A subject
// may be empty: there are mails without one. Of two cells with one name the
// first counts, as in the mail.
func LackingCells(row []Field) Cells {
	lacks, seen := Cells(1)<<len(RowColumns)-1, Cells(0)
	for i := range row {
		name := strings.ToLower(strings.TrimSpace(row[i].Name))
		for n, column := range RowColumns {
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
	return lacks
}
