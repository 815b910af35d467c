package notifier

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func delays(lo, hi *float64) Impact { return Impact{DelayMinMinutes: lo, DelayMaxMinutes: hi} }

func TestTheWidestDelayRangeIsKept(t *testing.T) {
	for _, c := range []struct {
		about     string
		was, said Impact
		lo, hi    float64 // -1: unknown
	}{
		{"nothing known, nothing said", Impact{}, Impact{}, -1, -1},
		{"the first figures", Impact{}, delays(ptr(5.0), ptr(10.0)), 5, 10},
		{"nothing new", delays(ptr(5.0), ptr(10.0)), Impact{}, 5, 10},
		{"it gets worse", delays(ptr(5.0), ptr(10.0)), delays(ptr(20.0), ptr(40.0)), 5, 40},
		{"it gets better", delays(ptr(5.0), ptr(40.0)), delays(ptr(1.0), ptr(2.0)), 1, 40},
		{"within what was known", delays(ptr(5.0), ptr(40.0)), delays(ptr(10.0), ptr(20.0)), 5, 40},
		{"up to 10, then 20 and more", delays(nil, ptr(10.0)), delays(ptr(20.0), nil), 10, 20},
		{"5 and more, then up to 2", delays(ptr(5.0), nil), delays(nil, ptr(2.0)), 2, 5},
		{"a range, then 20 and more", delays(ptr(5.0), ptr(10.0)), delays(ptr(20.0), nil), 5, 20},
		{"only ever up to", delays(nil, ptr(10.0)), delays(nil, ptr(30.0)), -1, 30},
		{"only ever at least", delays(ptr(10.0), nil), delays(ptr(30.0), nil), 10, -1},
	} {
		t.Run(c.about, func(t *testing.T) {
			got := c.was.merge(c.said)
			for _, side := range []struct {
				got  *float64
				want float64
			}{{got.DelayMinMinutes, c.lo}, {got.DelayMaxMinutes, c.hi}} {
				if side.want < 0 && side.got != nil || side.want >= 0 && (side.got == nil || *side.got != side.want) {
					t.Errorf("got %v, want %v", show(side.got), side.want)
				}
			}
		})
	}
}

func TestOfTheOtherFiguresTheLatestCounts(t *testing.T) {
	was := Impact{ErrorRate: ptr(0.5), AffectedShare: ptr(0.4), PerSecond: ptr(200.0)}
	got := was.merge(Impact{ErrorRate: ptr(0.1), PerSecond: ptr(300.0)})
	if *got.ErrorRate != 0.1 || *got.AffectedShare != 0.4 || *got.PerSecond != 300 {
		t.Errorf("%v %v %v", *got.ErrorRate, *got.AffectedShare, *got.PerSecond)
	}
}

func TestAnAllClearSumsUpTheWorstThatWasSaid(t *testing.T) {
	d := holdDesk()
	high := Impact{ErrorRate: ptr(0.5), AffectedShare: ptr(0.1), PerSecond: ptr(200.0)}
	low := Impact{ErrorRate: ptr(0.1), AffectedShare: ptr(0.3)}
	say := func(i Incident, s Saying) Incident {
		t.Helper()
		p, err := i.Say(s, d)
		if err != nil {
			t.Fatal(err)
		}
		p.Incident.Updates = append(i.Updates, *p.Update)
		return p.Incident
	}
	first := openedAt(t, Announcement{Title: "x", Impact: high}, d)
	i := first.Incident
	i.Updates = []Update{*first.Update}
	i = say(i, Saying{Body: "better", Impact: &low})
	if *i.Impact.ErrorRate != 0.1 || *i.Impact.AffectedShare != 0.3 {
		t.Errorf("while it goes on: %v %v", *i.Impact.ErrorRate, *i.Impact.AffectedShare)
	}
	over := say(i, Saying{Status: Resolved, Impact: &Impact{PerSecond: ptr(10.0)}}).Impact
	if *over.ErrorRate != 0.5 || *over.AffectedShare != 0.3 || *over.PerSecond != 200 {
		t.Errorf("in the end: %v %v %v", *over.ErrorRate, *over.AffectedShare, *over.PerSecond)
	}
	// Half of the requests was wrong: a twentieth is what it was.
	p, err := i.Correct(Correction{Impact: &Impact{ErrorRate: ptr(0.05)}}, d)
	if err != nil {
		t.Fatal(err)
	}
	p.Incident.Updates = i.Updates
	over = say(p.Incident, Saying{Status: Resolved}).Impact
	if *over.ErrorRate != 0.05 || over.AffectedShare != nil || over.PerSecond != nil {
		t.Errorf("corrected: %+v", over)
	}
	if again := say(say(i, Saying{Status: Resolved}), Saying{Body: "an afterword"}).Impact; *again.ErrorRate != 0.5 {
		t.Errorf("after an afterword: %v", *again.ErrorRate)
	}
}

// Whatever is said in whatever order, an incident never ends in figures that
// its own check refuses: that would make it impossible to resolve.
func TestNoSequenceOfGoodFiguresMakesABadSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		figure := rapid.Ptr(rapid.Float64Range(0, 1000), true)
		var sum Impact
		for range rapid.IntRange(1, 8).Draw(t, "updates") {
			said := delays(figure.Draw(t, "min"), figure.Draw(t, "max"))
			if said.check() != nil {
				continue
			}
			before := sum
			sum = sum.merge(said)
			if err := sum.check(); err != nil {
				t.Fatalf("%v after %+v", err, said)
			}
			if again := sum.merge(said); show(again.DelayMinMinutes) != show(sum.DelayMinMinutes) || show(again.DelayMaxMinutes) != show(sum.DelayMaxMinutes) {
				t.Fatal("saying the same again changes the sum")
			}
			if sum.DelayMinMinutes == nil || sum.DelayMaxMinutes == nil {
				continue
			}
			for _, f := range []*float64{said.DelayMinMinutes, said.DelayMaxMinutes, before.DelayMinMinutes, before.DelayMaxMinutes} {
				if f != nil && (*f < *sum.DelayMinMinutes || *f > *sum.DelayMaxMinutes) {
					t.Fatalf("%v was said or known, the sum is %v to %v", *f, *sum.DelayMinMinutes, *sum.DelayMaxMinutes)
				}
			}
		}
	})
}

// What an update leaves empty stays as it was said, until a correction says that
// it was wrong; a delay that is told to be none is over.
func TestTheFiguresOfAnUpdateAreThoseThatStandAfterIt(t *testing.T) {
	d := holdDesk()
	i := openedAt(t, Announcement{Title: "x", Impact: Impact{DelayMinMinutes: ptr(2.0), DelayMaxMinutes: ptr(5.0), AffectedShare: ptr(0.1)}}, d).Incident
	i.Updates = []Update{{Status: Investigating, Impact: i.Impact}}
	for _, said := range []Impact{{DelayMaxMinutes: ptr(10.0), ErrorRate: ptr(0.034)}, {}, {ErrorRate: ptr(0.2)}, {DelayMaxMinutes: ptr(0.0)}} {
		p, err := i.Say(Saying{Body: "more", Impact: &said}, d)
		if err != nil {
			t.Fatal(err)
		}
		p.Incident.Updates = append(i.Updates, *p.Update)
		i = p.Incident
	}
	figures := func(i Impact) string {
		var out []any
		for _, f := range i.figures() {
			out = append(out, show(f))
		}
		return strings.TrimSpace(fmt.Sprintln(out...))
	}
	is := func(about, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %s, want %s", about, got, want)
		}
	}
	for n, want := range []string{"2 5 unknown 0.1 unknown", "2 10 0.034 0.1 unknown", "2 10 0.034 0.1 unknown", "2 10 0.2 0.1 unknown", "0 10 0.2 0.1 unknown"} {
		is(fmt.Sprintf("after %d updates", n+1), figures(i.ImpactThen(n+1)), want)
	}
	is("caught up", figures(i.Felt()), "unknown unknown 0.2 0.1 unknown")
	before := i
	before.Updates, before.Impact = i.Updates[:4], i.ImpactThen(4)
	is("not yet", figures(before.Felt()), "2 10 0.2 0.1 unknown")
	i.Impact = Impact{DelayMinMinutes: ptr(2.0), DelayMaxMinutes: ptr(3.0), ErrorRate: ptr(0.2)} // it was never ten, nor any share
	is("corrected", figures(i.ImpactThen(2)), "2 3 0.034 unknown unknown")
	is("corrected, now", figures(i.Felt()), "2 3 0.2 unknown unknown")
}

func show(f *float64) any {
	if f == nil {
		return "unknown"
	}
	return *f
}

// An incident lasts longer than the delay that it brings: the sum says for how long
// readers were told of one, and nothing where only its end told of it.
func TestADelayLastsFromWhatTellsItToWhatEndsIt(t *testing.T) {
	at := func(minute float64) time.Time {
		return time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC).Add(time.Duration(minute * float64(time.Minute)))
	}
	late := func(most float64) Impact { return Impact{DelayMaxMinutes: &most} }
	say := func(minute float64, s Status, i Impact) Update { return Update{At: at(minute), Status: s, Impact: i} }
	for name, c := range map[string]struct {
		updates []Update
		want    float64
	}{
		"from its opening":        {[]Update{say(0, Investigating, late(10)), say(65, Resolved, Impact{})}, 65},
		"a second before the end": {[]Update{say(0, Investigating, Impact{}), say(49.9, Monitoring, late(10)), say(49.95, Resolved, Impact{})}, 0},
		"by the end alone":        {[]Update{say(0, Investigating, Impact{}), say(50, Resolved, late(10))}, 0},
		"until it was caught up":  {[]Update{say(0, Investigating, late(10)), say(20, Identified, Impact{}), say(30, Monitoring, late(0)), say(50, Resolved, late(10))}, 30},
		"by more and by less":     {[]Update{say(10, Investigating, late(10)), say(20, Identified, late(30)), say(50, Resolved, Impact{})}, 40},
		"twice":                   {[]Update{say(0, Investigating, late(10)), say(5, Resolved, Impact{}), say(20, Identified, late(5)), say(30, Resolved, Impact{})}, 15},
		"never":                   {[]Update{say(0, Investigating, Impact{}), say(50, Resolved, Impact{})}, 0},
	} {
		if got := (&Incident{Updates: c.updates}).Delayed(); got.Minutes() != c.want {
			t.Errorf("%s: %s, want %v min", name, got, c.want)
		}
	}
}
