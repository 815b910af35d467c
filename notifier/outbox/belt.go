package outbox

import (
	"context"
	"slices"
	"sync"
	"time"

	"allclear/notifier"
)

// claim is a delivery in our hands. A later claim of the same delivery is
// another one: what becomes of the first does not touch it.
type claim struct {
	notifier.Delivery
	until time.Time // the lease is good till then, at the least; guarded by Outbox.mu
}

// belt holds claims that nobody has begun. A belt behind another one stands
// still while that one has anything on it.
type belt struct {
	ahead *belt // nil for the express belt

	mu     sync.Mutex
	wait   sync.Cond
	items  []*claim
	closed bool
	taken  int // since the last refill, to learn the pace
	low    int // when so few are left, it is time to claim more
	behind *belt

	wake chan struct{} // one token: look for work
}

func newBelt(ahead *belt) *belt {
	b := &belt{ahead: ahead, wake: make(chan struct{}, 1)}
	b.wait.L = &b.mu
	if ahead != nil {
		ahead.behind = b
	}
	return b
}

func (b *belt) nudge() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// put lays claims on the belt, in their order.
func (b *belt) put(cs []*claim) {
	b.mu.Lock()
	b.items = append(b.items, cs...)
	b.mu.Unlock()
	b.wait.Broadcast()
	if b.behind != nil {
		b.behind.nudge() // its claimer gives back what waits there
	}
}

// busy reports whether anything waits on the belt.
func (b *belt) busy() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items) > 0
}

// take waits for the next claim; false once the belt is closed and empty.
func (b *belt) take() (c *claim, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.items) == 0 && !b.closed {
		b.wait.Wait()
	}
	if len(b.items) == 0 {
		return nil, false
	}
	c = b.items[0]
	b.items = b.items[1:]
	b.taken++
	if len(b.items) == b.low {
		b.nudge()
	}
	if len(b.items) == 0 && b.behind != nil {
		b.behind.nudge() // it may go on
	}
	return c, true
}

// clear takes everything from the belt, to be given back.
func (b *belt) clear() []*claim {
	b.mu.Lock()
	defer b.mu.Unlock()
	items := b.items
	b.items = nil
	return items
}

// drop takes those of cs that nobody has begun from the belt, and returns them.
func (b *belt) drop(cs map[*claim]bool) (dropped []*claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = slices.DeleteFunc(b.items, func(c *claim) bool {
		if cs[c] {
			dropped = append(dropped, c)
		}
		return cs[c]
	})
	return dropped
}

// count returns how many were taken since the last count, and how many are left.
func (b *belt) count() (taken, left int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	taken, b.taken = b.taken, 0
	return taken, len(b.items)
}

// setLow asks for a nudge when n are left, and returns how many are: where it
// is more, the nudge will come.
func (b *belt) setLow(n int) (left int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.low = n
	return len(b.items)
}

func (b *belt) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.wait.Broadcast()
}

// pace learns how many claims are about one second of work.
type pace struct {
	target int
	taken  int // since the time since
	since  time.Time
}

const (
	paceStart = 100
	paceMax   = 4000
)

// learn takes what was begun since the last call. The target follows what one
// second was seen to take, and at most doubles at a time; it doubles too while a
// belt runs dry, because then nobody knows what a second would take.
func (p *pace) learn(taken, left int, now time.Time) {
	if p.target == 0 {
		p.target, p.since = paceStart, now
		return
	}
	p.taken += taken
	spent := now.Sub(p.since)
	if spent < 50*time.Millisecond {
		return
	}
	second := int(float64(p.taken) / spent.Seconds())
	switch {
	case left > 0:
		p.target = max(min(second, 2*p.target, paceMax), paceStart/4)
	case p.taken >= p.target/2:
		p.target = min(p.target*2, paceMax)
	}
	p.taken, p.since = 0, now
}

// claimLoop keeps x supplied until ctx ends, then gives back what waits on it.
func (b *Outbox) claimLoop(ctx context.Context, x *belt) {
	defer func() { b.giveBack(context.WithoutCancel(ctx), x) }()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	var p pace
	for {
		if b.refill(ctx, x, &p) {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-x.wake:
		case <-poll.C:
		}
	}
}
