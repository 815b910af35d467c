package notifier

import (
	"encoding/json"
	"fmt"
	"time"
)

// Field is one cell of what another team's file says of a recipient.
type Field struct {
	// Name is the column's: ours where a mapping gives one, else the file's
	// own, as written there.
	Name string `json:"name"`
	// Text is the cell as it stands in the file, in UTF-8, with LF for CRLF.
	Text string `json:"text"`
	// Value is a time.Time, a float64, or nil where Text is text. A time is
	// 2006-01-02, alone or, behind a space or a T, with 15:04 or 15:04:05, a
	// fraction, and an offset or UTC; without one it is in the zone that the file
	// was written in (a time that the clocks there left out
	// or showed twice is taken as time.Date takes it). A number stands in a
	// column of which somebody said that it holds amounts: it is decimal, with a
	// point, at most 15 digits, no exponent and no needless zero before it, or what
	// JSON calls a number. Any other stays as it was written, and so does all that
	// a TextColumn holds.
	Value any `json:"value,omitempty"`
}

// UnmarshalJSON reads what Marshal wrote of a Field: a value that is a string
// there was a time.
func (f *Field) UnmarshalJSON(data []byte) error {
	var raw struct {
		Name, Text string
		Value      any
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	f.Name, f.Text, f.Value = raw.Name, raw.Text, raw.Value
	if s, ok := raw.Value.(string); ok {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return fmt.Errorf("read the time of field %q: %w", raw.Name, err)
		}
		f.Value = t
	}
	return nil
}
