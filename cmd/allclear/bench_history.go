package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"time"

	"allclear/notifier"
	"allclear/store"
)

// How much history there is when a delivery's cost is measured.
const (
	historyShort = 10_000
	historyLong  = 10_000_000
)

// takeHistory measures what a claim and a settlement cost behind few and behind
// very many deliveries that were settled before. It works on the store itself,
// without mails, and every row of the history was expanded, claimed and settled
// like any other.
func takeHistory(ctx context.Context, b *bed) error {
	n := b.scaled(100_000)
	if err := b.grow(ctx, n); err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{DSN: b.g.dsn, Secret: []byte(b.g.secret), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	h := &history{db: db, server: databaseServer(b.g.dsn)}
	return errors.Join(h.take(ctx, b, n), db.Close())
}

// history is a store whose deliveries all end as sent.
type history struct {
	db      *store.Store
	server  databaseProcess
	settled int64
}

// costs is what claiming and settling a delivery takes, in microseconds.
type costs struct{ cpu, wall float64 }

func (h *history) take(ctx context.Context, b *bed, n int) error {
	long := int64(historyLong)
	if b.c.Subscribers > 0 {
		long = min(long, 20*int64(n))
	}
	m := b.a.meter("deliveries", long)
	defer m.close()
	if err := h.announce(ctx); err != nil {
		return err
	}
	if _, err := h.settle(ctx, min(historyShort, n/10)); err != nil {
		return err
	}
	few := short(int(h.settled))
	before, err := h.settle(ctx, n)
	if err != nil {
		return err
	}
	for h.settled < long {
		if err := h.announce(ctx); err != nil {
			return err
		}
		if err := h.fill(ctx); err != nil {
			return err
		}
		m.set(h.settled)
	}
	many := short(int(h.settled))
	if err := h.announce(ctx); err != nil {
		return err
	}
	after, err := h.settle(ctx, n)
	if err != nil {
		return err
	}
	b.often = 1
	b.tell(plainFigure("claim+settle behind "+few, "µs each", before.wall), plainFigure("claim+settle behind "+many, "µs each", after.wall))
	if h.server.unseen() {
		b.tell(atMost("many to few settled", "x", 1.15, after.wall/before.wall))
		return nil
	}
	b.tell(plainFigure("many to few settled, by the clock", "x", after.wall/before.wall),
		plainFigure("CPU of it behind "+few, "µs each", before.cpu), plainFigure("CPU of it behind "+many, "µs each", after.cpu),
		atMost("many to few settled, CPU", "x", 1.15, after.cpu/before.cpu))
	return nil
}

// announce posts something to everyone and makes its deliveries.
func (h *history) announce(ctx context.Context) error {
	p, err := notifier.Open(notifier.Announcement{Title: "More room for attachments", Kind: notifier.KindPost, Body: "From today on a mail may weigh 70 MB."}, desk(h.db.Now(), nil))
	if err != nil {
		return err
	}
	if _, err := h.db.OpenIncident(ctx, p); err != nil {
		return err
	}
	for {
		s, err := h.db.ExpandSlice(ctx, 2000)
		if err != nil || s.Idle {
			return err
		}
	}
}

// settle claims and settles up to most deliveries, 500 at a time, and answers
// what each took: by the clock, and of CPU, the database server's too, because
// the clock counts what others do meanwhile.
func (h *history) settle(ctx context.Context, most int) (costs, error) {
	before, err := ownCPU()
	if err != nil {
		return costs{}, err
	}
	serverBefore, began := h.server.cpu(), time.Now()
	done, err := h.work(ctx, "bench", most, 500)
	if err != nil {
		return costs{}, err
	}
	if done == 0 {
		return costs{}, errors.New("nothing is due")
	}
	took := time.Since(began)
	after, err := ownCPU()
	h.settled += int64(done)
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(done) }
	return costs{cpu: each(after - before + h.server.cpu() - serverBefore), wall: each(took)}, err
}

// fill settles all that is due as fast as it goes: history is not measured
// while it is made.
func (h *history) fill(ctx context.Context) error {
	var done [2]int
	var errs [2]error
	var both sync.WaitGroup
	for i := range done {
		both.Go(func() { done[i], errs[i] = h.work(ctx, fmt.Sprint("bench", i), math.MaxInt, 1000) })
	}
	both.Wait()
	h.settled += int64(done[0] + done[1])
	return errors.Join(errs[:]...)
}

// work claims and settles up to most deliveries, so many at a time, until none
// is due, and answers how many.
func (h *history) work(ctx context.Context, worker string, most, at int) (done int, err error) {
	for done < most {
		ds, err := h.db.Claim(ctx, notifier.Claim{Worker: worker, Channel: notifier.Email, Lanes: notifier.Lanes, Limit: min(at, most-done), Lease: time.Minute})
		if err != nil || len(ds) == 0 {
			return done, err
		}
		batch := make([]notifier.Settlement, len(ds))
		for i, d := range ds {
			batch[i] = notifier.Settlement{ID: d.ID, State: notifier.Sent, Tried: true, At: h.db.Now(), Receipt: notifier.Receipt{Relay: "sink", Reply: "250 2.0.0 Ok"}, Worker: worker}
		}
		if err := h.db.Settle(ctx, batch); err != nil {
			return done, err
		}
		done += len(ds)
	}
	return done, nil
}
