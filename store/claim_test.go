package store_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
)

func TestAClaimIsNeverGivenToTwoWorkers(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		const readers = 1000
		b.readers(readers)
		b.incidentless()
		b.expand(500)
		other := storetest.At(t, b.dsn)(storetest.Clock(b.time))
		var mu sync.Mutex
		owner := map[notifier.DeliveryID]string{}
		var all sync.WaitGroup
		for i := range 8 {
			worker := string(rune('a' + i))
			s := b.Store
			if i%2 == 1 {
				s = other
			}
			all.Go(func() {
				for {
					got, err := s.Claim(b.ctx, notifier.Claim{Worker: worker, Channel: notifier.Email, Lanes: notifier.Lanes, Limit: 7, Lease: time.Minute})
					if err != nil {
						t.Error(err)
						return
					}
					if len(got) == 0 {
						// What others were taking at that moment was passed over.
						mu.Lock()
						n := len(owner)
						mu.Unlock()
						if n >= readers || b.number(`SELECT count(*) FROM deliveries WHERE state = 'pending'`) == 0 {
							return
						}
					}
					mu.Lock()
					for _, d := range got {
						if w, taken := owner[d.ID]; taken {
							t.Errorf("%s was given to %s and %s", d.ID, w, worker)
						}
						owner[d.ID] = worker
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if len(owner) != readers {
			t.Errorf("%d were claimed", len(owner))
		}
		b.sound()
	})
}

func TestClaimsGoByLaneThenByDueTime(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(2)
		var want []notifier.DeliveryID
		events := map[notifier.Lane][]int64{}
		for _, lane := range []notifier.Lane{notifier.LaneBulk, notifier.LaneRoutine, notifier.LaneIncident, notifier.LaneRoutine, notifier.LaneIncident} {
			id := "incident" + string(rune('a'+len(events[lane]))) + lane.String()
			b.incident(id)
			events[lane] = append(events[lane], b.event(notifier.Event{IncidentID: id, Lane: lane}))
			b.pass(time.Second)
		}
		b.expand(10)
		for _, lane := range []notifier.Lane{notifier.LaneIncident, notifier.LaneRoutine, notifier.LaneBulk} {
			for _, e := range events[lane] {
				want = append(want, notifier.MakeDeliveryID(e, 1), notifier.MakeDeliveryID(e, 2))
			}
		}
		// A retry that is due later goes behind what is due before it.
		first := want[0]
		b.exec(`UPDATE deliveries SET due_at = %d WHERE id = %d`, b.time().UnixMicro(), first)
		want = append(append(slices.Clone(want[1:4]), first), want[4:]...)
		var got []notifier.DeliveryID
		for {
			ds := b.claim("w", 3)
			if len(ds) == 0 {
				break
			}
			for _, d := range ds {
				got = append(got, d.ID)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("claimed %v\nwant    %v", got, want)
		}
	})
}

func TestLanesAreServedInTheOrderAskedForAndNoOthers(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(1)
		for _, lane := range notifier.Lanes {
			b.incident(lane.String())
			b.event(notifier.Event{IncidentID: lane.String(), Lane: lane})
		}
		b.expand(10)
		got, err := b.Claim(b.ctx, notifier.Claim{Worker: "w", Channel: notifier.Email, Lanes: []notifier.Lane{notifier.LaneBulk, notifier.LaneIncident}, Limit: 10, Lease: time.Minute})
		b.must(err)
		if len(got) != 2 || got[0].Lane != notifier.LaneBulk || got[1].Lane != notifier.LaneIncident {
			t.Errorf("claimed %+v", got)
		}
		if got, err = b.Claim(b.ctx, notifier.Claim{Worker: "w", Channel: notifier.SMS, Lanes: notifier.Lanes, Limit: 10, Lease: time.Minute}); err != nil || len(got) != 0 {
			t.Errorf("claimed %+v of another channel, %v", got, err)
		}
	})
}

func TestOnlyWhatIsDueIsClaimed(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		b.readers(4)
		e := b.incidentless()
		b.expand(10)
		due := b.time()
		for n, d := range map[int64]time.Time{1: due, 2: due.Add(time.Microsecond), 3: notifier.UntilResumed, 4: due} {
			b.exec(`UPDATE deliveries SET due_at = %d, state = '%s' WHERE id = %d`, d.UnixMicro(), map[bool]string{true: "held", false: "pending"}[n > 2], notifier.MakeDeliveryID(e, n))
		}
		b.exec(`UPDATE event_counts SET held = 2`)
		got := b.claim("w", 10)
		if len(got) != 2 || got[0].ID.Reader() != 1 || got[1].ID.Reader() != 4 {
			t.Errorf("claimed %+v", got)
		}
		b.sound()
		b.pass(time.Microsecond)
		if got = b.claim("w", 10); len(got) != 1 || got[0].ID.Reader() != 2 {
			t.Errorf("claimed %+v", got)
		}
	})
}

func TestAClaimNeedsAWorkerAndALease(t *testing.T) {
	eachBox(t, func(t *testing.T, b *box) {
		for _, c := range []notifier.Claim{
			{Channel: notifier.Email, Lanes: notifier.Lanes, Limit: 1, Lease: time.Minute},
			{Worker: "w", Channel: notifier.Email, Lanes: notifier.Lanes, Limit: 1},
		} {
			if _, err := b.Claim(b.ctx, c); err == nil {
				t.Errorf("%+v was served", c)
			}
		}
		for _, c := range []notifier.Claim{
			{Worker: "w", Channel: notifier.Email, Limit: 1, Lease: time.Minute},
			{Worker: "w", Channel: notifier.Email, Lanes: notifier.Lanes, Lease: time.Minute},
		} {
			if got, err := b.Claim(b.ctx, c); err != nil || len(got) != 0 {
				t.Errorf("%+v: %v, %v", c, got, err)
			}
		}
	})
}

// On SQLite an idle worker must not take the lock that everyone writes under:
// here somebody else holds it, and waiting for it would end in an error.
func TestLookingForWorkWritesNothing(t *testing.T) {
	b := newBox(t, "sqlite")
	b.readers(3)
	b.incidentless()
	b.expand(10)
	b.settle("w", notifier.Pending, b.claim("w", 10)...)
	tx, err := b.db.Begin()
	b.must(err)
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.Exec(`UPDATE counters SET value = value WHERE name = 'work'`); err != nil {
		t.Fatal(err)
	}
	if got := b.claim("w", 10); len(got) != 0 {
		t.Errorf("claimed %+v", got)
	}
	if slice, err := b.ExpandSlice(b.ctx, 10); err != nil || !slice.Idle {
		t.Errorf("%+v, %v", slice, err)
	}
	if n, err := b.Reap(b.ctx, notifier.Email); err != nil || n != 0 {
		t.Errorf("reaped %d, %v", n, err)
	}
	if _, err := b.Pulse(b.ctx); err != nil {
		t.Error(err)
	}
}
