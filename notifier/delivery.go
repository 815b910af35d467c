package notifier

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// DeliveryID names one delivery: the event's number and the reader's. It is the
// same however often the fan-out runs, so that everything derived from it
// (Message-ID, webhook-id, envelope sender) is the same on a repeat.
type DeliveryID int64

// readerBits leaves room for 4,294,967,295 readers and 2,147,483,647 events.
const readerBits = 32

// MakeDeliveryID joins an event's number and a reader's.
func MakeDeliveryID(event, reader int64) DeliveryID {
	return DeliveryID(event<<readerBits | reader)
}

// Event is the number of the event.
func (id DeliveryID) Event() int64 { return int64(id) >> readerBits }

// Reader is the number of the reader.
func (id DeliveryID) Reader() int64 { return int64(id) & (1<<readerBits - 1) }

// String writes EVENT-READER, which is what logs and the API show.
func (id DeliveryID) String() string {
	return strconv.FormatInt(id.Event(), 10) + "-" + strconv.FormatInt(id.Reader(), 10)
}

// ParseDeliveryID reads what String writes, and nothing else: one delivery has
// one spelling. The error is ErrNotFound.
func ParseDeliveryID(s string) (DeliveryID, error) {
	e, r, ok := strings.Cut(s, "-")
	ev, err1 := strconv.ParseInt(e, 10, 32)
	rd, err2 := strconv.ParseInt(r, 10, 64)
	id := MakeDeliveryID(ev, rd)
	if !ok || err1 != nil || err2 != nil || ev <= 0 || rd <= 0 || rd >= 1<<readerBits || id.String() != s {
		return 0, fmt.Errorf("delivery %q: %w", s, ErrNotFound)
	}
	return id, nil
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states of a delivery. Each says how one enters and leaves it.
const (
	// Pending: made by fan-out, or to be tried again at its due time. A claim takes it to Sending.
	Pending DeliveryState = "pending"
	// Sending: claimed by a worker under a lease. Settling it, or the lease's
	// end, leaves it.
	Sending DeliveryState = "sending"
	// Held: waits for something that is not the reader's doing: an older
	// delivery of the same incident in flight, a paused domain, a domain that
	// nobody can reach, a refusal of our own sender. Released by that ending, or claimed when due.
	Held DeliveryState = "held"

	// Sent: the relay, endpoint or gateway took it. Final, but a later bounce makes it Bounced.
	Sent DeliveryState = "sent"
	// Bounced: it came back after it was sent. Final.
	Bounced DeliveryState = "bounced"
	// Failed: refused for good. Final; retry-failed starts it again.
	Failed DeliveryState = "failed"
	// Superseded: a newer event of the incident took its place before it was sent. Final.
	Superseded DeliveryState = "superseded"
	// Suppressed: the reader left, or the address may not be written to. Final.
	Suppressed DeliveryState = "suppressed"
	// Cancelled: staff withdrew the event before this was sent. Final.
	Cancelled DeliveryState = "cancelled"
	// Expired: it could not be sent while it was worth sending. Final.
	Expired DeliveryState = "expired"
)

// DeliveryStates lists every state.
var DeliveryStates = []DeliveryState{Pending, Sending, Held, Sent, Bounced, Failed, Superseded, Suppressed, Cancelled, Expired}

// Final reports whether nothing more will be tried.
func (s DeliveryState) Final() bool {
	switch s {
	case Pending, Sending, Held:
		return false
	}
	return true
}

// Delivery is one event on its way to one reader, as claimed or as kept.
type Delivery struct {
	ID       DeliveryID
	Lane     Lane
	Channel  Channel
	Address  string
	Language string // "" means the service's
	Zone     string // IANA name; "" means the service's
	Format   Format // of an endpoint, as it wants it now
	Quiet    Quiet  // of a phone, as its owner wants it now
	Contact  string // of an endpoint: who looks after it now
	// First is whose second address a mail goes to in place of, as it may be shown
	// there (subscribers.Veil); "" for nobody's.
	First string
	// Since is the first event this message tells of: the event's own number,
	// or an earlier one that it replaced unsent (I4).
	Since int64
	// Told is the last event of the incident that this reader was sent; 0 for none.
	Told int64
	// Digest is which of its event's contents a digest tells; else 0.
	Digest   int
	Attempts int // tries charged to the recipient so far, the one that was taken among them
	State    DeliveryState
	DueAt    time.Time

	// AcceptedAt and ExpiresAt are the event's.
	AcceptedAt time.Time
	ExpiresAt  time.Time

	// What became of it; zero until the first try.
	TriedAt time.Time
	SentAt  time.Time
	Relay   string // name of the relay, endpoint or gateway that answered
	Reply   string // its last answer, at most 500 bytes
	Remote  string // its id for the message (a queue id)
}

// Told is a delivery and what it was about.
type Told struct {
	Delivery
	Type       EventType
	IncidentID string // "" for what was no announcement
	NoticeID   string // "" for what was no notice
	Domain     string // of a digest that sums up what went to second addresses: whose mail was down
	Title      string
}

// UntilResumed is the due time of what waits for an end that has no time: a
// paused domain, or an older delivery of the same incident in flight.
var UntilResumed = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// Settlement is what Decide made of a try; the store applies it.
type Settlement struct {
	ID      DeliveryID
	State   DeliveryState // Sent, Pending, Held, Failed, Expired, Cancelled or Suppressed
	DueAt   time.Time     // for Pending and Held
	Charged bool          // the try counts among the recipient's attempts
	Tried   bool          // the peer was really asked (an expiry before any try was not)
	Gone    bool          // the peer wants nothing more, ever (SendError.Gone)
	At      time.Time     // when the answer came
	Receipt Receipt
	// Worker holds the lease. Sent is a fact and needs no lease; all else is
	// dropped unless the lease is still this worker's (I2).
	Worker string
}
