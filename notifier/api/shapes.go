package api

import (
	"net/http"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// page is a part of a list. Next is null at the end.
type page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

func paged[In, Out any](in []In, next string, show func(In) Out) reply {
	p := page[Out]{Items: make([]Out, len(in)), Next: text(next)}
	for i, x := range in {
		p.Items[i] = show(x)
	}
	return reply{http.StatusOK, p}
}

// moment writes an instant as RFC 3339 UTC, and none as null.
func moment(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(time.RFC3339Nano)
	return &s
}

// text writes an empty text as null.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// keys writes no keys as [], which means all.
func keys[T any](in []T) []T {
	if in == nil {
		return []T{}
	}
	return in
}

type componentShape struct {
	Key       string                  `json:"key"`
	Name      string                  `json:"name"`
	Group     string                  `json:"group"`
	State     notifier.ComponentState `json:"state"`
	CreatedAt *string                 `json:"created_at"`
}

func showComponent(c notifier.Component) componentShape {
	return componentShape{c.Key, c.Name, c.Group, c.State, moment(c.CreatedAt)}
}

// incidentSummary is an incident as a list shows it.
type incidentSummary struct {
	ID         string                `json:"id"`
	URL        string                `json:"url"`
	Title      string                `json:"title"`
	Kind       notifier.Kind         `json:"kind"`
	Severity   notifier.Severity     `json:"severity"`
	Status     *string               `json:"status"` // null for a post
	State      notifier.PublishState `json:"state"`
	Components []string              `json:"components"`
	Impact     notifier.Impact       `json:"impact"`
	StartsAt   *string               `json:"starts_at"`
	EndsAt     *string               `json:"ends_at"`
	OpenedAt   *string               `json:"opened_at"`
	ResolvedAt *string               `json:"resolved_at"`
	CreatedAt  *string               `json:"created_at"`
	UpdatedAt  *string               `json:"updated_at"`
	HeldUntil  *string               `json:"held_until"` // null where nothing of it waits by hold-down
}

// incidentShape is an incident alone, with all that was said.
type incidentShape struct {
	incidentSummary
	EventID  *string       `json:"event_id"`
	Updates  []updateShape `json:"updates"`
	Held     []heldShape   `json:"held"` // in GET only
	Warnings []string      `json:"warnings"`
}

type updateShape struct {
	ID         string            `json:"id"`
	IncidentID string            `json:"incident_id"`
	EventID    *string           `json:"event_id"`
	Status     *string           `json:"status"`
	Body       string            `json:"body"`
	At         *string           `json:"at"`
	CreatedAt  *string           `json:"created_at"`
	Severity   notifier.Severity `json:"severity"`
	Impact     notifier.Impact   `json:"impact"`
	StartsAt   *string           `json:"starts_at"`
	EndsAt     *string           `json:"ends_at"`
}

// updateAnswer is an update right after it was written.
type updateAnswer struct {
	updateShape
	AfterNotice *afterNoticeShape `json:"after_notice"` // what it waits for
	HeldUntil   *string           `json:"held_until"`   // its incident's, as a GET of that has it
	Warnings    []string          `json:"warnings"`
}

// afterNoticeShape says what an update waits for.
type afterNoticeShape struct {
	ID   string                `json:"id"`
	When notifier.NoticeMoment `json:"when"`
}

// heldShape is an update that waits for a notice, and that only staff see.
type heldShape struct {
	ID          string               `json:"id"`
	AfterNotice afterNoticeShape     `json:"after_notice"`
	NoticeState notifier.NoticeState `json:"notice_state"`
	Status      *string              `json:"status"`
	Body        string               `json:"body"`
	CreatedAt   *string              `json:"created_at"`
	CreatedBy   string               `json:"created_by"`
	Trouble     *string              `json:"trouble"` // why it could not be published when its moment came
}

func showHeld(h notifier.HeldUpdate) heldShape {
	return heldShape{
		h.ID, afterNoticeShape{h.After.ID, h.After.When}, h.Notice, text(string(h.Saying.Status)), h.Saying.Body,
		moment(h.CreatedAt), h.CreatedBy, text(h.Trouble),
	}
}

func showSummary(i notifier.Incident, url string) incidentSummary {
	return incidentSummary{
		ID: i.ID, URL: url, Title: i.Title, Kind: i.Kind, Severity: i.Severity, Status: text(string(i.Status)), State: i.State,
		Components: keys(i.Components), Impact: i.Impact, StartsAt: moment(i.StartsAt), EndsAt: moment(i.EndsAt),
		OpenedAt: moment(i.OpenedAt), ResolvedAt: moment(i.ResolvedAt), CreatedAt: moment(i.CreatedAt), UpdatedAt: moment(i.UpdatedAt),
	}
}

// showIncident shows an incident; events holds the ids of its updates' events by number.
func showIncident(i notifier.Incident, url string, events map[int64]string) incidentShape {
	s := incidentShape{incidentSummary: showSummary(i, url), Updates: []updateShape{}, Held: []heldShape{}, Warnings: []string{}}
	for _, u := range i.Updates {
		s.Updates = append(s.Updates, showUpdate(u, events[u.Event]))
	}
	return s
}

func showUpdate(u notifier.Update, event string) updateShape {
	return updateShape{
		ID: u.ID, IncidentID: u.IncidentID, EventID: text(event), Status: text(string(u.Status)), Body: u.Body,
		At: moment(u.At), CreatedAt: moment(u.CreatedAt), Severity: u.Severity, Impact: u.Impact,
		StartsAt: moment(u.StartsAt), EndsAt: moment(u.EndsAt),
	}
}

type eventShape struct {
	ID          string                           `json:"id"`
	Type        notifier.EventType               `json:"type"`
	State       notifier.EventState              `json:"state"`
	Total       int64                            `json:"total"`
	Tried       int64                            `json:"tried"`
	Counts      map[notifier.DeliveryState]int64 `json:"counts"`
	AcceptedAt  *string                          `json:"accepted_at"`
	HeldUntil   *string                          `json:"held_until"` // null where nothing of it waits by hold-down
	Unsaid      bool                             `json:"unsaid"`     // it was taken back while it was held
	FirstSentAt *string                          `json:"first_sent_at"`
	P50SentAt   *string                          `json:"p50_sent_at"`
	P99SentAt   *string                          `json:"p99_sent_at"`
	LastSentAt  *string                          `json:"last_sent_at"`
}

func showProgress(p notifier.Progress) eventShape {
	counts := map[notifier.DeliveryState]int64{}
	for _, s := range notifier.DeliveryStates {
		counts[s] = p.Counts[s]
	}
	held := moment(p.Event.HeldUntil)
	if !p.Event.ExpandedAt.IsZero() {
		held = nil
	}
	return eventShape{
		p.Event.ID, p.Event.Type, p.State(), p.Total, p.Tried, counts, moment(p.Event.AcceptedAt), held, p.Event.Unsaid(),
		moment(p.FirstSentAt), moment(p.P50SentAt), moment(p.P99SentAt), moment(p.LastSentAt),
	}
}

type deliveryShape struct {
	ID           string                 `json:"id"`
	EventID      *string                `json:"event_id"`
	SubscriberID string                 `json:"subscriber_id"`
	Lane         notifier.Lane          `json:"lane"`
	Channel      notifier.Channel       `json:"channel"`
	Address      string                 `json:"address"`
	State        notifier.DeliveryState `json:"state"`
	Attempts     int                    `json:"attempts"`
	DueAt        *string                `json:"due_at"` // null where nothing will be tried, or only after something else ends
	AcceptedAt   *string                `json:"accepted_at"`
	ExpiresAt    *string                `json:"expires_at"`
	TriedAt      *string                `json:"tried_at"`
	SentAt       *string                `json:"sent_at"`
	Relay        *string                `json:"relay"`
	Reply        *string                `json:"reply"`
	RemoteID     *string                `json:"remote_id"`
}

func showDelivery(d notifier.Delivery, event string) deliveryShape {
	due := moment(d.DueAt)
	if d.State.Final() || !d.DueAt.Before(notifier.UntilResumed) {
		due = nil
	}
	return deliveryShape{
		d.ID.String(), text(event), subscribers.Number(d.ID.Reader()).String(), d.Lane, d.Channel, d.Address, d.State, d.Attempts,
		due, moment(d.AcceptedAt), moment(d.ExpiresAt), moment(d.TriedAt), moment(d.SentAt), text(d.Relay), text(d.Reply), text(d.Remote),
	}
}

type subscriberShape struct {
	ID             string               `json:"id"`
	Channel        notifier.Channel     `json:"channel"`
	Address        string               `json:"address"`
	State          subscribers.State    `json:"state"`
	Components     []string             `json:"components"`
	Severity       notifier.Severity    `json:"severity"`
	Kinds          []notifier.Kind      `json:"kinds"`
	Cadence        subscribers.Cadence  `json:"cadence"`
	Timezone       *string              `json:"timezone"`
	Language       *string              `json:"language"`
	CreatedAt      *string              `json:"created_at"`
	ConfirmedAt    *string              `json:"confirmed_at"`
	UnsubscribedAt *string              `json:"unsubscribed_at"`
	Group          bool                 `json:"group"`
	Contact        *string              `json:"contact"`
	PausedUntil    *string              `json:"paused_until"`
	LeaveReason    *string              `json:"leave_reason"`
	Incident       *string              `json:"incident"`
	Format         *notifier.Format     `json:"format"`
	Types          []notifier.EventType `json:"types"`
	Quiet          *string              `json:"quiet"`
	Hour           subscribers.Hour     `json:"hour"`
	Weekday        *string              `json:"weekday"`
	Critical       bool                 `json:"critical"`
	AllQuiet       bool                 `json:"all_quiet"`
	Mine           bool                 `json:"mine"`
	Second         *secondShape         `json:"second"`
	SecondNext     *secondShape         `json:"second_next"`
	SecondOf       *string              `json:"second_of"`
}

func showSubscriber(s subscribers.Subscriber) subscriberShape {
	var format *notifier.Format
	if s.Format != "" {
		format = &s.Format
	}
	return subscriberShape{
		s.Number.String(), s.Channel, s.Address, s.State, keys(s.Filter.Components), s.Filter.Severity, keys(s.Filter.Kinds),
		s.Cadence, text(s.Timezone), text(s.Language), moment(s.CreatedAt), moment(s.ConfirmedAt), moment(s.Unsubscribed),
		s.Group, text(s.Contact), moment(s.PausedUntil), text(s.Left.Reason), text(s.Filter.Incident),
		format, keys(s.Filter.Types), text(string(s.Quiet)), s.Hour, text(string(s.Weekday)), s.Critical, s.AllQuiet, s.Filter.Mine,
		showSecond(s.Second), showSecond(s.SecondNext), secondOf(s),
	}
}

type suppressionShape struct {
	Channel   notifier.Channel   `json:"channel"`
	Address   string             `json:"address"`
	Reason    subscribers.Reason `json:"reason"`
	Note      string             `json:"note"`
	CreatedAt *string            `json:"created_at"`
}

func showSuppression(s subscribers.Suppression) suppressionShape {
	return suppressionShape{s.Channel, s.Address, s.Reason, s.Note, moment(s.CreatedAt)}
}
