package notifier

import "time"

// Trouble is something wrong with the service itself, as a process sees it at
// the moment, to be told to staff. It holds nothing about a reader.
type Trouble struct {
	// Key is the same in every process and at every look, for as long as it is
	// the same trouble. What is told once has another one when it comes anew.
	Key   string
	About string // what has it, for programs: relay:mail.example.com:587
	Title string // what is wrong, in one line
	Text  string // what that means, and what to do
	Ended string // what is told when it is over, in one line
	URL   string // where to look; "" for nowhere
	Since time.Time
	// Once: it is told when it is seen first, never again, and has no end.
	Once bool
}

// When staff are told of a trouble.
const (
	// AlarmCalm is for how long nobody must have seen a trouble until it is
	// over: one that comes and goes is one trouble.
	AlarmCalm = time.Minute
	// AlarmAgain is after how long staff are told again of what lasts.
	AlarmAgain = 4 * time.Hour
	// AlarmTry is how long whoever tells of a trouble has for it; then another may.
	AlarmTry = time.Minute
	// AlarmKept is for how long it is remembered that something was told once,
	// from when it was last seen.
	AlarmKept = 3 * 24 * time.Hour
)

// Alarm is a trouble, and what staff know of it.
type Alarm struct {
	Trouble
	Seen time.Time // when somebody last saw it
	Told time.Time // when staff were last told of it; zero: never
	Over bool      // nobody sees it any more: it ended when it was last seen
	To   []string  // the ways by which somebody was told of it; no addresses
}

// See notes that the trouble is seen at the moment, as t says.
func (a *Alarm) See(t Trouble, now time.Time) {
	if t.Since.IsZero() || t.Since.After(now) {
		t.Since = now
	}
	if !a.Since.IsZero() && a.Since.Before(t.Since) {
		t.Since = a.Since // the same trouble, by somebody who saw it earlier
	}
	a.Trouble, a.Seen, a.Over = t, now, false
}

// Rest ends a trouble that nobody has seen for a while.
func (a *Alarm) Rest(now time.Time) {
	a.Over = a.Over || !a.Once && now.Sub(a.Seen) > AlarmCalm
}

// Due reports whether staff are to be told: of what they do not know, of what
// lasts, and that it is over.
func (a *Alarm) Due(now time.Time) bool {
	switch {
	case a.Told.IsZero(), a.Over:
		return true
	case a.Once:
		return false
	}
	return now.Sub(a.Told) >= AlarmAgain
}
