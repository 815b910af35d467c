package notifier

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Limits on what staff write.
const (
	maxTitle = 200    // characters
	maxBody  = 20_000 // characters of Markdown
)

// Desk is what a posting takes from its surroundings.
type Desk struct {
	Now   time.Time
	Zone  *time.Location // of clock times written without a zone
	NewID func() string  // opaque, unguessable
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
}

// Correction changes what was written without telling anyone. Nil keeps.
type Correction struct {
	Title      *string
	Severity   *Severity
	Components *[]string
	StartsAt   *time.Time
	EndsAt     *time.Time
	Impact     *Impact
}

// Posting is what is to be written in one transaction. Event is nil when
// nobody is notified; its Number is given by the store.
type Posting struct {
	Incident Incident
	Update   *Update
	Event    *Event
	Warnings []string // for the person, such as a clock time without a zone
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
	if a.At.IsZero() {
		a.At = d.Now
	}
	inc := Incident{
		ID: d.NewID(), Title: a.Title, Kind: a.Kind, State: a.State, Severity: a.Severity, Status: a.Status,
		Components: a.Components, Impact: a.Impact, StartsAt: utc(a.StartsAt), EndsAt: utc(a.EndsAt),
		OpenedAt: utc(a.At), CreatedAt: utc(d.Now), UpdatedAt: utc(d.Now),
	}
	return inc.write(a.Body, a.At, a.Quiet, true, d)
}

// Say turns an update into what is to be written.
func (i Incident) Say(s Saying, d Desk) (Posting, error) {
	if i.State == Retracted {
		return Posting{}, Refuse(ErrConflict, "this incident was retracted; open a new one")
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
		i.Status = s.Status
	}
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
	if s.Impact != nil {
		i.Impact = i.Impact.merge(*s.Impact)
	}
	if s.At.IsZero() {
		s.At = d.Now
	}
	i.UpdatedAt = utc(d.Now)
	return i.write(s.Body, s.At, s.Quiet, false, d)
}

// write makes the update and its event, for an incident that already has its new values.
func (i Incident) write(body string, at time.Time, quiet, first bool, d Desk) (Posting, error) {
	if err := i.check(); err != nil {
		return Posting{}, err
	}
	if at.After(d.Now.Add(24 * time.Hour)) {
		return Posting{}, Invalidf("at", "lies more than a day ahead; use starts_at for what is to come")
	}
	text, warnings, err := ResolveTimes(body, d.Now, d.Zone)
	if err != nil {
		return Posting{}, err
	}
	if err := checkBody(text); err != nil {
		return Posting{}, err
	}
	switch {
	case i.Status.Final() && i.ResolvedAt.IsZero():
		i.ResolvedAt = utc(at)
		if i.ResolvedAt.Before(i.OpenedAt) {
			return Posting{}, Invalidf("at", "lies before the incident began (%s)", i.OpenedAt.Format(time.RFC3339))
		}
	case !i.Status.Final():
		i.ResolvedAt = time.Time{}
	}
	u := &Update{
		ID: d.NewID(), IncidentID: i.ID, Status: i.Status, Body: text, At: utc(at), CreatedAt: utc(d.Now),
		Severity: i.Severity, Impact: i.Impact, StartsAt: i.StartsAt, EndsAt: i.EndsAt,
	}
	p := Posting{Incident: i, Update: u, Warnings: warnings}
	if !quiet && i.State == Published {
		p.Event = i.event(i.eventType(first), u.ID, d)
	}
	return p, nil
}

// Publish makes a draft public and tells of it.
func (i Incident) Publish(quiet bool, d Desk) (Posting, error) {
	if i.State != Draft {
		return Posting{}, Refuse(ErrConflict, "only a draft can be published; this one is %s", i.State)
	}
	i.State, i.UpdatedAt = Published, utc(d.Now)
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
	text, warnings, err := ResolveTimes(reason, d.Now, d.Zone)
	if err != nil {
		return Posting{}, err
	}
	if err := checkBody(text); err != nil {
		return Posting{}, err
	}
	was := i.State
	i.State, i.UpdatedAt = Retracted, utc(d.Now)
	p := Posting{Incident: i, Warnings: warnings}
	if strings.TrimSpace(text) != "" || tell {
		p.Update = &Update{ID: d.NewID(), IncidentID: i.ID, Status: i.Status, Body: text, At: utc(d.Now), CreatedAt: utc(d.Now), Severity: i.Severity, Impact: i.Impact}
	}
	if tell && was == Published {
		p.Event = i.event(IncidentRetracted, p.Update.ID, d)
	}
	return p, nil
}

// Correct changes what was written and tells nobody.
func (i Incident) Correct(c Correction, d Desk) (Posting, error) {
	if c.Title != nil {
		i.Title = strings.TrimSpace(*c.Title)
		if err := checkTitle(i.Title); err != nil {
			return Posting{}, err
		}
	}
	if c.Severity != nil {
		i.Severity = *c.Severity
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
	i.UpdatedAt = utc(d.Now)
	return Posting{Incident: i}, i.check()
}

// CorrectUpdate changes the text or time of one update and tells nobody.
func (u Update) Correct(body *string, at *time.Time, d Desk) (Update, []string, error) {
	var warnings []string
	if body != nil {
		text, w, err := ResolveTimes(*body, d.Now, d.Zone)
		if err != nil {
			return u, nil, err
		}
		if err := checkBody(text); err != nil {
			return u, nil, err
		}
		u.Body, warnings = text, w
	}
	if at != nil {
		u.At = utc(*at)
	}
	return u, warnings, nil
}

func (i *Incident) event(t EventType, update string, d Desk) *Event {
	lane, life := LaneIncident, IncidentLife
	if i.Kind != KindIncident {
		lane = LaneRoutine
	}
	if t.Closing() {
		life = ResolvedLife
	}
	return &Event{
		ID: d.NewID(), Type: t, Lane: lane, Kind: i.Kind, Severity: i.Severity, Components: i.Components,
		IncidentID: i.ID, UpdateID: update, AcceptedAt: utc(d.Now), ExpiresAt: utc(d.Now.Add(life)),
	}
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
	case i.Status == Resolved:
		return IncidentResolved
	case first:
		return IncidentCreated
	}
	return IncidentUpdated
}

func (i *Incident) check() error {
	seen := map[string]bool{}
	for n, c := range i.Components {
		field := "components[" + strconv.Itoa(n) + "]"
		if !componentKey.MatchString(c) {
			return Invalidf(field, "%q is not a component key", c)
		}
		if seen[c] {
			return Invalidf(field, "%q is named twice", c)
		}
		seen[c] = true
	}
	if i.Kind != KindMaintenance && (!i.StartsAt.IsZero() || !i.EndsAt.IsZero()) {
		return Invalidf("starts_at", "only a maintenance has a start and an end; use at")
	}
	if i.Kind == KindMaintenance && i.StartsAt.IsZero() {
		return Invalidf("starts_at", "a maintenance needs a start")
	}
	if !i.EndsAt.IsZero() && !i.EndsAt.After(i.StartsAt) {
		return Invalidf("ends_at", "must lie after starts_at")
	}
	return i.Impact.check()
}

func (i Impact) check() error {
	for _, f := range []struct {
		name string
		v    *float64
		max  float64
	}{
		{"impact.delay_min_minutes", i.DelayMinMinutes, 1e6}, {"impact.delay_max_minutes", i.DelayMaxMinutes, 1e6},
		{"impact.error_rate", i.ErrorRate, 1}, {"impact.affected_share", i.AffectedShare, 1}, {"impact.per_second", i.PerSecond, 1e12},
	} {
		if f.v != nil && !(*f.v >= 0 && *f.v <= f.max) {
			return Invalidf(f.name, "%v is not between 0 and %v", *f.v, f.max)
		}
	}
	if i.DelayMinMinutes != nil && i.DelayMaxMinutes != nil && *i.DelayMinMinutes > *i.DelayMaxMinutes {
		return Invalidf("impact.delay_min_minutes", "is more than delay_max_minutes")
	}
	return nil
}

// merge takes the newer figures where there are any, and keeps the widest delay
// range, so that the all-clear can sum up how bad it was.
func (i Impact) merge(n Impact) Impact {
	if n.DelayMinMinutes != nil && (i.DelayMinMinutes == nil || *n.DelayMinMinutes < *i.DelayMinMinutes) {
		i.DelayMinMinutes = n.DelayMinMinutes
	}
	if n.DelayMaxMinutes != nil && (i.DelayMaxMinutes == nil || *n.DelayMaxMinutes > *i.DelayMaxMinutes) {
		i.DelayMaxMinutes = n.DelayMaxMinutes
	}
	if n.ErrorRate != nil {
		i.ErrorRate = n.ErrorRate
	}
	if n.AffectedShare != nil {
		i.AffectedShare = n.AffectedShare
	}
	if n.PerSecond != nil {
		i.PerSecond = n.PerSecond
	}
	return i
}

func checkTitle(title string) error {
	if title == "" {
		return Invalidf("title", "must not be empty")
	}
	return line("title", title, maxTitle)
}

func checkBody(body string) error {
	if n := len([]rune(body)); n > maxBody {
		return Invalidf("body", "%d characters; at most %d are allowed", n, maxBody)
	}
	for n, l := range strings.Split(strings.ReplaceAll(body, "\r\n", "\n"), "\n") {
		if err := line("body", strings.ReplaceAll(l, "\t", " "), maxBody); err != nil {
			return Invalidf("body", "line %d holds a control character or broken UTF-8", n+1)
		}
	}
	return nil
}

func checkStatus(k Kind, s Status) error {
	allowed := Statuses(k)
	if s == "" && len(allowed) == 0 || slices.Contains(allowed, s) {
		return nil
	}
	if len(allowed) == 0 {
		return Invalidf("status", "a %s has no status", k)
	}
	names := make([]string, len(allowed))
	for i, a := range allowed {
		names[i] = string(a)
	}
	return Invalidf("status", "%q is not one of %s", s, strings.Join(names, ", "))
}

// utc keeps microseconds, which is what both databases keep (I8).
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
