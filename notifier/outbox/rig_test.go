package outbox

import (
	"cmp"
	"context"
	"fmt"
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
	away     error         // every call fails with it
	locked   error         // settling fails with it
	slow     chan struct{} // where it is set, Release waits for it
	still    bool          // nothing may start, as of an event that was stopped
	reaps    int
	claimed  []int // sizes of claims
	released int
	releases int
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
	if m.still {
		return nil, nil
	}
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
	if err := cmp.Or(m.away, m.locked); err != nil {
		return err
	}
	for _, s := range batch {
		r := m.rows[s.ID]
		if s.State != notifier.Sent && r.worker != s.Worker {
			continue
		}
		r.d.State, r.worker = s.State, ""
		if s.Tried {
			r.d.TriedAt, r.d.Reply = s.At, s.Receipt.Reply
		}
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
		if m.rows[id].worker == worker && !m.still {
			mine = append(mine, id)
		}
	}
	return mine, m.away
}

func (m *memory) Extend(context.Context, string, []notifier.DeliveryID, time.Duration) error {
	return nil
}

// Reap takes nothing back, but counts.
func (m *memory) Reap(context.Context, notifier.Channel) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reaps++
	return 0, m.away
}

func (m *memory) reaped() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reaps
}

// lock makes settling fail, and nothing else.
func (m *memory) lock(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.locked = err
}

func (m *memory) Release(_ context.Context, worker string, ids []notifier.DeliveryID) error {
	m.mu.Lock()
	slow := m.slow
	m.mu.Unlock()
	if slow != nil {
		<-slow
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return m.away
	}
	m.releases++
	for id, r := range m.rows {
		if r.worker == worker && (ids == nil || slices.Contains(ids, id)) {
			r.d.State, r.worker = notifier.Pending, ""
			m.released++
		}
	}
	m.touch()
	return nil
}

// stall has Release wait until the channel is closed.
func (m *memory) stall(until chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slow = until
}

// stand stops everything, or lets it go on.
func (m *memory) stand(still bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.still = still
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

// waitReleased waits until some claim was given back.
func (m *memory) waitReleased(ctx context.Context) error {
	for {
		m.mu.Lock()
		changed, released := m.changed, m.released
		m.mu.Unlock()
		if released > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
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
		Now: time.Now, Log: slog.New(slog.DiscardHandler), Workers: 4,
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

// looked waits until the outbox has taken a pulse.
func (r *rig) looked(want notifier.Pulse) {
	r.t.Helper()
	limit, tick := time.NewTimer(time.Minute), time.NewTicker(time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for {
		if got, _ := r.out.gate.last(); got.Halts == want.Halts && got.Work == want.Work {
			return
		}
		select {
		case <-tick.C:
		case <-limit.C:
			r.t.Fatal("waited for a look at the database")
		}
	}
}

// silence stops the pulse, or lets it go on.
func (r *rig) silence(quiet bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet = quiet
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
	case <-time.After(time.Minute):
		r.t.Fatal("the outbox does not stop")
	}
}
