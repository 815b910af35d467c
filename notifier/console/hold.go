package console

import (
	"time"

	"allclear/notifier"
)

// hold is what hold-down makes of a posting.
type hold struct {
	Until time.Time // when it goes out, were it posted now; zero: it does not wait
	// of an incident whose first news is held still
	Behind  bool // it waits with that
	Lets    bool // all of it goes out now, as one
	Dropped bool // nobody is told of any of it
}

// holdOf tells what becomes of a posting to an incident; was is nil where it is new.
func (c *console) holdOf(q *request, was *notifier.Incident, p notifier.Posting) (hold, error) {
	if p.Event != nil && !p.Event.HeldUntil.IsZero() {
		return hold{Until: p.Event.HeldUntil}, nil
	}
	if was == nil {
		return hold{}, nil
	}
	until, err := c.heldUntil(q, was.ID)
	if err != nil || until.IsZero() {
		return hold{}, err
	}
	switch p.HoldFate(*was) {
	case notifier.HoldDropped:
		return hold{Dropped: true}, nil
	case notifier.HoldEnds:
		return hold{Lets: true}, nil
	}
	if p.Event == nil {
		return hold{}, nil
	}
	return hold{Until: until, Behind: true}, nil
}

// heldUntil is until when what was said of an incident waits for its all-clear;
// zero: it does not.
func (c *console) heldUntil(q *request, incident string) (time.Time, error) {
	events, err := c.o.Store.LatestEvents(q.Context(), incident, 20)
	if err != nil {
		return time.Time{}, err
	}
	return latestHold(events, c.o.Now()), nil
}

func latestHold(events []notifier.Event, now time.Time) (until time.Time) {
	for _, e := range events {
		if e.Held(now) && e.HeldUntil.After(until) {
			until = e.HeldUntil
		}
	}
	return until
}

// release sends what waits for the incident's all-clear now.
func (c *console) release(q *request) (answer, error) {
	id := q.PathValue("id")
	return answer{to: Path + "/incidents/" + id + "?done=released"}, c.o.Store.ReleaseHold(q.Context(), id)
}
