package console

import (
	"context"
	"time"

	"allclear/notifier"
	"allclear/subscribers"
	"allclear/templates"
)

// Door lets people in.
type Door interface {
	Tries
	StaffCredentials(ctx context.Context, name string) (notifier.Staff, notifier.Credentials, error)
	BeginSession(ctx context.Context, x notifier.Session, hash [32]byte, password string, p notifier.Proof) (notifier.Session, error)
	Session(ctx context.Context, hash [32]byte) (notifier.Session, error)
	// SessionStill is the same for what is no use of it.
	SessionStill(ctx context.Context, hash [32]byte) (notifier.Session, error)
}

// Tries bounds guessing. Its errors are *notifier.TooOften where too much was tried.
type Tries interface {
	// TakeSignIn takes a try of a name, a network, or a browser that is known to be the name's owner's ("" is not).
	TakeSignIn(ctx context.Context, name, network, device string) error
	// TakeCode takes a try of a code by whoever proved the password.
	TakeCode(ctx context.Context, staff string) error
}

// SetUps let a person set what they prove themselves with.
type SetUps interface {
	StaffByLink(ctx context.Context, link [32]byte) (notifier.Staff, error)
	// SetUpAndEnter keeps what a person will prove themselves with, uses the link up and begins their session.
	SetUpAndEnter(ctx context.Context, link [32]byte, c notifier.Credentials, x notifier.Session, hash [32]byte) (notifier.Session, error)
}

// Account is what people do with their own sign-in.
type Account interface {
	Sessions(ctx context.Context, staff string) ([]notifier.Session, error)
	EndSession(ctx context.Context, staff, id string) error
	ChangeOwnPassword(ctx context.Context, staff, keep, password string, p notifier.Proof) error
	RenewRecovery(ctx context.Context, staff string, hashes [][]byte, p notifier.Proof) error
}

// People keeps the staff.
type People interface {
	StaffList(ctx context.Context) ([]notifier.Staff, error)
	AddStaff(ctx context.Context, who notifier.Staff, link [32]byte) (notifier.Staff, error)
	ResetStaff(ctx context.Context, name string, link [32]byte, until time.Time) (notifier.Staff, error)
	ChangeStaffRole(ctx context.Context, name string, role notifier.Role) (notifier.Staff, error)
	RemoveStaff(ctx context.Context, name string) error
}

// Tokens keeps what programs use the API with.
type Tokens interface {
	Tokens(ctx context.Context) ([]notifier.Token, error)
	CreateToken(ctx context.Context, t notifier.Token, hash [32]byte) error
	RevokeToken(ctx context.Context, id string) error
}

// Audit is what was done.
type Audit interface {
	AuditLog(ctx context.Context, q notifier.AuditQuery) ([]notifier.AuditEntry, string, error)
	// Audit notes what only reads, but reads much.
	Audit(ctx context.Context, action, subject, detail string) error
}

// Incidents writes what is announced. The functions it is given may run more than once.
type Incidents interface {
	OpenIncident(ctx context.Context, p notifier.Posting) (notifier.Posting, error)
	ReviseIncident(ctx context.Context, id string, change func(notifier.Incident) (notifier.Posting, error)) (notifier.Posting, error)
	CorrectUpdate(ctx context.Context, incident, update string, change func(notifier.Incident, notifier.Update) (notifier.Update, *notifier.Event, error)) (notifier.Update, error)
}

// Archive reads what was announced.
type Archive interface {
	Incident(ctx context.Context, id string) (notifier.Incident, error)
	Incidents(ctx context.Context, q notifier.IncidentQuery) ([]notifier.Incident, string, error)
	Followers(ctx context.Context) (int64, error)
}

// Components keeps the parts of the service.
type Components interface {
	Components(ctx context.Context) ([]notifier.Component, error)
	ChangeComponent(ctx context.Context, key string, change func(*notifier.Component) error) (notifier.Component, error)
}

// Waiting keeps updates that wait for a notice, and what is held down.
type Waiting interface {
	HeldUpdates(ctx context.Context, incident string) ([]notifier.HeldUpdate, error)
	DropHeldUpdate(ctx context.Context, incident, id string) error
	// ReleaseHold sends what waits for the incident's all-clear now.
	ReleaseHold(ctx context.Context, incident string) error
}

// Events tells how far events have come.
type Events interface {
	Progress(ctx context.Context, event string) (notifier.Progress, error)
	RetryFailed(ctx context.Context, event string) (int, error)
	// LatestEvents are those of an incident, or of all where it is "", newest first; none that is for one reader only.
	LatestEvents(ctx context.Context, incident string, limit int) ([]notifier.Event, error)
}

// Queue shows and holds back what waits.
type Queue interface {
	Depths(ctx context.Context) ([]notifier.Depth, error)
	Pulse(ctx context.Context) (notifier.Pulse, error)
	Pause(ctx context.Context, p notifier.Pause) error
	Resume(ctx context.Context, scope notifier.PauseScope, key string) error
}

// Deliveries shows single deliveries.
type Deliveries interface {
	Deliveries(ctx context.Context, q notifier.DeliveryQuery) ([]notifier.Delivery, string, error)
	RetryDelivery(ctx context.Context, id notifier.DeliveryID) error
	// HeldDomains are the domains for which most waits, most first.
	HeldDomains(ctx context.Context, limit int) ([]notifier.HeldDomain, error)
}

// Subscribers keeps who wants to hear what.
type Subscribers interface {
	Subscriber(ctx context.Context, n subscribers.Number) (subscribers.Subscriber, error)
	Subscribers(ctx context.Context, q subscribers.Query) ([]subscribers.Subscriber, string, error)
	ChangeSubscriber(ctx context.Context, n subscribers.Number, change func(*subscribers.Subscriber) error) (subscribers.Subscriber, error)
	Told(ctx context.Context, n subscribers.Number, limit int) ([]notifier.Told, error)
}

// Suppressions keeps who may not be written to.
type Suppressions interface {
	Suppress(ctx context.Context, s subscribers.Suppression) error
	Unsuppress(ctx context.Context, channel notifier.Channel, address string) error
	Suppressions(ctx context.Context, cursor string, limit int) ([]subscribers.Suppression, string, error)
	Suppression(ctx context.Context, channel notifier.Channel, address string) (subscribers.Suppression, error)
}

// Alarms tells what was found wrong with the service itself.
type Alarms interface {
	AlarmLog(ctx context.Context, limit int) ([]notifier.Alarm, error)
}

// Endpoints shows what is called.
type Endpoints interface {
	Hook(ctx context.Context, n subscribers.Number) (subscribers.Hook, error)
	Attempts(ctx context.Context, n subscribers.Number, cursor string, limit int) ([]notifier.Attempt, string, error)
	// TroubledEndpoints are those that fail or are not called any more.
	TroubledEndpoints(ctx context.Context, limit int) ([]subscribers.Hook, error)
}

// TemplateEdits keeps texts that are edited while the service runs.
type TemplateEdits interface {
	TemplateEdits(ctx context.Context) ([]notifier.TemplateEdit, int64, error)
	SaveTemplate(ctx context.Context, e notifier.TemplateEdit, was string) error
	DropTemplate(ctx context.Context, name, was string) error
}

// Store is all of them, for whoever wires the rooms together. Handlers hold
// the one they need.
type Store interface {
	Door
	SetUps
	Account
	People
	Tokens
	Audit
	Incidents
	Archive
	Components
	Waiting
	Events
	Queue
	Deliveries
	Subscribers
	subscribers.Importer
	subscribers.SecondImporter
	Suppressions
	Endpoints
	Alarms
	TemplateEdits
	Notices
	NoticeOrders
}

// Letters renders what would be sent, before it is.
type Letters interface {
	Preview(story notifier.Story, p templates.Preview) (*notifier.Letter, error)
}
