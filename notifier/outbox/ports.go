// Package outbox claims due deliveries, renders, sends and settles them.
//
// One Outbox serves one channel. What is claimed waits on one of two belts: the
// express belt (confirmations, incidents) and the ordinary one (all else). As
// long as the express belt holds anything, nothing is taken from the ordinary
// one and what waits there is given back (DESIGN.md I3). Each message passes a
// Flight: Begin asks the gate whether it may still start (I5), Taken writes the
// peer's acknowledgement into the ack journal (I2). The settler then tells the
// queue in batches what became of everything.
package outbox

import (
	"context"
	"time"

	"allclear/notifier"
)

// Queue hands out due deliveries under a lease and takes back what became of them.
type Queue interface {
	Claim(ctx context.Context, c notifier.Claim) ([]notifier.Delivery, error)
	Settle(ctx context.Context, batch []notifier.Settlement) error
}

// Leases keeps, checks and gives back what was claimed.
type Leases interface {
	// Mine returns those of ids that worker still holds.
	Mine(ctx context.Context, worker string, ids []notifier.DeliveryID) ([]notifier.DeliveryID, error)
	// Extend moves the end of the leases of ids to lease from now.
	Extend(ctx context.Context, worker string, ids []notifier.DeliveryID, lease time.Duration) error
	// Release gives back what was not begun; nil ids: everything worker holds.
	Release(ctx context.Context, worker string, ids []notifier.DeliveryID) error
	// Reap takes back leases of a channel that ended, whoever held them.
	Reap(ctx context.Context, channel notifier.Channel) (int, error)
}

// Renderer makes the message of a delivery. An error is our own fault and holds the delivery.
type Renderer interface {
	Render(ctx context.Context, d notifier.Delivery) (*notifier.Message, error)
}

// Readiness is what a sender may also offer: whether asking it makes sense at
// all, and when to ask again where it does not (every relay is down). Without
// it a sender counts as always ready.
type Readiness interface {
	Ready() (retry time.Time, ok bool)
}

// Forewarned is what a sender may also offer: to be told that there is work
// before it is made into deliveries and claimed, so that it can get ready
// meanwhile. Forewarn returns at once.
type Forewarned interface {
	Forewarn()
}
