package api

import (
	"context"
	"log/slog"
	"net/http"

	"allclear/notifier"
	"allclear/subscribers"
)

type subscriberRoom struct {
	store   Subscribers
	seconds Seconds
	add     subscribers.Importer
	keys    EndpointKeys
	desk    func() notifier.Desk
	log     *slog.Logger
}

func (c subscriberRoom) routes() []route {
	return []route{
		{method: http.MethodGet, path: "/subscribers", role: notifier.RoleSender, do: c.list},
		{method: http.MethodPost, path: "/subscribers", role: notifier.RoleSender, do: c.create},
		{method: http.MethodGet, path: "/subscribers/{id}", role: notifier.RoleSender, owner: true, do: c.show},
		{method: http.MethodPatch, path: "/subscribers/{id}", role: notifier.RoleSender, owner: true, do: c.change},
		{method: http.MethodDelete, path: "/subscribers/{id}", role: notifier.RoleAdmin, do: c.unsubscribe},
		{method: http.MethodPost, path: "/subscribers/import", role: notifier.RoleAdmin, stream: c.importFile},
		{method: http.MethodGet, path: "/subscribers/export.csv", role: notifier.RoleAdmin, stream: c.export},
	}
}

func (c subscriberRoom) list(ctx context.Context, q *request) (reply, error) {
	v := q.URL.Query()
	cursor, limit, err := query(v, "channel", "state", "address")
	if err != nil {
		return reply{}, err
	}
	want := subscribers.Query{Cursor: cursor, Limit: limit}
	if want.Channel, err = oneOf(v, "channel", []notifier.Channel{notifier.Email, notifier.Webhook, notifier.SMS}); err != nil {
		return reply{}, err
	}
	if want.State, err = oneOf(v, "state", subscribers.States); err != nil {
		return reply{}, err
	}
	if given := v.Get("address"); given != "" {
		if _, want.Address, err = address("", given); err != nil {
			return reply{}, err
		}
	}
	found, next, err := c.store.Subscribers(ctx, want)
	return paged(found, next, showSubscriber), err
}

func (c subscriberRoom) show(ctx context.Context, q *request) (reply, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	found, err := c.store.Subscriber(ctx, n)
	return reply{http.StatusOK, showSubscriber(found)}, err
}

// create adds a subscriber, who is asked to confirm. Only an administrator may
// answer for somebody and add them as active.
func (c subscriberRoom) create(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Channel    notifier.Channel     `json:"channel"`
		Address    string               `json:"address"`
		State      subscribers.State    `json:"state"`
		Components []string             `json:"components"`
		Severity   string               `json:"severity"`
		Kinds      []notifier.Kind      `json:"kinds"`
		Cadence    subscribers.Cadence  `json:"cadence"`
		Timezone   string               `json:"timezone"`
		Language   string               `json:"language"`
		Group      bool                 `json:"group"`
		Contact    string               `json:"contact"`
		Format     notifier.Format      `json:"format"`
		Types      []notifier.EventType `json:"types"`
		Quiet      notifier.Quiet       `json:"quiet"`
		Hour       *int                 `json:"hour"`
		Weekday    subscribers.Weekday  `json:"weekday"`
		Critical   bool                 `json:"critical"`
		AllQuiet   bool                 `json:"all_quiet"`
		Mine       bool                 `json:"mine"`
		Again      bool                 `json:"again"` // with state active: it left once and has asked to come back
		Second     *secondShape         `json:"second"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	level, err := notifier.ParseSeverity(in.Severity)
	if err != nil {
		return reply{}, err
	}
	desk := c.desk()
	s := subscribers.Subscriber{
		Channel: in.Channel, Address: in.Address, State: in.State, Cadence: in.Cadence, Timezone: in.Timezone, Language: in.Language,
		Filter:    subscribers.Filter{Components: in.Components, Severity: level, Kinds: in.Kinds, Types: in.Types, Mine: in.Mine},
		CreatedAt: desk.Now, Group: in.Group, Contact: in.Contact, Format: in.Format, Quiet: in.Quiet,
		Weekday: in.Weekday, Critical: in.Critical, AllQuiet: in.AllQuiet,
	}
	if in.Hour != nil {
		if s.Hour, err = subscribers.HourOf(*in.Hour); err != nil {
			return reply{}, err
		}
	}
	if err := s.Validate(); err != nil {
		return reply{}, err
	}
	confirm := c.confirm(desk)
	switch s.State {
	case subscribers.Pending:
		if err := s.Confirmable(); err != nil {
			return reply{}, err
		}
	case subscribers.Active:
		if err := needs(ctx, notifier.RoleAdmin); err != nil {
			return reply{}, err
		}
		s.ConfirmedAt, confirm = desk.Now, nil
	default:
		return reply{}, notifier.Invalidf("state", "a new subscriber is pending or active, not %s", s.State)
	}
	if in.Second != nil {
		s.Second.Address = in.Second.Address
	}
	var made subscribers.Subscriber
	var shown subscriberShape
	err = c.add.Atomic(ctx, func(ctx context.Context) error {
		if err := c.mayReturn(ctx, s, in.Again); err != nil {
			return err
		}
		var err error
		if made, err = c.add.AddSubscriber(ctx, s, confirm); err != nil {
			return err
		}
		if shown = showSubscriber(made); in.Second != nil {
			shown, err = c.setSecond(ctx, made.Number, in.Second)
		}
		return err
	})
	if err != nil || made.Channel != notifier.Webhook {
		return reply{http.StatusCreated, shown}, err
	}
	secret, err := c.keys.NewSecret(ctx, made.Number)
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusCreated, struct {
		subscriberShape
		Secret string `json:"secret"` // this once
	}{showSubscriber(made), secret.Text()}}, nil
}

// mayReturn holds back whoever left and is to be active, unless it is said that
// they want to come back: whose list it is may not know who left since.
func (c subscriberRoom) mayReturn(ctx context.Context, s subscribers.Subscriber, again bool) error {
	if s.State != subscribers.Active || again {
		return nil
	}
	there, _, err := c.store.Subscribers(ctx, subscribers.Query{Channel: s.Channel, Address: s.Address, Limit: 1})
	if err != nil || len(there) == 0 || there[0].Unsubscribed.IsZero() {
		return err
	}
	return left(there[0])
}

// confirm makes the event that asks a pending subscriber to confirm.
func (c subscriberRoom) confirm(desk notifier.Desk) func(subscribers.Subscriber) *notifier.Event {
	return func(s subscribers.Subscriber) *notifier.Event {
		e := s.ConfirmEvent(desk)
		return &e
	}
}

// change sets what is named. A field that is null goes back to its default.
func (c subscriberRoom) change(ctx context.Context, q *request) (reply, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	var in subscriberPatch
	if in.nulls, err = q.decode(&in, false); err != nil {
		return reply{}, err
	}
	if byOwner(ctx) && in.names("contact", in.Contact != nil) {
		return reply{}, notifier.Invalidf("contact", "is changed by staff: whoever holds the endpoint's token could take it over")
	}
	now := c.desk().Now
	var shown subscriberShape
	err = c.add.Atomic(ctx, func(ctx context.Context) error {
		changed, err := c.store.ChangeSubscriber(ctx, n, func(s *subscribers.Subscriber) error { return in.apply(ctx, s, now) })
		if shown = showSubscriber(changed); err != nil || !in.names("second", in.Second != nil) {
			return err
		}
		shown, err = c.setSecond(ctx, n, in.Second)
		return err
	})
	return reply{http.StatusOK, shown}, err
}

// unsubscribe ends a subscription. The row stays, so that an import does not
// bring the address back unasked.
func (c subscriberRoom) unsubscribe(ctx context.Context, q *request) (reply, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	now := c.desk().Now
	_, err = c.store.ChangeSubscriber(ctx, n, func(s *subscribers.Subscriber) error {
		was := s.State
		if s.State = subscribers.Unsubscribed; was == s.State {
			s.Depart("", now)
		}
		return move(ctx, s, was, false, now)
	})
	return reply{status: http.StatusNoContent}, err
}
