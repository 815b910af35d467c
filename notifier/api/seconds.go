package api

import (
	"context"

	"allclear/notifier"
	"allclear/subscribers"
)

// Seconds keeps where subscribers are told while mail to them is down. The zero
// Second ends the one that is there.
type Seconds interface {
	SetSecond(ctx context.Context, n subscribers.Number, second subscribers.Second, confirm func(subscribers.Subscriber) *notifier.Event) (subscribers.Subscriber, error)
}

// secondShape is a second address, as it is shown and as it is set.
type secondShape struct {
	Channel notifier.Channel  `json:"channel"`
	Address string            `json:"address"`
	State   subscribers.State `json:"state"`
}

func showSecond(s subscribers.Second) *secondShape {
	if s.Address == "" {
		return nil
	}
	return &secondShape{s.Channel, s.Address, s.State}
}

// secondOf names whose second address it is; null for nobody's.
func secondOf(s subscribers.Subscriber) *string {
	if s.SecondOf == 0 {
		return nil
	}
	return text(s.SecondOf.String())
}

// setSecond writes a second address as it was asked for, or ends it. Only an
// administrator may answer for its owner, and nobody by an endpoint's token.
func (c subscriberRoom) setSecond(ctx context.Context, n subscribers.Number, in *secondShape) (subscribers.Subscriber, error) {
	if byOwner(ctx) {
		return subscribers.Subscriber{}, notifier.Invalidf("second", "is changed by staff")
	}
	if in == nil {
		return c.seconds.SetSecond(ctx, n, subscribers.Second{}, nil)
	}
	second := subscribers.Second{Channel: in.Channel, Address: in.Address, State: in.State}
	if second.Channel == "" {
		second.Channel = subscribers.ChannelOf(in.Address)
	}
	var err error
	if second.Address, err = subscribers.ParseOn(second.Channel, in.Address); err != nil {
		return subscribers.Subscriber{}, err
	}
	switch second.State {
	case "", subscribers.Pending:
		second.State = subscribers.Pending
	case subscribers.Active:
		if err := needs(ctx, notifier.RoleAdmin); err != nil {
			return subscribers.Subscriber{}, err
		}
	default:
		return subscribers.Subscriber{}, notifier.Invalidf("second.state", "a second address is pending or active, not %s", second.State)
	}
	return c.seconds.SetSecond(ctx, n, second, c.confirm(c.desk()))
}
