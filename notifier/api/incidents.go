package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"allclear/notifier"
)

type incidentRoom struct {
	incidents Incidents
	archive   Archive
	waiting   Waiting
	desk      func() notifier.Desk
	url       func(id string) string
}

func (c incidentRoom) routes() []route {
	return []route{
		{method: http.MethodGet, path: "/incidents", role: notifier.RoleViewer, do: c.list},
		{method: http.MethodPost, path: "/incidents", role: notifier.RolePoster, do: c.open},
		{method: http.MethodGet, path: "/incidents/{id}", role: notifier.RoleViewer, do: c.show},
		{method: http.MethodPatch, path: "/incidents/{id}", role: notifier.RolePoster, do: c.correct},
		{method: http.MethodPost, path: "/incidents/{id}/updates", role: notifier.RolePoster, do: c.say},
		{method: http.MethodPatch, path: "/incidents/{id}/updates/{uid}", role: notifier.RolePoster, do: c.correctUpdate},
		{method: http.MethodDelete, path: "/incidents/{id}/updates/{uid}", role: notifier.RolePoster, do: c.dropHeld},
		{method: http.MethodPost, path: "/incidents/{id}/publish", role: notifier.RolePoster, do: c.publish},
		{method: http.MethodPost, path: "/incidents/{id}/retract", role: notifier.RolePoster, do: c.retract},
		{method: http.MethodPost, path: "/incidents/{id}/release", role: notifier.RolePoster, do: c.release},
	}
}

func (c incidentRoom) list(ctx context.Context, q *request) (reply, error) {
	v := q.URL.Query()
	cursor, limit, err := query(v, "kind", "state", "open")
	if err != nil {
		return reply{}, err
	}
	want := notifier.IncidentQuery{Cursor: cursor, Limit: limit}
	if want.Kind, err = oneOf(v, "kind", notifier.Kinds); err != nil {
		return reply{}, err
	}
	if want.State, err = oneOf(v, "state", []notifier.PublishState{notifier.Draft, notifier.Published, notifier.Retracted}); err != nil {
		return reply{}, err
	}
	if want.Open, err = flag(v, "open"); err != nil {
		return reply{}, err
	}
	found, next, err := c.archive.Incidents(ctx, want)
	if err != nil {
		return reply{}, err
	}
	until, err := c.holds(ctx)
	return paged(found, next, func(i notifier.Incident) incidentSummary {
		shown := showSummary(i, c.url(i.ID))
		shown.HeldUntil = until[i.ID]
		return shown
	}), err
}

// show answers an incident with all that was said. Its event_id is the last event's.
func (c incidentRoom) show(ctx context.Context, q *request) (reply, error) {
	found, err := c.archive.Incident(ctx, q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	var last int64
	for _, u := range found.Updates {
		last = max(last, u.Event)
	}
	events := map[int64]string{}
	if last > 0 {
		story, err := c.archive.Story(ctx, last)
		if err != nil {
			return reply{}, err
		}
		for _, e := range append(story.Previous, story.Event) {
			events[e.Number] = e.ID
		}
	}
	shown := showIncident(found, c.url(found.ID), events)
	shown.EventID = text(events[last])
	until, err := c.holds(ctx)
	if err != nil {
		return reply{}, err
	}
	shown.HeldUntil = until[found.ID]
	held, err := c.waiting.HeldUpdates(ctx, found.ID)
	for _, h := range held {
		if h.PublishedAt.IsZero() {
			shown.Held = append(shown.Held, showHeld(h))
		}
	}
	return reply{http.StatusOK, shown}, err
}

// dropHeld takes back an update that waits for a notice. What was published
// stays.
func (c incidentRoom) dropHeld(ctx context.Context, q *request) (reply, error) {
	return reply{status: http.StatusNoContent}, c.waiting.DropHeldUpdate(ctx, q.PathValue("id"), q.PathValue("uid"))
}

func (c incidentRoom) open(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Title      string                `json:"title"`
		Kind       notifier.Kind         `json:"kind"`
		Severity   string                `json:"severity"`
		Status     notifier.Status       `json:"status"`
		Components []string              `json:"components"`
		Body       string                `json:"body"`
		Notify     *bool                 `json:"notify"`
		At         string                `json:"at"`
		StartsAt   string                `json:"starts_at"`
		EndsAt     string                `json:"ends_at"`
		Impact     notifier.Impact       `json:"impact"`
		State      notifier.PublishState `json:"state"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	a := notifier.Announcement{
		Title: in.Title, Kind: in.Kind, Status: in.Status, Components: in.Components, Body: in.Body,
		Quiet: !or(in.Notify, true), Impact: in.Impact, State: in.State,
	}
	var err error
	if a.Severity, err = notifier.ParseSeverity(in.Severity); err != nil {
		return reply{}, err
	}
	if a.At, a.StartsAt, a.EndsAt, err = instants(&in.At, &in.StartsAt, &in.EndsAt); err != nil {
		return reply{}, err
	}
	p, err := notifier.Open(a, c.desk())
	if err != nil {
		return reply{}, err
	}
	if p, err = c.incidents.OpenIncident(ctx, p); err != nil {
		return reply{}, err
	}
	return c.posted(ctx, http.StatusCreated, p)
}

func (c incidentRoom) say(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Status      notifier.Status   `json:"status"`
		Body        string            `json:"body"`
		Notify      *bool             `json:"notify"`
		At          string            `json:"at"`
		Severity    *string           `json:"severity"`
		Components  *[]string         `json:"components"`
		StartsAt    *string           `json:"starts_at"`
		EndsAt      *string           `json:"ends_at"`
		Impact      *notifier.Impact  `json:"impact"`
		AfterNotice *afterNoticeShape `json:"after_notice"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	s := notifier.Saying{Status: in.Status, Body: in.Body, Quiet: !or(in.Notify, true), Components: in.Components, Impact: in.Impact}
	if in.AfterNotice != nil {
		s.AfterNotice = &notifier.AfterNotice{ID: in.AfterNotice.ID, When: in.AfterNotice.When}
	}
	if in.Severity != nil {
		level, err := notifier.ParseSeverity(*in.Severity)
		if err != nil {
			return reply{}, err
		}
		s.Severity = &level
	}
	at, starts, ends, err := instants(&in.At, in.StartsAt, in.EndsAt)
	if err != nil {
		return reply{}, err
	}
	s.At, s.StartsAt, s.EndsAt = at, given(in.StartsAt, starts), given(in.EndsAt, ends)
	desk := c.desk()
	p, err := c.incidents.ReviseIncident(ctx, q.PathValue("id"), func(i notifier.Incident) (notifier.Posting, error) { return i.Say(s, desk) })
	if err != nil {
		return reply{}, err
	}
	answer := updateAnswer{updateShape: showUpdate(*p.Update, eventID(p)), Warnings: keys(p.Warnings)}
	if p.Held != nil {
		answer.AfterNotice = &afterNoticeShape{p.Held.After.ID, p.Held.After.When}
	}
	answer.HeldUntil = c.heldNow(ctx, answer.IncidentID)
	return reply{http.StatusCreated, answer}, nil
}

// correct changes what was written, and tells of it only where that is asked
// for. A field that is null is taken away.
func (c incidentRoom) correct(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Title      *string          `json:"title"`
		Severity   *string          `json:"severity"`
		Components *[]string        `json:"components"`
		StartsAt   *string          `json:"starts_at"`
		EndsAt     *string          `json:"ends_at"`
		Impact     *notifier.Impact `json:"impact"`
		Notify     *bool            `json:"notify"`
	}
	nulls, err := q.decode(&in, false)
	if err != nil {
		return reply{}, err
	}
	_, starts, ends, err := instants(nil, in.StartsAt, in.EndsAt)
	if err != nil {
		return reply{}, err
	}
	change := notifier.Correction{
		Title: in.Title, Components: in.Components, Impact: in.Impact,
		StartsAt: given(in.StartsAt, starts), EndsAt: given(in.EndsAt, ends), Tell: or(in.Notify, false),
	}
	if in.Severity != nil {
		level, err := notifier.ParseSeverity(*in.Severity)
		if err != nil {
			return reply{}, err
		}
		change.Severity = &level
	}
	for _, name := range nulls {
		switch name {
		case "components":
			change.Components = &[]string{}
		case "starts_at":
			change.StartsAt = &time.Time{}
		case "ends_at":
			change.EndsAt = &time.Time{}
		case "impact":
			change.Impact = &notifier.Impact{}
		case "notify": // as left out
		default:
			return reply{}, notifier.Invalidf(name, "cannot be null")
		}
	}
	desk := c.desk()
	p, err := c.incidents.ReviseIncident(ctx, q.PathValue("id"), func(i notifier.Incident) (notifier.Posting, error) { return i.Correct(change, desk) })
	if err != nil {
		return reply{}, err
	}
	return c.posted(ctx, http.StatusOK, p)
}

func (c incidentRoom) correctUpdate(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Body   *string `json:"body"`
		At     *string `json:"at"`
		Notify *bool   `json:"notify"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	at, _, _, err := instants(in.At, nil, nil)
	if err != nil {
		return reply{}, err
	}
	if in.At != nil && at.IsZero() {
		return reply{}, notifier.Invalidf("at", "must not be empty")
	}
	if in.Body == nil && in.At == nil && or(in.Notify, false) {
		return reply{}, notifier.Invalidf("notify", "there is nothing to tell: nothing is corrected")
	}
	desk, warnings, told := c.desk(), []string(nil), notifier.Posting{}
	u, err := c.incidents.CorrectUpdate(ctx, q.PathValue("id"), q.PathValue("uid"), func(i notifier.Incident, u notifier.Update) (notifier.Update, *notifier.Event, error) {
		var err error
		u, warnings, err = u.Correct(in.Body, given(in.At, at), desk)
		if err == nil && or(in.Notify, false) {
			told.Event, err = i.Corrected(u.ID, desk)
		}
		return u, told.Event, err
	})
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, updateAnswer{updateShape: showUpdate(u, eventID(told)), HeldUntil: c.heldNow(ctx, u.IncidentID), Warnings: keys(warnings)}}, nil
}

func (c incidentRoom) publish(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Notify *bool `json:"notify"`
	}
	if _, err := q.decode(&in, true); err != nil {
		return reply{}, err
	}
	desk := c.desk()
	p, err := c.incidents.ReviseIncident(ctx, q.PathValue("id"), func(i notifier.Incident) (notifier.Posting, error) {
		return i.Publish(!or(in.Notify, true), desk)
	})
	if err != nil {
		return reply{}, err
	}
	return c.posted(ctx, http.StatusOK, p)
}

// retract withdraws a mistake. It mails only where that is asked for: most
// mistakes are seen before anybody was told.
func (c incidentRoom) retract(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Body   string `json:"body"`
		Notify *bool  `json:"notify"`
	}
	if _, err := q.decode(&in, true); err != nil {
		return reply{}, err
	}
	desk := c.desk()
	p, err := c.incidents.ReviseIncident(ctx, q.PathValue("id"), func(i notifier.Incident) (notifier.Posting, error) {
		return i.Retract(in.Body, or(in.Notify, false), desk)
	})
	if err != nil {
		return reply{}, err
	}
	return c.posted(ctx, http.StatusOK, p)
}

// posted shows an incident as it was just written. Its event_id is of the
// event that this request caused; earlier updates show none here.
func (c incidentRoom) posted(ctx context.Context, status int, p notifier.Posting) (reply, error) {
	i := p.Incident
	if p.Update != nil && !slices.ContainsFunc(i.Updates, func(u notifier.Update) bool { return u.ID == p.Update.ID }) {
		i.Updates = append(slices.Clip(i.Updates), *p.Update)
	}
	shown := showIncident(i, c.url(i.ID), nil)
	shown.EventID = text(eventID(p))
	for n := range shown.Updates {
		if p.Event != nil && shown.Updates[n].ID == p.Event.UpdateID {
			shown.Updates[n].EventID = shown.EventID
		}
	}
	shown.Warnings = keys(p.Warnings)
	if e := p.Event; e != nil {
		if e.Held(e.AcceptedAt) {
			shown.HeldUntil = moment(e.HeldUntil)
		}
		return reply{status, shown}, nil
	}
	if status == http.StatusCreated { // nothing was said of it before
		return reply{status, shown}, nil
	}
	shown.HeldUntil = c.heldNow(ctx, i.ID)
	return reply{status, shown}, nil
}

func eventID(p notifier.Posting) string {
	if p.Event == nil {
		return ""
	}
	return p.Event.ID
}

// instants reads the three times of an announcement; nil is none.
func instants(at, starts, ends *string) (a, s, e time.Time, err error) {
	for _, f := range []struct {
		name string
		from *string
		to   *time.Time
	}{{"at", at, &a}, {"starts_at", starts, &s}, {"ends_at", ends, &e}} {
		if f.from == nil {
			continue
		}
		if *f.to, err = instant(f.name, *f.from); err != nil {
			return a, s, e, err
		}
	}
	return a, s, e, nil
}

// given is t where the field was sent, else nil.
func given(field *string, t time.Time) *time.Time {
	if field == nil {
		return nil
	}
	return &t
}

func or(b *bool, otherwise bool) bool {
	if b == nil {
		return otherwise
	}
	return *b
}
