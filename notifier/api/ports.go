package api

import (
	"context"
	"time"

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
	CorrectUpdate(ctx context.Context, incident, update string, change func(notifier.Incident, notifier.Update) (notifier.Update, *notifier.Event, error)) (notifier.Update, error)
}

// Alerts does what monitors' reports ask for: all of it, or nothing.
type Alerts interface {
	TakeReports(ctx context.Context, reports []notifier.Report, desk notifier.Desk) ([]notifier.Taken, error)
}

// Archive reads what was announced.
type Archive interface {
	Incident(ctx context.Context, id string) (notifier.Incident, error)
	Incidents(ctx context.Context, q notifier.IncidentQuery) ([]notifier.Incident, string, error)
	Story(ctx context.Context, event int64) (notifier.Story, error)
}

// Waiting keeps the updates that wait for a notice, and what is held down.
type Waiting interface {
	HeldUpdates(ctx context.Context, incident string) ([]notifier.HeldUpdate, error)
	DropHeldUpdate(ctx context.Context, incident, id string) error
	// Holds lists what waits for all-clears.
	Holds(ctx context.Context) ([]notifier.Hold, error)
	// ReleaseHold sends what waits for the incident's all-clear now.
	ReleaseHold(ctx context.Context, incident string) error
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

// EndpointLog keeps what was posted to an endpoint, and posts it again.
type EndpointLog interface {
	Attempts(ctx context.Context, n subscribers.Number, cursor string, limit int) ([]notifier.Attempt, string, error)
	Replay(ctx context.Context, n subscribers.Number, id notifier.DeliveryID) error
	RecoverEndpoint(ctx context.Context, n subscribers.Number, since time.Time) (int, error)
}

// EndpointKeys makes what an endpoint and its owner are known by.
type EndpointKeys interface {
	// NewSecret is the secret of an endpoint that was just added, and is told once.
	NewSecret(ctx context.Context, n subscribers.Number) (notifier.Secret, error)
	RotateSecret(ctx context.Context, n subscribers.Number, overlap time.Duration, again bool) (notifier.Secret, error)
	MakeEndpointToken(ctx context.Context, n subscribers.Number) (string, error)
}

// EndpointLimits keeps how fast an endpoint is called.
type EndpointLimits interface {
	ChangeHook(ctx context.Context, n subscribers.Number, change func(*subscribers.Hook) error) (subscribers.Hook, error)
}

// EndpointAsks counts what is asked about an endpoint, before it is done: a
// *notifier.TooOften where that is more than may be.
type EndpointAsks interface {
	AskEndpoint(ctx context.Context, n subscribers.Number, what subscribers.Asking) error
}

// EndpointTests looks an endpoint up and notes how a test went.
type EndpointTests interface {
	Endpoint(ctx context.Context, reader int64) (notifier.Endpoint, error)
	NoteTest(ctx context.Context, n subscribers.Number, tried notifier.Attempt) (subscribers.Hook, error)
}

// Owners knows the tokens of endpoints' owners.
type Owners interface {
	EndpointByToken(ctx context.Context, hash [32]byte) (subscribers.Number, error)
}

// Prober posts a signed test to an endpoint and waits for its answer. An error
// is our own fault; the endpoint's stands in the attempt.
type Prober interface {
	Probe(ctx context.Context, e notifier.Endpoint) (notifier.Attempt, error)
}

// Store is all of them, for whoever wires the rooms together. Handlers hold
// the one they need.
type Store interface {
	Components
	Incidents
	Alerts
	Archive
	Waiting
	Events
	Deliveries
	Queue
	Subscribers
	Seconds
	subscribers.Importer
	subscribers.SecondImporter
	Suppressions
	Gate
	EndpointLog
	EndpointKeys
	EndpointLimits
	EndpointTests
	EndpointAsks
	Owners
	NoticeStore
}
