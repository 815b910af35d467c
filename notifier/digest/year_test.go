package digest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/store/storetest"
	"allclear/subscribers"
)

// yearZones are where the readers of the simulated year live.
var yearZones = []string{
	"UTC", "Europe/Berlin", "Europe/Oslo", "Europe/London", "America/New_York", "America/St_Johns", "America/Santiago", "America/Havana", "Africa/Cairo", "Africa/Casablanca",
	"Asia/Kathmandu", "Asia/Kolkata", "Asia/Tokyo", "Asia/Beirut", "Asia/Tehran", "Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati",
}

// follower is a reader as the naive model has them: by a clock on their wall.
type follower struct {
	subscribers.Subscriber
	zone   *time.Location
	since  int              // events that they know of or did not want
	months map[string]int64 // digests by their month, to be counted
}

// due are the days on which a digest of f falls between two instants: the clock
// on the wall is looked at every quarter of an hour.
func (f *follower) due(after, until time.Time) (days []string) {
	h := f.Hour.Or(9)
	seen := after.Add(-26 * time.Hour).In(f.zone).Format(time.DateOnly)
	for t := after.Add(-26 * time.Hour).Truncate(15 * time.Minute); !t.After(until); t = t.Add(15 * time.Minute) {
		own := t.In(f.zone)
		day := own.Format(time.DateOnly)
		if day == seen || own.Hour() < h {
			continue
		}
		seen = day
		wanted := f.Cadence == subscribers.Daily || f.Cadence == subscribers.Weekly && own.Weekday() == f.Weekday.Day() || f.Cadence == subscribers.Monthly && own.Day() == 1
		if wanted && t.After(after) {
			days = append(days, day)
		}
	}
	return days
}

// yearSteps are how far the clock goes at a time: an hour to two days where
// clocks change, and elsewhere so long that runs are missed.
func yearSteps(r *rand.Rand, now time.Time) time.Duration {
	if os.Getenv("ALLCLEAR_TEST_YEAR") == "full" {
		return time.Duration(1+r.IntN(30)) * time.Hour
	}
	day := now.Format("01-02")
	if day >= "03-26" && day < "04-07" || day >= "10-23" && day < "11-03" {
		return time.Duration(6+r.IntN(30)) * time.Hour
	}
	return time.Duration(24+r.IntN(20*24)) * time.Hour
}

// Three processes make the digests of readers in twenty zones for a year, are
// interrupted and come back; every reader gets one for every period in which
// there was something to say, with exactly that.
func TestAYearOfDigestsIsWhatAClockOnEveryWallWouldMake(t *testing.T) {
	for _, dialect := range storetest.Dialects() {
		t.Run(dialect, func(t *testing.T) { theYear(t, dialect) })
	}
}

func theYear(t *testing.T, dialect string) {
	r := rand.New(rand.NewPCG(2026, 11))
	var mu sync.Mutex
	now := time.Date(2026, 1, 1, 0, 7, 0, 0, time.UTC)
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	open := storetest.At(t, storetest.DSN(t, dialect))
	desk := func() notifier.Desk {
		return notifier.Desk{Now: clock(), Zone: time.UTC, NewID: func() string { return fmt.Sprintf("id%015d", r.Int64N(1e15)) }}
	}
	first := open(storetest.Clock(clock))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(first.AddComponent(t.Context(), notifier.Component{Key: "web", Name: "The web", State: notifier.Operational}))
	readers := map[int64]*follower{}
	for i, name := range yearZones {
		zone, err := time.LoadLocation(name)
		must(err)
		f := &follower{zone: zone, months: map[string]int64{}, Subscriber: subscribers.Subscriber{
			Channel: notifier.Email, Address: fmt.Sprintf("reader%d@example.com", i), State: subscribers.Active, Timezone: name,
			Cadence: []subscribers.Cadence{subscribers.Daily, subscribers.Weekly, subscribers.Daily, subscribers.Monthly}[i%4],
			Hour:    subscribers.Hour(r.IntN(25)), Weekday: subscribers.Weekdays[r.IntN(7)],
			Filter: subscribers.Filter{Severity: notifier.Severity(r.IntN(3))},
		}}
		if i%3 == 0 {
			f.Hour, _ = hourNearAChange(r.IntN(3))
		}
		made, err := first.AddSubscriber(t.Context(), f.Subscriber, nil)
		must(err)
		f.Number = made.Number
		readers[int64(made.Number)] = f
	}
	calendar, err := NewCalendar(9, time.UTC)
	must(err)
	stores := []Store{first, open(storetest.Clock(clock)), open(storetest.Clock(clock))}
	var happened []notifier.Event
	digests := 0
	for end := now.AddDate(1, 0, 0); now.Before(end); {
		before := clock()
		for range r.IntN(3) {
			p, err := notifier.Open(notifier.Announcement{Title: "Something", Severity: notifier.Severity(r.IntN(4)), Status: notifier.Investigating}, desk())
			must(err)
			p, err = first.OpenIncident(t.Context(), p)
			must(err)
			happened = append(happened, *p.Event)
		}
		for {
			slice, err := first.ExpandSlice(t.Context(), 100)
			must(err)
			if slice.Idle {
				break
			}
		}
		mu.Lock()
		now = now.Add(yearSteps(r, now))
		mu.Unlock()
		makeInterrupted(t, r, stores, calendar, clock())
		got := map[int64]notifier.Digest{}
		for {
			claimed, err := first.Claim(t.Context(), notifier.Claim{Worker: "w", Channel: notifier.Email, Lanes: []notifier.Lane{notifier.LaneDigest}, Limit: 100, Lease: time.Minute})
			must(err)
			if len(claimed) == 0 {
				break
			}
			var sent []notifier.Settlement
			for _, d := range claimed {
				if _, twice := got[d.ID.Reader()]; twice {
					t.Fatalf("reader %d gets two digests at %s", d.ID.Reader(), clock())
				}
				if got[d.ID.Reader()], err = first.Digest(t.Context(), d.ID.Event(), d.Digest); err != nil {
					t.Fatal(err)
				}
				sent = append(sent, notifier.Settlement{ID: d.ID, State: notifier.Sent, At: clock(), Tried: true, Worker: "w"})
			}
			must(first.Settle(t.Context(), sent))
		}
		for n, f := range readers {
			days := f.due(before, clock())
			d, ok := got[n]
			var want []notifier.DigestItem
			if len(days) > 0 {
				for _, e := range happened[f.since:] {
					if e.Severity >= f.Filter.Severity {
						want = append(want, notifier.DigestItem{Since: e.Number, Event: e.Number})
					}
				}
				f.since = len(happened)
			}
			switch {
			case ok != (len(want) > 0):
				t.Fatalf("%s (%+v) has a digest: %t between %s and %s, of %v; want %v", f.Timezone, f.Schedule(), ok, before, clock(), d, want)
			case !ok:
				continue
			case !slices.Equal(d.Items, want) || d.Day != days[len(days)-1] || d.Missed != len(days)-1:
				t.Fatalf("%s (%+v) is told %+v; want %v of %s, %d missed", f.Timezone, f.Schedule(), d, want, days[len(days)-1], len(days)-1)
			}
			digests++
		}
	}
	t.Logf("%d digests of %d events", digests, len(happened))
	if digests < 100 {
		t.Errorf("only %d digests", digests)
	}
}

// hourNearAChange is an hour at which clocks are moved.
func hourNearAChange(i int) (subscribers.Hour, error) { return subscribers.HourOf([]int{0, 1, 2}[i]) }

var errKilled = errors.New("killed")

// makeInterrupted makes what is due by three processes in turn; now and then one
// of them ends right before it would have committed a step.
func makeInterrupted(t *testing.T, r *rand.Rand, stores []Store, c *Calendar, at time.Time) {
	t.Helper()
	type atomic interface {
		Atomic(ctx context.Context, do func(ctx context.Context) error) error
	}
	for {
		s := stores[r.IntN(len(stores))]
		var step subscribers.MadeDigests
		err := s.(atomic).Atomic(t.Context(), func(ctx context.Context) (err error) {
			if step, err = s.MakeDigests(ctx, c, at, 1+r.IntN(3)); err == nil && r.IntN(5) == 0 {
				err = errKilled
			}
			return err
		})
		switch {
		case errors.Is(err, errKilled):
		case err != nil:
			t.Fatal(err)
		case step.Idle:
			return
		}
	}
}
