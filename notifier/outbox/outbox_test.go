package outbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

// memory is a queue in memory that obeys the same rules as the store; the
// end-to-end tests in cmd/allclear run the outbox on both real databases. Here
// it can be made to fail at will.
type memory struct {
	mu       sync.Mutex
	rows     map[notifier.DeliveryID]*row
	away     error // every call fails with it
	claimed  []int // sizes of claims
	released int
	changed  chan struct{}
}

type row struct {
	d      notifier.Delivery
	worker string
}

func newMemory() *memory {
	return &memory{rows: map[notifier.DeliveryID]*row{}, changed: make(chan struct{})}
}

func (m *memory) touch() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) add(event int64, lane notifier.Lane, readers int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n := 1; n <= readers; n++ {
		id := notifier.MakeDeliveryID(event, int64(n))
		m.rows[id] = &row{d: notifier.Delivery{
			ID: id, Lane: lane, Channel: notifier.Email, Address: fmt.Sprintf("reader%d@example.com", n), State: notifier.Pending,
			DueAt: at, ExpiresAt: at.Add(time.Hour * 24 * 365 * 10),
		}}
	}
	m.touch()
}

func (m *memory) Claim(_ context.Context, c notifier.Claim) ([]notifier.Delivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return nil, m.away
	}
	var out []notifier.Delivery
	for _, lane := range c.Lanes {
		var ids []notifier.DeliveryID
		for id, r := range m.rows {
			if r.d.Lane == lane && r.d.State == notifier.Pending && !r.d.DueAt.After(time.Now()) {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
		for _, id := range ids {
			if len(out) == c.Limit {
				break
			}
			r := m.rows[id]
			r.d.State, r.worker = notifier.Sending, c.Worker
			out = append(out, r.d)
		}
	}
	if len(out) > 0 {
		m.claimed = append(m.claimed, len(out))
		m.touch()
	}
	return out, nil
}

func (m *memory) Settle(_ context.Context, batch []notifier.Settlement) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	for _, s := range batch {
		r := m.rows[s.ID]
		if s.State != notifier.Sent && r.worker != s.Worker {
			continue
		}
		r.d.State, r.worker = s.State, ""
		if !s.DueAt.IsZero() {
			r.d.DueAt = s.DueAt
		}
	}
	m.touch()
	return nil
}

func (m *memory) Mine(_ context.Context, worker string, ids []notifier.DeliveryID) (mine []notifier.DeliveryID, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		if m.rows[id].worker == worker {
			mine = append(mine, id)
		}
	}
	return mine, m.away
}

func (m *memory) Extend(context.Context, string, []notifier.DeliveryID, time.Duration) error {
	return nil
}
func (m *memory) Reap(context.Context) (int, error) { return 0, nil }

func (m *memory) Release(_ context.Context, worker string, ids []notifier.DeliveryID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	for id, r := range m.rows {
		if r.worker == worker && (ids == nil || slices.Contains(ids, id)) {
			r.d.State, r.worker = notifier.Pending, ""
			m.released++
		}
	}
	m.touch()
	return nil
}

// leave is what the store does when a reader leaves.
func (m *memory) leave(id notifier.DeliveryID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[id].d.State, m.rows[id].worker = notifier.Suppressed, ""
	m.touch()
}

func (m *memory) setAway(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = err
}

func (m *memory) count(s notifier.DeliveryState) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.rows {
		if r.d.State == s {
			n++
		}
	}
	return n
}

// wait waits until n rows are in state s.
func (m *memory) wait(t *testing.T, s notifier.DeliveryState, n int) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		m.mu.Lock()
		changed := m.changed
		m.mu.Unlock()
		if m.count(s) >= n {
			return
		}
		select {
		case <-changed:
		case <-limit.C:
			t.Fatalf("waited for %d %s, have %d", n, s, m.count(s))
		}
	}
}

type plainRenderer struct{}

func (plainRenderer) Render(_ context.Context, d notifier.Delivery) (*notifier.Message, error) {
	return &notifier.Message{Delivery: d.ID, Lane: d.Lane, Channel: d.Channel, To: d.Address, Letter: &notifier.Letter{}}, nil
}

// rig is an outbox on a memory queue, with a pulse that the test can stop.
type rig struct {
	t      *testing.T
	queue  *memory
	sender *notifiertest.Sender
	out    *Outbox
	stop   context.CancelFunc
	ended  chan error

	mu    sync.Mutex
	pulse notifier.Pulse
	quiet bool
}

func start(t *testing.T, q *memory, s *notifiertest.Sender, change ...func(*Options)) *rig {
	t.Helper()
	o := Options{
		Channel: notifier.Email, Queue: q, Leases: q, Renderer: plainRenderer{}, Sender: s, Journal: open(t, t.TempDir()),
		Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Workers: 4,
	}
	for _, c := range change {
		c(&o)
	}
	r := &rig{t: t, queue: q, sender: s, out: New(o), ended: make(chan error, 1)}
	if err := r.out.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ended <- r.out.Run(ctx) }()
	go func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			r.mu.Lock()
			p, quiet := r.pulse, r.quiet
			r.mu.Unlock()
			if !quiet {
				_ = r.out.Pulse(ctx, p, time.Now())
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	t.Cleanup(func() { stop() })
	return r
}

func (r *rig) change(f func(p *notifier.Pulse)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.pulse)
}

// end stops the outbox and waits for its drain.
func (r *rig) end() {
	r.t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Fatal(err)
		}
	case <-time.After(25 * time.Second):
		r.t.Fatal("the outbox does not stop")
	}
}

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
		}
		return nil
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
	if q.released == 0 {
		t.Error("no unstarted claim of the lower lane was given back")
	}
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
	for len(r.out.claims()) > 0 { // the next look forgets every claim
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
	d := q.rows[notifier.MakeDeliveryID(1, 1)].d
	o.held[d.ID] = d
	if err := o.Pulse(t.Context(), notifier.Pulse{}, clock.Now()); err == nil {
		t.Log("first look taken")
	}
	o.held[d.ID] = d
	ctx, cancel := context.WithCancel(t.Context())
	f := &flight{out: o, ctx: ctx, d: d}
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
