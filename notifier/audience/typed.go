package audience

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Field is one cell of data.
type Field struct {
	// Name is the column's: ours where Options.Map gives one, else the file's
	// own, as written there.
	Name string `json:"name"`
	// Text is the cell as it stands in the file, in UTF-8, with LF for CRLF.
	Text string `json:"text"`
	// Value is a time.Time, a float64, or nil where Text is text. A time is
	// RFC 3339, or 2006-01-02, 2006-01-02 15:04 or 2006-01-02 15:04:05 in
	// Options.Zone (a time that the clocks there left out or showed twice is
	// taken as time.Date takes it). A number is decimal, with a point, at most
	// 15 digits, no exponent and no needless zero before it, so that a number
	// of an order or a postcode stays as it was written; in NDJSON it is what
	// JSON calls a number, and a string never is.
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

// typed is the time or the number that text is; nil where it is neither.
func typed(text string, zone *time.Location, numbers bool) any {
	text = strings.TrimSpace(text)
	if text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return nil
	}
	if len(text) >= len(time.DateOnly) && text[4] == '-' && text[7] == '-' {
		return typedTime(text, zone)
	}
	if numbers && decimal(text) {
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	}
	return nil
}

func typedTime(text string, zone *time.Location) any {
	layout := time.RFC3339
	switch len(text) {
	case len(time.DateOnly):
		layout = time.DateOnly
	case len("2006-01-02 15:04"):
		layout = "2006-01-02 15:04"
	case len(time.DateTime):
		layout = time.DateTime
	}
	if t, err := time.ParseInLocation(layout, text, zone); err == nil {
		return t
	}
	return nil
}

// decimal tells whether text is a number and nothing else: 15 digits are what
// a float64 gives back unchanged.
func decimal(text string) bool {
	text = strings.TrimPrefix(text, "-")
	before, after, point := strings.Cut(text, ".")
	if before == "" || len(before) > 1 && before[0] == '0' || point && after == "" || len(before)+len(after) > 15 {
		return false
	}
	return digits(before) && digits(after)
}

func digits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}
