package subscribers

import (
	"encoding/csv"
	"io"
	"strings"

	"allclear/notifier"
)

// CSVWriter writes subscribers so that ReadCSV reads the same again and a
// spreadsheet does not take a cell for a formula.
type CSVWriter struct {
	out    *csv.Writer
	headed bool
}

// WriteCSV begins a file on w. Nothing is written before the first Write or Flush.
func WriteCSV(w io.Writer) *CSVWriter { return &CSVWriter{out: csv.NewWriter(w)} }

// Write adds one line, behind the header where it is the first. A second address
// has none: read again, it would be told everything by itself. One that waits
// for its owner's word is left out: no file is to say that it was given.
func (w *CSVWriter) Write(s Subscriber) error {
	if s.SecondOf > 0 {
		return nil
	}
	w.head()
	if s.Second.State != Active {
		s.Second = Second{}
	}
	kinds := make([]string, len(s.Filter.Kinds))
	for i, k := range s.Filter.Kinds {
		kinds[i] = string(k)
	}
	types := make([]string, len(s.Filter.Types))
	for i, t := range s.Filter.Types {
		types[i] = string(t)
	}
	cells := []string{
		string(s.Channel), s.Address, strings.Join(s.Filter.Components, ";"), s.Filter.Severity.String(),
		strings.Join(kinds, ";"), string(s.Cadence), s.Timezone, s.Language, string(s.State),
		"", s.Contact, s.Filter.Incident, string(s.Format), strings.Join(types, ";"), string(s.Quiet),
		s.Hour.String(), string(s.Weekday), "", "", "", string(s.Second.Channel), s.Second.Address,
	}
	if s.Group {
		cells[9] = "true"
	}
	if s.Critical {
		cells[17] = "true"
	}
	if s.AllQuiet {
		cells[18] = "true"
	}
	if s.Filter.Mine {
		cells[19] = "true"
	}
	for i, v := range cells {
		cells[i] = notifier.SafeCell(v)
	}
	return w.out.Write(cells)
}

// Flush writes out what is buffered; an export of nobody is the header alone.
func (w *CSVWriter) Flush() error {
	w.head()
	w.out.Flush()
	return w.out.Error()
}

func (w *CSVWriter) head() {
	if !w.headed {
		w.headed = true
		_ = w.out.Write(csvColumns) // kept and told by Flush
	}
}

// unguard takes the apostrophe away that notifier.SafeCell put before a cell.
func unguard(cell string) string {
	if strings.HasPrefix(cell, "'") && notifier.Formula(cell) {
		return cell[1:]
	}
	return cell
}
