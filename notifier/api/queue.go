package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

type queueRoom struct {
	store   Queue
	waiting Waiting
	now     func() time.Time
}

func (c queueRoom) routes() []route {
	return []route{
		{method: http.MethodGet, path: "/queue", role: notifier.RoleViewer, do: c.show},
		{method: http.MethodPost, path: "/queue/pause", role: notifier.RoleAdmin, do: c.pause},
		{method: http.MethodPost, path: "/queue/resume", role: notifier.RoleAdmin, do: c.resume},
	}
}

type queueShape struct {
	Depths []depthShape `json:"depths"`
	Pauses []pauseShape `json:"pauses"`
	Holds  []holdShape  `json:"holds"`
}

// holdShape is an incident of which nobody was told yet: it waits for its all-clear.
type holdShape struct {
	IncidentID string  `json:"incident_id"`
	Title      string  `json:"title"`
	Until      *string `json:"until"`
	Events     int64   `json:"events"`
}

type depthShape struct {
	Channel notifier.Channel `json:"channel"`
	Lane    notifier.Lane    `json:"lane"`
	Pending int64            `json:"pending"`
	Sending int64            `json:"sending"`
	Held    int64            `json:"held"`
	Oldest  *string          `json:"oldest_due_at"`
}

type pauseShape struct {
	Scope notifier.PauseScope `json:"scope"`
	Key   string              `json:"key"`
	By    string              `json:"by"`
	Since *string             `json:"since"`
}

func (c queueRoom) show(ctx context.Context, _ *request) (reply, error) {
	depths, err := c.store.Depths(ctx)
	if err != nil {
		return reply{}, err
	}
	pulse, err := c.store.Pulse(ctx)
	if err != nil {
		return reply{}, err
	}
	holds, err := c.waiting.Holds(ctx)
	if err != nil {
		return reply{}, err
	}
	shown := queueShape{Depths: []depthShape{}, Pauses: []pauseShape{}, Holds: []holdShape{}}
	for _, h := range holds {
		shown.Holds = append(shown.Holds, holdShape{h.IncidentID, h.Title, moment(h.Until), h.Events})
	}
	for _, d := range depths {
		shown.Depths = append(shown.Depths, depthShape{d.Channel, d.Lane, d.Pending, d.Sending, d.Held, moment(d.Oldest)})
	}
	for _, p := range pulse.Pauses {
		shown.Pauses = append(shown.Pauses, pauseShape{p.Scope, p.Key, p.By, moment(p.Since)})
	}
	return reply{http.StatusOK, shown}, nil
}

func (c queueRoom) pause(ctx context.Context, q *request) (reply, error) {
	scope, key, err := scopeOf(q)
	if err != nil {
		return reply{}, err
	}
	p := notifier.Pause{Scope: scope, Key: key, By: notifier.ActorFrom(ctx).Name, Since: c.now()}
	if err := c.store.Pause(ctx, p); err != nil {
		return reply{}, err
	}
	return c.show(ctx, q)
}

func (c queueRoom) resume(ctx context.Context, q *request) (reply, error) {
	scope, key, err := scopeOf(q)
	if err != nil {
		return reply{}, err
	}
	if err := c.store.Resume(ctx, scope, key); err != nil {
		return reply{}, err
	}
	return c.show(ctx, q)
}

// scopeOf reads which part of the queue is meant: one of the four, or none of them for all.
func scopeOf(q *request) (notifier.PauseScope, string, error) {
	var in struct {
		Channel string `json:"channel"`
		Lane    string `json:"lane"`
		Relay   string `json:"relay"`
		Domain  string `json:"domain"`
	}
	if _, err := q.decode(&in, true); err != nil {
		return "", "", err
	}
	scope, key := notifier.PauseAll, ""
	for _, f := range []struct {
		scope notifier.PauseScope
		key   string
	}{
		{notifier.PauseChannel, in.Channel},
		{notifier.PauseLane, in.Lane},
		{notifier.PauseRelay, in.Relay},
		{notifier.PauseDomain, strings.ToLower(in.Domain)},
	} {
		if f.key == "" {
			continue
		}
		if key != "" {
			return "", "", notifier.Invalidf(string(f.scope), "stands beside %s; name one at a time", scope)
		}
		scope, key = f.scope, f.key
	}
	var err error
	switch scope {
	case notifier.PauseChannel:
		if !slices.Contains(notifier.Channels, notifier.Channel(key)) {
			err = notifier.Invalidf("channel", "%q is not one of email, webhook, sms", notifier.Clip(key))
		}
	case notifier.PauseLane:
		_, err = notifier.ParseLane(key)
	case notifier.PauseRelay:
		if notifier.Clip(key) != key {
			err = notifier.Invalidf("relay", "holds a control character or is over 500 bytes")
		}
	case notifier.PauseDomain:
		if _, bad := subscribers.ParseAddress("postmaster@" + key); bad != nil {
			err = notifier.Invalidf("domain", "%q is not a domain", notifier.Clip(key))
		}
	}
	return scope, key, err
}
