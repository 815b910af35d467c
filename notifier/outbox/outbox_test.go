package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

func TestEverythingDueIsSentOnceAndSettled(t *testing.T) {
	q, s := newMemory(), &notifiertest.Sender{}
	q.add(1, notifier.LaneIncident, 1500)
	q.add(2, notifier.LaneBulk, 700)
	r := start(t, q, s)
	q.wait(t, notifier.Sent, 2200)
	r.end()
	seen := map[notifier.DeliveryID]int{}
	for _, m := range s.Sent() {
		seen[m.Delivery]++
	}
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	if len(seen) != 2200 {
		t.Errorf("%d different deliveries were sent; want 2200", len(seen))
	}
}

func TestAnIncidentOvertakesEverythingBelowItsLane(t *testing.T) {
	q := newMemory()
	gate := make(chan struct{})
	s := &notifiertest.Sender{Script: func(ctx context.Context, m *notifier.Message) error {
		if m.Lane == notifier.LaneBulk {
			select {
			case <-gate:
			case <-ctx.Done():
			}
			return nil
		}
		return q.waitReleased(ctx) // while an incident goes out, what waits below it is given back
	}}
	q.add(1, notifier.LaneBulk, 5000)
	r := start(t, q, s)
	q.wait(t, notifier.Sending, 50) // claimed; the workers hang in the first few
	q.add(2, notifier.LaneIncident, 300)
	r.change(func(p *notifier.Pulse) { p.Work++ })
	s.WaitFor(t, 300)
	for i, m := range s.Sent()[:300] {
		if m.Lane != notifier.LaneIncident {
			t.Fatalf("message %d is of lane %s while an incident waits", i, m.Lane)
		}
	}
	close(gate)
	q.wait(t, notifier.Sent, 5300)
	r.end()
}

func TestNothingStartsForAReaderWhoLeftAfterTheClaim(t *testing.T) {
	q := newMemory()
	block := make(chan struct{})
	s := &notifiertest.Sender{Script: func(context.Context, *notifier.Message) error { <-block; return nil }}
	q.add(1, notifier.LaneRoutine, 40)
	r := start(t, q, s)
	q.wait(t, notifier.Sending, 40)
	for n := int64(1); n <= 40; n++ {
		q.leave(notifier.MakeDeliveryID(1, n))
	}
	r.change(func(p *notifier.Pulse) { p.Halts++ })
	for { // the next look forgets every claim
		if p, _ := r.out.gate.last(); p.Halts == 1 && r.out.holding() == 0 {
			break
		}
		waitTurn(t)
	}
	close(block)
	r.end()
	if n := len(s.Sent()); n != 0 {
		t.Fatalf("%d messages left after their readers had gone", n)
	}
	if n := q.count(notifier.Suppressed); n != 40 {
		t.Fatalf("%d are suppressed; want 40", n)
	}
}

// Else it would stay in our name until the lease ends, and whoever resumes it
// a moment later would wait for that.
func TestWhatIsStoppedBeforeItBeganIsGivenBackAndGoesOnOnce(t *testing.T) {
	q := newMemory()
	block := make(chan struct{})
	s := &notifiertest.Sender{Script: func(context.Context, *notifier.Message) error { <-block; return nil }}
	q.add(1, notifier.LaneBulk, 40)
	r := start(t, q, s)
	q.wait(t, notifier.Sending, 40)
	q.stand(true)
	r.change(func(p *notifier.Pulse) { p.Halts++ })
	q.wait(t, notifier.Pending, 40-24) // every worker has one in its hands
	close(block)
	q.wait(t, notifier.Pending, 40)
	if n := len(s.Sent()); n != 0 {
		t.Fatalf("%d messages left what stands still", n)
	}
	q.stand(false)
	r.change(func(p *notifier.Pulse) { p.Halts++; p.Work++ })
	q.wait(t, notifier.Sent, 40)
	r.end()
	if n := len(s.Sent()); n != 40 {
		t.Fatalf("%d messages were sent; want 40", n)
	}
}

// A database that is slow to take claims back must not keep the gate from
// being opened anew: every lane waits for the look.
func TestALookDoesNotWaitUntilWhatWasStoppedIsGivenBack(t *testing.T) {
	q := newMemory()
	block, slow := make(chan struct{}), make(chan struct{})
	s := &notifiertest.Sender{Script: func(context.Context, *notifier.Message) error { <-block; return nil }}
	q.add(1, notifier.LaneBulk, 40)
	r := start(t, q, s)
	q.wait(t, notifier.Sending, 40)
	q.stand(true)
	q.stall(slow)
	r.change(func(p *notifier.Pulse) { p.Halts++ })
	r.looked(notifier.Pulse{Halts: 1})
	r.change(func(p *notifier.Pulse) { p.Work++ })
	r.looked(notifier.Pulse{Halts: 1, Work: 1}) // the next look, while nothing can be given back
	close(slow)
	q.wait(t, notifier.Pending, 40-24)
	close(block)
	q.wait(t, notifier.Pending, 40)
	r.end()
}

// holding is how many claims are held.
func (b *Outbox) holding() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.held)
}

// waitTurn lets others run; tests loop over it with the test's own deadline as the bound.
func waitTurn(t *testing.T) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal("the test ended")
	case <-time.After(time.Millisecond):
	}
}

func TestNothingStartsWhileTheDatabaseCannotBeAsked(t *testing.T) {
	q := newMemory()
	clock := notifiertest.NewClock()
	s := &notifiertest.Sender{}
	o := New(Options{Channel: notifier.Email, Queue: q, Leases: q, Renderer: plainRenderer{}, Sender: s, Journal: open(t, t.TempDir()), Now: clock.Now, Log: slog.Default()})
	q.add(1, notifier.LaneIncident, 1)
	c := &claim{Delivery: q.rows[notifier.MakeDeliveryID(1, 1)].d, until: clock.Now().Add(Lease)}
	if err := o.Pulse(t.Context(), notifier.Pulse{}, clock.Now()); err == nil {
		t.Log("first look taken")
	}
	o.held[c.ID] = c
	ctx, cancel := context.WithCancel(t.Context())
	f := &flight{out: o, ctx: ctx, c: c}
	if err := f.Begin(); err != nil {
		t.Fatalf("with a fresh look: %v", err)
	}
	clock.Advance(freshFor)
	cancel()
	if err := f.Begin(); !errors.Is(err, notifier.ErrNotStarted) {
		t.Fatalf("with a look %s old: %v; want ErrNotStarted", freshFor, err)
	}
	clock.Advance(-time.Hour)
	if err := f.Begin(); !errors.Is(err, notifier.ErrNotStarted) {
		t.Fatalf("with a clock set back: %v; want ErrNotStarted", err)
	}
}

func TestAPausedLaneWaitsAndTheOthersGoOn(t *testing.T) {
	q, s := newMemory(), &notifiertest.Sender{}
	r := start(t, q, s)
	r.change(func(p *notifier.Pulse) {
		p.Halts++
		p.Pauses = []notifier.Pause{{Scope: notifier.PauseLane, Key: "routine"}, {Scope: notifier.PauseDomain, Key: "example.org"}}
	})
	for {
		if p, _ := r.out.gate.last(); len(p.Pauses) == 2 {
			break
		}
		waitTurn(t)
	}
	q.add(1, notifier.LaneRoutine, 10)
	q.add(2, notifier.LaneIncident, 10)
	held := notifier.MakeDeliveryID(2, 3)
	q.mu.Lock()
	q.rows[held].d.Address = "x@example.org"
	q.mu.Unlock()
	r.change(func(p *notifier.Pulse) { p.Work++ })
	q.wait(t, notifier.Sent, 9)
	q.wait(t, notifier.Held, 1)
	if n := q.count(notifier.Pending); n != 10 {
		t.Errorf("%d of the paused lane wait; want 10", n)
	}
	r.change(func(p *notifier.Pulse) { p.Halts++; p.Work++; p.Pauses = nil })
	q.wait(t, notifier.Sent, 19)
	r.end()
}

func TestAcknowledgementsOfADeadProcessAreSettledBeforeAnythingIsClaimed(t *testing.T) {
	q, s, dir := newMemory(), &notifiertest.Sender{}, t.TempDir()
	q.add(7, notifier.LaneIncident, 3)
	dead := open(t, dir)
	if _, err := q.Claim(t.Context(), notifier.Claim{Worker: dead.Worker(), Lanes: notifier.Lanes, Limit: 3}); err != nil {
		t.Fatal(err)
	}
	write(t, dead, ack(1), ack(2))
	_ = dead.Close()
	r := start(t, q, s, func(o *Options) { o.Journal = open(t, dir) })
	q.wait(t, notifier.Sent, 3)
	r.end()
	if sent := s.Sent(); len(sent) != 1 || sent[0].Delivery != notifier.MakeDeliveryID(7, 3) {
		t.Fatalf("sent %v; only the third had not been acknowledged", sent)
	}
}

func TestADrainFinishesWhatIsInFlightAndGivesBackTheRest(t *testing.T) {
	q := newMemory()
	reached, block := make(chan struct{}, 100), make(chan struct{})
	s := &notifiertest.Sender{Script: func(context.Context, *notifier.Message) error {
		reached <- struct{}{}
		<-block
		return nil
	}}
	q.add(1, notifier.LaneIncident, 60)
	r := start(t, q, s)
	for range 4 { // every express worker has one in its hands
		<-reached
	}
	r.stop()
	q.wait(t, notifier.Pending, 1) // what waited is given back before the flights end
	close(block)
	r.end()
	if n := q.count(notifier.Sending); n != 0 {
		t.Errorf("%d leases are left after the drain", n)
	}
	if sent, pending := q.count(notifier.Sent), q.count(notifier.Pending); sent+pending != 60 || sent < 4 {
		t.Errorf("sent %d, pending %d; want 60 together and at least the 4 in flight sent", sent, pending)
	}
}

func TestADrainCutsOffWhatTakesTooLongWithoutCharging(t *testing.T) {
	q := newMemory()
	reached := make(chan struct{}, 1)
	s := &notifiertest.Sender{Script: func(ctx context.Context, _ *notifier.Message) error {
		reached <- struct{}{}
		<-ctx.Done()
		return &notifier.SendError{Fault: notifier.FaultRelay, Stage: "dot", Err: ctx.Err()}
	}}
	q.add(1, notifier.LaneIncident, 1)
	r := start(t, q, s, func(o *Options) { o.Drain = 10 * time.Millisecond })
	<-reached
	r.end()
	if q.count(notifier.Pending) != 1 {
		t.Error("the delivery that was cut off is not pending again")
	}
}

// Where the end of the process and the peer's silence meet, the next process
// has to know that it may have been taken.
func TestADrainDoesNotForgetThatATryIsInDoubt(t *testing.T) {
	q := newMemory()
	reached := make(chan struct{}, 1)
	s := &notifiertest.Sender{Script: func(ctx context.Context, _ *notifier.Message) error {
		reached <- struct{}{}
		<-ctx.Done()
		return &notifier.SendError{Fault: notifier.FaultRelay, Doubt: true, Stage: "no answer", Receipt: notifier.Receipt{Reply: notifier.Doubtful("no answer")}}
	}}
	q.add(1, notifier.LaneIncident, 1)
	r := start(t, q, s, func(o *Options) { o.Drain = 10 * time.Millisecond })
	<-reached
	r.end()
	d := q.rows[notifier.MakeDeliveryID(1, 1)].d
	if d.State != notifier.Pending || !d.InDoubt() || d.TriedAt.IsZero() {
		t.Errorf("left as %+v", d)
	}
}

func TestSettlementsWaitForADatabaseThatIsAway(t *testing.T) {
	q := newMemory()
	away := errors.New("away")
	var once sync.Once
	s := &notifiertest.Sender{}
	s.Script = func(context.Context, *notifier.Message) error {
		once.Do(func() { q.setAway(away) })
		return nil
	}
	q.add(1, notifier.LaneIncident, 20)
	r := start(t, q, s)
	s.WaitFor(t, 1)
	q.setAway(nil)
	q.wait(t, notifier.Sent, 20)
	r.end()
	if n := len(s.Sent()); n != 20 {
		t.Errorf("%d messages for 20 deliveries", n)
	}
}

func TestAnExpiredDeliveryIsNotSent(t *testing.T) {
	q, s := newMemory(), &notifiertest.Sender{}
	q.add(1, notifier.LaneIncident, 1)
	q.rows[notifier.MakeDeliveryID(1, 1)].d.ExpiresAt = at
	r := start(t, q, s)
	q.wait(t, notifier.Expired, 1)
	r.end()
	if len(s.Sent()) != 0 {
		t.Error("sent after its end")
	}
}

func TestAJournalThatCannotBeWrittenStillSettlesTheFact(t *testing.T) {
	q, s := newMemory(), &notifiertest.Sender{}
	j := open(t, t.TempDir())
	_ = j.Close() // every write fails from now on
	q.add(1, notifier.LaneIncident, 1)
	r := start(t, q, s, func(o *Options) { o.Journal = j; j.left = nil })
	q.wait(t, notifier.Sent, 1)
	r.end()
}

func TestThePaceNeverAsksForMuchMoreThanASecondOfWork(t *testing.T) {
	now := at
	var p pace
	p.learn(0, 0, now)
	for range 20 { // ten a second, and always some left
		now = now.Add(time.Second)
		p.learn(10, 50, now)
	}
	if p.target > paceStart {
		t.Errorf("asks for %d at 10 a second", p.target)
	}
	for range 20 { // everything that is claimed is gone at once
		now = now.Add(100 * time.Millisecond)
		p.learn(p.target, 0, now)
	}
	if p.target != paceMax {
		t.Errorf("asks for %d at full speed; want %d", p.target, paceMax)
	}
}

func TestThePaceFollowsWhatASecondIsSeenToTakeButDoublesAtMost(t *testing.T) {
	now := at
	var p pace
	p.learn(0, 0, now)
	step := func(taken int) int {
		now = now.Add(time.Second)
		p.learn(taken, 1000, now) // the belt never runs dry
		return p.target
	}
	for i, c := range []struct{ taken, want int }{
		{1500, 2 * paceStart}, // fifteen times as many, and twice is all it dares
		{1500, 4 * paceStart},
		{1500, 8 * paceStart},
		{1500, 1500}, // what was seen, and no more
		{1500, 1500},
		{2600, 2600},
		{60000, paceMax},
		{300, 300}, // down at once
		{1, paceStart / 4},
	} {
		if got := step(c.taken); got != c.want {
			t.Errorf("second %d, %d were taken: asks for %d; want %d", i+1, c.taken, got, c.want)
		}
	}
	now = now.Add(500 * time.Millisecond)
	if p.learn(20, 1000, now); p.target != 40 {
		t.Errorf("20 in half a second: asks for %d; want 40", p.target)
	}
}
