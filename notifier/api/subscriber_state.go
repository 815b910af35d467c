package api

import (
	"context"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// move settles a change of state from was to s.State. Anybody may be let go.
// To write to somebody who did not confirm, or who left, is an administrator's
// to answer for, and who left comes back only where again says that they asked
// to. Nobody is made pending: that is for whoever signs up.
func move(ctx context.Context, s *subscribers.Subscriber, was subscribers.State, again bool, now time.Time) error {
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
	if outside && !s.Unsubscribed.IsZero() && !again {
		return left(*s)
	}
	s.Unsubscribed = time.Time{}
	if s.State == subscribers.Active && s.ConfirmedAt.IsZero() {
		s.ConfirmedAt = now
	}
	return nil
}

// left refuses to bring back who left.
func left(who subscribers.Subscriber) error {
	return notifier.Refuse(notifier.ErrConflict, "this address left on %s; send again: true if it has asked to come back, or add it as pending and it is asked to confirm",
		who.Unsubscribed.UTC().Format("2006-01-02 15:04 UTC"))
}
