package email

import (
	"context"
	"errors"
	"time"

	"allclear/notifier"
)

// Composer makes the mail of a message, complete and signed.
type Composer interface {
	Compose(m *notifier.Message) (Envelope, error)
}

// Sender is the email channel's notifier.Sender: it composes in the caller's
// goroutine, so that signing is spread over all of them, and sends over a pool.
type Sender struct {
	composer Composer
	pool     *Pool
	release  func(Envelope) // nil: the composer keeps no memory to be used again
}

var _ notifier.Sender = (*Sender)(nil)

// NewSender makes a Sender. The caller closes the pool.
func NewSender(c Composer, p *Pool) *Sender {
	s := &Sender{composer: c, pool: p}
	if keeper, ok := c.(interface{ release(Envelope) }); ok {
		s.release = keeper.release
	}
	return s
}

// Send composes m and sends it. See Pool.Send; a mail that cannot be composed
// is a fault of ours at the stage render.
func (s *Sender) Send(ctx context.Context, m *notifier.Message, f notifier.Flight) (notifier.Receipt, error) {
	e, err := s.composer.Compose(m)
	if err != nil {
		var se *notifier.SendError
		if !errors.As(err, &se) {
			se = &notifier.SendError{Fault: notifier.FaultOurs, Stage: "render", Err: err}
		}
		return notifier.Receipt{}, se
	}
	receipt, read, err := s.pool.send(ctx, e, m.Lane, f)
	if s.release != nil && read {
		s.release(e)
	}
	return receipt, err
}

// Forewarn says that there will be mail; see Pool.Forewarn.
func (s *Sender) Forewarn() { s.pool.Forewarn() }

// Ready reports whether any relay can be used; see Pool.Ready.
func (s *Sender) Ready() (retry time.Time, ok bool) { return s.pool.Ready() }
