// Package audience reads another team's file of who was affected, row by row:
// CSV or NDJSON as a spreadsheet, a database or a script wrote it, in whatever
// encoding, with whatever delimiter and under whatever names of columns.
//
// It keeps nothing but the row at hand, so that ten million rows take the
// memory of one. It never guesses in silence about who gets what: a row that
// cannot be used comes out with its line, a reason and its own text; a file
// whose rows cannot be told apart any more ends with one error that names the
// line. What the rows are for is not known here: whoever keeps them (Load) groups
// them by address and counts.
package audience
