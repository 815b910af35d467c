package subscribers

import (
	"time"

	"allclear/notifier"
)

// Hook is an endpoint as whoever looks after it sees it: never with a secret.
type Hook struct {
	Subscriber
	ContactAt     time.Time   // when the contact confirmed; zero: not yet
	ProvenAt      time.Time   // when it answered a test; zero: not yet
	SecretShownAt time.Time   // zero: nobody has seen the secret
	OldSecrets    []time.Time // until when each of the secrets before signs as well, the latest first
	FailingSince  time.Time   // zero: the last post was taken
	DisabledAt    time.Time   // zero: it is called, or staff disabled it
	DisabledWhy   Disabled
	Rate          float64 // posts a second at most; 0 is no bound
	Concurrency   int     // posts in flight, 1 to 4
	HasToken      bool
}

// Disabled is why an endpoint is not called.
type Disabled string

// The reasons for which an endpoint is disabled; "" is none.
const (
	DisabledGone    Disabled = "gone"    // it answered 410
	DisabledFailing Disabled = "failing" // it did nothing but fail for notifier.EndpointPatience
	DisabledByStaff Disabled = "staff"
)

// maxRate is the highest bound of posts a second that can be kept.
const maxRate = 1000

// Validate checks what ChangeHook may change. It reports the first wrong field
// as a *notifier.Invalid.
func (h *Hook) Validate() error {
	switch {
	case !(h.Rate >= 0 && h.Rate <= maxRate): // NaN is neither
		return notifier.Invalidf("rate", "is not between 0 (no bound) and %d posts a second", maxRate)
	case h.Concurrency < 1 || h.Concurrency > 4:
		return notifier.Invalidf("concurrency", "is not between 1 and 4 posts at a time")
	}
	return nil
}

// HookTokenPrefix begins every token of an endpoint, so that a leaked one can be recognised.
const HookTokenPrefix = "whtk_"

// Asking is what whoever looks after an endpoint can have posted to it.
type Asking string

// What can be asked.
const (
	AskTest    Asking = "test"
	AskReplay  Asking = "replay"
	AskRecover Asking = "recover"
)

// Budget is how often it may be asked about one endpoint, by its owner and by
// staff together: whoever has a link or a token could else have us call
// somebody else's program without end, and hold up the fan-out meanwhile.
func (a Asking) Budget() Budget {
	switch a {
	case AskReplay:
		return Budget{Every: 2 * time.Second, Burst: 30}
	case AskRecover:
		return Budget{Every: time.Minute, Burst: 5}
	}
	return Budget{Every: 12 * time.Second, Burst: 5}
}

// FurthestBack is how far back what an endpoint missed can be sent again.
const FurthestBack = 90 * 24 * time.Hour
