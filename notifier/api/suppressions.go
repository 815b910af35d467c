package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

type suppressionRoom struct {
	store Suppressions
	now   func() time.Time
}

func (c suppressionRoom) routes() []route {
	return []route{
		{method: http.MethodGet, path: "/suppressions", role: notifier.RoleSender, do: c.list},
		{method: http.MethodPost, path: "/suppressions", role: notifier.RoleAdmin, do: c.add},
		{method: http.MethodDelete, path: "/suppressions", role: notifier.RoleAdmin, do: c.remove},
	}
}

func (c suppressionRoom) list(ctx context.Context, q *request) (reply, error) {
	cursor, limit, err := query(q.URL.Query())
	if err != nil {
		return reply{}, err
	}
	found, next, err := c.store.Suppressions(ctx, cursor, limit)
	return paged(found, next, showSuppression), err
}

func (c suppressionRoom) add(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Channel notifier.Channel   `json:"channel"`
		Address string             `json:"address"`
		Reason  subscribers.Reason `json:"reason"`
		Note    string             `json:"note"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	s := subscribers.Suppression{Reason: in.Reason, Note: in.Note, CreatedAt: c.now()}
	var err error
	if s.Channel, s.Address, err = address(in.Channel, in.Address); err != nil {
		return reply{}, err
	}
	if s.Reason == "" {
		s.Reason = subscribers.ReasonManual
	}
	if !slices.Contains([]subscribers.Reason{subscribers.ReasonManual, subscribers.ReasonBounce, subscribers.ReasonComplaint}, s.Reason) {
		return reply{}, notifier.Invalidf("reason", "%q is not one of manual, bounce, complaint", notifier.Clip(string(s.Reason)))
	}
	if notifier.Clip(s.Note) != s.Note {
		return reply{}, notifier.Invalidf("note", "holds a line break or another control character, or is over 500 bytes")
	}
	return reply{http.StatusCreated, showSuppression(s)}, c.store.Suppress(ctx, s)
}

// remove takes the address from the query or, to keep it out of access logs,
// from the body.
func (c suppressionRoom) remove(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Channel notifier.Channel `json:"channel"`
		Address string           `json:"address"`
	}
	v := q.URL.Query()
	if _, _, err := query(v, "channel", "address"); err != nil {
		return reply{}, err
	}
	in.Channel, in.Address = notifier.Channel(v.Get("channel")), v.Get("address")
	if _, err := q.decode(&in, v.Has("address")); err != nil {
		return reply{}, err
	}
	channel, kept, err := address(in.Channel, in.Address)
	if err != nil {
		return reply{}, err
	}
	return reply{status: http.StatusNoContent}, c.store.Unsuppress(ctx, channel, kept)
}
