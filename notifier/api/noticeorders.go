package api

import (
	"context"
	"net/http"
	"time"

	"allclear/notifier"
)

// NoticeEvent is the event that sends a notice.
func NoticeEvent(id string, d notifier.Desk) notifier.Event {
	return notifier.Event{
		ID: d.NewID(), Type: notifier.NoticeSent, Lane: notifier.LaneBulk, NoticeID: id,
		AcceptedAt: d.Now.UTC(), ExpiresAt: d.Now.UTC().Add(notifier.NoticeLife),
	}
}

// send lets a notice go out. Whoever sends it says how many people they believe
// it goes to, and how many rows they know to be left out.
func (c noticeRoom) send(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Expect        *int64   `json:"expect"`
		AcceptRejects any      `json:"accept_rejects"` // a number, or true for as many as there are
		AcceptMissing any      `json:"accept_missing"` // likewise
		At            string   `json:"at"`
		PerSecond     int      `json:"per_second"`
		Canary        *float64 `json:"canary"`      // per cent; 0 is none
		HaltAbove     float64  `json:"halt_above"`  // per cent
		CanaryWait    float64  `json:"canary_wait"` // seconds
	}
	if _, err := q.decode(&in, false); err != nil {
		return reply{}, err
	}
	id, desk := q.PathValue("id"), c.desk()
	n, err := c.store.Notice(ctx, id)
	if err != nil {
		return reply{}, err
	}
	if in.Expect == nil {
		return reply{}, notifier.Invalidf("expect", "must say how many recipients you believe it has; it has %d", n.Recipients)
	}
	order := notifier.NoticeOrder{
		Expect: *in.Expect, PerSecond: in.PerSecond, HaltAbove: in.HaltAbove, CanaryWait: time.Duration(in.CanaryWait * float64(time.Second)),
	}
	if in.Canary != nil {
		if order.Canary = *in.Canary; order.Canary < 0 {
			return reply{}, notifier.Invalidf("canary", "is a share in per cent, at least 0 (none)")
		} else if order.Canary == 0 {
			order.Canary = -1
		}
	}
	if order.AcceptRejects, err = accepted("accept_rejects", in.AcceptRejects, n.Rejected); err != nil {
		return reply{}, err
	}
	if order.At, err = instant("at", in.At); err != nil {
		return reply{}, err
	}
	if order.AcceptMissing, err = accepted("accept_missing", in.AcceptMissing, AllMissing); err != nil {
		return reply{}, err
	}
	if err := Sendable(ctx, c.store, n, order, c.tools); err != nil {
		return reply{}, err
	}
	order.Version = n.Mark()
	if n, err = c.store.OrderNotice(ctx, id, order, c.tools.Above, NoticeEvent(id, desk)); err != nil {
		return reply{}, err
	}
	return c.shown(ctx, http.StatusAccepted, n, nil)
}

// accepted is how many are accepted of as many as there are.
func accepted(field string, said any, there int64) (int64, error) {
	switch v := said.(type) {
	case nil:
		return 0, nil
	case bool:
		if v {
			return there, nil
		}
		return 0, nil
	case float64:
		if n := int64(v); n >= 0 && float64(n) == v {
			return n, nil
		}
	}
	return 0, notifier.Invalidf(field, "must be a whole number, or true for as many as there are")
}

// approve is a second person's word. With a reason it is an admin's own, who
// finds no second one.
func (c noticeRoom) approve(ctx context.Context, q *request) (reply, error) {
	var in struct {
		Reason  string `json:"reason"`
		Version string `json:"version"` // of what they looked at
	}
	if _, err := q.decode(&in, true); err != nil {
		return reply{}, err
	}
	if in.Reason != "" {
		if err := needs(ctx, notifier.RoleAdmin); err != nil {
			return reply{}, err
		}
	}
	n, err := c.store.ApproveNotice(ctx, q.PathValue("id"), notifier.ActorFrom(ctx), in.Reason, in.Version, c.tools.Above)
	if err != nil {
		return reply{}, err
	}
	return c.shown(ctx, http.StatusAccepted, n, nil)
}

// step makes a handler of what needs no more than the notice's id.
func (c noticeRoom) step(do func(NoticeStore, context.Context, string) error) func(context.Context, *request) (reply, error) {
	return func(ctx context.Context, q *request) (reply, error) {
		if _, err := q.decode(&struct{}{}, true); err != nil {
			return reply{}, err
		}
		id := q.PathValue("id")
		if err := do(c.store, ctx, id); err != nil {
			return reply{}, err
		}
		n, err := c.store.Notice(ctx, id)
		if err != nil {
			return reply{}, err
		}
		return c.shown(ctx, http.StatusAccepted, n, nil)
	}
}

func (c noticeRoom) retryFailed(ctx context.Context, q *request) (reply, error) {
	if _, err := q.decode(&struct{}{}, true); err != nil {
		return reply{}, err
	}
	n, err := c.store.RetryFailedNotice(ctx, q.PathValue("id"))
	return reply{http.StatusAccepted, retried{n}}, err
}
