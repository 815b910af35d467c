package api

import (
	"context"
	"net/http"
	"time"

	"allclear/notifier"
)

type componentRoom struct {
	store Components
	now   func() time.Time
}

func (c componentRoom) routes() []route {
	return []route{
		{method: http.MethodGet, path: "/components", role: notifier.RoleViewer, do: c.list},
		{method: http.MethodPost, path: "/components", role: notifier.RolePoster, do: c.add},
		{method: http.MethodPatch, path: "/components/{key}", role: notifier.RolePoster, do: c.change},
		{method: http.MethodDelete, path: "/components/{key}", role: notifier.RolePoster, do: c.remove},
	}
}

// list answers all of them at once: there are never many. It has the shape of a page all the same.
func (c componentRoom) list(ctx context.Context, q *request) (reply, error) {
	if _, _, err := query(q.URL.Query()); err != nil {
		return reply{}, err
	}
	all, err := c.store.Components(ctx)
	return paged(all, "", showComponent), err
}

func (c componentRoom) add(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Key   string                  `json:"key"`
		Name  string                  `json:"name"`
		Group string                  `json:"group"`
		State notifier.ComponentState `json:"state"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	made := notifier.Component{Key: in.Key, Name: in.Name, Group: in.Group, State: in.State, CreatedAt: c.now()}
	if err := made.Validate(); err != nil {
		return reply{}, err
	}
	return reply{http.StatusCreated, showComponent(made)}, c.store.AddComponent(ctx, made)
}

func (c componentRoom) change(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Name  *string                  `json:"name"`
		Group *string                  `json:"group"`
		State *notifier.ComponentState `json:"state"`
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	now, err := c.store.ChangeComponent(ctx, q.PathValue("key"), func(x *notifier.Component) error {
		keep(&x.Name, in.Name)
		keep(&x.Group, in.Group)
		keep(&x.State, in.State)
		return x.Validate()
	})
	return reply{http.StatusOK, showComponent(now)}, err
}

func (c componentRoom) remove(ctx context.Context, q *request) (reply, error) {
	return reply{status: http.StatusNoContent}, c.store.RemoveComponent(ctx, q.PathValue("key"))
}

// keep sets what a PATCH names and keeps the rest.
func keep[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}
