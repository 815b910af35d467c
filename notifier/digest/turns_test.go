package digest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// turning is readers who change their minds all the time: how often, at what
// hour, in which zone, and whether what is critical comes at once. What they
// hear is all that the model knows: everything, and once.
type turning struct {
	t       *testing.T
	r       *rand.Rand
	s       turningStore
	now     func() time.Time
	readers []subscribers.Number
	events  []int64
	heard   map[subscribers.Number]map[int64]int
	days    map[string]bool // reader and day of every digest
	digests int
}

// turningStore is what they need of the store.
type turningStore interface {
	Store
	readerStore
	deliveryStore
}

type readerStore interface {
	ChangeSubscriber(ctx context.Context, n subscribers.Number, change func(*subscribers.Subscriber) error) (subscribers.Subscriber, error)
	OpenIncident(ctx context.Context, p notifier.Posting) (notifier.Posting, error)
	ExpandSlice(ctx context.Context, max int) (notifier.Slice, error)
}

type deliveryStore interface {
	Claim(ctx context.Context, c notifier.Claim) ([]notifier.Delivery, error)
	Digest(ctx context.Context, event int64, place int) (notifier.Digest, error)
	Settle(ctx context.Context, all []notifier.Settlement) error
}

// turnRounds is how many courses of events each database sees.
func turnRounds(t *testing.T) int {
	t.Helper()
	if v := os.Getenv("ALLCLEAR_TEST_ROUNDS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return 2
}

func TestWhoeverChangesTheirScheduleAtAnyMomentHearsEverythingAndNothingTwice(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		for seed := range turnRounds(t) {
			t.Run(fmt.Sprintf("%s/%d", dialect, seed), func(t *testing.T) { theTurns(t, dialect, uint64(seed)) })
		}
	}
}

func theTurns(t *testing.T, dialect string, seed uint64) {
	var mu sync.Mutex
	now := time.Date(2026, 3, 20, 7, 13, 0, 0, time.UTC) // soon clocks change
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	db := storetest.At(t, storetest.DSN(t, dialect))(storetest.Clock(clock))
	x := &turning{t: t, r: rand.New(rand.NewPCG(seed, 15)), s: db, now: clock, heard: map[subscribers.Number]map[int64]int{}, days: map[string]bool{}}
	for i := range 8 {
		s := subscribers.Subscriber{Channel: notifier.Email, Address: fmt.Sprintf("reader%d@example.com", i), State: subscribers.Active}
		x.choose(&s)
		made, err := db.AddSubscriber(t.Context(), s, nil)
		x.must(err)
		x.readers = append(x.readers, made.Number)
		x.heard[made.Number] = map[int64]int{}
	}
	for range 60 {
		for range 1 + x.r.IntN(6) {
			switch x.r.IntN(4) {
			case 0:
				x.happens()
			case 1, 2:
				x.turns()
			case 3:
				x.expand(1 + x.r.IntN(12))
			}
		}
		if x.r.IntN(4) > 0 { // else its rest is still to be expanded when digests are made
			x.expand(1 << 20)
		}
		x.makes()
		x.sends()
		mu.Lock()
		now = now.Add(time.Duration(1+x.r.IntN(40)) * time.Hour)
		mu.Unlock()
	}
	for _, n := range x.readers {
		_, err := db.ChangeSubscriber(t.Context(), n, func(s *subscribers.Subscriber) error { s.Cadence = subscribers.Instant; return nil })
		x.must(err)
	}
	x.expand(1 << 20)
	x.makes()
	x.sends()
	for _, n := range x.readers {
		for _, e := range x.events {
			if x.heard[n][e] == 0 {
				t.Errorf("reader %d never heard of event %d", n, e)
			}
		}
	}
	t.Logf("%d events, %d digests", len(x.events), x.digests)
	if x.digests < 20 || len(x.events) < 20 {
		t.Error("too little happened for this to prove anything")
	}
}

func (x *turning) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

func (x *turning) choose(s *subscribers.Subscriber) {
	s.Cadence = subscribers.Cadences[x.r.IntN(len(subscribers.Cadences))]
	s.Timezone = append(yearZones, "")[x.r.IntN(len(yearZones)+1)]
	s.Hour, s.Weekday = subscribers.Hour(x.r.IntN(25)), subscribers.Weekdays[x.r.IntN(7)]
	s.Critical = x.r.IntN(2) == 0
}

// turns lets somebody change their mind, about one thing or about all.
func (x *turning) turns() {
	x.t.Helper()
	_, err := x.s.ChangeSubscriber(x.t.Context(), x.readers[x.r.IntN(len(x.readers))], func(s *subscribers.Subscriber) error {
		next := *s
		x.choose(&next)
		switch x.r.IntN(6) {
		case 0:
			s.Hour = next.Hour
		case 1:
			s.Timezone = next.Timezone
		case 2:
			s.Cadence = next.Cadence
		case 3:
			s.Critical = next.Critical
		default:
			*s = next
		}
		return nil
	})
	x.must(err)
}

func (x *turning) happens() {
	x.t.Helper()
	p, err := notifier.Open(notifier.Announcement{Title: "Something", Severity: notifier.Severity(x.r.IntN(4)), Status: notifier.Investigating},
		notifier.Desk{Now: x.now(), Zone: time.UTC, NewID: func() string { return fmt.Sprintf("id%015d", x.r.Int64N(1e15)) }})
	x.must(err)
	p, err = x.s.OpenIncident(x.t.Context(), p)
	x.must(err)
	x.events = append(x.events, p.Event.Number)
}

// expand goes on with the fan-out for some slices of one reader.
func (x *turning) expand(most int) {
	x.t.Helper()
	for range most {
		slice, err := x.s.ExpandSlice(x.t.Context(), 1)
		x.must(err)
		if slice.Idle {
			return
		}
	}
}

func (x *turning) makes() {
	x.t.Helper()
	for {
		step, err := x.s.MakeDigests(x.t.Context(), calendar(x.t), x.now(), 1+x.r.IntN(3))
		x.must(err)
		if step.Idle {
			return
		}
	}
}

// sends lets everybody hear what waits for them.
func (x *turning) sends() {
	x.t.Helper()
	for {
		claimed, err := x.s.Claim(x.t.Context(), notifier.Claim{
			Worker: "w", Channel: notifier.Email, Lanes: []notifier.Lane{notifier.LaneIncident, notifier.LaneRoutine, notifier.LaneDigest}, Limit: 100, Lease: time.Minute,
		})
		x.must(err)
		if len(claimed) == 0 {
			return
		}
		var sent []notifier.Settlement
		for _, d := range claimed {
			n, told := subscribers.Number(d.ID.Reader()), []int64{d.ID.Event()}
			if d.Lane == notifier.LaneDigest {
				told = x.reads(n, d)
			}
			for _, e := range told {
				if x.heard[n][e]++; x.heard[n][e] > 1 {
					x.t.Fatalf("reader %d hears of event %d twice, at %s", n, e, x.now())
				}
			}
			sent = append(sent, notifier.Settlement{ID: d.ID, State: notifier.Sent, At: x.now(), Tried: true, Worker: "w"})
		}
		x.must(x.s.Settle(x.t.Context(), sent))
	}
}

// reads is what a digest tells.
func (x *turning) reads(n subscribers.Number, d notifier.Delivery) (told []int64) {
	x.t.Helper()
	digest, err := x.s.Digest(x.t.Context(), d.ID.Event(), d.Digest)
	x.must(err)
	x.digests++
	for _, item := range digest.Items {
		told = append(told, item.Event)
	}
	if key := fmt.Sprint(n, " ", digest.Day); digest.Day != "" {
		if x.days[key] {
			x.t.Errorf("reader %d has two digests of %s", n, digest.Day)
		}
		x.days[key] = true
	}
	return told
}
