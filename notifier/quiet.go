package notifier

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// Quiet is a stretch of the day in which a phone does not ring, written
// 22:00-07:00, in its owner's zone. Critical incidents pass. "" is none.
type Quiet string

var quiet = regexp.MustCompile(`^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)$`)

// Validate reports a wrong one as an *Invalid for quiet.
func (q Quiet) Validate() error {
	if _, _, ok := q.minutes(); q != "" && !ok {
		return Invalidf("quiet", "%q is no stretch of the day; write 22:00-07:00", string(q))
	}
	return nil
}

// minutes are its ends, since midnight.
func (q Quiet) minutes() (from, until int, ok bool) {
	m := quiet.FindStringSubmatch(string(q))
	if m == nil {
		return 0, 0, false
	}
	n := func(i int) int { v, _ := strconv.Atoi(m[i]); return v }
	from, until = 60*n(1)+n(2), 60*n(3)+n(4)
	return from, until, from != until
}

// Until is when the quiet that t falls into ends; false where it falls into none.
func (q Quiet) Until(t time.Time, zone *time.Location) (time.Time, bool) {
	from, until, ok := q.minutes()
	if !ok {
		return time.Time{}, false
	}
	local := t.In(zone)
	now := 60*local.Hour() + local.Minute()
	day := local.Day()
	switch {
	case from < until && now >= from && now < until, from > until && now < until:
	case from > until && now >= from:
		day++
	default:
		return time.Time{}, false
	}
	end := time.Date(local.Year(), local.Month(), day, until/60, until%60, 0, 0, zone)
	return end.UTC(), end.After(t)
}

// NotBeforeError is why a message is not sent yet: its reader wants quiet until
// then. It is an ErrNotStarted.
type NotBeforeError struct{ Until time.Time }

func (e *NotBeforeError) Error() string {
	return fmt.Sprintf("not before %s: %s", e.Until.UTC().Format(time.RFC3339), ErrNotStarted)
}

// Unwrap makes it an ErrNotStarted.
func (e *NotBeforeError) Unwrap() error { return ErrNotStarted }
