package api

import (
	"context"
	"errors"

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
	Unused  *string           `json:"unused"`           // why nothing is sent there though it was confirmed; null: it is used. Ignored where it is set
	Again   bool              `json:"again,omitempty"`  // with state active: it left once and has asked to come back
	Secret  string            `json:"secret,omitempty"` // of an active endpoint, in the answer that made it
}

func showSecond(s subscribers.Second) *secondShape {
	if s.Address == "" {
		return nil
	}
	return &secondShape{Channel: s.Channel, Address: s.Address, State: s.State, Unused: text(string(s.Unused))}
}

// secondOf names whose second address it is; null for nobody's.
func secondOf(s subscribers.Subscriber) *string {
	if s.SecondOf == 0 {
		return nil
	}
	return text(s.SecondOf.String())
}

// setSecond writes a second address as it was asked for, or ends it, and returns
// the subscriber as it is shown then. Only an administrator may answer for its
// owner, and nobody by an endpoint's token.
func (c subscriberRoom) setSecond(ctx context.Context, n subscribers.Number, in *secondShape) (subscriberShape, error) {
	if byOwner(ctx) {
		return subscriberShape{}, notifier.Invalidf("second", "is changed by staff")
	}
	var second subscribers.Second
	if in != nil {
		var err error
		if second, err = c.readSecond(ctx, in); err != nil {
			return subscriberShape{}, err
		}
	}
	made, err := c.seconds.SetSecond(ctx, n, second, c.confirm(c.desk()))
	if err != nil {
		return subscriberShape{}, err
	}
	shown := showSecond(made.Second)
	if second.State == subscribers.Active && second.Channel == notifier.Webhook {
		// Who proves an endpoint is shown its secret then; this one proves nothing.
		secret, err := c.keys.NewSecret(ctx, made.Second.Number)
		switch {
		case errors.Is(err, notifier.ErrConflict): // it was shown before
		case err != nil:
			return subscriberShape{}, err
		default:
			shown.Secret = secret.Text()
		}
	}
	out := showSubscriber(made)
	out.Second = shown
	return out, nil
}

func (c subscriberRoom) readSecond(ctx context.Context, in *secondShape) (subscribers.Second, error) {
	if in.Secret != "" {
		return subscribers.Second{}, notifier.Invalidf("second.secret", "is made by the service")
	}
	second, err := subscribers.ParseSecond(in.Channel, in.Address)
	if err != nil {
		var bad *notifier.Invalid
		if errors.As(err, &bad) {
			err = notifier.Invalidf("second."+bad.Field, "%s", bad.Message)
		}
		return second, err
	}
	switch in.State {
	case "", subscribers.Pending:
		second.Again = true // who left may be asked
	case subscribers.Active:
		second.State, second.Again = subscribers.Active, in.Again
		return second, needs(ctx, notifier.RoleAdmin)
	default:
		return second, notifier.Invalidf("second.state", "a second address is pending or active, not %s", in.State)
	}
	return second, nil
}
