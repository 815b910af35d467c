package audience

import (
	"strconv"
	"strings"
	"time"
)

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
		if text[len(time.DateOnly)] == 'T' {
			layout = "2006-01-02T15:04"
		}
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
