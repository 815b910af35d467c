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
// hour, in which zone, and whether what is critical comes at once. Of what they
// hear the model knows of each incident up to where: never the same twice, always
// how it stands, and in the end nothing is missing.
type turning struct {
	t       *testing.T
	r       *rand.Rand
	s       turningStore
	now     func() time.Time
	readers []subscribers.Number
	every   int // how many of the readers never want milestones only
	desk    func() notifier.Desk
	course  []*course
	of      map[int64]*course // by event
	heard   map[subscribers.Number]map[*course]int64
	days    map[string]bool // reader and day of every digest
	digests int
	left    int // items that were open in a digest
}

// course is what became of an incident.
type course struct {
	notifier.Incident
	last, milestone int64 // its newest event, and the newest that every cadence hears of
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
	ReviseIncident(ctx context.Context, id string, revise func(notifier.Incident) (notifier.Posting, error)) (notifier.Posting, error)
	ExpandSlice(ctx context.Context, max int) (notifier.Slice, error)
}

type deliveryStore interface {
	Claim(ctx context.Context, c notifier.Claim) ([]notifier.Delivery, error)
	Digest(ctx context.Context, event int64, place int) (notifier.Digest, error)
	Standing(ctx context.Context, event int64, until time.Time) (notifier.Story, error)
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
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	x := &turning{
		t: t, r: rand.New(rand.NewPCG(seed, 15)), s: db, now: clock, every: 4,
		of: map[int64]*course{}, heard: map[subscribers.Number]map[*course]int64{}, days: map[string]bool{},
	}
	x.desk = func() notifier.Desk {
		return notifier.Desk{Now: clock(), Zone: time.UTC, NewID: func() string { return fmt.Sprintf("id%015d", x.r.Int64N(1e15)) }}
	}
	for i := range 8 {
		s := subscribers.Subscriber{Channel: notifier.Email, Address: fmt.Sprintf("reader%d@example.com", i), State: subscribers.Active}
		x.choose(&s, i < x.every)
		made, err := db.AddSubscriber(t.Context(), s, nil)
		x.must(err)
		x.readers = append(x.readers, made.Number)
		x.heard[made.Number] = map[*course]int64{}
	}
	for range 60 {
		for range 1 + x.r.IntN(6) {
			switch x.r.IntN(5) {
			case 0:
				x.happens()
			case 1:
				x.goesOn()
			case 2, 3:
				x.turns()
			case 4:
				x.expand(1 + x.r.IntN(12))
			}
		}
		if x.r.IntN(4) > 0 { // else its rest is still to be expanded when digests are made
			x.expand(1 << 20)
		}
		x.sends() // so that it is known what came at once before
		pass(time.Second)
		x.makes()
		x.sends()
		pass(time.Duration(1+x.r.IntN(40)) * time.Hour)
	}
	for _, n := range x.readers {
		_, err := db.ChangeSubscriber(t.Context(), n, func(s *subscribers.Subscriber) error { s.Cadence = subscribers.Instant; return nil })
		x.must(err)
	}
	x.expand(1 << 20)
	x.sends()
	pass(time.Second)
	x.makes()
	x.sends()
	for i, n := range x.readers {
		for _, c := range x.course {
			want := c.milestone
			if i < x.every {
				want = c.last
			}
			if x.heard[n][c] < want {
				t.Errorf("reader %d heard of %s up to event %d, and not of %d", n, c.ID, x.heard[n][c], want)
			}
		}
	}
	t.Logf("%d events, %d digests, %d incidents open in them", len(x.of), x.digests, x.left)
	if x.digests < 20 || len(x.of) < 20 || x.left < 10 {
		t.Error("too little happened for this to prove anything")
	}
}

func (x *turning) must(err error) {
	x.t.Helper()
	if err != nil {
		x.t.Fatal(err)
	}
}

// choose chooses anything; all: not milestones.
func (x *turning) choose(s *subscribers.Subscriber, all bool) {
	s.Cadence = subscribers.Cadences[x.r.IntN(len(subscribers.Cadences))]
	if all && s.Cadence == subscribers.Milestones {
		s.Cadence = subscribers.Instant
	}
	s.Timezone = append(yearZones, "")[x.r.IntN(len(yearZones)+1)]
	s.Hour, s.Weekday = subscribers.Hour(x.r.IntN(25)), subscribers.Weekdays[x.r.IntN(7)]
	s.Critical = x.r.IntN(2) == 0
}

// turns lets somebody change their mind, about one thing or about all.
func (x *turning) turns() {
	x.t.Helper()
	who := x.r.IntN(len(x.readers))
	_, err := x.s.ChangeSubscriber(x.t.Context(), x.readers[who], func(s *subscribers.Subscriber) error {
		next := *s
		x.choose(&next, who < x.every)
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
	p, err := notifier.Open(notifier.Announcement{Title: "Something", Severity: notifier.Severity(x.r.IntN(4)), Status: notifier.Investigating}, x.desk())
	x.must(err)
	p, err = x.s.OpenIncident(x.t.Context(), p)
	x.must(err)
	x.course = append(x.course, &course{})
	x.follow(x.course[len(x.course)-1], p)
}

// goesOn lets one of the last incidents get worse, or better, or end.
func (x *turning) goesOn() {
	x.t.Helper()
	if len(x.course) == 0 {
		return
	}
	c := x.course[max(0, len(x.course)-1-x.r.IntN(4))]
	how := notifier.Saying{Body: "More of it"}
	switch severity := notifier.Severity(x.r.IntN(4)); {
	case c.Status.Final():
		return
	case x.r.IntN(3) == 0:
		how.Status = notifier.Resolved
	default:
		how.Severity = &severity
	}
	p, err := x.s.ReviseIncident(x.t.Context(), c.ID, func(i notifier.Incident) (notifier.Posting, error) { return i.Say(how, x.desk()) })
	x.must(err)
	x.follow(c, p)
}

func (x *turning) follow(c *course, p notifier.Posting) {
	c.Incident, c.last, x.of[p.Event.Number] = p.Incident, p.Event.Number, c
	if subscribers.Milestones.Wants(*p.Event) {
		c.milestone = c.last
	}
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
			n := subscribers.Number(d.ID.Reader())
			if d.Lane == notifier.LaneDigest {
				x.reads(n, d)
			} else {
				x.hears(n, d.ID.Event())
			}
			sent = append(sent, notifier.Settlement{ID: d.ID, State: notifier.Sent, At: x.now(), Tried: true, Worker: "w"})
		}
		x.must(x.s.Settle(x.t.Context(), sent))
	}
}

// hears is what somebody is told, by a digest or at once.
func (x *turning) hears(n subscribers.Number, event int64) {
	x.t.Helper()
	c := x.of[event]
	if event <= x.heard[n][c] {
		x.t.Fatalf("reader %d hears of event %d after %d of the same incident, at %s", n, event, x.heard[n][c], x.now())
	}
	x.heard[n][c] = event
}

// reads is what a digest tells, as things stand.
func (x *turning) reads(n subscribers.Number, d notifier.Delivery) {
	x.t.Helper()
	digest, err := x.s.Digest(x.t.Context(), d.ID.Event(), d.Digest)
	x.must(err)
	x.digests++
	for _, item := range digest.Items {
		x.hears(n, item.Event)
		story, err := x.s.Standing(x.t.Context(), item.Event, d.AcceptedAt)
		x.must(err)
		c := x.of[item.Event]
		if story.Incident.Status != c.Status || story.Incident.Severity != c.Severity {
			x.t.Errorf("reader %d reads that %s is %s and %s, which is %s and %s", n, c.ID, story.Incident.Status, story.Incident.Severity, c.Status, c.Severity)
		}
		if !c.Status.Final() {
			x.left++
		}
	}
	if key := fmt.Sprint(n, " ", digest.Day); digest.Day != "" {
		if x.days[key] {
			x.t.Errorf("reader %d has two digests of %s", n, digest.Day)
		}
		x.days[key] = true
	}
}
