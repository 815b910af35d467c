package notifier

import (
	"slices"
	"strings"
	"time"
)

// Correction changes what was written. Nil keeps.
type Correction struct {
	Title      *string
	Severity   *Severity
	Components *[]string
	StartsAt   *time.Time
	EndsAt     *time.Time
	Impact     *Impact
	Tell       bool // that it was wrong; else nobody is notified
}

// Correct changes what was written, and tells of it where that is asked for.
func (i Incident) Correct(c Correction, d Desk) (Posting, error) {
	if c == (Correction{Tell: true}) {
		return Posting{}, Invalidf("notify", "there is nothing to tell: nothing is corrected")
	}
	if c.Title != nil {
		i.Title = strings.TrimSpace(*c.Title)
		if err := checkTitle(i.Title); err != nil {
			return Posting{}, err
		}
	}
	was := i.Severity
	if c.Severity != nil {
		i.regrade(*c.Severity)
	}
	if c.Components != nil {
		i.Components = *c.Components
	}
	if c.StartsAt != nil {
		i.StartsAt = utc(*c.StartsAt)
	}
	if c.EndsAt != nil {
		i.EndsAt = utc(*c.EndsAt)
	}
	if c.Impact != nil {
		i.Impact = *c.Impact
	}
	if i.State != Retracted { // when it was withdrawn stays
		i.UpdatedAt = utc(d.Now)
	}
	if err := i.check(); err != nil {
		return Posting{}, err
	}
	p := Posting{Incident: i}
	if c.Tell {
		last := ""
		if n := len(i.Updates); n > 0 {
			last = i.Updates[n-1].ID
		}
		var err error
		if p.Event, err = i.Corrected(last, d); err != nil {
			return Posting{}, err
		}
		if p.Event != nil {
			p.Event.raise(was)
		}
	}
	return p, nil
}

// regrade corrects the severity: of the incident, and of what was said since it is
// what it was, for that was wrong, too.
func (i *Incident) regrade(to Severity) {
	i.Severity, i.Updates = to, slices.Clone(i.Updates)
	n := len(i.Updates) - 1
	if n < 0 {
		return
	}
	for wrong := i.Updates[n].Severity; n >= 0 && i.Updates[n].Severity == wrong; n-- {
		i.Updates[n].Severity = to
	}
}

// Corrected is the event that tells readers that an update was wrong, and what
// it says now. nil: a draft has no readers.
func (i Incident) Corrected(update string, d Desk) (*Event, error) {
	switch i.State {
	case Retracted:
		return nil, Refuse(ErrConflict, "this incident was retracted; nobody is told of it any more")
	case Draft:
		return nil, nil //nolint:nilnil // said above
	}
	return i.event(IncidentCorrected, update, d), nil
}
