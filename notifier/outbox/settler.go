package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"allclear/notifier"
)

const (
	settleBatch = 500
	settleEvery = 20 * time.Millisecond
	settlePause = 250 * time.Millisecond // between tries while the database is away
)

// landed is a settlement on its way to the queue.
type landed struct {
	claim      *claim
	settlement notifier.Settlement
	mark       int // of the journal
	journaled  bool
}

// settler hands settlements to the queue in batches: when settleBatch are
// together, or settleEvery after the first. A batch that cannot be settled is
// kept and tried again; nothing new starts meanwhile, because the first failure
// shuts the gate, and so does a look at the database that does not come.
//
// What was sent and is not settled is repeated by others where this process is
// cut off from the database, but not from its relay, for longer than a lease.
// That is what was acknowledged within freshFor of the last look that came, and
// what was on the wire then; and never more than a batch, a full channel and one
// for each worker of both belts: 1,000 and some. A process that ends meanwhile repeats
// nothing of its own: it has them in its journal.
type settler struct {
	queue   Queue
	journal *Journal
	log     *slog.Logger
	shut    func() // nothing may start until a batch is settled
	done    func([]landed)

	in     chan landed
	closed sync.Once
	stuck  atomic.Bool // the last batch could not be settled

	mu   sync.Mutex
	left []landed // what run could not settle before its context ended
}

func newSettler(q Queue, j *Journal, log *slog.Logger, shut func(), done func([]landed)) *settler {
	return &settler{queue: q, journal: j, log: log, shut: shut, done: done, in: make(chan landed, settleBatch)}
}

func (s *settler) add(l landed) { s.in <- l }

// close says that nothing more will be added.
func (s *settler) close() { s.closed.Do(func() { close(s.in) }) }

// run settles until close was called and everything is settled. When ctx ends
// first, it keeps what is left for rest.
func (s *settler) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	var batch []landed
	for {
		select {
		case l, ok := <-s.in:
			if !ok {
				s.keep(batch, s.flush(ctx, batch))
				return
			}
			if batch = append(batch, l); len(batch) == 1 {
				timer.Reset(settleEvery)
			}
			if len(batch) < settleBatch {
				continue
			}
		case <-timer.C:
		}
		for len(batch) > 0 {
			err := s.flush(ctx, batch)
			s.stuck.Store(err != nil)
			if err == nil {
				batch = batch[:0]
				break
			}
			s.shut()
			s.log.Warn("settle deliveries", "count", len(batch), "error", err)
			select {
			case <-time.After(settlePause):
			case <-ctx.Done():
				s.drain(batch)
				return
			}
		}
	}
}

// drain keeps batch and everything that is still added.
func (s *settler) drain(batch []landed) {
	for l := range s.in {
		batch = append(batch, l)
	}
	s.keep(batch, context.Canceled)
}

func (s *settler) keep(batch []landed, err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left = append(s.left, batch...)
}

// rest settles what run left.
func (s *settler) rest(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.left) > 0 {
		n := min(len(s.left), settleBatch)
		if err := s.flush(ctx, s.left[:n]); err != nil {
			return err
		}
		s.left = s.left[n:]
	}
	return nil
}

func (s *settler) flush(ctx context.Context, batch []landed) error {
	if len(batch) == 0 {
		return nil
	}
	out := make([]notifier.Settlement, len(batch))
	var marks [2]int
	for i, l := range batch {
		out[i] = l.settlement
		if l.journaled {
			marks[l.mark]++
		}
	}
	call, done := context.WithTimeout(ctx, callTime)
	defer done()
	if err := s.queue.Settle(call, out); err != nil {
		return err
	}
	var errs []error
	for mark, n := range marks {
		if n > 0 {
			errs = append(errs, s.journal.Settled(mark, n))
		}
	}
	if err := errors.Join(errs...); err != nil {
		// What is settled stays settled; the journal only grows.
		s.log.Warn("empty the ack journal", "error", err)
	}
	s.done(batch)
	return nil
}
