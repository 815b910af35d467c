package notifier

import (
	"fmt"
	"slices"
	"time"
)

// EventType says what happened, in the spelling webhooks use.
type EventType string

// Every type of event that the outbox carries.
const (
	IncidentCreated   EventType = "incident.created"
	IncidentUpdated   EventType = "incident.updated"
	IncidentResolved  EventType = "incident.resolved"
	IncidentCorrected EventType = "incident.corrected"
	IncidentRetracted EventType = "incident.retracted"

	MaintenanceScheduled EventType = "maintenance.scheduled"
	MaintenanceStarted   EventType = "maintenance.started"
	MaintenanceExtended  EventType = "maintenance.extended"
	MaintenanceCompleted EventType = "maintenance.completed"

	// MaintenanceReminder says again, shortly before, that a maintenance begins. It
	// is for people: endpoints are not posted one.
	MaintenanceReminder EventType = "maintenance.reminder"

	PostPublished EventType = "post.published"

	// SubscriberConfirm asks one pending subscriber to confirm; it is no
	// announcement and reaches nobody else.
	SubscriberConfirm EventType = "subscriber.confirm"
	// SubscriberSecond asks whoever has an address whether it may be the second one of
	// a subscriber.
	SubscriberSecond EventType = "subscriber.second"
	// SubscriberLink brings one subscriber the link to what it chose.
	SubscriberLink EventType = "subscriber.link"
	// SubscriberMoveFrom and SubscriberMoveTo ask the old and the new address
	// of a subscription whether it may move.
	SubscriberMoveFrom EventType = "subscriber.move_from"
	SubscriberMoveTo   EventType = "subscriber.move_to"
	// SubscriberOwner tells the owner of an address that many read that one of
	// them wants to change or end its subscription. It goes to the contact.
	SubscriberOwner EventType = "subscriber.owner"
	// EndpointDisabled tells the owner of an endpoint that it is not called any
	// more. Like all that is Personal of an endpoint, it goes to the contact by mail.
	EndpointDisabled EventType = "endpoint.disabled"

	// NoticeSent tells the recipients of a notice, who need not be subscribers,
	// what happened to their own data. It belongs to no incident.
	NoticeSent EventType = "notice.sent"

	// DigestDue brings readers what they missed, on their schedule. It belongs to
	// no incident; each delivery's Digest says what it tells. The last digest
	// before somebody is told at once has a Reader.
	DigestDue EventType = "digest"

	// EndpointTest is what a test posts to an endpoint. No event has it.
	EndpointTest EventType = "endpoint.test"
)

// Announcements lists the types an endpoint can choose among.
var Announcements = []EventType{
	IncidentCreated, IncidentUpdated, IncidentResolved, IncidentCorrected, IncidentRetracted,
	MaintenanceScheduled, MaintenanceStarted, MaintenanceExtended, MaintenanceCompleted, PostPublished,
}

// Personal reports whether the event is a mail that one subscriber asked for,
// and no announcement.
func (t EventType) Personal() bool {
	switch t {
	case SubscriberConfirm, SubscriberSecond, SubscriberLink, SubscriberMoveFrom, SubscriberMoveTo, SubscriberOwner, EndpointDisabled:
		return true
	}
	return false
}

// Closing reports whether the event ends what readers were told of, so that it
// goes to everyone who was told, whatever their filters say by now (I4).
func (t EventType) Closing() bool {
	return t == IncidentResolved || t == MaintenanceCompleted || t == IncidentRetracted
}

// Lane orders work. A smaller number goes first.
type Lane int

// The lanes of DESIGN.md I3.
const (
	LaneConfirm  Lane = 1 // capped in rate
	LaneIncident Lane = 2
	LaneRoutine  Lane = 3 // posts, maintenance
	LaneDigest   Lane = 4
	LaneBulk     Lane = 5 // notices
)

// Lanes lists them, first served first.
var Lanes = []Lane{LaneConfirm, LaneIncident, LaneRoutine, LaneDigest, LaneBulk}

var laneNames = map[Lane]string{LaneConfirm: "confirm", LaneIncident: "incident", LaneRoutine: "routine", LaneDigest: "digest", LaneBulk: "bulk"}

func (l Lane) String() string {
	if n, ok := laneNames[l]; ok {
		return n
	}
	return fmt.Sprintf("lane(%d)", int(l))
}

// MarshalText writes the name.
func (l Lane) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// ParseLane reads a lane's name.
func ParseLane(name string) (Lane, error) {
	for l, n := range laneNames {
		if n == name {
			return l, nil
		}
	}
	return 0, Invalidf("lane", "%q is not one of confirm, incident, routine, digest, bulk", name)
}

// Express reports whether the lane may use each relay's reserved connection.
func (l Lane) Express() bool { return l <= LaneIncident }

// Event is one happening that readers are told of. It is written in the
// transaction of what caused it, and its Number is taken under a row lock, so
// that the order of numbers is the order of commits.
type Event struct {
	Number     int64
	ID         string // opaque, unguessable; part of every Message-ID of the event
	Type       EventType
	Lane       Lane
	Kind       Kind     // filter: what sort it is
	Severity   Severity // filter: the incident's at that moment
	Components []string // filter: the incident's at that moment; empty means all
	IncidentID string
	UpdateID   string
	Reader     int64  // the only reader of an event that is Personal; else 0
	NoticeID   string // of a NoticeSent; else ""
	AcceptedAt time.Time
	ExpiresAt  time.Time // deliveries not sent by then end as expired
	ExpandedAt time.Time // zero until fan-out is through
	Raised     bool      // it made the incident worse than readers of milestones know it
	HeldUntil  time.Time // no delivery is made before; zero: it was never held (see HoldDown)
}

// EventState says how far an event has come.
type EventState string

// States of an event, in the order it passes them.
const (
	Expanding  EventState = "expanding"  // deliveries are still being made
	Delivering EventState = "delivering" // some have not been tried
	Settling   EventState = "settling"   // everyone was tried once
	Done       EventState = "done"       // every delivery is final
)

// Progress is an event's account, kept by those who change deliveries and never
// found by scanning them.
type Progress struct {
	Event       Event
	Counts      map[DeliveryState]int64 // every state has a key
	Total       int64
	Tried       int64
	FirstSentAt time.Time // zero while there is none
	P50SentAt   time.Time // from a histogram with steps of 2 %
	P99SentAt   time.Time
	LastSentAt  time.Time
}

// State derives the event's state from its account.
func (p *Progress) State() EventState {
	var final int64
	for s, n := range p.Counts {
		if s.Final() {
			final += n
		}
	}
	switch {
	case p.Event.ExpandedAt.IsZero():
		return Expanding
	case final >= p.Total:
		return Done
	case p.Tried >= p.Total:
		return Settling
	}
	return Delivering
}

// Story is everything needed to tell readers of an event: the incident, and its
// updates that came with this event or before it, oldest first.
type Story struct {
	Event    Event
	Incident Incident // zero for an event without one
	Previous []Event  // earlier events of the incident, oldest first
	// Components holds the name of every component the incident names.
	Components map[string]string
	// Endpoint is what a Personal event about an endpoint tells its contact;
	// zero for every other event.
	Endpoint EndpointNews
	// Unasked is set of a SubscriberConfirm to a phone that was on no page of
	// ours: staff added it, and its owner is to be told where the code goes.
	Unasked bool
	// First is whose second address the reader of a SubscriberLink has, veiled; ""
	// for nobody's.
	First string
	// Digest is what a DigestDue tells some of its readers; zero for every other
	// event, and where nobody has asked which readers.
	Digest DigestStory
	// Notice is what a NoticeSent is about, without its counts; zero for every
	// other event. Each recipient's own rows are not here.
	Notice Notice
}

// Missed returns the updates from the event since on up to this one: what a
// reader who was last told before since has not read. Updates that notified
// nobody are counted with the event that followed them; those behind this
// event's own update wait for the next event. What was corrected since is read
// anew, at its own place, whenever it was first told.
func (s *Story) Missed(since int64) []Update {
	anew := map[string]bool{}
	for _, e := range append(slices.Clip(s.Previous), s.Event) {
		if e.Type == IncidentCorrected && e.Number >= since && e.Number <= s.Event.Number {
			anew[e.UpdateID] = true
		}
	}
	var out []Update
	for _, u := range s.Incident.Updates {
		switch {
		case u.Event > s.Event.Number:
			return out
		case u.Event == 0 || u.Event >= since || anew[u.ID]:
			out = append(out, u)
		default: // everything up to here was told before since
			out = slices.DeleteFunc(out, func(u Update) bool { return !anew[u.ID] })
		}
		if u.ID != "" && u.ID == s.Event.UpdateID && s.Event.Type != IncidentCorrected {
			return out
		}
	}
	return out
}

// raise notes whether the event makes the incident worse than it was. The store
// has the last word, by what readers of milestones were told of it last.
func (e *Event) raise(was Severity) {
	e.Raised = e.Raised || e.MayRaise() && e.Severity > was
}

// MayRaise reports whether the event goes on about an incident, so that it is a
// milestone only where the incident is worse by then.
func (e *Event) MayRaise() bool {
	return e.Kind == KindIncident && (e.Type == IncidentUpdated || e.Type == IncidentCorrected)
}
