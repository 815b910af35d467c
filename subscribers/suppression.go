package subscribers

import (
	"time"

	"allclear/notifier"
)

// Reason is why an address may not be written to.
type Reason string

// The reasons for a suppression.
const (
	ReasonManual    Reason = "manual"    // staff
	ReasonBounce    Reason = "bounce"    // it does not exist
	ReasonComplaint Reason = "complaint" // its owner called us spam
	ReasonErased    Reason = "erased"    // its owner asked to be forgotten
	ReasonStop      Reason = "stop"      // its owner answered STOP
)

// Suppression bars an address on a channel, whoever asks.
type Suppression struct {
	Channel   notifier.Channel
	Address   string
	Reason    Reason
	Note      string
	CreatedAt time.Time
}
