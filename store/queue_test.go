package store_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
)

func (b *box) pulse() notifier.Pulse {
	b.t.Helper()
	p, err := b.Pulse(b.ctx)
	b.must(err)
	return p
}

func TestThePulseMovesWithWorkAndWithHalts(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		before := b.pulse()
		b.incidentless()
		after := b.pulse()
		if after.Work <= before.Work || after.Halts != before.Halts {
			t.Errorf("an event: %+v, then %+v", before, after)
		}
		b.expand(10)
		b.settle("w", notifier.Sent, b.claim("w", 10)...)
		if now := b.pulse(); now.Halts != after.Halts {
			t.Errorf("sending: %+v, then %+v", after, now)
		}
		b.must(b.Pause(b.ctx, notifier.Pause{Scope: notifier.PauseAll}))
		if now := b.pulse(); now.Halts <= after.Halts {
			t.Errorf("a pause: %+v, then %+v", after, now)
		}
		before = b.pulse()
		b.must(b.Resume(b.ctx, notifier.PauseAll, ""))
		if now := b.pulse(); now.Work <= before.Work || len(now.Pauses) != 0 {
			t.Errorf("a resumption: %+v, then %+v", before, now)
		}
	})
}

func TestAPauseIsKeptUntilItIsTakenAway(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for _, p := range []notifier.Pause{
			{Scope: notifier.PauseAll}, {Scope: notifier.PauseChannel, Key: "email"}, {Scope: notifier.PauseLane, Key: "bulk"},
			{Scope: notifier.PauseRelay, Key: "smtp.example.com:587"}, {Scope: notifier.PauseDomain, Key: "example.com"},
		} {
			ctx := notifier.WithActor(b.ctx, notifier.Actor{Name: "local:ann"})
			b.must(b.Pause(ctx, p))
			b.pass(time.Minute)
			b.must(b.Pause(b.ctx, p)) // again: nothing changes
			got := b.pulse().Pauses
			want := notifier.Pause{Scope: p.Scope, Key: p.Key, By: "local:ann", Since: b.time().Add(-time.Minute)}
			if len(got) != 1 || got[0] != want {
				t.Errorf("%+v, want %+v", got, want)
			}
			if !b.pulse().Paused(p.Scope, p.Key) {
				t.Errorf("%+v does not hold back", p)
			}
			b.must(b.Resume(ctx, p.Scope, p.Key))
			if err := b.Resume(ctx, p.Scope, p.Key); !errors.Is(err, notifier.ErrNotFound) {
				t.Errorf("resumed twice: %v", err)
			}
		}
		if n := b.number(`SELECT count(*) FROM audit WHERE actor = 'local:ann' AND action IN ('queue.pause', 'queue.resume')`); n != 10 {
			t.Errorf("%d lines of audit", n)
		}
	})
}

func TestAPauseOfNothingIsRefused(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for _, p := range []notifier.Pause{
			{}, {Scope: "everything"}, {Scope: "resumed", Key: "example.com"}, {Scope: notifier.PauseAll, Key: "x"}, {Scope: notifier.PauseChannel, Key: "pigeon"},
			{Scope: notifier.PauseLane, Key: "fast"}, {Scope: notifier.PauseRelay}, {Scope: notifier.PauseDomain}, {Scope: notifier.PauseDomain, Key: "Example.com"},
			{Scope: notifier.PauseDomain, Key: "a@example.com"}, {Scope: notifier.PauseDomain, Key: "exam ple.com"}, {Scope: notifier.PauseDomain, Key: "a\x00"},
			{Scope: notifier.PauseRelay, Key: strings.Repeat("x", 300)},
		} {
			var bad *notifier.Invalid
			if err := b.Pause(b.ctx, p); !errors.As(err, &bad) {
				t.Errorf("%+v: %v", p, err)
			}
			if err := b.Resume(b.ctx, p.Scope, p.Key); !errors.As(err, &bad) {
				t.Errorf("%+v: %v", p, err)
			}
		}
	})
}

// holdBack settles deliveries as the outbox does while their domain is paused.
func (b *box) holdBack(worker string, ds []notifier.Delivery) {
	b.t.Helper()
	var batch []notifier.Settlement
	for _, d := range ds {
		batch = append(batch, notifier.Settlement{ID: d.ID, State: notifier.Held, DueAt: notifier.UntilResumed, At: b.time(), Worker: worker})
	}
	b.must(b.Settle(b.ctx, batch))
}

func TestAResumedDomainGoesOnAndNothingElse(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		const held = 2100 // more than a step
		b.readers(held + 4)
		other := int64(held + 1)
		b.exec(`UPDATE subscribers SET address = 'a@exampleXcom' WHERE number = %d`, other)
		b.exec(`UPDATE subscribers SET address = 'a@mail.example.com' WHERE number = %d`, other+1)
		b.exec(`UPDATE subscribers SET address = 'example.com@other.org' WHERE number = %d`, other+2)
		b.exec(`UPDATE subscribers SET address = 'a@exam_ple.com' WHERE number = %d`, other+3)
		b.incident("one")
		first := b.event(notifier.Event{IncidentID: "one"})
		b.expand(1000)
		for _, d := range []string{"example.com", "examplexcom", "mail.example.com", "other.org", "exam_ple.com"} {
			b.must(b.Pause(b.ctx, notifier.Pause{Scope: notifier.PauseDomain, Key: d}))
		}
		b.exec(`INSERT INTO pauses (scope, key, by, since) VALUES ('domain', 'exampleXcom', 'x', 1)`)
		b.holdBack("w", b.claim("w", held+4))
		b.sound()
		if got := b.claim("w", 10); len(got) != 0 {
			t.Fatalf("claimed %+v", got)
		}
		b.must(b.Resume(b.ctx, notifier.PauseDomain, "example.com"))
		b.sound()
		got := b.claim("w", held+10)
		if len(got) != held {
			t.Errorf("%d go on", len(got))
		}
		for n := other; n < other+4; n++ {
			b.states(n, map[int64]notifier.DeliveryState{first: notifier.Held})
		}
		b.must(b.Resume(b.ctx, notifier.PauseDomain, "exam_ple.com"))
		if got := b.claim("w", 10); len(got) != 1 || got[0].ID.Reader() != other+3 {
			t.Errorf("claimed %+v", got)
		}
		if n := b.number(`SELECT count(*) FROM pauses WHERE scope = 'resumed'`); n != 0 {
			t.Error("the resumption is not over")
		}
	})
}

func TestWhatWaitsForAnOlderOneIsNotFreedWithItsDomain(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.must(b.Pause(b.ctx, notifier.Pause{Scope: notifier.PauseDomain, Key: "example.com"}))
		flying := b.claim("w", 1)
		second := b.update()
		b.must(b.Resume(b.ctx, notifier.PauseDomain, "example.com"))
		b.holds(second, notifier.Held, second, 0)
		b.sound()
		b.settle("w", notifier.Sent, flying...)
		b.holds(second, notifier.Pending, second, first)
	})
}

func TestWhatIsHeldBackTooLateIsNotForgotten(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.must(b.Pause(b.ctx, notifier.Pause{Scope: notifier.PauseDomain, Key: "example.com"}))
		late := b.claim("w", 1)
		b.must(b.Resume(b.ctx, notifier.PauseDomain, "example.com"))
		b.holdBack("w", late) // it had not heard of the resumption
		b.holds(first, notifier.Pending, first, 0)
	})
}

func TestHoldingBackAndResumingAtOnceLeavesNothingBehind(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		e := b.incidentless()
		b.expand(10)
		for i := range 40 {
			b.must(b.Pause(b.ctx, notifier.Pause{Scope: notifier.PauseDomain, Key: "example.com"}))
			ds := b.claim("w", 1)
			var both sync.WaitGroup
			both.Go(func() {
				if err := b.Resume(b.ctx, notifier.PauseDomain, "example.com"); err != nil {
					t.Error(err)
				}
			})
			both.Go(func() {
				if err := b.Settle(b.ctx, []notifier.Settlement{{ID: ds[0].ID, State: notifier.Held, DueAt: notifier.UntilResumed, At: b.time(), Worker: "w"}}); err != nil {
					t.Error(err)
				}
			})
			both.Wait()
			if got := b.row(e, 1); got.State != notifier.Pending {
				t.Fatalf("round %d: %+v", i, got)
			}
		}
		b.sound()
	})
}

func TestAResumptionThatWasInterruptedIsGoneOnWith(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		b.must(b.Pause(b.ctx, notifier.Pause{Scope: notifier.PauseDomain, Key: "example.com"}))
		b.holdBack("w", b.claim("w", 1))
		b.exec(`UPDATE pauses SET scope = 'resumed'`) // all that Resume had done before the power failed
		if got := b.pulse().Pauses; len(got) != 0 {
			t.Errorf("still paused: %+v", got)
		}
		_, err := b.Reap(b.ctx, notifier.Email)
		b.must(err)
		b.holds(first, notifier.Pending, first, 0)
	})
}

func TestAPauseWhileADomainIsResumedWins(t *testing.T) {
	oneReader(t, func(t *testing.T, b *box, first int64) {
		pause := notifier.Pause{Scope: notifier.PauseDomain, Key: "example.com"}
		b.must(b.Pause(b.ctx, pause))
		b.holdBack("w", b.claim("w", 1))
		b.exec(`UPDATE pauses SET scope = 'resumed'`)
		b.must(b.Pause(b.ctx, pause))
		_, err := b.Reap(b.ctx, notifier.Email)
		b.must(err)
		b.holds(first, notifier.Held, first, 0)
		b.must(b.Resume(b.ctx, pause.Scope, pause.Key))
		b.holds(first, notifier.Pending, first, 0)
	})
}
