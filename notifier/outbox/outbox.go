package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"allclear/notifier"
)

// Lease is how long a claim is good for without a heartbeat.
const Lease = 60 * time.Second

const (
	heartbeat   = Lease / 3
	reapEvery   = 5 * time.Second
	reapGrace   = callTime + time.Second // see keep
	pollEvery   = time.Second
	confirmRate = 50 // confirmations a second, so that a sign-up flood cannot crowd out an incident
)

// Options are what an Outbox is made of. Everything is mandatory unless it says otherwise.
type Options struct {
	Channel  notifier.Channel
	Queue    Queue
	Leases   Leases
	Renderer Renderer
	Sender   notifier.Sender // may offer Readiness and Forewarned too
	Journal  *Journal
	Now      func() time.Time
	Log      *slog.Logger

	// Workers is how many messages of each belt are worked on at once; 0 means
	// 24. More than three times the sender's connections brings nothing.
	Workers int
	// Drain is how long what is in flight may take after Run's context ended; 0 means 15 s.
	Drain time.Duration
	// Observe, if set, is told of every settlement. It must not block.
	Observe func(notifier.Delivery, notifier.Settlement)
	// Dice gives the jitter of retries, in [0,1); nil means a random one.
	Dice func() float64
}

// Outbox sends what is due on one channel.
type Outbox struct {
	o        Options
	express  *belt
	ordinary *belt
	gate     *gate
	settler  *settler
	confirm  *rate.Limiter
	stopped  chan struct{} // something was set aside

	mu    sync.Mutex
	held  map[notifier.DeliveryID]*claim // every claim that is not settled
	aside []*claim                       // stopped before they began; keep gives them back
	looks int                            // how often they were checked
	mute  bool                           // nothing starts, because the journal cannot be written
}

// New makes an Outbox; Recover, then Run it.
func New(o Options) *Outbox {
	if o.Workers == 0 {
		o.Workers = 24
	}
	if o.Drain == 0 {
		o.Drain = 15 * time.Second
	}
	if o.Dice == nil {
		o.Dice = rand.Float64
	}
	b := &Outbox{
		o:       o,
		gate:    newGate(o.Now),
		confirm: rate.NewLimiter(confirmRate, confirmRate),
		held:    map[notifier.DeliveryID]*claim{},
		stopped: make(chan struct{}, 1),
	}
	b.express = newBelt(nil)
	b.ordinary = newBelt(b.express)
	b.settler = newSettler(o.Queue, o.Journal, o.Log, b.gate.shut, b.settled)
	return b
}

// Recover makes good what earlier processes with this state folder left
// behind: it settles what their relays acknowledged, then takes their leases
// back at once (I2). Call it before Run.
func (b *Outbox) Recover(ctx context.Context) error {
	for _, left := range b.o.Journal.Left() {
		batch := make([]notifier.Settlement, 0, len(left.Acks))
		for _, a := range left.Acks {
			batch = append(batch, notifier.Settlement{ID: a.ID, State: notifier.Sent, Tried: true, At: a.At, Receipt: a.Receipt, Worker: left.Worker})
		}
		for len(batch) > 0 {
			n := min(len(batch), settleBatch)
			if err := b.o.Queue.Settle(ctx, batch[:n]); err != nil {
				return fmt.Errorf("settle %d acknowledgements of worker %s: %w", n, left.Worker, err)
			}
			batch = batch[n:]
		}
		if err := b.o.Leases.Release(ctx, left.Worker, nil); err != nil {
			return fmt.Errorf("take back the leases of worker %s: %w", left.Worker, err)
		}
		if err := left.Forget(); err != nil {
			return err
		}
		if n := len(left.Acks); n > 0 {
			b.o.Log.Info("recovered acknowledgements from the journal", "worker", left.Worker, "count", n)
		}
	}
	return nil
}

// Run claims and sends until ctx ends. Then it drains: no new claim, what
// waits is given back, what is in flight is finished (for Options.Drain at
// most) and settled, every lease is released. Its error is that of the drain.
func (b *Outbox) Run(ctx context.Context) error {
	// What is in flight outlives ctx, so that a drain can finish it.
	flying, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var claimers, workers, keepers sync.WaitGroup

	keepers.Go(func() { b.settler.run(flying) })
	keepers.Go(func() { b.keep(flying) })
	for _, x := range []*belt{b.express, b.ordinary} {
		claimers.Go(func() { b.claimLoop(ctx, x) })
		for range b.o.Workers {
			workers.Go(func() { b.work(flying, x) })
		}
	}

	<-ctx.Done()
	patience := time.NewTimer(b.o.Drain)
	defer patience.Stop()
	claimers.Wait()
	b.express.close()
	b.ordinary.close()
	landed := make(chan struct{})
	go func() { workers.Wait(); close(landed) }()
	select {
	case <-landed:
	case <-patience.C:
		b.o.Log.Warn("drain took too long; what is in flight is cut off", "channel", b.o.Channel)
		stop()
		<-landed
	}
	b.settler.close()
	stop()
	keepers.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if err := b.settler.rest(last); err != nil {
		return fmt.Errorf("settle what was in flight: %w", err)
	}
	if err := b.o.Leases.Release(last, b.o.Journal.Worker(), nil); err != nil {
		return fmt.Errorf("release leases: %w", err)
	}
	return nil
}

// Nudge says that there may be something new to claim.
func (b *Outbox) Nudge() {
	b.express.nudge()
	b.ordinary.nudge()
}

// Pulse takes the answer to a look at the database that was begun at asked.
// When somebody left or something was paused, or when the last look is so long
// ago that a lease may have been lost (the process was frozen, the database
// away), it first asks which claims still stand. Only then may transmissions
// start again: the gate counts from asked (I5). It stays shut while
// acknowledgements cannot be written down, or what was sent cannot be settled.
func (b *Outbox) Pulse(ctx context.Context, p notifier.Pulse, asked time.Time) error {
	if !b.writable() || b.settler.stuck.Load() {
		return nil
	}
	old, fresh := b.gate.last()
	if s, ok := b.o.Sender.(Forewarned); ok && fresh && p.Work != old.Work {
		s.Forewarn()
	}
	if p.Halts != old.Halts || !fresh {
		had := b.look()
		mine, err := b.standing(ctx, had)
		if err != nil {
			return fmt.Errorf("check claims: %w", err)
		}
		b.setAside(b.forgetBut(had, mine))
	}
	b.gate.open(p, asked)
	if p.Work != old.Work || p.Halts != old.Halts || !fresh {
		b.Nudge()
	}
	return nil
}

// writable reports whether the journal takes acknowledgements; trouble is
// logged when it begins and when it ends.
func (b *Outbox) writable() bool {
	err := b.o.Journal.Check()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case err != nil && !b.mute:
		b.o.Log.Error("nothing is sent until acknowledgements can be written down", "channel", b.o.Channel, "error", err)
	case err == nil && b.mute:
		b.o.Log.Info("acknowledgements can be written down again", "channel", b.o.Channel)
	}
	b.mute = err != nil
	return err == nil
}

// mayReap reports whether leases that ended may be taken back: not while one of
// our own has, because what it was for may be sent already and stand in a queue
// to be settled. Where a long stall is over, one batch settled does not mean that
// the next one is. Own leases that ended while their deliveries only waited are
// let go of by the workers, and taken back then.
func (b *Outbox) mayReap() bool {
	return b.gate.steady(reapGrace) && !b.settler.stuck.Load() && !b.overdue(time.Second)
}

// setAside leaves it to keep to give claims back: a look must not wait for the
// database, because every lane waits for the look.
func (b *Outbox) setAside(cs []*claim) {
	if len(cs) == 0 {
		return
	}
	b.later(cs)
	select {
	case b.stopped <- struct{}{}:
	default:
	}
}

// takeAside is what keep is to give back now. What was claimed anew meanwhile is
// given back already, though that answer was lost: with its old claim the new
// one would end, which is at work.
func (b *Outbox) takeAside() (cs []*claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.aside {
		if b.held[c.ID] == nil {
			cs = append(cs, c)
		}
	}
	b.aside = nil
	return cs
}

// keep extends leases and reaps those that others let run out. When the
// database was away for longer than a lease, all of them have run out, and what
// their holders sent is still on its way to it: nobody reaps before everyone
// had the time to tell, and not before this process could.
func (b *Outbox) keep(ctx context.Context) {
	beat, reap := time.NewTicker(heartbeat), time.NewTicker(reapEvery)
	defer beat.Stop()
	defer reap.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.stopped:
			b.giveUp(ctx, b.good(b.takeAside()))
			b.Nudge()
		case <-beat.C:
			b.giveUp(ctx, b.good(b.takeAside()))
			if err := b.extend(ctx); err != nil && ctx.Err() == nil {
				b.o.Log.Warn("extend leases", "channel", b.o.Channel, "error", err)
			}
		case <-reap.C:
			if !b.mayReap() {
				continue
			}
			call, done := context.WithTimeout(ctx, callTime)
			n, err := b.o.Leases.Reap(call, b.o.Channel)
			done()
			if err != nil && ctx.Err() == nil {
				b.o.Log.Warn("reap leases", "channel", b.o.Channel, "error", err)
			}
			if n > 0 {
				b.o.Log.Info("took back leases that ended", "channel", b.o.Channel, "count", n)
				b.Nudge()
			}
		}
	}
}
