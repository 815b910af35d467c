package notifier

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Desk is what a posting takes from its surroundings.
type Desk struct {
	Now   time.Time
	Zone  *time.Location // of clock times written without a zone
	NewID func() string  // opaque, unguessable
	// HoldDown is how long the first news of an incident waits for its
	// all-clear; 0: not at all.
	HoldDown time.Duration
}

// Announcement is what staff or a monitor ask for when they open an incident.
type Announcement struct {
	Title      string
	Kind       Kind // "" is incident
	Severity   Severity
	Status     Status // "" is the kind's first
	Components []string
	Body       string    // Markdown with {{at ...}}
	Quiet      bool      // notify nobody
	At         time.Time // zero is now
	StartsAt   time.Time
	EndsAt     time.Time
	Impact     Impact
	State      PublishState // "" is published
}

// Saying is an update to an incident. Nil fields leave things as they are.
type Saying struct {
	Status     Status // "" keeps it
	Body       string
	Quiet      bool
	At         time.Time // zero is now
	Severity   *Severity
	Components *[]string
	StartsAt   *time.Time
	EndsAt     *time.Time
	Impact     *Impact
	// AfterNotice holds it back until a notice has come so far; nil says it now.
	AfterNotice *AfterNotice
}

// text makes a body what is kept: LF line ends, times resolved, checked.
func (d Desk) text(body string) (string, []string, error) {
	text, warnings, err := ResolveTimes(strings.ReplaceAll(body, "\r\n", "\n"), d.Now, d.Zone)
	if err != nil {
		return "", nil, err
	}
	if err := unwaited(text); err != nil {
		return "", nil, err
	}
	return text, warnings, checkBody(text)
}

// Posting is what is to be written in one transaction. Event is nil when
// nobody is notified; its Number is given by the store.
type Posting struct {
	Incident Incident
	Update   *Update
	Event    *Event
	Warnings []string // for the person, such as a clock time without a zone
	// Held is an update that waits for a notice: it alone is written then, and
	// Update is what it would be now.
	Held *HeldUpdate
	// Released is set by the store where what the incident held back goes out by this.
	Released bool
}

// Open turns an announcement into what is to be written.
func Open(a Announcement, d Desk) (Posting, error) {
	if a.Kind == "" {
		a.Kind = KindIncident
	}
	if !slices.Contains(Kinds, a.Kind) {
		return Posting{}, Invalidf("kind", "%q is not one of incident, maintenance, post", a.Kind)
	}
	if a.State == "" {
		a.State = Published
	}
	if a.State != Published && a.State != Draft {
		return Posting{}, Invalidf("state", "%q is not one of published, draft", a.State)
	}
	a.Title = strings.TrimSpace(a.Title)
	if err := checkTitle(a.Title); err != nil {
		return Posting{}, err
	}
	if allowed := Statuses(a.Kind); a.Status == "" && len(allowed) > 0 {
		a.Status = allowed[0]
	}
	if err := checkStatus(a.Kind, a.Status); err != nil {
		return Posting{}, err
	}
	if a.Kind == KindPost && strings.TrimSpace(a.Body) == "" {
		return Posting{}, Invalidf("body", "a post needs a text")
	}
	now := a.At.IsZero()
	if now {
		a.At = d.Now
	}
	inc := Incident{
		ID: d.NewID(), Title: a.Title, Kind: a.Kind, State: a.State, Severity: a.Severity, Status: a.Status,
		Components: a.Components, Impact: a.Impact, StartsAt: utc(a.StartsAt), EndsAt: utc(a.EndsAt),
		OpenedAt: utc(a.At), CreatedAt: utc(d.Now), UpdatedAt: utc(d.Now),
	}
	p, err := inc.write(said{body: a.Body, at: a.At, impact: a.Impact, quiet: a.Quiet, first: true}, d)
	if err == nil && now && a.Kind == KindIncident {
		p.Warnings = append(p.Warnings, beganBefore(p.Update.Body, d.Now)...)
	}
	return p, err
}

// beganBefore warns of a text that speaks of a time before now where the mail
// will say that it began now.
func beganBefore(text string, now time.Time) []string {
	first, ok := earliest(text)
	if !ok || utc(now).Sub(first) <= 2*time.Minute {
		return nil
	}
	return []string{fmt.Sprintf("the text speaks of %s, but the mail will say that this began now; to say otherwise, give its time in "+TimeField,
		first.UTC().Format("2006-01-02 15:04 UTC"))}
}

// Say turns an update into what is to be written.
func (i Incident) Say(s Saying, d Desk) (Posting, error) {
	if i.State == Retracted {
		return Posting{}, Refuse(ErrConflict, "this incident was retracted; open a new one")
	}
	if s.AfterNotice != nil {
		return i.hold(s, d)
	}
	if i.Kind == KindPost && s.Status != "" {
		return Posting{}, Invalidf("status", "a post has no status")
	}
	if strings.TrimSpace(s.Body) == "" && s.Status == "" {
		return Posting{}, Invalidf("body", "say something, or change the status")
	}
	if s.Status != "" {
		if err := checkStatus(i.Kind, s.Status); err != nil {
			return Posting{}, err
		}
		if !i.News(s) {
			return Posting{}, i.noNews()
		}
		i.Status = s.Status
	}
	was := i.Severity
	if s.Severity != nil {
		i.Severity = *s.Severity
	}
	if s.Components != nil {
		i.Components = *s.Components
	}
	if s.StartsAt != nil {
		i.StartsAt = utc(*s.StartsAt)
	}
	if s.EndsAt != nil {
		i.EndsAt = utc(*s.EndsAt)
	}
	var impact Impact
	if s.Impact != nil {
		impact = *s.Impact
	}
	if err := impact.check(); err != nil { // before merging would hide it
		return Posting{}, err
	}
	i.add(impact, i.Status.Final())
	if s.At.IsZero() {
		s.At = d.Now
	}
	i.UpdatedAt = utc(d.Now)
	p, err := i.write(said{body: s.Body, at: s.At, impact: impact, quiet: s.Quiet, first: i.unsaid()}, d)
	if err == nil && p.Event != nil {
		p.Event.raise(was)
	}
	return p, err
}

// said is what write puts into an update.
type said struct {
	body   string
	at     time.Time
	impact Impact
	quiet  bool
	first  bool // it is the first that readers hear of the incident
}

// write makes the update and its event, for an incident that already has its new values.
func (i Incident) write(s said, d Desk) (Posting, error) {
	if err := i.check(); err != nil {
		return Posting{}, err
	}
	if err := checkAt(s.at, d.Now); err != nil {
		return Posting{}, err
	}
	text, warnings, err := d.text(s.body)
	if err != nil {
		return Posting{}, err
	}
	switch {
	case i.Status.Final() && i.ResolvedAt.IsZero():
		i.ResolvedAt = utc(s.at)
		if i.ResolvedAt.Before(i.OpenedAt) {
			return Posting{}, Invalidf("at", "lies before the incident began (%s)", i.OpenedAt.Format(time.RFC3339))
		}
	case !i.Status.Final():
		i.ResolvedAt = time.Time{}
	}
	if utc(s.at).Before(i.OpenedAt) {
		warnings = append(warnings, fmt.Sprintf("at lies before the incident began (%s); to correct when it began, correct its first update", i.OpenedAt.Format(time.RFC3339)))
	}
	u := &Update{
		ID: d.NewID(), IncidentID: i.ID, Status: i.Status, Body: text, At: utc(s.at), CreatedAt: utc(d.Now),
		Severity: i.Severity, Impact: s.impact, StartsAt: i.StartsAt, EndsAt: i.EndsAt,
	}
	p := Posting{Incident: i, Update: u, Warnings: warnings}
	if !s.quiet && i.State == Published {
		p.Event = i.event(i.eventType(s.first), u.ID, d)
	}
	return p, nil
}

// Publish makes a draft public and tells of it. What was written without a time
// of its own happens now, at the publication, not when the draft was begun.
func (i Incident) Publish(quiet bool, d Desk) (Posting, error) {
	if i.State != Draft {
		return Posting{}, Refuse(ErrConflict, "only a draft can be published; this one is %s", i.State)
	}
	i.State, i.UpdatedAt = Published, utc(d.Now)
	if i.OpenedAt.Equal(i.CreatedAt) && i.ResolvedAt.IsZero() {
		i.OpenedAt, i.Updates = utc(d.Now), slices.Clone(i.Updates)
		for n := range i.Updates {
			if u := &i.Updates[n]; u.At.Equal(u.CreatedAt) {
				u.At = utc(d.Now)
			}
		}
	}
	p := Posting{Incident: i}
	if !quiet {
		last := ""
		if n := len(i.Updates); n > 0 {
			last = i.Updates[n-1].ID
		}
		p.Event = i.event(i.eventType(true), last, d)
	}
	return p, nil
}

// Retract withdraws a mistake, with a mail to those who were told if tell is set.
func (i Incident) Retract(reason string, tell bool, d Desk) (Posting, error) {
	if i.State == Retracted {
		return Posting{}, Refuse(ErrConflict, "this incident was retracted already")
	}
	text, warnings, err := d.text(reason)
	if err != nil {
		return Posting{}, err
	}
	was := i.State
	i.State, i.UpdatedAt = Retracted, utc(d.Now)
	p := Posting{Incident: i, Warnings: warnings}
	if strings.TrimSpace(text) != "" || tell {
		p.Update = &Update{
			ID: d.NewID(), IncidentID: i.ID, Status: i.Status, Body: text, At: utc(d.Now), CreatedAt: utc(d.Now),
			Severity: i.Severity, StartsAt: i.StartsAt, EndsAt: i.EndsAt,
		}
	}
	if tell && was == Published {
		p.Event = i.event(IncidentRetracted, p.Update.ID, d)
	}
	return p, nil
}

func (i *Incident) event(t EventType, update string, d Desk) *Event {
	lane, life := LaneIncident, IncidentLife
	if i.Kind != KindIncident {
		lane = LaneRoutine
	}
	if t.Closing() || i.Status.Final() {
		life = ResolvedLife
	}
	e := &Event{
		ID: d.NewID(), Type: t, Lane: lane, Kind: i.Kind, Severity: i.Severity, Components: i.Components,
		IncidentID: i.ID, UpdateID: update, AcceptedAt: utc(d.Now), ExpiresAt: utc(d.Now.Add(life)),
	}
	e.HeldUntil = e.holdDown(d.HoldDown)
	return e
}

func (i *Incident) eventType(first bool) EventType {
	switch i.Kind {
	case KindPost:
		return PostPublished
	case KindMaintenance:
		switch i.Status {
		case InProgress:
			return MaintenanceStarted
		case Extended:
			return MaintenanceExtended
		case Completed:
			return MaintenanceCompleted
		}
		return MaintenanceScheduled
	}
	switch {
	case i.Status == Resolved && !i.allClear():
		return IncidentResolved
	case first:
		return IncidentCreated
	}
	return IncidentUpdated
}

// allClear reports whether readers were told already that it is over, so that
// an afterword is an update and not a second resolution. A resolution that was
// kept quiet is still to be told.
func (i *Incident) allClear() bool {
	told := false
	for _, u := range i.Updates {
		told = u.Status.Final() && (told || u.Event != 0)
	}
	return told
}
