package audience

import (
	"slices"
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

// The parts of a time: as many files have millions of them, none of their
// layouts is put together more than once.
var (
	separators = []string{" ", "T"}
	clocks     = []string{"15:04", "15:04:05"} // the second one takes a fraction, too
	offsets    = []string{"", "-07", "-0700", "-07:00"}
	layouts    = func() (out [2][2][4]string) {
		for i, s := range separators {
			for j, c := range clocks {
				for k, o := range offsets {
					out[i][j][k] = time.DateOnly + s + c + o
				}
			}
		}
		return out
	}()
)

// typedTime is a date alone, or a date and, behind a space or a T, a time of day
// (seconds and their fraction may be there) with an offset, with UTC or with
// neither: as programs and databases write them (ISO 8601, RFC 3339).
func typedTime(text string, zone *time.Location) any {
	const day, minute = len(time.DateOnly), len("2006-01-02 15:04")
	layout := time.DateOnly
	if len(text) > day {
		if len(text) < minute {
			return nil
		}
		s := slices.Index(separators, text[day:day+1])
		if s < 0 {
			return nil
		}
		clock, offset, word := 0, 0, len(text)
		if len(text) > minute && text[minute] == ':' {
			clock = 1
		}
		for _, utc := range []string{"UTC", "GMT", "Z"} {
			if strings.HasSuffix(text, utc) {
				text, zone = strings.TrimSuffix(text[:len(text)-len(utc)], " "), time.UTC
			}
		}
		if at := strings.LastIndexAny(text, "+-"); at >= minute {
			offset = slices.IndexFunc(offsets, func(o string) bool { return len(o) == len(text)-at })
			if offset < 0 || len(text) != word {
				return nil
			}
			if text[at-1] == ' ' {
				text = text[:at-1] + text[at:]
			}
		}
		layout = layouts[s][clock][offset]
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
