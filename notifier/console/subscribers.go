package console

import (
	"errors"
	"slices"
	"strings"

	"allclear/notifier"
	"allclear/subscribers"
)

type subscribersPage struct {
	Found    []subscribers.Subscriber
	Channel  notifier.Channel
	State    subscribers.State
	Address  string
	Channels []notifier.Channel
	States   []subscribers.State
	Next     string
	Barred   *subscribers.Suppression // of the address that was looked for
	All      int64
}

func (c *console) subscribers(q *request) (answer, error) {
	v := q.URL.Query()
	want := subscribers.Query{Channel: notifier.Channel(v.Get("channel")), State: subscribers.State(v.Get("state")), Cursor: v.Get("cursor"), Limit: perPage}
	p := subscribersPage{Channel: want.Channel, State: want.State, Address: strings.TrimSpace(v.Get("address")), Channels: notifier.Channels, States: subscribers.States}
	switch {
	case want.Channel != "" && !slices.Contains(notifier.Channels, want.Channel):
		return answer{}, notifier.Invalidf("channel", "%q is not one of email, webhook, sms", notifier.Clip(string(want.Channel)))
	case want.State != "" && !slices.Contains(subscribers.States, want.State):
		return answer{}, notifier.Invalidf("state", "%q is not the state of a subscription", notifier.Clip(string(want.State)))
	}
	if p.Address != "" {
		channel, address, unknown := subscribers.ParseAny(p.Address)
		if unknown != nil {
			want.Part = p.Address
		} else {
			want.Address = address
			var err error
			if p.Barred, err = c.barred(q, channel, address); err != nil {
				return answer{}, err
			}
		}
	}
	found, cursor, err := c.o.Store.Subscribers(q.Context(), want)
	if err != nil {
		return answer{}, err
	}
	if p.All, err = c.o.Store.Followers(q.Context()); err != nil {
		return answer{}, err
	}
	p.Found, p.Next = found, nextPage(q, cursor)
	return answer{page: "subscribers", title: "Subscribers", data: p}, nil
}

// barred is why an address may not be written to; nil where it may.
func (c *console) barred(q *request, channel notifier.Channel, address string) (*subscribers.Suppression, error) {
	x, err := c.o.Store.Suppression(q.Context(), channel, address)
	if errors.Is(err, notifier.ErrNotFound) {
		return nil, nil //nolint:nilnil // said above
	}
	return &x, err
}

// history is how much of what somebody was told is shown.
const history = 100

type subscriberPage struct {
	Who      subscribers.Subscriber
	Hook     *subscribers.Hook // of an endpoint
	Barred   *subscribers.Suppression
	First    *subscribers.Subscriber // whose second address this is
	Told     []notifier.Told
	Attempts []notifier.Attempt
	Most     int
	Left     string
}

func (c *console) subscriber(q *request) (answer, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	p := subscriberPage{Most: history}
	if p.Who, err = c.o.Store.Subscriber(q.Context(), n); err != nil {
		return answer{}, err
	}
	if p.Barred, err = c.barred(q, p.Who.Channel, p.Who.Address); err != nil {
		return answer{}, err
	}
	if p.Who.SecondOf > 0 {
		first, err := c.o.Store.Subscriber(q.Context(), p.Who.SecondOf)
		if err != nil {
			return answer{}, err
		}
		p.First = &first
	}
	if p.Told, err = c.o.Store.Told(q.Context(), n, history); err != nil {
		return answer{}, err
	}
	if p.Who.Channel == notifier.Webhook {
		h, err := c.o.Store.Hook(q.Context(), n)
		if err != nil {
			return answer{}, err
		}
		p.Hook = &h
		if p.Attempts, _, err = c.o.Store.Attempts(q.Context(), n, "", 20); err != nil {
			return answer{}, err
		}
	}
	return answer{page: "subscriber", title: "Subscriber", data: p}, nil
}

// changeSubscriber pauses a subscription, lets it go on, or ends it. Staff never
// make one active that did not agree.
func (c *console) changeSubscriber(q *request) (answer, error) {
	n, err := subscribers.ParseNumber(q.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	do := q.form.Get("do")
	_, err = c.o.Store.ChangeSubscriber(q.Context(), n, func(s *subscribers.Subscriber) error {
		switch {
		case do == "pause" && s.State == subscribers.Active:
			s.State = subscribers.Paused
		case do == "go-on" && s.State == subscribers.Paused:
			s.State = subscribers.Active
		case do == "end" && q.session.Staff.Role.Can(notifier.RoleAdmin):
			s.Depart("", c.o.Now())
		case do == "end":
			return &notAllowed{has: q.session.Staff.Role, needs: notifier.RoleAdmin}
		default:
			return notifier.Refuse(notifier.ErrConflict, "The subscription is %s, and this cannot be done with it.", s.State)
		}
		return nil
	})
	return answer{to: Path + "/subscribers/" + n.String() + "?done=changed"}, err
}

type endpointsPage struct {
	Troubled []subscribers.Hook
	Found    []subscribers.Subscriber
	Next     string
}

func (c *console) endpoints(q *request) (answer, error) {
	var p endpointsPage
	var err error
	if p.Troubled, err = c.o.Store.TroubledEndpoints(q.Context(), perPage); err != nil {
		return answer{}, err
	}
	found, cursor, err := c.o.Store.Subscribers(q.Context(), subscribers.Query{Channel: notifier.Webhook, Cursor: q.URL.Query().Get("cursor"), Limit: perPage})
	if err != nil {
		return answer{}, err
	}
	p.Found, p.Next = found, nextPage(q, cursor)
	return answer{page: "endpoints", title: "Endpoints", data: p}, nil
}
