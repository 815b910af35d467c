package outbox

import (
	"context"
	"errors"
	"time"

	"allclear/notifier"
)

// claimBatch is how many deliveries one claim asks for at most; more brings nothing.
const claimBatch = 500

// The lanes of the two belts, first served first. Confirmations are claimed apart, for their cap.
var (
	expressLanes  = []notifier.Lane{notifier.LaneIncident}
	confirmLanes  = []notifier.Lane{notifier.LaneConfirm}
	ordinaryLanes = []notifier.Lane{notifier.LaneRoutine, notifier.LaneDigest, notifier.LaneBulk}
)

// refill claims for belt x what about one second of work lacks. It reports
// whether there is probably more to claim at once.
func (b *Outbox) refill(ctx context.Context, x *belt, p *pace) (again bool) {
	if ctx.Err() != nil {
		return false
	}
	pulse, fresh := b.gate.last()
	if !fresh {
		return false // nothing could start; the next look wakes us
	}
	if x.ahead.busy() || !b.ready() {
		b.giveBack(ctx, x)
		return false
	}
	now := b.o.Now()
	taken, left := x.count()
	p.learn(taken, left, now)
	x.setLow(p.target / 2)
	if left > p.target/2 {
		return false
	}
	want := min(p.target-left, claimBatch)
	got := 0
	if x == b.express {
		if n := min(want, int(b.confirm.TokensAt(now))); n > 0 {
			got += b.claim(ctx, x, openLanes(pulse, b.o.Channel, confirmLanes), n)
			b.confirm.AllowN(now, got)
		}
		got += b.claim(ctx, x, openLanes(pulse, b.o.Channel, expressLanes), want)
	} else {
		got += b.claim(ctx, x, openLanes(pulse, b.o.Channel, ordinaryLanes), want)
	}
	return got >= want
}

// claim puts up to limit deliveries on x and says how many.
func (b *Outbox) claim(ctx context.Context, x *belt, lanes []notifier.Lane, limit int) int {
	if len(lanes) == 0 {
		return 0
	}
	ds, err := b.o.Queue.Claim(ctx, notifier.Claim{
		Worker: b.o.Journal.Worker(), Channel: b.o.Channel, Lanes: lanes, Limit: limit, Lease: Lease,
	})
	if err != nil {
		if ctx.Err() == nil {
			b.o.Log.Warn("claim deliveries", "channel", b.o.Channel, "error", err)
		}
		return 0
	}
	if len(ds) == 0 {
		return 0
	}
	b.mu.Lock()
	for _, d := range ds {
		b.held[d.ID] = d
	}
	b.mu.Unlock()
	x.put(ds)
	return len(ds)
}

// giveBack releases what waits on x.
func (b *Outbox) giveBack(ctx context.Context, x *belt) {
	b.release(ctx, x.clear())
}

func (b *Outbox) release(ctx context.Context, ds []notifier.Delivery) {
	if len(ds) == 0 {
		return
	}
	ids := make([]notifier.DeliveryID, 0, len(ds))
	b.mu.Lock()
	for _, d := range ds {
		if _, mine := b.held[d.ID]; mine {
			ids = append(ids, d.ID)
			delete(b.held, d.ID)
		}
	}
	b.mu.Unlock()
	if err := b.o.Leases.Release(ctx, b.o.Journal.Worker(), ids); err != nil && ctx.Err() == nil {
		// Their leases end by themselves.
		b.o.Log.Warn("give back claims", "channel", b.o.Channel, "count", len(ids), "error", err)
	}
}

func (b *Outbox) ready() bool {
	r, ok := b.o.Sender.(Readiness)
	if !ok {
		return true
	}
	_, ready := r.Ready()
	return ready
}

// work sends what is on belt x, one message after the other, until it is closed and empty.
func (b *Outbox) work(ctx context.Context, x *belt) {
	for {
		d, ok := x.take()
		if !ok {
			return
		}
		if !b.holds(d.ID) {
			continue // somebody left while it waited
		}
		if x.ahead.busy() {
			b.release(context.WithoutCancel(ctx), []notifier.Delivery{d})
			continue
		}
		b.send(ctx, d)
	}
}

// send brings one delivery to its settlement.
func (b *Outbox) send(ctx context.Context, d notifier.Delivery) {
	f := &flight{out: b, ctx: ctx, d: d}
	now := b.o.Now()
	if !d.ExpiresAt.IsZero() && !now.Before(d.ExpiresAt) {
		b.settle(f, notifier.Settlement{ID: d.ID, State: notifier.Expired, At: now})
		return
	}
	pulse, _ := b.gate.last()
	if _, byDomain := paused(pulse, d); byDomain {
		b.settle(f, notifier.Settlement{ID: d.ID, State: notifier.Held, DueAt: notifier.UntilResumed, At: now})
		return
	}
	receipt, err := b.transmit(ctx, d, f)
	if f.acked {
		receipt, err = f.receipt, nil // the peer took it: that is a fact, whatever went wrong afterwards
	}
	if err != nil && ctx.Err() != nil && !permanent(err) {
		err = notifier.ErrNotStarted // we cut it off ourselves; the reader is not to blame
	}
	s := notifier.Decide(d, err, receipt, b.o.Now(), d.ExpiresAt, b.o.Dice())
	if f.acked {
		s.At = f.at
	}
	if err != nil && !errors.Is(err, notifier.ErrNotStarted) {
		// Debug, and never the reply: it may quote the address.
		b.o.Log.Debug("not sent", "event", d.ID.Event(), "delivery", d.ID.String(), "channel", d.Channel,
			"attempt", d.Attempts+1, "relay", s.Receipt.Relay, "state", s.State)
	}
	b.settle(f, s)
}

func (b *Outbox) transmit(ctx context.Context, d notifier.Delivery, f *flight) (notifier.Receipt, error) {
	m, err := b.o.Renderer.Render(ctx, d)
	if err != nil {
		if ctx.Err() == nil {
			b.o.Log.Error("render", "event", d.ID.Event(), "delivery", d.ID.String(), "error", err)
		}
		return notifier.Receipt{}, &notifier.SendError{Fault: notifier.FaultOurs, Stage: "render", Err: err}
	}
	return b.o.Sender.Send(ctx, m, f)
}

func permanent(err error) bool {
	var se *notifier.SendError
	return errors.As(err, &se) && se.Permanent
}

func (b *Outbox) settle(f *flight, s notifier.Settlement) {
	s.Worker = b.o.Journal.Worker()
	if b.o.Observe != nil {
		b.o.Observe(f.d, s)
	}
	b.settler.add(landed{settlement: s, mark: f.mark, journaled: f.written})
}

// flight is one transmission, as the sender sees it.
type flight struct {
	out     *Outbox
	ctx     context.Context
	d       notifier.Delivery
	acked   bool
	at      time.Time
	receipt notifier.Receipt
	written bool
	mark    int
}

// Begin says whether d may be transmitted now: its claim stands, nothing that
// concerns it is paused, and the last look at the database is fresh.
func (f *flight) Begin() error {
	pulse, ok := f.out.gate.wait(f.ctx)
	if !ok || !f.out.holds(f.d.ID) {
		return notifier.ErrNotStarted
	}
	if held, _ := paused(pulse, f.d); held {
		return notifier.ErrNotStarted
	}
	return nil
}

// Taken writes the acknowledgement down.
func (f *flight) Taken(r notifier.Receipt) error {
	f.acked, f.receipt, f.at = true, r, f.out.o.Now()
	mark, err := f.out.o.Journal.Append(Ack{ID: f.d.ID, At: f.at, Receipt: r})
	if err != nil {
		f.out.o.Log.Error("write the ack journal", "event", f.d.ID.Event(), "delivery", f.d.ID.String(), "error", err)
		return err
	}
	f.mark, f.written = mark, true
	return nil
}
