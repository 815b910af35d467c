package notifier

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Why nothing changes, for the person.
const (
	whyRepeat  = "this was heard already"
	whyStale   = "it began before an end that was heard already"
	whyUnknown = "nothing is known that this could end"
	whyClosed  = "staff have closed the incident; what they say stands"
)

// Weigh decides what a report changes. was is what is remembered, is the
// incident that was names, nil where there is none. It returns what is
// remembered from now on; where an incident is opened, its id has to be put in.
//
// Whether something is wrong is a matter of Spans alone, so that reports may
// come twice or in any order. An incident follows where that changes: it is
// opened when the first thing goes wrong and resolved when the last is right
// again. What staff did to it stands: what they closed or retracted is left
// alone, until something goes wrong that began after that.
func (r *Report) Weigh(was Memory, is *Incident, d Desk) (Memory, Step) {
	next := was
	next.Spans, next.Heard = maps.Clone(was.Spans), maps.Clone(was.Heard)
	if next.Spans == nil {
		next.Spans = map[string]Span{}
	}
	if next.Heard == nil {
		next.Heard = map[string]bool{}
	}
	if r.ID != "" && was.Heard[r.ID] {
		return next, Step{Outcome: ReportUnchanged, Reason: whyRepeat}
	}
	if r.ID != "" {
		next.Heard[r.ID] = true
	}
	fresh := r.join(&next)
	var step Step
	if len(r.Notes) > 0 {
		step = r.follow(was, &next, is, d)
	} else {
		step = r.weigh(was, &next, is, fresh, d)
	}
	if step.Open != nil {
		next.IncidentID, next.Severity = "", step.Open.Severity
	}
	return next, step
}

// join adds what the report says to the memory, and returns what is newly wrong.
func (r *Report) join(m *Memory) (fresh []Alert) {
	named, upTo := map[string]bool{}, time.Time{}
	for _, a := range r.Alerts {
		was := m.Spans[a.Fingerprint]
		is := was.with(a)
		m.Spans[a.Fingerprint] = is
		if !a.StartsAt.After(a.EndsAt) {
			upTo = later(upTo, a.EndsAt)
		} else if is.Firing() && (!was.Firing() || !a.Undated && a.StartsAt.After(was.StartsAt)) {
			fresh = append(fresh, a)
		}
		named[a.Fingerprint] = true
	}
	if !r.Over {
		return fresh
	}
	// The monitor may never have told the end of what it kept still about. It is
	// forgotten, and not noted as ended: should it be wrong still when it is
	// spoken of again, that is no old news.
	for name, s := range m.Spans {
		if s.Firing() && !named[name] && !s.StartsAt.After(upTo) {
			delete(m.Spans, name)
		}
	}
	return fresh
}

func (r *Report) weigh(was Memory, next *Memory, is *Incident, fresh []Alert, d Desk) Step {
	firing := r.firing(next)
	switch {
	case !next.Firing() && !was.Firing():
		return Step{Outcome: ReportUnchanged, Reason: r.why(was)}
	case !next.Firing():
		if closed(is) {
			return Step{Outcome: ReportUnchanged, Reason: whyClosed}
		}
		return Step{Outcome: ReportResolved, Say: []Saying{{Status: Resolved, At: r.end(is, d), Quiet: r.Opening.Quiet}}}
	case !was.Firing():
		return r.open(firing, d)
	case closed(is):
		news := slices.DeleteFunc(slices.Clone(fresh), func(a Alert) bool { return is != nil && !a.StartsAt.After(closedAt(is)) })
		if len(news) == 0 {
			return Step{Outcome: ReportUnchanged, Reason: whyClosed}
		}
		return r.open(news, d)
	}
	return r.grow(was, next, is, firing, fresh)
}

// firing is what the report says is wrong, and is as far as is known.
func (r *Report) firing(m *Memory) (out []Alert) {
	for _, a := range r.Alerts {
		if a.StartsAt.After(a.EndsAt) && m.Spans[a.Fingerprint].Firing() && a.StartsAt.After(m.Spans[a.Fingerprint].EndsAt) {
			out = append(out, a)
		}
	}
	return out
}

func (r *Report) open(firing []Alert, d Desk) Step {
	a := r.Opening
	a.Severity, a.Components = worst(firing), parts(firing)
	a.Body, a.At = bodies(firing), time.Time{}
	for _, f := range firing {
		if a.At.IsZero() || f.StartsAt.Before(a.At) {
			a.At = f.StartsAt
		}
	}
	if a.At.After(d.Now) { // another clock
		a.At = d.Now
	}
	return Step{Outcome: ReportOpened, Open: &a}
}

// grow says what is new about an incident that goes on: it became worse, or
// touches more. That more of the same is wrong would be news to nobody.
func (r *Report) grow(was Memory, next *Memory, is *Incident, firing, fresh []Alert) Step {
	say := Saying{Status: is.Status, Body: bodies(fresh), Quiet: r.Opening.Quiet}
	// Held against what the monitor said before, and not only against the
	// incident: what staff made milder stays so.
	if level := worst(firing); level > was.Severity {
		next.Severity = level
		if level > is.Severity {
			say.Severity = &level
		}
	}
	if len(is.Components) > 0 { // else it touches all there is
		all := slices.Clone(is.Components)
		for _, c := range parts(fresh) {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
		if len(all) > len(is.Components) {
			say.Components = &all
		}
	}
	if say.Severity == nil && say.Components == nil {
		return Step{Outcome: ReportUnchanged, Reason: whyRepeat}
	}
	return Step{Outcome: ReportUpdated, Say: []Saying{say}}
}

// follow makes updates of the notes that were not heard yet, oldest first.
func (r *Report) follow(was Memory, next *Memory, is *Incident, d Desk) Step {
	var notes []Note
	for _, n := range r.Notes {
		if !next.Heard[n.ID] {
			next.Heard[n.ID] = true
			notes = append(notes, n)
		}
	}
	slices.SortStableFunc(notes, func(a, b Note) int { return a.At.Compare(b.At) })
	switch {
	case len(notes) == 0:
		return Step{Outcome: ReportUnchanged, Reason: whyRepeat}
	case is == nil && !next.Firing():
		return Step{Outcome: ReportUnchanged, Reason: r.why(was)}
	case is != nil && (is.State == Retracted || is.Status.Final() && was.Firing()):
		return Step{Outcome: ReportUnchanged, Reason: whyClosed}
	}
	var known time.Time // the newest that was said
	for _, s := range was.Spans {
		known = later(known, later(s.StartsAt, s.EndsAt))
	}
	step := Step{Outcome: ReportUpdated}
	level := worst(r.Alerts)
	if is == nil {
		a, first := r.Opening, notes[0]
		a.Severity, a.Components = level, parts(r.Alerts)
		a.Status, a.Body, a.At = first.Status, first.Body, notLater(first.At, d.Now)
		step.Outcome, step.Open, notes = ReportOpened, &a, notes[1:]
	}
	for _, n := range notes {
		say := Saying{Status: n.Status, Body: n.Body, At: notLater(n.At, d.Now), Quiet: r.Opening.Quiet}
		if n.At.Before(known) { // it comes late: the status is a newer one's, and so is the news
			say.Status, say.Quiet = "", true
		}
		if say.Status == "" && strings.TrimSpace(say.Body) == "" {
			continue
		}
		if say.Status.Final() && is != nil {
			say.At = later(say.At, is.OpenedAt)
		}
		step.Say = append(step.Say, say)
	}
	if n := len(step.Say); n > 0 && is != nil && level > was.Severity {
		next.Severity = level
		if level > is.Severity {
			step.Say[n-1].Severity = &level
		}
	}
	switch {
	case step.Open == nil && len(step.Say) == 0:
		return Step{Outcome: ReportUnchanged, Reason: whyRepeat}
	case step.Open == nil && was.Firing() && !next.Firing():
		step.Outcome = ReportResolved
	}
	return step
}

// why tells why a report about what is not wrong changes nothing.
func (r *Report) why(was Memory) string {
	for _, a := range r.Alerts {
		if a.StartsAt.After(a.EndsAt) {
			return whyStale
		}
	}
	if was.IncidentID == "" {
		return whyUnknown
	}
	return whyRepeat
}

// end is when the last of it was over, and neither before it began nor to come.
func (r *Report) end(is *Incident, d Desk) time.Time {
	var end time.Time
	for _, a := range r.Alerts {
		end = later(end, a.EndsAt)
	}
	if end.IsZero() {
		end = d.Now
	}
	return later(notLater(end, d.Now), is.OpenedAt)
}

func notLater(t, now time.Time) time.Time {
	if t.IsZero() || t.After(now) {
		return now
	}
	return t
}

// closed reports whether staff have ended an incident or taken it back, while
// the monitor thought that it goes on.
func closed(i *Incident) bool { return i == nil || i.State == Retracted || i.Status.Final() }

func closedAt(i *Incident) time.Time {
	if i.State == Retracted || i.ResolvedAt.IsZero() {
		return i.UpdatedAt
	}
	return i.ResolvedAt
}
