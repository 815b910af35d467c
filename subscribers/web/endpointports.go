package web

import (
	"context"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
)

// Endpoints is what the pages of endpoints need. All are mandatory.
type Endpoints struct {
	Hooks    Hooks
	Secrets  Secrets
	Attempts Attempts

	// Allowed reports whether a URL may be called: which hosts, ports and
	// addresses may. It may ask a resolver, and never connects.
	Allowed func(ctx context.Context, url string) bool
	// Probe posts a signed test in a format at once and says what became of it; it
	// records nothing. An error is one of ours, not the endpoint's.
	Probe func(ctx context.Context, n subscribers.Number, f notifier.Format) (notifier.Attempt, error)
}

// Hooks keeps endpoints as whoever looks after them sees them.
type Hooks interface {
	Hook(ctx context.Context, n subscribers.Number) (subscribers.Hook, error)
	NoteTest(ctx context.Context, n subscribers.Number, a notifier.Attempt) (subscribers.Hook, error)
	// AskEndpoint counts what is asked about an endpoint; a *notifier.TooOften
	// where that is more than may be, a Refusal where it is not to be called.
	AskEndpoint(ctx context.Context, n subscribers.Number, what subscribers.Asking) error
}

// Secrets hands an endpoint's secrets out, each once.
type Secrets interface {
	TakeSecret(ctx context.Context, n subscribers.Number) (notifier.Secret, bool, error)
	RotateSecret(ctx context.Context, n subscribers.Number, overlap time.Duration, again bool) (notifier.Secret, error)
	MakeEndpointToken(ctx context.Context, n subscribers.Number) (string, error)
}

// Attempts is what was posted to endpoints, and sends it again.
type Attempts interface {
	Attempts(ctx context.Context, n subscribers.Number, cursor string, limit int) ([]notifier.Attempt, string, error)
	Replay(ctx context.Context, n subscribers.Number, id notifier.DeliveryID) error
	RecoverEndpoint(ctx context.Context, n subscribers.Number, since time.Time) (int, error)
}
