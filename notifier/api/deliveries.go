package api

import (
	"context"
	"errors"
	"net/http"

	"allclear/notifier"
)

type deliveryRoom struct {
	events     Events
	deliveries Deliveries
	archive    Archive
}

func (c deliveryRoom) routes() []route {
	return []route{
		{method: http.MethodGet, path: "/events/{id}", role: notifier.RoleViewer, do: c.event},
		{method: http.MethodPost, path: "/events/{id}/retry-failed", role: notifier.RolePoster, do: c.retryFailed},
		{method: http.MethodGet, path: "/deliveries", role: notifier.RoleSender, do: c.list},
		{method: http.MethodPost, path: "/deliveries/{id}/retry", role: notifier.RoleSender, do: c.retry},
	}
}

func (c deliveryRoom) event(ctx context.Context, q *request) (reply, error) {
	p, err := c.events.Progress(ctx, q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusOK, showProgress(p)}, nil
}

// retried says how many deliveries start again.
type retried struct {
	Retried int `json:"retried"`
}

func (c deliveryRoom) retryFailed(ctx context.Context, q *request) (reply, error) {
	if _, err := q.decode(&struct{}{}, true); err != nil {
		return reply{}, err
	}
	n, err := c.events.RetryFailed(ctx, q.PathValue("id"))
	return reply{http.StatusAccepted, retried{n}}, err
}

func (c deliveryRoom) list(ctx context.Context, q *request) (reply, error) {
	v := q.URL.Query()
	cursor, limit, err := query(v, "event", "state", "address")
	if err != nil {
		return reply{}, err
	}
	want := notifier.DeliveryQuery{Event: v.Get("event"), Cursor: cursor, Limit: limit}
	if want.State, err = oneOf(v, "state", notifier.DeliveryStates); err != nil {
		return reply{}, err
	}
	if given := v.Get("address"); given != "" {
		if _, want.Address, err = address("", given); err != nil {
			return reply{}, err
		}
	}
	found, next, err := c.deliveries.Deliveries(ctx, want)
	if err != nil {
		return reply{}, err
	}
	events := map[int64]string{} // a page is mostly of one event, or of the few one reader got
	for _, d := range found {
		n := d.ID.Event()
		if _, known := events[n]; known {
			continue
		}
		events[n] = want.Event
		if want.Event != "" {
			continue
		}
		story, err := c.archive.Story(ctx, n)
		if err != nil && !errors.Is(err, notifier.ErrNotFound) {
			return reply{}, err
		}
		events[n] = story.Event.ID
	}
	return paged(found, next, func(d notifier.Delivery) deliveryShape { return showDelivery(d, events[d.ID.Event()]) }), nil
}

func (c deliveryRoom) retry(ctx context.Context, q *request) (reply, error) {
	if _, err := q.decode(&struct{}{}, true); err != nil {
		return reply{}, err
	}
	id, err := notifier.ParseDeliveryID(q.PathValue("id"))
	if err != nil {
		return reply{}, err
	}
	return reply{http.StatusAccepted, retried{1}}, c.deliveries.RetryDelivery(ctx, id)
}
