package audience

import (
	"strconv"
	"strings"
	"time"

	"allclear/notifier"
)

// holds is what the cells of a column are taken for.
type holds int

const (
	anything holds = iota // times are found; whatever else there is stays as it was written
	numbers               // numbers, too: somebody said so
	wording               // text, whatever it looks like
)

// holdsOf is what the cells of a column of data hold, which the file and we call so.
// 10023456 may be an amount or a ticket, and 2026 a folder: a number that nobody
// vouches for is printed as it stands.
func (o *Options) holdsOf(c *column) holds {
	switch {
	case notifier.TextColumn(c.name):
		return wording
	case o.isNumber(c):
		return numbers
	}
	return anything
}

func (o *Options) isNumber(c *column) bool {
	for _, name := range o.Numbers {
		if strings.EqualFold(name, c.name) || strings.EqualFold(name, c.theirs) {
			return true
		}
	}
	return false
}

// typed is the time or the number that text is; nil where it is neither.
func (h holds) typed(text string, zone *time.Location) any {
	text = strings.TrimSpace(text)
	if h == wording || text == "" || text[0] != '-' && (text[0] < '0' || text[0] > '9') {
		return nil
	}
	if len(text) >= len(time.DateOnly) && text[4] == '-' && text[7] == '-' {
		return typedTime(text, zone)
	}
	if h == numbers && decimal(text) {
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
