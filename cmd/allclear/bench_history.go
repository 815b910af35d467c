package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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
	server  string
	settled int64
}

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
	few := h.settled
	before, err := h.settle(ctx, n)
	if err != nil {
		return err
	}
	for h.settled < long {
		if err := h.announce(ctx); err != nil {
			return err
		}
		if _, err := h.settle(ctx, n); err != nil {
			return err
		}
		m.set(h.settled)
	}
	many := h.settled
	after, err := b.rounds(func() (float64, error) {
		if err := h.announce(ctx); err != nil {
			return 0, err
		}
		return h.settle(ctx, n)
	})
	if err != nil {
		return err
	}
	b.tell(plainFigure("claim+settle behind "+short(int(few)), "µs each", before), plainFigure("claim+settle behind "+short(int(many)), "µs each", after),
		atMost("many to few settled before", "x", 1.15, after/before))
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

// settle claims and settles up to max deliveries, 500 at a time, and answers
// the CPU time of this process and the database server for each, in
// microseconds: the clock would count what others do meanwhile.
func (h *history) settle(ctx context.Context, max int) (float64, error) {
	const worker = "bench"
	before, err := ownCPU()
	if err != nil {
		return 0, err
	}
	serverBefore, done := familyCPU(h.server), 0
	for done < max {
		ds, err := h.db.Claim(ctx, notifier.Claim{Worker: worker, Channel: notifier.Email, Lanes: notifier.Lanes, Limit: min(500, max-done), Lease: time.Minute})
		if err != nil {
			return 0, err
		}
		if len(ds) == 0 {
			break
		}
		batch := make([]notifier.Settlement, len(ds))
		for i, d := range ds {
			batch[i] = notifier.Settlement{ID: d.ID, State: notifier.Sent, Tried: true, At: h.db.Now(), Receipt: notifier.Receipt{Relay: "sink", Reply: "250 2.0.0 Ok"}, Worker: worker}
		}
		if err := h.db.Settle(ctx, batch); err != nil {
			return 0, err
		}
		done += len(ds)
	}
	if done == 0 {
		return 0, fmt.Errorf("nothing is due")
	}
	after, err := ownCPU()
	h.settled += int64(done)
	return float64((after - before + familyCPU(h.server) - serverBefore).Microseconds()) / float64(done), err
}
