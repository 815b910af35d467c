package subscribers

import (
	"slices"
	"time"

	"allclear/notifier"
)

// Backlog is what happened since a reader's last digest, and what they know of
// it already.
type Backlog struct {
	Events []notifier.Event // announcements, in their order
	// Heard is the last event of an incident that was sent to the reader at once, or
	// is on its way: with it they know all that was before. 0: there is none.
	Heard func(incident string) int64
	// Told reports whether an earlier digest told the reader of an incident.
	Told func(incident string) bool
	// Touches is what Filter.Match asks.
	Touches func(component string) bool
}

// Missed are the events that a digest tells s of, in their order: those that
// the filter lets through and that did not come at once, nor anything later of
// their incident: who was told how it stands now is not told how it stood before.
// And what ends an incident that s was told of, whatever the filter says by now. Of what was
// withdrawn as a mistake before s heard of it, nothing is told.
func (s *Subscriber) Missed(b Backlog) []int64 {
	told := map[string]bool{} // by this digest
	var out []notifier.Event
	for _, e := range b.Events {
		heard := b.Heard(e.IncidentID)
		switch {
		case e.Number <= heard:
			continue
		case s.Filter.Match(e, b.Touches):
		case !e.Type.Closing():
			continue
		case heard > 0 || b.Told(e.IncidentID):
		case e.Type == notifier.IncidentRetracted: // nobody need hear that what they never heard of was wrong
			out = slices.DeleteFunc(out, func(x notifier.Event) bool { return x.IncidentID == e.IncidentID })
			delete(told, e.IncidentID)
			continue
		case !told[e.IncidentID]:
			continue
		}
		told[e.IncidentID] = true
		out = append(out, e)
	}
	numbers := make([]int64, len(out))
	for i, e := range out {
		numbers[i] = e.Number
	}
	return numbers
}

// Run is a time at which the digests of a schedule are made.
type Run struct {
	At time.Time
	// Day is the local date that they are of, such as 2026-11-27: a reader gets
	// one digest for it, however often and whatever they change meanwhile.
	Day string
}

// Calendar finds runs. It depends on nothing but the service's hour and zone.
type Calendar interface {
	// Next is the first run of a schedule after a time.
	Next(s Schedule, after time.Time) (Run, error)
	// Setting is the service's hour and zone; where it changes, runs are found anew.
	Setting() string
}

// MadeDigests is what one step of making digests did.
type MadeDigests struct {
	Idle bool      // there was nothing to do
	Made int       // digests
	Next time.Time // when the next are due, of an idle step; zero: not before somebody chooses some
	// Setting is by what digests are to be planned, of an idle step that did
	// nothing because its calendar's is another. "": it is the calendar's.
	Setting string
}

// Calendared is a schedule that somebody chose, and its next run.
type Calendared struct {
	Schedule
	After   time.Time // up to which digests were made, or since when somebody has it: the next run is the first behind it
	At      time.Time // zero: not found yet
	Readers int64     // who are active
}
