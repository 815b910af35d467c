package outbox

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

// looks lets looks come for d, one every step; each is answered at once.
func looks(g *gate, c *notifiertest.Clock, d, step time.Duration) {
	for end := c.Now().Add(d); c.Now().Before(end); {
		c.Advance(step)
		g.open(notifier.Pulse{}, c.Now())
	}
}

func TestALookThatWasUnderWayWhenTheGateWasShutDoesNotOpenIt(t *testing.T) {
	clock := notifiertest.NewClock()
	g := newGate(clock.Now)
	asked := clock.Now()
	clock.Advance(10 * time.Millisecond)
	g.shut()
	g.open(notifier.Pulse{Work: 1}, asked)
	if p, fresh := g.last(); fresh || p.Work != 0 {
		t.Fatalf("opened by a look from before (%+v)", p)
	}
	clock.Advance(10 * time.Millisecond)
	g.open(notifier.Pulse{Work: 2}, clock.Now())
	if p, fresh := g.last(); !fresh || p.Work != 2 {
		t.Fatalf("not opened by a look from after (%+v)", p)
	}
}

func TestAClockThatIsSetBackDoesNotKeepTheGateShut(t *testing.T) {
	clock := notifiertest.NewClock()
	g := newGate(clock.Now)
	g.shut()
	clock.Advance(-time.Hour)
	looks(g, clock, time.Second, 200*time.Millisecond)
	if _, fresh := g.last(); !fresh {
		t.Error("nothing would be sent for an hour")
	}
}

func TestAPulseUnderWayDoesNotUndoWhatTheJournalFound(t *testing.T) {
	o, _, clock := still(t)
	asked := clock.Now()
	clock.Advance(10 * time.Millisecond)
	_ = o.o.Journal.Close()
	f := &flight{out: o, ctx: t.Context(), c: claimed(o)}
	if err := f.Taken(notifier.Receipt{}); err == nil {
		t.Fatal("written to a journal that is closed")
	}
	o.gate.open(notifier.Pulse{}, asked) // the end of a Pulse that found it writable
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as when its patience ends
	f.ctx = ctx
	if err := f.Begin(); !errors.Is(err, notifier.ErrNotStarted) {
		t.Errorf("%v; what is sent now cannot be written down", err)
	}
}

func TestLeasesAreTakenBackOnAMachineWhoseLooksAreOftenLate(t *testing.T) {
	for _, late := range []time.Duration{freshFor, 2 * time.Second, longGap} {
		clock := notifiertest.NewClock()
		g := newGate(clock.Now)
		for range 100 { // never 16 s in which all are in time
			looks(g, clock, time.Second, 200*time.Millisecond)
			clock.Advance(late)
			g.open(notifier.Pulse{}, clock.Now())
		}
		if !g.steady(reapGrace) {
			t.Errorf("never, with a look that is %s late every second", late)
		}
	}
}

func TestTheGraceBeforeLeasesAreTakenBackIsOneOfLooksInGoodTime(t *testing.T) {
	clock := notifiertest.NewClock()
	g := newGate(clock.Now)
	begun := clock.Now()
	looks(g, clock, time.Hour, freshFor) // each one as late as one may be, and a little more
	if g.steady(reapGrace) {
		t.Error("looks that are all late count")
	}
	looks(g, clock, reapGrace-time.Second, 200*time.Millisecond)
	if g.steady(reapGrace) {
		t.Errorf("before the grace was over, %s after the beginning", clock.Now().Sub(begun))
	}
	looks(g, clock, time.Second, 200*time.Millisecond)
	if !g.steady(reapGrace) {
		t.Error("not when the grace is over")
	}
	clock.Advance(freshFor)
	if g.steady(reapGrace) {
		t.Error("in an outage that has just begun")
	}
}

func TestAfterAnOutageTheGraceBeginsAnew(t *testing.T) {
	for name, outage := range map[string]func(g *gate, c *notifiertest.Clock){
		"the database was away":  func(_ *gate, c *notifiertest.Clock) { c.Advance(longGap + 200*time.Millisecond) },
		"the clock was set back": func(_ *gate, c *notifiertest.Clock) { c.Advance(-time.Minute) },
		"nothing could be settled": func(g *gate, c *notifiertest.Clock) {
			g.shut()
			for range 60 {
				c.Advance(time.Second)
				g.open(notifier.Pulse{}, c.Now().Add(-2*time.Second))
				g.shut()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			clock := notifiertest.NewClock()
			g := newGate(clock.Now)
			looks(g, clock, time.Hour, 200*time.Millisecond)
			outage(g, clock)
			looks(g, clock, reapGrace-200*time.Millisecond, 200*time.Millisecond)
			if g.steady(reapGrace) {
				t.Fatal("others had no time to tell what they sent")
			}
			looks(g, clock, 400*time.Millisecond, 200*time.Millisecond)
			if !g.steady(reapGrace) {
				t.Error("never again")
			}
		})
	}
}

// One batch settled after a long stall does not mean that the next one is: a
// reaper between the two gave back what had been sent.
func TestNoLeaseIsTakenBackWhileOneOfOursThatEndedIsUnsettled(t *testing.T) {
	o, _, clock := still(t)
	c := claimed(o)
	c.until = clock.Now().Add(Lease + reapGrace)
	looks(o.gate, clock, reapGrace, 200*time.Millisecond)
	if !o.mayReap() {
		t.Fatal("nothing stands against it")
	}
	c.until = clock.Now().Add(500 * time.Millisecond)
	if o.mayReap() {
		t.Error("ours is about to end")
	}
	looks(o.gate, clock, 2*time.Second, 200*time.Millisecond)
	if o.mayReap() {
		t.Error("ours has ended, and may be sent already")
	}
	o.settled([]landed{{claim: c}})
	if !o.mayReap() {
		t.Error("it is settled")
	}
}

// How many more may be sent, and repeated by others in the end, when nothing can
// be settled while everything else is well.
func TestNothingStartsWhileWhatWasSentCannotBeSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		<-time.After(time.Until(at)) // a bubble begins in 2000
		q, s := newMemory(), &notifiertest.Sender{}
		s.Script = func(context.Context, *notifier.Message) error {
			<-time.After(100 * time.Millisecond)
			return nil
		}
		q.lock(errLocked)
		q.add(1, notifier.LaneIncident, 300)
		r := start(t, q, s)
		<-time.After(time.Minute)
		// Those of each worker that were begun when the first of them could not be settled.
		if n := len(s.Sent()); n == 0 || n > 2*r.out.o.Workers {
			t.Errorf("%d mails were sent by %d workers", n, r.out.o.Workers)
		}
		q.lock(nil)
		q.wait(t, notifier.Sent, 300)
		r.end()
		if n := len(s.Sent()); n != 300 {
			t.Errorf("%d mails for 300 deliveries", n)
		}
	})
}

// warned is a sender that counts its warnings.
type warned struct {
	notifiertest.Sender
	times int
}

func (w *warned) Forewarn() { w.times++ }

func TestTheSenderIsForewarnedOfWorkButNotAtTheStart(t *testing.T) {
	s := &warned{}
	o, _, clock := still(t, func(o *Options) { o.Sender = s }) // its first look is behind it
	for i, c := range []struct {
		pulse notifier.Pulse
		want  int
	}{{notifier.Pulse{}, 0}, {notifier.Pulse{Work: 1}, 1}, {notifier.Pulse{Work: 1, Halts: 1}, 1}, {notifier.Pulse{Work: 2, Halts: 1}, 2}} {
		clock.Advance(200 * time.Millisecond)
		if err := o.Pulse(t.Context(), c.pulse, clock.Now()); err != nil || s.times != c.want {
			t.Errorf("look %d: %v, forewarned %d times; want %d", i+1, err, s.times, c.want)
		}
	}
	clock.Advance(freshFor) // nobody has looked for so long that the change says nothing
	if err := o.Pulse(t.Context(), notifier.Pulse{Work: 9}, clock.Now()); err != nil || s.times != 2 {
		t.Errorf("%v, forewarned %d times", err, s.times)
	}
}
