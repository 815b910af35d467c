package api

import (
	"context"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// move settles a change of state from was to s.State. Anybody may be let go.
// To write to somebody who did not confirm, or who left, is an administrator's
// to answer for. Nobody is made pending: that is for whoever signs up.
func move(ctx context.Context, s *subscribers.Subscriber, was subscribers.State, now time.Time) error {
	if s.State == was {
		return nil
	}
	switch s.State {
	case subscribers.Unsubscribed:
		s.Unsubscribed = now
		return nil
	case subscribers.Pending:
		return notifier.Invalidf("state", "nobody is made pending again; add the address anew once it was erased")
	}
	if byOwner(ctx) {
		if was == subscribers.Pending || was == subscribers.Unsubscribed || s.State == subscribers.Quarantined || was == subscribers.Quarantined {
			return notifier.Invalidf("state", "a test that is answered with success is the way out of %s", was)
		}
		return nil
	}
	outside := was == subscribers.Pending || was == subscribers.Unsubscribed
	if s.State == subscribers.Active || outside {
		if err := needs(ctx, notifier.RoleAdmin); err != nil {
			return err
		}
	}
	s.Unsubscribed = time.Time{}
	if s.State == subscribers.Active && s.ConfirmedAt.IsZero() {
		s.ConfirmedAt = now
	}
	return nil
}
