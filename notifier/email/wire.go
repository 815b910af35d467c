package email

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is a connection that can be given up from outside: by a watchdog when
// the peer is not heard of in time, by a cancelled caller, by a pool that is
// closed in haste. Giving up closes the network connection, which ends every
// read and write on it. The watchdog is a timer and not a deadline, so that a
// service clock that is stepped or set by hand never cuts a conversation short.
type wire struct {
	net.Conn // what SMTP is spoken on: TLS, where there is TLS
	raw      net.Conn
	dog      *time.Timer
	budget   int // bytes that may still come before we write again; see bounded

	gaveUp atomic.Bool
	mu     sync.Mutex
	why    error
}

var (
	errTalksOn   = errors.New("the relay sends without end")
	errForsaken  = errors.New("the sender gave up")
	errPoolEnded = errors.New("the relay pool was closed")
)

// newWire takes over conn. The watchdog sleeps until the first patience.
func newWire(conn net.Conn) *wire {
	w := &wire{Conn: conn, raw: conn, budget: replyBudget}
	w.dog = time.AfterFunc(time.Hour, func() {
		w.giveUp(errors.New("no answer in time"))
	})
	w.dog.Stop()
	return w
}

// patience lets the watchdog bite d from now on unless rest or patience comes first.
func (w *wire) patience(d time.Duration) { w.dog.Reset(d) }

// rest sends the watchdog to sleep: nothing is expected from the peer.
func (w *wire) rest() { w.dog.Stop() }

// giveUp closes the connection. The first reason is kept.
func (w *wire) giveUp(why error) {
	w.mu.Lock()
	if w.why == nil {
		w.why = why
	}
	w.mu.Unlock()
	w.gaveUp.Store(true)
	// The raw connection: closing TLS would wait to say goodbye.
	_ = w.raw.Close()
}

// cause replaces the error of a read or write by the reason why we gave up, where we did.
func (w *wire) cause(err error) error {
	if err == nil || !w.gaveUp.Load() {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Errorf("connection given up: %w", w.why)
}

// blameless reports whether it was given up for a reason that is not the relay's.
func (w *wire) blameless() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Is(w.why, errForsaken) || errors.Is(w.why, errPoolEnded)
}

// hangUp closes the connection and puts the watchdog away.
func (w *wire) hangUp() {
	w.dog.Stop()
	_ = w.raw.Close()
}

// bounded is the wire as go-smtp's client gets it: its reader collects a reply
// of any length, so no more than 64 KiB may come for one thing we write.
type bounded struct{ *wire }

const replyBudget = 64 << 10

func (b bounded) Read(p []byte) (int, error) {
	if b.budget <= 0 {
		return 0, errTalksOn
	}
	n, err := b.Conn.Read(p[:min(len(p), b.budget)])
	b.budget -= n
	return n, err
}

func (b bounded) Write(p []byte) (int, error) {
	b.budget = replyBudget
	return b.Conn.Write(p)
}

// welcomed yields a made-up greeting before what the peer sends. go-smtp's
// client wants to read a greeting before EHLO, but the true one came before
// STARTTLS, which the client cannot do without taking the connection for itself.
type welcomed struct {
	net.Conn
	greeting []byte
}

func (c *welcomed) Read(p []byte) (int, error) {
	if len(c.greeting) > 0 {
		n := copy(p, c.greeting)
		c.greeting = c.greeting[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}
