package email

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"allclear/notifier"
)

// soon is how long a test waits for what should happen at once: shorter than the
// program's own time-outs, which must not be what ends the waiting.
const soon = 45 * time.Second

// newPool makes a pool for relay URLs that ends with the test.
func newPool(t testing.TB, relays string, with ...func(*PoolOptions)) *Pool {
	t.Helper()
	list, err := ParseRelays(relays)
	if err != nil {
		t.Fatalf("parse relays: %v", err)
	}
	o := PoolOptions{
		Relays: list, Connections: 2, Now: time.Now, Hostname: "mail.example.com",
		Dice: func() float64 { return 0.5 },
		// Rests are short, so that what heals is noticed within the test.
		Breaker: Breaker{First: 20 * time.Millisecond, Longest: 40 * time.Millisecond},
	}
	for _, w := range with {
		w(&o)
	}
	p, err := NewPool(o)
	if err != nil {
		t.Fatalf("make pool: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	return p
}

func mailTo(to string) Envelope {
	return Envelope{From: "bounces@status.example.com", To: to, Data: []byte("Subject: to " + to + "\r\n\r\nHello.\r\n")}
}

// send sends one mail and waits for its end, at most soon.
func send(t testing.TB, p *Pool, to string, lane notifier.Lane, f notifier.Flight) (notifier.Receipt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	return p.Send(ctx, mailTo(to), lane, f)
}

// mustSend is send for what has to succeed.
func mustSend(t testing.TB, p *Pool, to string, lane notifier.Lane) notifier.Receipt {
	t.Helper()
	r, err := send(t, p, to, lane, &flight{})
	if err != nil {
		t.Fatalf("send to %s: %v", to, err)
	}
	return r
}

// sending is a mail on its way in a goroutine of its own.
type sending struct {
	t       testing.TB
	done    chan struct{}
	cancel  context.CancelFunc
	receipt notifier.Receipt
	err     error
}

func start(t testing.TB, p *Pool, e Envelope, lane notifier.Lane, f notifier.Flight) *sending {
	ctx, cancel := context.WithCancel(context.Background())
	s := &sending{t: t, done: make(chan struct{}), cancel: cancel}
	go func() {
		defer close(s.done)
		s.receipt, s.err = p.Send(ctx, e, lane, f)
	}()
	return s
}

func (s *sending) wait() (notifier.Receipt, error) {
	s.t.Helper()
	select {
	case <-s.done:
		return s.receipt, s.err
	case <-time.After(soon):
		s.t.Fatalf("Send did not return within %s", soon)
		return s.receipt, nil
	}
}

// running reports whether it has not returned.
func (s *sending) running() bool {
	select {
	case <-s.done:
		return false
	default:
		return true
	}
}

// asSendError fails the test where err is no *notifier.SendError.
func asSendError(t testing.TB, err error) *notifier.SendError {
	t.Helper()
	var se *notifier.SendError
	if !errors.As(err, &se) {
		t.Fatalf("got %v (%T); want a *notifier.SendError", err, err)
	}
	return se
}

// flight notes when it is called. Its hooks may be nil.
type flight struct {
	onBegin func(n int) error // n counts from 1
	onTaken func(notifier.Receipt) error

	mu    sync.Mutex
	begun int
	taken []notifier.Receipt
}

func (f *flight) Begin() error {
	f.mu.Lock()
	f.begun++
	n := f.begun
	f.mu.Unlock()
	if f.onBegin != nil {
		return f.onBegin(n)
	}
	return nil
}

func (f *flight) Taken(r notifier.Receipt) error {
	f.mu.Lock()
	f.taken = append(f.taken, r)
	f.mu.Unlock()
	if f.onTaken != nil {
		return f.onTaken(r)
	}
	return nil
}

func (f *flight) counts() (begun, taken int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.begun, len(f.taken)
}

// clock is a time that moves when it is told to.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 23, 16, 11, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// watch is an Observer on which a test can wait.
type watch struct {
	mu    sync.Mutex
	cond  *sync.Cond
	steps []string // "NAME working", ...
	open  map[string]int
	allow map[string]int
	why   error
}

func newWatch() *watch {
	w := &watch{open: map[string]int{}, allow: map[string]int{}}
	w.cond = sync.NewCond(&w.mu)
	return w
}

func (w *watch) RelayChanged(relay string, s RelayState, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, relay+" "+s.String())
	if cause != nil {
		w.why = cause
	}
	w.cond.Broadcast()
}

func (w *watch) RelayConnections(relay string, open, allowed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[relay], w.allow[relay] = open, allowed
	w.cond.Broadcast()
}

// until waits for a condition on what was observed.
func (w *watch) until(t testing.TB, what string, is func(*watch) bool) {
	t.Helper()
	late := time.AfterFunc(soon, w.cond.Broadcast)
	defer late.Stop()
	deadline := time.Now().Add(soon)
	w.mu.Lock()
	defer w.mu.Unlock()
	for !is(w) {
		if !time.Now().Before(deadline) {
			t.Fatalf("not within %s: %s; saw %q, open %v, allowed %v", soon, what, w.steps, w.open, w.allow)
		}
		w.cond.Wait()
	}
}

func (w *watch) untilState(t testing.TB, relay string, s RelayState) {
	t.Helper()
	w.until(t, relay+" "+s.String(), func(w *watch) bool {
		for i := len(w.steps) - 1; i >= 0; i-- {
			if len(w.steps[i]) > len(relay) && w.steps[i][:len(relay)+1] == relay+" " {
				return w.steps[i] == relay+" "+s.String()
			}
		}
		return false
	})
}

func reader(n int) string { return "reader" + strconv.Itoa(n) + "@example.net" }

// impatient shortens every time-out to what a test can wait for.
func impatient(o *PoolOptions) {
	o.Timeouts = Timeouts{Dial: 5 * time.Second, Command: 600 * time.Millisecond, Dot: 900 * time.Millisecond}
}

// dialTo answers every dial with a connection to addr.
func dialTo(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
}

// closeNow closes a pool and waits for nothing but its goroutines.
func closeNow(p *Pool) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.Close(ctx)
}
