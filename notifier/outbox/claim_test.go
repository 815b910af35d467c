package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

// still is an outbox that does not run, with a fresh look and a clock that stands.
func still(t *testing.T, change ...func(*Options)) (*Outbox, *memory, *notifiertest.Clock) {
	t.Helper()
	q, clock := newMemory(), notifiertest.NewClock()
	o := Options{
		Channel: notifier.Email, Queue: q, Leases: q, Renderer: plainRenderer{}, Sender: &notifiertest.Sender{},
		Journal: open(t, t.TempDir()), Now: clock.Now, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&o)
	}
	out := New(o)
	if err := out.Pulse(t.Context(), notifier.Pulse{}, clock.Now()); err != nil {
		t.Fatal(err)
	}
	return out, q, clock
}

// claimed is delivery 1 in the hands of o.
func claimed(o *Outbox) *claim {
	c := &claim{until: o.o.Now().Add(Lease), Delivery: notifier.Delivery{
		ID: notifier.MakeDeliveryID(1, 1), Lane: notifier.LaneIncident, Channel: notifier.Email, Address: "reader1@example.com",
		DueAt: at, ExpiresAt: o.o.Now().Add(time.Hour),
	}}
	o.held[c.ID] = c
	return c
}

// outcome is what o made of c.
func outcome(ctx context.Context, o *Outbox, c *claim) notifier.Settlement {
	o.send(ctx, c)
	return (<-o.settler.in).settlement
}

// slowClaims is a queue whose first claim takes long to come back.
type slowClaims struct {
	*memory
	made, back chan struct{}
	once       sync.Once
}

func (q *slowClaims) Claim(ctx context.Context, c notifier.Claim) ([]notifier.Delivery, error) {
	ds, err := q.memory.Claim(ctx, c)
	if len(ds) > 0 {
		q.once.Do(func() { close(q.made); <-q.back })
	}
	return ds, err
}

func TestAReaderWhoLeavesWhileTheClaimIsOnItsWayIsNotWrittenTo(t *testing.T) {
	q, s := newMemory(), &notifiertest.Sender{}
	slow := &slowClaims{memory: q, made: make(chan struct{}), back: make(chan struct{})}
	q.add(1, notifier.LaneIncident, 2)
	r := start(t, q, s, func(o *Options) { o.Queue = slow })
	<-slow.made
	q.leave(notifier.MakeDeliveryID(1, 1))
	r.change(func(p *notifier.Pulse) { p.Halts++ })
	for { // the look that would have found it is over before the claim arrives
		if p, _ := r.out.gate.last(); p.Halts == 1 {
			break
		}
		waitTurn(t)
	}
	close(slow.back)
	q.wait(t, notifier.Sent, 1)
	r.end()
	if sent := s.Sent(); len(sent) != 1 || sent[0].Delivery.Reader() != 2 {
		t.Fatalf("sent %v; reader 1 had left", sent)
	}
}

// What is paused while a claim is on its way was let go of here, and by nobody
// given back: it was "sending" until the lease ended.
func TestWhatIsStoppedWhileTheClaimIsOnItsWayIsGivenBackAtOnce(t *testing.T) {
	q, s := newMemory(), &notifiertest.Sender{}
	slow := &slowClaims{memory: q, made: make(chan struct{}), back: make(chan struct{})}
	q.add(1, notifier.LaneBulk, 30)
	r := start(t, q, s, func(o *Options) { o.Queue = slow })
	<-slow.made
	q.stand(true)
	r.change(func(p *notifier.Pulse) { p.Halts++ })
	r.looked(notifier.Pulse{Halts: 1})
	close(slow.back)
	q.wait(t, notifier.Pending, 30)
	q.stand(false)
	r.change(func(p *notifier.Pulse) { p.Halts++; p.Work++ })
	q.wait(t, notifier.Sent, 30)
	r.end()
	if n := len(s.Sent()); n != 30 {
		t.Fatalf("%d messages were sent", n)
	}
}

// A worker has taken it from the belt, and not begun: the look finds it on no belt.
func TestWhatIsStoppedInAWorkersHandsIsGivenBack(t *testing.T) {
	o, q, clock := still(t)
	q.add(1, notifier.LaneBulk, 2)
	if got := o.claim(t.Context(), o.ordinary, []notifier.Lane{notifier.LaneBulk}, 2); got != 2 {
		t.Fatalf("claimed %d", got)
	}
	taken := o.ordinary.clear() // as workers do, one by one
	q.stand(true)
	if err := o.Pulse(t.Context(), notifier.Pulse{Halts: 1}, clock.Now()); err != nil {
		t.Fatal(err)
	}
	if n := q.count(notifier.Pending); n != 0 || len(o.takeAside()) != 0 {
		t.Fatalf("%d given back by the look", n)
	}
	o.ordinary.put(taken[:1])
	o.ordinary.close()
	o.work(t.Context(), o.ordinary)
	o.giveUp(t.Context(), o.good(o.takeAside()))
	if n := q.count(notifier.Pending); n != 1 || q.released != 1 {
		t.Errorf("%d given back", n)
	}
	// Once the lease may have ended it may be another's.
	clock.Advance(Lease)
	o.leave(taken[1])
	if got := o.takeAside(); len(got) != 0 || o.holding() != 0 {
		t.Errorf("%d are given back", len(got))
	}
}

func TestWhatCouldNotBeGivenBackIsGivenBackLater(t *testing.T) {
	o, q, clock := still(t)
	q.add(1, notifier.LaneBulk, 3)
	if got := o.claim(t.Context(), o.ordinary, []notifier.Lane{notifier.LaneBulk}, 3); got != 3 {
		t.Fatalf("claimed %d", got)
	}
	q.setAway(errors.New("too much to do"))
	o.giveBack(t.Context(), o.ordinary)
	o.giveUp(t.Context(), o.good(o.takeAside()))
	q.setAway(nil)
	if n := q.count(notifier.Sending); n != 3 {
		t.Fatalf("%d are in our hands", n)
	}
	o.giveUp(t.Context(), o.good(o.takeAside()))
	if n := q.count(notifier.Pending); n != 3 {
		t.Errorf("%d given back", n)
	}
	q.stand(false)
	o.later([]*claim{{until: clock.Now()}})
	if got := o.good(o.takeAside()); len(got) != 0 {
		t.Errorf("what may be another's by now is given back: %d", len(got))
	}
}

// The database did as it was asked, and its answer was lost on the way.
func TestWhatWasGivenBackWithoutAnAnswerAndClaimedAnewStaysClaimed(t *testing.T) {
	o, q, _ := still(t)
	q.add(1, notifier.LaneBulk, 3)
	if got := o.claim(t.Context(), o.ordinary, []notifier.Lane{notifier.LaneBulk}, 3); got != 3 {
		t.Fatalf("claimed %d", got)
	}
	old := o.ordinary.clear()
	o.release(t.Context(), old)
	o.later(old)
	if got := o.claim(t.Context(), o.ordinary, []notifier.Lane{notifier.LaneBulk}, 2); got != 2 {
		t.Fatalf("claimed %d", got)
	}
	anew := o.ordinary.clear()
	aside := o.takeAside()
	if len(aside) != 1 || aside[0].ID == anew[0].ID || aside[0].ID == anew[1].ID {
		t.Errorf("%v are given back, of which %v are claimed anew", ids(aside), ids(anew))
	}
	o.giveUp(t.Context(), o.good(aside))
	if n := q.count(notifier.Sending); n != 2 || !o.holds(anew[0]) || !o.holds(anew[1]) {
		t.Errorf("%d are in our hands", n)
	}
}

func TestASettlementLetsGoOfItsOwnClaimOnly(t *testing.T) {
	o, _, _ := still(t)
	first := claimed(o)
	again := claimed(o) // settled as pending, and claimed anew before that was noticed here
	o.settled([]landed{{claim: first}})
	if !o.holds(again) {
		t.Fatal("the later claim was forgotten: its lease would have to end first")
	}
	o.forgetBut([]*claim{first}, nil)
	if !o.holds(again) || o.holds(first) {
		t.Fatal("a look from before the later claim made it forgotten")
	}
}

func TestNothingStartsUnderALeaseThatMayHaveEnded(t *testing.T) {
	o, _, clock := still(t)
	c := claimed(o)
	begin := func() error {
		o.gate.open(notifier.Pulse{}, clock.Now())
		return (&flight{out: o, ctx: t.Context(), c: c}).Begin()
	}
	clock.Advance(Lease - time.Second)
	if err := begin(); err != nil {
		t.Fatalf("one second before the lease ends: %v", err)
	}
	if err := o.extend(t.Context()); err != nil {
		t.Fatal(err)
	}
	clock.Advance(Lease - time.Second)
	if err := begin(); err != nil {
		t.Fatalf("after a heartbeat: %v", err)
	}
	clock.Advance(time.Second)
	if err := begin(); !errors.Is(err, notifier.ErrNotStarted) {
		t.Fatalf("after the lease's end: %v; another worker may have it", err)
	}
	if err := o.extend(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := begin(); !errors.Is(err, notifier.ErrNotStarted) {
		t.Fatalf("a heartbeat that came too late brought the lease back: %v", err)
	}
}

func TestTheOrdinaryBeltIsWokenWhenTheExpressOneRunsEmpty(t *testing.T) {
	express := newBelt(nil)
	ordinary := newBelt(express)
	express.put([]*claim{{}, {}})
	<-ordinary.wake // to give back
	express.take()
	select {
	case <-ordinary.wake:
		t.Fatal("woken while something express waits")
	default:
	}
	express.take()
	select {
	case <-ordinary.wake:
	default:
		t.Fatal("not woken: it would stand still until the next poll")
	}
}

func TestABeltThatFellBelowItsMarkMeanwhileIsSeenToHave(t *testing.T) {
	b := newBelt(nil)
	b.put(make([]*claim, 10))
	for range 8 {
		b.take()
	}
	if left := b.setLow(5); left != 2 {
		t.Fatalf("%d are left; the mark at 5 was passed and no nudge will come", left)
	}
}

func TestAPreemptedWorkerGivesBackAllThatWaitsAtOnce(t *testing.T) {
	o, q, _ := still(t)
	q.add(1, notifier.LaneBulk, 50)
	if got := o.claim(t.Context(), o.ordinary, []notifier.Lane{notifier.LaneBulk}, 50); got != 50 {
		t.Fatalf("claimed %d", got)
	}
	o.express.put([]*claim{{}})
	o.ordinary.close()
	o.work(t.Context(), o.ordinary)
	if n := q.count(notifier.Pending); n != 50 || o.holding() != 0 {
		t.Errorf("%d given back, %d still held", n, o.holding())
	}
	if q.releases != 1 {
		t.Errorf("given back by %d statements", q.releases)
	}
}

// bounded fails the test where the database is asked without an end.
type bounded struct {
	*memory
	t *testing.T
}

func (b bounded) ask(ctx context.Context, what string) {
	if _, ok := ctx.Deadline(); !ok {
		b.t.Errorf("%s may hang for ever", what)
	}
}

func (b bounded) Claim(ctx context.Context, c notifier.Claim) ([]notifier.Delivery, error) {
	b.ask(ctx, "Claim")
	return b.memory.Claim(ctx, c)
}

func (b bounded) Settle(ctx context.Context, batch []notifier.Settlement) error {
	b.ask(ctx, "Settle")
	return b.memory.Settle(ctx, batch)
}

func (b bounded) Mine(ctx context.Context, worker string, ids []notifier.DeliveryID) ([]notifier.DeliveryID, error) {
	b.ask(ctx, "Mine")
	return b.memory.Mine(ctx, worker, ids)
}

func (b bounded) Extend(ctx context.Context, worker string, ids []notifier.DeliveryID, lease time.Duration) error {
	b.ask(ctx, "Extend")
	return b.memory.Extend(ctx, worker, ids, lease)
}

func (b bounded) Release(ctx context.Context, worker string, ids []notifier.DeliveryID) error {
	b.ask(ctx, "Release")
	return b.memory.Release(ctx, worker, ids)
}

func TestEveryQuestionToTheDatabaseHasAnEnd(t *testing.T) {
	q := newMemory()
	b := bounded{q, t}
	o, _, _ := still(t, func(o *Options) { o.Queue, o.Leases = b, b })
	q.add(1, notifier.LaneIncident, 3)
	o.claim(t.Context(), o.express, expressLanes, 3)
	if err := o.Pulse(t.Context(), notifier.Pulse{Halts: 1}, o.o.Now()); err != nil {
		t.Fatal(err)
	}
	if err := o.extend(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, _ := o.express.take()
	o.send(t.Context(), c)
	if err := o.settler.flush(t.Context(), []landed{<-o.settler.in}); err != nil {
		t.Fatal(err)
	}
	o.giveBack(t.Context(), o.express)
	if o.holding() != 0 || q.count(notifier.Pending) != 2 || q.count(notifier.Sent) != 1 {
		t.Errorf("%d held, %d pending, %d sent", o.holding(), q.count(notifier.Pending), q.count(notifier.Sent))
	}
}
