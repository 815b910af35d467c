package email

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"allclear/notifier"
	"allclear/notifier/email/emailtest"
)

// idleHere is how long the pools here leave a connection alone.
const idleHere = 60 * time.Millisecond

// quiet fails the test where anything is told of the relay but how many connections stand.
func quiet(t *testing.T, w *watch, p *Pool) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.steps) > 0 {
		t.Errorf("the relay is said to be %q", w.steps)
	}
	if h := p.relays[0].health; h.streak.Load() != 0 || h.limit.Load() != h.most {
		t.Errorf("%d signs of trouble, %d of %d connections", h.streak.Load(), h.limit.Load(), h.most)
	}
}

// ordinaryOnly keeps p from making a connection ahead until ahead is called, so
// that the first that is made is known to be an ordinary one.
func ordinaryOnly(p *Pool) (ahead func()) {
	h := p.relays[0].health
	set := func(t time.Time) {
		h.mu.Lock()
		h.crowdedAt = t
		h.mu.Unlock()
		h.changed.all()
	}
	set(h.now())
	return func() { set(time.Time{}) }
}

func TestTheConnectionForIncidentsStandsBeforeThereIsOne(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		hold := make(chan struct{})
		defer close(hold)
		o.Answer = func(n int, command string) string {
			if command == emailtest.Dot && n == 1 {
				<-hold
			}
			return ""
		}
		r := emailtest.NewRaw(t, o)
		w := newWatch()
		p := newPool(t, r.URL("connections=2"), func(o *PoolOptions) { o.Observer = w })
		ahead := ordinaryOnly(p)
		start(t, p, mailTo(reader(0)), notifier.LaneBulk, &flight{})
		r.WaitCommand("EHLO", 1)
		ahead()
		r.WaitCommand("EHLO", 2)
		waitFor(t, "the ordinary mail at its end", func() bool { return len(r.Messages()) == 1 })
		w.until(t, "both connections to stand", func(w *watch) bool { return w.open[r.Addr] == 2 })
		before := r.RoundTrips()
		mustSend(t, p, reader(1), notifier.LaneIncident)
		if n := r.Connections(); n != 2 {
			t.Errorf("%d connections; the incident had one made for itself", n)
		}
		if o.NoPipelining {
			return
		}
		if n := r.RoundTrips() - before; n > 2 { // its envelope, and its content
			t.Errorf("the incident's mail took %d round trips", n)
		}
	})
}

func TestTheConnectionForIncidentsIsMadeTogetherWithTheFirstOrdinaryOne(t *testing.T) {
	hold := make(chan struct{})
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(int, string) string { <-hold; return "" }})
	p := newPool(t, r.URL("connections=2"))
	s := start(t, p, mailTo(reader(0)), notifier.LaneBulk, &flight{})
	r.WaitConnections(2) // neither was greeted
	close(hold)
	if _, err := s.wait(); err != nil {
		t.Error(err)
	}
}

func TestAConnectionThatIsBeingMadeAheadMakesRoomToo(t *testing.T) {
	h := newHealth(7, newClock(), newWatch())
	full := &notifier.SendError{Fault: notifier.FaultRelay, Stage: stageGreeting, Code: 421}
	if h.crowded(full) || !h.roomAhead() {
		t.Error("there was nothing that could make room")
	}
	h.sparing.Store(true)
	if h.crowded(sign(stageDial)) || !h.roomAhead() {
		t.Error("a relay that is away has no place for anybody")
	}
	if !h.crowded(full) || h.roomAhead() {
		t.Error("it takes the place of an ordinary one")
	}
}

func TestForewarnedThereIsAConnectionBeforeThereIsMail(t *testing.T) {
	r := emailtest.NewRaw(t, emailtest.RawOptions{})
	p := newPool(t, r.URL("connections=2"))
	NewSender(composerFunc(func(m *notifier.Message) (Envelope, error) { return mailTo(m.To), nil }), p).Forewarn()
	waitFor(t, "the connection", func() bool { return p.relays[0].spare.Load() })
	mustSend(t, p, reader(0), notifier.LaneIncident)
	quiet := newPool(t, r.URL("connections=1"))
	quiet.Forewarn() // there is none that is kept for anything
}

func TestWithoutOrdinaryMailNothingIsDialledAhead(t *testing.T) {
	r := emailtest.NewRaw(t, emailtest.RawOptions{})
	p := newPool(t, r.URL("connections=3"))
	for i := range 5 {
		mustSend(t, p, reader(i), notifier.LaneConfirm)
	}
	if h := p.relays[0].health; len(h.stir) != 0 || h.spare.Load() {
		t.Error("a confirmation counts as ordinary mail")
	}
}

func TestTheConnectionForIncidentsIsKeptAwakeAndLetGoWhenOrdinaryMailCeases(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		r := emailtest.NewRaw(t, o)
		w := newWatch()
		p := newPool(t, r.URL("connections=2"), func(o *PoolOptions) { o.Observer, o.Timeouts.Idle = w, idleHere })
		var stop atomic.Bool
		var ordinary sync.WaitGroup
		ordinary.Go(func() {
			for i := 0; !stop.Load(); i++ {
				_, _ = send(t, p, reader(i), notifier.LaneRoutine, &flight{})
				<-time.After(time.Millisecond)
			}
		})
		r.WaitCommand("NOOP", 2*noopsAtMost+1) // so that two connections were made anew
		r.WaitConnections(4)
		stop.Store(true)
		ordinary.Wait()
		w.until(t, "every connection to be closed", func(w *watch) bool { return w.open[r.Addr] == 0 })
		quiet(t, w, p)
	})
}

func TestARelayThatHangsUpOnIdleConnectionsIsDialledOnceInAWhileAndWithoutAWord(t *testing.T) {
	eachWay(t, func(t *testing.T, o emailtest.RawOptions) {
		var mu sync.Mutex
		ahead := map[int]bool{} // connections that carried no mail
		dials := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(ahead)
		}
		var hungUp sync.Once
		gone := make(chan struct{})
		o.Answer = func(n int, command string) string {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case command == emailtest.Connected:
				ahead[n] = true
			case strings.HasPrefix(command, "MAIL"):
				delete(ahead, n)
			case command == "NOOP":
				defer hungUp.Do(func() { close(gone) })
				return "421 4.4.2 idle for too long"
			}
			return ""
		}
		r := emailtest.NewRaw(t, o)
		c, w := newClock(), newWatch()
		p := newPool(t, r.URL("connections=2"), func(o *PoolOptions) { o.Now, o.Observer, o.Timeouts.Idle = c.now, w, idleHere })
		for i := 0; ; i++ {
			mustSend(t, p, reader(i), notifier.LaneRoutine)
			select {
			case <-gone:
			default:
				continue
			}
			break
		}
		w.until(t, "the reserved connection to be put away", func(w *watch) bool { return w.open[r.Addr] <= 1 })
		for i := range 200 { // by a clock that stands, no time passes
			mustSend(t, p, reader(i), notifier.LaneRoutine)
		}
		if n := dials(); n != 1 {
			t.Errorf("dialled ahead %d times in no time", n)
		}
		c.forward(idleHere)
		waitFor(t, "another try", func() bool {
			mustSend(t, p, reader(0), notifier.LaneRoutine)
			return dials() >= 2
		})
		quiet(t, w, p)
		mustSend(t, p, reader(0), notifier.LaneIncident)
		quiet(t, w, p)
	})
}

func TestARelayWithNoPlaceForOneMoreIsNotInTrouble(t *testing.T) {
	var refused atomic.Int32
	r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(n int, command string) string {
		if command == emailtest.Connected && n > 1 {
			refused.Add(1)
			return "421 4.7.0 too many connections"
		}
		return ""
	}})
	c, w := newClock(), newWatch()
	p := newPool(t, r.URL("connections=2"), func(o *PoolOptions) { o.Now, o.Observer = c.now, w })
	ahead := ordinaryOnly(p)
	mustSend(t, p, reader(0), notifier.LaneRoutine)
	ahead()
	waitFor(t, "the refusal", func() bool { return refused.Load() == 1 })
	for i := range 50 {
		mustSend(t, p, reader(i), notifier.LaneRoutine)
	}
	if n := refused.Load(); n != 1 {
		t.Errorf("asked %d times in no time", n)
	}
	mustSend(t, p, reader(0), notifier.LaneIncident) // over the one that stands
	quiet(t, w, p)
}

func TestAConnectionMadeAheadMakesRoomForAnOrdinaryOne(t *testing.T) {
	var open atomic.Int32
	var strict atomic.Bool // one at a time is let in
	var turned sync.Once
	away := make(chan struct{})
	s := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(_ int, command string) string {
		switch command {
		case emailtest.Connected:
			if open.Add(1) > 1 && strict.Load() {
				defer turned.Do(func() { close(away) })
				open.Add(-1)
				return "421 4.7.0 one at a time"
			}
		case "QUIT":
			open.Add(-1)
		}
		return ""
	}})
	w := newWatch()
	p := newPool(t, s.URL("connections=2&max_messages=1"), func(o *PoolOptions) { o.Observer = w })
	mustSend(t, p, reader(0), notifier.LaneRoutine) // its connection is worn by it
	waitFor(t, "the one made ahead", func() bool { return p.relays[0].spare.Load() })
	strict.Store(true)
	for i := 1; ; i++ { // each wears a connection out
		mustSend(t, p, reader(i), notifier.LaneRoutine)
		select {
		case <-away:
		default:
			continue
		}
		break
	}
	if p.relays[0].spare.Load() || p.relays[0].roomAhead() {
		t.Error("the one made ahead keeps its place")
	}
	quiet(t, w, p)
}

func TestADeadRelayRestsAtOnceAlthoughAConnectionIsKeptReady(t *testing.T) {
	h := newHealth(7, newClock(), newWatch())
	defer h.stop()
	h.connection(+1)
	h.spare.Store(true)
	h.unreachable(sign(stageDial), false)
	if h.State() != RelayResting {
		t.Error("a connection that nobody has used counts as a sign of life")
	}
}

func TestAPoolClosesAtOnceWhileItMakesOrRefreshesAConnectionAhead(t *testing.T) {
	for _, hangs := range []string{emailtest.Connected, "EHLO mail.example.com", "NOOP"} {
		t.Run(hangs, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			there := make(chan struct{})
			var once sync.Once
			r := emailtest.NewRaw(t, emailtest.RawOptions{Answer: func(n int, command string) string {
				if n > 1 && command == hangs {
					once.Do(func() { close(there) })
					return emailtest.Hang
				}
				return ""
			}})
			p := newPool(t, r.URL("connections=2"), func(o *PoolOptions) {
				if hangs == "NOOP" {
					o.Timeouts.Idle = idleHere
				}
			})
			ahead := ordinaryOnly(p)
			mustSend(t, p, reader(0), notifier.LaneRoutine)
			ahead()
			for i := 1; ; i++ {
				mustSend(t, p, reader(i), notifier.LaneRoutine)
				select {
				case <-there:
				default:
					continue
				}
				break
			}
			// Its time-outs are minutes long.
			ctx, cancel := context.WithTimeout(context.Background(), soon)
			defer cancel()
			if err := p.Close(ctx); err != nil {
				t.Errorf("Close: %v", err)
			}
			r.Close()
			goleak.VerifyNone(t, before)
		})
	}
}
