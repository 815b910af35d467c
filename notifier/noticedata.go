package notifier

import "time"

// AudienceRow is one row of another team's file: who is meant, and what it says of them.
type AudienceRow struct {
	Line     int // of the file, from 1
	Channel  Channel
	Address  string // as it is kept
	Language string
	Timezone string
	Account  string
	Fields   []Field
}

// Column is one column of an audience's data.
type Column struct {
	Name   string
	Filled int64 // recipients who have it, not empty, in their first row
}

// Share is a part of an audience, by whatever it is divided.
type Share struct {
	Name  string
	Count int64
}

// Breakdown tells who a notice would go to, before it does.
type Breakdown struct {
	Channels   []Share
	Languages  []Share // "" is the service's
	Domains    []Share // of addresses, the largest first, at most 20
	Suppressed int64   // may not be written to: they are left out
}

// Reported is what became of a notice for one recipient.
type Reported struct {
	Place    int64
	Delivery DeliveryID // 0 where none was made yet
	Channel  Channel
	Address  string
	Account  string
	State    DeliveryState // Pending where no delivery was made yet
	Attempts int
	TriedAt  time.Time
	SentAt   time.Time
	Relay    string
	Reply    string
	Remote   string
}

// AfterNotice holds an update back until a notice has come so far.
type AfterNotice struct {
	ID   string
	When NoticeMoment
}

// NoticeMoment is how far a notice has to be.
type NoticeMoment string

// The moments of a notice that an update can wait for.
const (
	WhenTried NoticeMoment = "tried" // everyone was tried once
	WhenFinal NoticeMoment = "final" // every delivery is final
)
