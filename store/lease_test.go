package store_test

import (
	"slices"
	"testing"
	"time"

	"allclear/notifier"
)

func ids(ds []notifier.Delivery) []notifier.DeliveryID {
	var out []notifier.DeliveryID
	for _, d := range ds {
		out = append(out, d.ID)
	}
	slices.Sort(out)
	return out
}

// mine are those of ds that a worker still holds.
func (b *box) mine(worker string, ds []notifier.Delivery) []notifier.DeliveryID {
	b.t.Helper()
	got, err := b.Mine(b.ctx, worker, ids(ds))
	b.must(err)
	return got
}

func TestAClaimIsMineUntilItsLeaseEndsOrItIsSettled(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(3)
		b.incidentless()
		b.expand(10)
		ds := b.claim("w", 10)
		if got := b.mine("w", ds); !slices.Equal(got, ids(ds)) {
			t.Errorf("mine: %v", got)
		}
		if got := b.mine("v", ds); len(got) != 0 {
			t.Errorf("another's: %v", got)
		}
		if got, err := b.Mine(b.ctx, "w", nil); err != nil || len(got) != 0 {
			t.Errorf("of nothing: %v, %v", got, err)
		}
		b.settle("w", notifier.Sent, ds[0])
		if got := b.mine("w", ds); !slices.Equal(got, ids(ds[1:])) {
			t.Errorf("after one was sent: %v", got)
		}
		b.pass(time.Minute)
		if got := b.mine("w", ds); len(got) != 0 {
			t.Errorf("after the lease: %v", got)
		}
	})
}

func TestALeaseCanBeExtendedByItsHolderAlone(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(2)
		b.incidentless()
		b.expand(10)
		ds := b.claim("w", 10)
		b.settle("w", notifier.Sent, ds[1])
		b.pass(50 * time.Second)
		b.must(b.Extend(b.ctx, "v", ids(ds), time.Hour))
		b.must(b.Extend(b.ctx, "w", ids(ds), time.Minute))
		b.must(b.Extend(b.ctx, "w", nil, time.Minute))
		b.pass(50 * time.Second)
		if n, err := b.Reap(b.ctx, notifier.Email); n != 0 || err != nil {
			t.Errorf("reaped %d, %v", n, err)
		}
		if got := b.mine("w", ds); !slices.Equal(got, ids(ds[:1])) {
			t.Errorf("mine: %v", got)
		}
		b.pass(10 * time.Second)
		if n, err := b.Reap(b.ctx, notifier.Email); n != 1 || err != nil {
			t.Errorf("reaped %d, %v", n, err)
		}
		b.sound()
	})
}

func TestWhatIsGivenBackIsDueAsBefore(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(4)
		b.incidentless()
		b.expand(10)
		due := b.time()
		b.pass(time.Hour)
		mine, other := b.claim("w", 3), b.claim("v", 1)
		b.must(b.Release(b.ctx, "w", []notifier.DeliveryID{}))
		b.must(b.Release(b.ctx, "w", append(ids(mine[:1]), ids(other)...)))
		if got := b.mine("w", mine); len(got) != 2 {
			t.Errorf("left: %v", got)
		}
		if got := b.mine("v", other); len(got) != 1 {
			t.Error("another's claim was given back")
		}
		b.must(b.Release(b.ctx, "w", nil))
		if got := b.mine("w", mine); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
		b.sound()
		again := b.claim("x", 10)
		if !slices.Equal(ids(again), ids(mine)) {
			t.Errorf("claimed %v", ids(again))
		}
		for _, d := range again {
			if !d.DueAt.Equal(due) || d.Attempts != 0 {
				t.Errorf("%+v", d)
			}
		}
	})
}

func TestReapTakesBackMoreThanOneStep(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1200)
		b.incidentless()
		b.expand(2000)
		b.claim("dead", 1200)
		b.pass(2 * time.Minute)
		if n, err := b.Reap(b.ctx, notifier.Email); n != 1200 || err != nil {
			t.Errorf("reaped %d, %v", n, err)
		}
		b.sound()
		if got := b.claim("w", 3000); len(got) != 1200 {
			t.Errorf("claimed %d", len(got))
		}
	})
}

// Each channel's worker knows of its own messages alone what was sent and is
// still to be told.
func TestAChannelsWorkerTakesBackNothingOfAnother(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(3)
		b.incidentless()
		b.expand(2000)
		b.claim("slow", 3)
		b.pass(2 * time.Minute)
		for _, other := range []notifier.Channel{notifier.Webhook, notifier.SMS} {
			if n, err := b.Reap(b.ctx, other); n != 0 || err != nil {
				t.Errorf("%s took %d back, %v", other, n, err)
			}
		}
		if n, err := b.Reap(b.ctx, notifier.Email); n != 3 || err != nil {
			t.Errorf("reaped %d, %v", n, err)
		}
		b.sound()
	})
}
