package outbox

import (
	"context"
	"time"
)

// hold keeps cs as ours; false where the claims were checked since looks was
// taken. Then nobody has looked at cs: their readers may have left between the
// claim's end and its arrival here (I5).
func (b *Outbox) hold(cs []*claim, looks int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.looks != looks {
		return false
	}
	for _, c := range cs {
		b.held[c.ID] = c
	}
	return true
}

func (b *Outbox) looked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.looks
}

// look is every claim that is held, to be checked.
func (b *Outbox) look() []*claim {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks++
	return b.all()
}

func (b *Outbox) all() []*claim {
	cs := make([]*claim, 0, len(b.held))
	for _, c := range b.held {
		cs = append(cs, c)
	}
	return cs
}

// extend moves the end of every lease that has not ended. One that has may be
// another's by now, and nothing that is done here brings it back.
func (b *Outbox) extend(ctx context.Context) error {
	now := b.o.Now()
	b.mu.Lock()
	var cs []*claim
	for _, c := range b.all() {
		if now.Before(c.until) {
			cs = append(cs, c)
		}
	}
	b.mu.Unlock()
	if len(cs) == 0 {
		return nil
	}
	ctx, done := context.WithTimeout(ctx, callTime)
	defer done()
	if err := b.o.Leases.Extend(ctx, b.o.Journal.Worker(), ids(cs), Lease); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range cs {
		c.until = now.Add(Lease)
	}
	return nil
}

// holds reports whether claim c still stands, as far as is known here.
func (b *Outbox) holds(c *claim) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held[c.ID] == c && b.o.Now().Before(c.until)
}

// overdue reports whether a lease of ours has ended, or does so within d.
func (b *Outbox) overdue(d time.Duration) bool {
	soon := b.o.Now().Add(d)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.held {
		if !soon.Before(c.until) {
			return true
		}
	}
	return false
}

// forget lets go of cs, and returns those that were held.
func (b *Outbox) forget(cs []*claim) (had []*claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range cs {
		if b.held[c.ID] == c {
			delete(b.held, c.ID)
			had = append(had, c)
		}
	}
	return had
}

// forgetBut lets go of those of had that are not in stand, and returns those of
// them that nobody has begun and whose leases are still good: where their event
// only stands still, they wait for its end in our name.
func (b *Outbox) forgetBut(had, stand []*claim) (unbegun []*claim) {
	gone := without(had, stand)
	b.forget(gone)
	fresh := map[*claim]bool{}
	for _, c := range b.good(gone) {
		fresh[c] = true
	}
	for _, x := range []*belt{b.express, b.ordinary} {
		unbegun = append(unbegun, x.drop(fresh)...)
	}
	return unbegun
}

// good are those of cs whose leases have not ended.
func (b *Outbox) good(cs []*claim) (out []*claim) {
	now := b.o.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range cs {
		if now.Before(c.until) {
			out = append(out, c)
		}
	}
	return out
}

// leave lets go of a claim that a worker took and may not begin. Where a look
// let go of it at that moment it was on no belt any more, and nobody gave it
// back. One whose lease ended is taken back like any other.
func (b *Outbox) leave(c *claim) {
	b.forget([]*claim{c})
	b.setAside(b.good([]*claim{c}))
}

// later leaves what could not be given back to the next heartbeat.
func (b *Outbox) later(cs []*claim) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aside = append(b.aside, cs...)
}

func (b *Outbox) settled(ls []landed) {
	cs := make([]*claim, len(ls))
	for i, l := range ls {
		cs[i] = l.claim
	}
	b.forget(cs)
}
