package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"allclear/notifier"
)

// claimBatch is how many deliveries one claim asks for at most; more brings nothing.
const claimBatch = 500

// How long the database may take to answer one question. Where a connection
// went dead without a word, the belt must not stand still with it.
const (
	callTime    = 15 * time.Second
	releaseTime = 5 * time.Second // a drain waits for it
)

// declinedPause is when a delivery is due again that the sender had no way for.
const declinedPause = 5 * time.Second

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
	if left = x.setLow(p.target / 2); left > p.target/2 {
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
	looks, until := b.looked(), b.o.Now().Add(Lease)
	call, done := context.WithTimeout(ctx, callTime)
	defer done()
	ds, err := b.o.Queue.Claim(call, notifier.Claim{
		Worker: b.o.Journal.Worker(), Channel: b.o.Channel, Lanes: lanes, Limit: limit, Lease: Lease,
	})
	if err != nil {
		if ctx.Err() == nil {
			b.o.Log.Warn("claim deliveries", "channel", b.o.Channel, "error", err)
		}
		return 0
	}
	cs := make([]*claim, len(ds))
	for i, d := range ds {
		cs[i] = &claim{Delivery: d, until: until}
	}
	got := len(cs)
	for !b.hold(cs, looks) {
		looks = b.looked()
		stand, err := b.standing(ctx, cs)
		if err != nil {
			b.o.Log.Warn("check new claims", "channel", b.o.Channel, "error", err)
			b.giveUp(ctx, cs)
			return 0
		}
		// What only stands still would wait for the lease's end in our name.
		b.giveUp(ctx, without(cs, stand))
		cs = stand
	}
	if len(cs) > 0 {
		x.put(cs)
	}
	return got
}

// standing is those of cs that are still in our hands.
func (b *Outbox) standing(ctx context.Context, cs []*claim) ([]*claim, error) {
	if len(cs) == 0 {
		return nil, nil
	}
	ctx, done := context.WithTimeout(ctx, callTime)
	defer done()
	mine, err := b.o.Leases.Mine(ctx, b.o.Journal.Worker(), ids(cs))
	if err != nil {
		return cs, err
	}
	stand := make(map[notifier.DeliveryID]bool, len(mine))
	for _, id := range mine {
		stand[id] = true
	}
	var out []*claim
	for _, c := range cs {
		if stand[c.ID] {
			out = append(out, c)
		}
	}
	return out, nil
}

// without are those of cs that are not among others.
func without(cs, others []*claim) (out []*claim) {
	there := make(map[*claim]bool, len(others))
	for _, c := range others {
		there[c] = true
	}
	for _, c := range cs {
		if !there[c] {
			out = append(out, c)
		}
	}
	return out
}

func ids(cs []*claim) []notifier.DeliveryID {
	out := make([]notifier.DeliveryID, len(cs))
	for i, c := range cs {
		out[i] = c.ID
	}
	return out
}

// giveBack releases what waits on x.
func (b *Outbox) giveBack(ctx context.Context, x *belt) {
	b.release(ctx, x.clear())
}

// release gives back those of cs that are still held.
func (b *Outbox) release(ctx context.Context, cs []*claim) {
	b.giveUp(ctx, b.forget(cs))
}

func (b *Outbox) giveUp(ctx context.Context, cs []*claim) {
	if len(cs) == 0 {
		return
	}
	ctx, done := context.WithTimeout(ctx, releaseTime)
	defer done()
	if err := b.o.Leases.Release(ctx, b.o.Journal.Worker(), ids(cs)); err != nil {
		b.o.Log.Warn("give back claims", "channel", b.o.Channel, "count", len(cs), "error", err)
		b.later(cs)
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
		c, ok := x.take()
		if !ok {
			return
		}
		switch {
		case !b.holds(c): // the reader left while it waited, its event stands still, or the lease ended
			b.leave(c)
		case x.ahead.busy():
			b.release(context.WithoutCancel(ctx), append(x.clear(), c))
		default:
			b.send(ctx, c)
		}
	}
}

// send brings one delivery to its settlement.
func (b *Outbox) send(ctx context.Context, c *claim) {
	f, d := &flight{out: b, ctx: ctx, c: c}, c.Delivery
	// First of all, so that a database that is away stops the belts, and does
	// not make everything on them fail at rendering.
	pulse, ok := b.gate.wait(ctx)
	now := b.o.Now()
	if !ok {
		b.settle(f, notifier.Decide(d, notifier.ErrNotStarted, notifier.Receipt{}, now, d.ExpiresAt, 0))
		return
	}
	if !d.ExpiresAt.IsZero() && !now.Before(d.ExpiresAt) {
		b.settle(f, notifier.Settlement{ID: d.ID, State: notifier.Expired, At: now})
		return
	}
	if _, byDomain := paused(pulse, d); byDomain {
		b.settle(f, notifier.Settlement{ID: d.ID, State: notifier.Held, DueAt: notifier.UntilResumed, At: now})
		return
	}
	receipt, err := b.transmit(ctx, d, f)
	if f.acked {
		// The peer took it: that is a fact, whatever went wrong afterwards. Where
		// nothing did, the sender may know more of the answer by now.
		if err != nil || receipt == (notifier.Receipt{}) {
			receipt = f.receipt
		}
		err = nil
	}
	if err != nil && ctx.Err() != nil && !counts(err) {
		err = notifier.ErrNotStarted // we cut it off ourselves; the reader is not to blame
	}
	s := notifier.Decide(d, err, receipt, b.o.Now(), d.ExpiresAt, b.o.Dice())
	switch {
	case f.acked:
		s.At = f.at
	case errors.Is(err, notifier.ErrNotStarted) && !f.refused && ctx.Err() == nil:
		// The sender has no way for it (every relay of its lane is paused, say).
		// Due at once it would go round and round; one that names a time knows better.
		var early *notifier.NotBeforeError
		if named := errors.As(err, &early) && early.Until.After(s.At); s.State == notifier.Pending && !named {
			s.DueAt = s.At.Add(declinedPause)
		}
	}
	if err != nil && !errors.Is(err, notifier.ErrNotStarted) {
		// Debug, and never the reply: it may quote the address.
		b.o.Log.Debug("not sent", "event", d.ID.Event(), "delivery", d.ID.String(), "channel", d.Channel,
			"attempt", d.Attempts+1, "relay", s.Receipt.Relay, "state", s.State)
	}
	b.settle(f, s)
}

// transmit makes a panic an error: one text that a view or the composing of
// the mail cannot take must not end the process, which would meet it again
// right after its restart.
func (b *Outbox) transmit(ctx context.Context, d notifier.Delivery, f *flight) (receipt notifier.Receipt, err error) {
	defer func() {
		if what := recover(); what != nil {
			err = &notifier.SendError{Fault: notifier.FaultOurs, Stage: "render", Err: fmt.Errorf("panic: %v", what)}
			b.o.Log.Error("panic", "event", d.ID.Event(), "delivery", d.ID.String(), "error", what)
		}
	}()
	m, err := b.o.Renderer.Render(ctx, d)
	var se *notifier.SendError
	switch {
	case err == nil:
		return b.o.Sender.Send(ctx, m, f)
	case errors.Is(err, notifier.ErrNotStarted):
		return notifier.Receipt{}, err
	}
	b.o.Log.Error("render", "event", d.ID.Event(), "delivery", d.ID.String(), "error", err)
	if errors.As(err, &se) { // it knows better whose fault it is: the database's, say
		return notifier.Receipt{}, err
	}
	return notifier.Receipt{}, &notifier.SendError{Fault: notifier.FaultOurs, Stage: "render", Err: err}
}

// counts reports whether an error stands though the try was cut off: nothing
// more is to be tried, or what was begun may have been taken.
func counts(err error) bool {
	var se *notifier.SendError
	return errors.As(err, &se) && (se.Permanent || se.Doubt)
}

func (b *Outbox) settle(f *flight, s notifier.Settlement) {
	s.Worker = b.o.Journal.Worker()
	if b.o.Observe != nil {
		b.o.Observe(f.c.Delivery, s)
	}
	b.settler.add(landed{claim: f.c, settlement: s, mark: f.mark, journaled: f.written})
}

// flight is one transmission, as the sender sees it.
type flight struct {
	out     *Outbox
	ctx     context.Context
	c       *claim
	refused bool // by Begin
	acked   bool
	at      time.Time
	receipt notifier.Receipt
	written bool
	mark    int
}

// Begin says whether d may be transmitted now: its claim stands, nothing that
// concerns it is paused, and the last look at the database is fresh.
func (f *flight) Begin() error {
	f.refused = !f.may()
	if f.refused {
		return notifier.ErrNotStarted
	}
	return nil
}

func (f *flight) may() bool {
	pulse, ok := f.out.gate.wait(f.ctx)
	if !ok || !f.out.holds(f.c) {
		return false
	}
	held, _ := paused(pulse, f.c.Delivery)
	return !held
}

// Taken writes the acknowledgement down.
func (f *flight) Taken(r notifier.Receipt) error {
	f.acked, f.receipt, f.at = true, r, f.out.o.Now()
	mark, err := f.out.o.Journal.Append(Ack{ID: f.c.ID, At: f.at, Receipt: r})
	if err != nil {
		// Each connection has one in the same case. More would all be repeated
		// if this process died before the database has them.
		f.out.gate.shut()
		f.out.o.Log.Error("write the ack journal", "event", f.c.ID.Event(), "delivery", f.c.ID.String(), "error", err)
		return err
	}
	f.mark, f.written = mark, true
	return nil
}
