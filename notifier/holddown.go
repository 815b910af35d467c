package notifier

import (
	"slices"
	"time"
)

// MostHoldDown is the longest that the first news of an incident may be held
// back: it is worth less the longer it waits.
const MostHoldDown = 24 * time.Hour

// holdDown is until when the event waits for its incident's all-clear. Only the
// news that something broke waits, and never what is critical; what is said
// while it waits stays behind it, because events of one incident go in order.
func (e *Event) holdDown(d time.Duration) time.Time {
	if d <= 0 || e.Type != IncidentCreated || e.Severity >= SeverityCritical {
		return time.Time{}
	}
	return e.AcceptedAt.Add(d)
}

// Held reports whether the event waits by hold-down at a time: nothing of it
// is made, and nobody was told.
func (e *Event) Held(now time.Time) bool { return e.ExpandedAt.IsZero() && e.HeldUntil.After(now) }

// Unsaid reports whether the event was taken back while it was held: nobody was
// told of it, and nobody will be.
func (e *Event) Unsaid() bool { return !e.ExpandedAt.IsZero() && e.HeldUntil.After(e.ExpandedAt) }

// Hold is what an incident holds back until a time: events that nobody was told of.
type Hold struct {
	IncidentID, Title string
	Until             time.Time
	Events            int64
}

// HoldFate is what a posting does to what its incident holds back.
type HoldFate int

// Fates of what is held.
const (
	HoldLasts   HoldFate = iota // it waits on, and so does what is said now
	HoldEnds                    // all goes out now, as one
	HoldDropped                 // nobody is told of what was held
)

// HoldFate says what becomes of what the incident held back before the posting.
// Its all-clear lets it go, and so does that it is critical. Whoever withdraws
// it, or ends it without a word, did so before anybody was told.
func (p *Posting) HoldFate(was Incident) HoldFate {
	is := p.Incident
	switch {
	case is.State == Retracted && was.State != Retracted:
		return HoldDropped
	case is.Status.Final() && !was.Status.Final() && p.Event == nil:
		return HoldDropped
	case is.Status.Final(), is.Severity >= SeverityCritical:
		return HoldEnds
	}
	return HoldLasts
}

// unsaid reports whether nobody was told of the incident yet: it was opened
// without a word, or what was said of it was taken back while it was held.
func (i *Incident) unsaid() bool {
	return len(i.Updates) > 0 && !slices.ContainsFunc(i.Updates, func(u Update) bool { return u.Event != 0 })
}
