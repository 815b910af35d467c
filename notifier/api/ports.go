package api

import (
	"context"

	"allclear/notifier"
	"allclear/subscribers"
)

// Components keeps the parts of the service.
type Components interface {
	Components(ctx context.Context) ([]notifier.Component, error)
	AddComponent(ctx context.Context, c notifier.Component) error
	ChangeComponent(ctx context.Context, key string, change func(*notifier.Component) error) (notifier.Component, error)
	RemoveComponent(ctx context.Context, key string) error
}

// Incidents writes what is announced. The functions it is given may run more than once.
type Incidents interface {
	OpenIncident(ctx context.Context, p notifier.Posting) (notifier.Posting, error)
	ReviseIncident(ctx context.Context, id string, change func(notifier.Incident) (notifier.Posting, error)) (notifier.Posting, error)
	CorrectUpdate(ctx context.Context, incident, update string, change func(notifier.Update) (notifier.Update, error)) (notifier.Update, error)
}

// Archive reads what was announced.
type Archive interface {
	Incident(ctx context.Context, id string) (notifier.Incident, error)
	Incidents(ctx context.Context, q notifier.IncidentQuery) ([]notifier.Incident, string, error)
	Story(ctx context.Context, event int64) (notifier.Story, error)
}

// Events tells how far an event has come.
type Events interface {
	Progress(ctx context.Context, event string) (notifier.Progress, error)
	RetryFailed(ctx context.Context, event string) (int, error)
}

// Deliveries shows single deliveries.
type Deliveries interface {
	Deliveries(ctx context.Context, q notifier.DeliveryQuery) ([]notifier.Delivery, string, error)
	RetryDelivery(ctx context.Context, id notifier.DeliveryID) error
}

// Queue shows and holds back what waits.
type Queue interface {
	Depths(ctx context.Context) ([]notifier.Depth, error)
	Pulse(ctx context.Context) (notifier.Pulse, error)
	Pause(ctx context.Context, p notifier.Pause) error
	Resume(ctx context.Context, scope notifier.PauseScope, key string) error
}

// Subscribers keeps who wants to hear what.
type Subscribers interface {
	Subscriber(ctx context.Context, n subscribers.Number) (subscribers.Subscriber, error)
	Subscribers(ctx context.Context, q subscribers.Query) ([]subscribers.Subscriber, string, error)
	ChangeSubscriber(ctx context.Context, n subscribers.Number, change func(*subscribers.Subscriber) error) (subscribers.Subscriber, error)
	// Audit notes what only reads, but reads everybody's address.
	Audit(ctx context.Context, action, subject, detail string) error
}

// Suppressions keeps who may not be written to.
type Suppressions interface {
	Suppress(ctx context.Context, s subscribers.Suppression) error
	Unsuppress(ctx context.Context, channel notifier.Channel, address string) error
	Suppressions(ctx context.Context, cursor string, limit int) ([]subscribers.Suppression, string, error)
}

// Gate knows the tokens, and the requests that were answered already.
type Gate interface {
	TokenByHash(ctx context.Context, hash [32]byte) (notifier.Token, error)
	// Once runs do in one transaction and keeps its answer; a repeat of the
	// same request gets that answer, and true.
	Once(ctx context.Context, k notifier.OnceKey, do func(ctx context.Context) (notifier.Answer, error)) (notifier.Answer, bool, error)
}

// Store is all of them, for whoever wires the rooms together. Handlers hold
// the one they need.
type Store interface {
	Components
	Incidents
	Archive
	Events
	Deliveries
	Queue
	Subscribers
	subscribers.Importer
	Suppressions
	Gate
}
