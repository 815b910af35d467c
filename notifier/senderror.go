package notifier

import (
	"errors"
	"fmt"
	"time"
)

// Fault says whose doing a failed try is. It decides who pays for it.
type Fault int

// The faults.
const (
	// FaultRecipient: this address (unknown mailbox, full, greylisted).
	FaultRecipient Fault = iota
	// FaultDomain: everyone at the recipient's domain (no such domain, no
	// route). Held and tried again; never charged to the reader.
	FaultDomain
	// FaultRelay: our relay or the way to it (421, time-out, refused
	// connection). The relay slows down; the reader is not charged (I7).
	FaultRelay
	// FaultOurs: our sender address, authentication, content policy. Held, and staff are told.
	FaultOurs
)

func (f Fault) String() string {
	switch f {
	case FaultRecipient:
		return "recipient"
	case FaultDomain:
		return "domain"
	case FaultRelay:
		return "relay"
	}
	return "ours"
}

// SendError is how a Sender says that a message was not taken: for good or for
// now, when to ask again, and whose fault it is.
type SendError struct {
	Fault      Fault
	Permanent  bool
	Gone       bool          // the peer wants nothing more, ever: 410 of an endpoint, STOP of a phone; permanent
	Doubt      bool          // it may have been taken all the same; where it is not permanent, the sender finds out before it repeats it
	RetryAfter time.Duration // the peer's own wish; 0 for none
	Code       int           // basic reply code (550) or HTTP status; 0 for none
	Enhanced   string        // enhanced status code (5.1.1); "" for none
	Stage      string        // where: dial, greeting, tls, auth, mail, rcpt, data, dot, render
	Receipt    Receipt       // the relay and its words
	Err        error         // the cause, where there is one
}

func (e *SendError) Error() string {
	kind := "temporary"
	if e.Permanent {
		kind = "permanent"
	}
	s := fmt.Sprintf("%s failure at %s (fault: %s)", kind, e.Stage, e.Fault)
	if e.Receipt.Relay != "" {
		s += " of " + e.Receipt.Relay
	}
	switch {
	case e.Receipt.Reply != "":
		s += ": " + e.Receipt.Reply
	case e.Err != nil:
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *SendError) Unwrap() error { return e.Err }

// Temporary reports whether a later try may succeed.
func (e *SendError) Temporary() bool { return !e.Permanent }

// ErrNotStarted is what Flight.Begin answers when a message must not be
// transmitted any more; Send returns it unchanged and nothing was sent.
var ErrNotStarted = errors.New("transmission not started")
