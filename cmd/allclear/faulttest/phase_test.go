package faulttest

import (
	"math/rand/v2"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/ledgertest"
	"allclear/store/storetest"
)

// phase is one through which every message passes, and in which a process can die.
type phase string

const (
	accepting phase = "accept"  // a client waits for the answer to its post
	expanding phase = "fan-out" // a post was answered, and its deliveries are not all made
	sending   phase = "send"    // the relay has a mail and has not answered for it
	settling  phase = "settle"  // the relay has answered, and the database does not know
)

var phases = []phase{accepting, expanding, sending, settling}

// rig kills serve in the phases of a site, and knows which it struck.
type rig struct {
	*site
	p      *process
	random *rand.Rand
	struck map[phase]int

	asked   chan struct{} // a post is written
	arrived chan struct{} // the relay has a mail
	gate    sync.RWMutex  // held: the relay answers for no mail
	mu      sync.Mutex
	wire    int // mails without an answer
}

// newRig starts serve, before a relay that takes its time.
func newRig(s *site) *rig {
	s.t.Helper()
	r := &rig{site: s, random: dice(s.t), struck: map[phase]int{}, asked: make(chan struct{}, 1), arrived: make(chan struct{}, 1)}
	s.ledger.Before(func(ledgertest.Mail) string {
		r.onWire(1)
		tell(r.arrived)
		<-time.After(6 * time.Millisecond)
		r.gate.RLock()
		defer r.gate.RUnlock()
		r.onWire(-1)
		return ""
	})
	s.trace = &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { tell(r.asked) }}
	r.p = s.serve()
	return r
}

func (r *rig) onWire(n int) (now int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wire += n
	return r.wire
}

// tell wakes whoever waits, now or next.
func tell(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// next waits for what happens from now on.
func (r *rig) next(c <-chan struct{}) {
	r.t.Helper()
	select {
	case <-c:
	default:
	}
	r.wait(c)
}

func (r *rig) wait(c <-chan struct{}) {
	r.t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		r.t.Fatalf("not within %s", patience)
	}
}

// strike kills serve and notes which phases that was in the middle of.
func (r *rig) strike() {
	r.t.Helper()
	r.gate.Lock()
	if r.onWire(0) > 0 {
		r.struck[sending]++
	}
	r.killed(r.p)
	r.gate.Unlock()
	if r.unsettled() {
		r.struck[settling]++
	}
}

// unsettled reports whether there is an acknowledgement in the journal.
func (s *site) unsettled() bool {
	s.t.Helper()
	segments, err := filepath.Glob(filepath.Join(s.state, "acks-*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range segments {
		if about, err := os.Stat(name); err == nil && about.Size() > 64 { // its head
			return true
		}
	}
	return false
}

// in kills serve up to within after what shows that a phase has begun.
func (r *rig) in(at phase, within time.Duration) {
	r.t.Helper()
	later := func() {
		if within > 0 {
			upTo(r.random, within)
		}
	}
	switch at {
	case accepting:
		r.unanswered(later)
		return
	case expanding:
		r.open()
		later()
		r.strike()
		if r.unexpanded(r.events[len(r.events)-1]) {
			r.struck[expanding]++
		}
	case sending:
		r.open()
		r.next(r.arrived)
		later()
		r.strike()
	case settling:
		r.open()
		eventually(r.t, "an acknowledgement is written down", r.unsettled)
		later()
		r.strike()
	}
	r.p = r.serve()
}

// unanswered kills serve while a client waits for its answer, if later does
// not take too long.
func (r *rig) unanswered(later func()) {
	r.t.Helper()
	type answer struct {
		mark string
		err  error
	}
	answered := make(chan answer, 1)
	select {
	case <-r.asked: // by an earlier request
	default:
	}
	go func() {
		mark, _, err := r.post("/incidents", "", object{"title": ""})
		answered <- answer{mark, err}
	}()
	r.wait(r.asked)
	later()
	r.strike()
	got := <-answered
	r.p = r.serve()
	if got.err != nil {
		r.struck[accepting]++
		r.clear(got.mark)
	}
}

// unexpanded reports whether deliveries of an event are still to be made. It
// closes what it opens: recovery is for the program to do.
func (s *site) unexpanded(event string) bool {
	s.t.Helper()
	db := storetest.At(s.t, s.dsn)()
	defer func() { _ = db.Close() }()
	at, err := db.Progress(s.t.Context(), event)
	if err != nil {
		s.t.Fatal(err)
	}
	return at.State() == notifier.Expanding
}

// Every other kill waits for what shows a phase, the rest for nothing; each is
// counted by the phases that it struck, and none may be left out.
func TestKilledAtRandomMomentsOfEveryPhaseNobodyIsSkippedAndHardlyAnyoneToldTwice(t *testing.T) {
	t.Parallel()
	onBoth(t, 500, func(t *testing.T, s *site) {
		r := newRig(s)
		for n := range rounds(t, 20) {
			if n%2 == 1 {
				r.in(phases[n/2%len(phases)], 3*time.Millisecond)
				continue
			}
			// Sometimes nothing new comes, and it is killed while it makes good the last time.
			if said := r.random.IntN(5); said > 0 {
				i := r.open()
				if said > 2 {
					r.update(i, "resolved")
				}
			}
			upTo(r.random, 800*time.Millisecond)
			r.strike()
			r.p = r.serve()
		}
		for _, at := range phases {
			for try := 0; r.struck[at] == 0 && try < 10; try++ { // a moment is short, or the dice were against it
				r.in(at, 0)
			}
			if r.struck[at] == 0 {
				t.Errorf("no kill struck the phase %q: the test is blind", at)
			}
		}
		t.Logf("killed in these phases: %v", r.struck)
		r.done()
		r.check()
	})
}
