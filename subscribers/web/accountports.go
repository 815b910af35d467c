package web

import (
	"context"

	"allclear/notifier"
	"allclear/subscribers"
)

// Account is what is kept about a subscriber, and what only its owner may do with it.
type Account interface {
	Told(ctx context.Context, n subscribers.Number, limit int) ([]notifier.Told, error)
	Return(ctx context.Context, n subscribers.Number) (subscribers.Subscriber, error)
	EraseSubscriber(ctx context.Context, n subscribers.Number) error
	SendOwner(ctx context.Context, n subscribers.Number) (bool, error)
}

// Moves takes subscriptions to other addresses.
type Moves interface {
	AskMove(ctx context.Context, n subscribers.Number, address string) error
	Move(ctx context.Context, n subscribers.Number, to bool) (subscribers.Move, error)
	AgreeMove(ctx context.Context, n subscribers.Number, to bool) (subscribers.Move, error)
	Moved(ctx context.Context, n subscribers.Number) (bool, error)
	CancelMove(ctx context.Context, n subscribers.Number) error
}

// Lost takes the requests for lost links. It answers at once and
// tells nothing: whoever waits for it must not learn by its time what is known
// of an address.
type Lost interface {
	Ask(subscribers.Lost)
}
