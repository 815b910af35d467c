package notifier

import "time"

// PauseScope is what a pause of the queue is about.
type PauseScope string

// The scopes of a pause. PauseAll has an empty key.
const (
	PauseAll     PauseScope = "all"
	PauseChannel PauseScope = "channel" // key: email
	PauseLane    PauseScope = "lane"    // key: incident, routine, ...
	PauseRelay   PauseScope = "relay"   // key: the relay's name
	PauseDomain  PauseScope = "domain"  // key: a recipient domain, lower case
)

// Pause holds part of the queue back until it is taken away.
type Pause struct {
	Scope PauseScope
	Key   string
	By    string
	Since time.Time
}

// Pulse is what a process asks the database several times a second: whether
// anything changed that it must act on at once.
type Pulse struct {
	// Work moves when there may be something new to expand or to claim.
	Work int64
	// Halts moves when somebody left, or something was paused or cancelled:
	// claims that have not begun must be looked at again (I5).
	Halts int64
	// Templates moves when a text was edited.
	Templates int64
	Pauses    []Pause
}

// Paused reports whether p holds back what has this scope and key.
func (p Pulse) Paused(scope PauseScope, key string) bool {
	for _, x := range p.Pauses {
		if x.Scope == PauseAll || x.Scope == scope && x.Key == key {
			return true
		}
	}
	return false
}

// Depth is how much waits in one lane of one channel.
type Depth struct {
	Channel Channel
	Lane    Lane
	Pending int64
	Sending int64
	Held    int64
	Oldest  time.Time // due time of the oldest pending one; zero where none is due
}

// IncidentQuery selects a page of incidents, newest first.
type IncidentQuery struct {
	Kind    Kind         // "" is every kind
	State   PublishState // "" is every state
	Open    bool         // only those still going on
	From    time.Time    // only those that began at or after it; zero is no bound
	Until   time.Time    // only those that began before it; zero is no bound
	Cursor  string       // as the previous page returned it; "" begins
	Limit   int          // 1 to 200
	Updates bool         // load the updates too
}

// DeliveryQuery selects a page of deliveries, by event and reader.
type DeliveryQuery struct {
	Event   string        // an event's opaque id; "" is every event
	State   DeliveryState // "" is every state
	Address string        // "" is every address
	Cursor  string
	Limit   int
}

// OnceKey names a request that must take effect once (an Idempotency-Key).
type OnceKey struct {
	Scope string   // token id and path
	Key   string   // the client's key, 1 to 255 bytes
	Body  [32]byte // SHA-256 of method, path and body
}

// Answer is what a request was answered with, kept for its repeats.
type Answer struct {
	Status int
	Body   []byte
}

// Slice is what one step of fan-out did.
type Slice struct {
	Event    int64
	Lane     Lane
	Made     int64 // deliveries made
	Complete bool  // the event is expanded
	Idle     bool  // there was nothing to do
}

// Claim asks for due deliveries.
type Claim struct {
	Worker  string // who will hold the lease
	Channel Channel
	Lanes   []Lane // asked in this order until Limit is reached
	Limit   int
	Lease   time.Duration
}
