package notifier

import "strings"

// Formula reports whether a spreadsheet would run a cell of a CSV file, were it
// not for apostrophes before it: it begins with one of a formula's signs, also
// behind spaces, which spreadsheets pass over, and in the signs' wide forms.
func Formula(cell string) bool {
	rest := strings.TrimLeft(cell, "' \u00a0\u3000\ufeff")
	for _, sign := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(rest, sign) {
			return true
		}
	}
	return false
}

// SafeCell puts an apostrophe before a cell that a spreadsheet would run. One
// that begins with apostrophes already gets another, so that to take one away
// from what is a Formula gives back exactly what was there.
func SafeCell(cell string) string {
	if Formula(cell) {
		return "'" + cell
	}
	return cell
}
