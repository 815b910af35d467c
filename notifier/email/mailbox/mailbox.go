// Package mailbox is the built-in catcher: an SMTP server on loopback that
// keeps the last mails in memory, and a page to read them.
package mailbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// Options says how much is kept and where. The zero value of each field has a default.
type Options struct {
	// Listen is the address of the SMTP server. "": 127.0.0.1 and a free port.
	Listen string
	// MaxMails and MaxBytes bound what is kept; the oldest go first. 0: 10,000 mails, 256 MB.
	MaxMails int
	MaxBytes int64
	// MaxMailBytes is the largest mail that is taken. 0: 10 MB.
	MaxMailBytes int64
	// MaxConnections is how many clients may be connected at once. 0: 200.
	MaxConnections int
	// Now is the clock of the time of acceptance; mandatory.
	Now func() time.Time
	// LookupTXT finds the public keys of DKIM signatures, one string per
	// record. Nil: signatures are shown, but not checked.
	LookupTXT func(name string) ([]string, error)
	// Path is where the page is mounted, without a slash at its end. "": /mailbox.
	Path string
	// Log gets what goes wrong, without addresses. Nil: nothing is logged.
	Log *slog.Logger
}

// Mailbox takes every mail for everybody and delivers none of them anywhere.
type Mailbox struct {
	o      Options
	store  *store
	pages  http.Handler
	server *smtp.Server
	gate   *gate
	served chan struct{} // closed when the server accepts no more

	buffers sync.Pool // *bytes.Buffer
}

// The time a client may stay silent between commands, and take for one mail.
const patience = 10 * time.Minute

// New starts the server. An address that is taken, or not on loopback, is an error:
// what is caught here is other people's mail.
func New(o Options) (*Mailbox, error) {
	if o.Now == nil {
		return nil, errors.New("mailbox needs a clock")
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.MaxMails <= 0 {
		o.MaxMails = 10_000
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.MaxMailBytes <= 0 {
		o.MaxMailBytes = 10 << 20
	}
	if o.MaxConnections <= 0 {
		o.MaxConnections = 200
	}
	if o.Path == "" {
		o.Path = "/mailbox"
	}
	o.Path = strings.TrimSuffix(o.Path, "/")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	addr, err := net.ResolveTCPAddr("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for the mailbox: %w", err)
	}
	if !addr.IP.IsLoopback() {
		return nil, fmt.Errorf("listen for the mailbox: %s is not on loopback", o.Listen)
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the mailbox: %w", err)
	}
	b := &Mailbox{o: o, store: newStore(o.MaxMails, o.MaxBytes), gate: newGate(l, o.MaxConnections), served: make(chan struct{})}
	b.buffers.New = func() any { return new(bytes.Buffer) }
	b.pages, err = newPages(b)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	b.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{box: b}, nil }))
	b.server.Domain = "mailbox.localhost"
	b.server.MaxRecipients = 100
	// go-smtp refuses what is exactly as long as its limit.
	b.server.MaxMessageBytes = o.MaxMailBytes + 1
	b.server.ReadTimeout, b.server.WriteTimeout = patience, time.Minute
	b.server.ErrorLog = slog.NewLogLogger(o.Log.With("event", "mailbox").Handler(), slog.LevelWarn)
	go func() {
		defer close(b.served)
		// It ends when the gate closes; that error says no more.
		_ = b.server.Serve(b.gate)
	}()
	return b, nil
}

// Addr is where the server listens, host:port.
func (b *Mailbox) Addr() string { return b.gate.Addr().String() }

// Shutdown stops accepting, lets the mail that is just being transferred on a
// connection end until ctx does, answers it, and closes every connection. go-smtp
// alone would wait for idle clients.
func (b *Mailbox) Shutdown(ctx context.Context) error {
	_ = b.gate.Close()
	<-b.served
	quiet := b.store.whenQuiet()
	select {
	case <-quiet:
	case <-ctx.Done():
	}
	b.gate.hangUp()
	defer b.gate.closeAll() // who does not read our last answer
	if err := b.server.Shutdown(ctx); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
		return fmt.Errorf("shut the mailbox down: %w", err)
	}
	return nil
}

// ServeHTTP shows the mails below Options.Path. Who may see it is the caller's
// to decide.
func (b *Mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.pages.ServeHTTP(w, r) }

// Count is how many mails were taken since the start, kept or not.
func (b *Mailbox) Count() int64 { return b.store.count() }

// Wait returns when n mails were taken since the start, or with ctx's error.
func (b *Mailbox) Wait(ctx context.Context, n int64) error {
	for {
		grown, have := b.store.grown()
		if have >= n {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return fmt.Errorf("wait for mail %d (%d came): %w", n, have, ctx.Err())
		}
	}
}

// Walk calls visit with every mail that is kept, oldest first, and ends at its
// first error, which it returns. Mails that come meanwhile are left out.
func (b *Mailbox) Walk(visit func(Mail) error) error {
	for _, m := range b.store.snapshot() {
		if err := visit(*m); err != nil {
			return err
		}
	}
	return nil
}

// Verify checks the signatures of a mail with Options.LookupTXT. Nil where
// there is none or the mail is unsigned.
func (b *Mailbox) Verify(m Mail) []Signature {
	if b.o.LookupTXT == nil {
		return nil
	}
	return Verify(m.Data, b.o.LookupTXT)
}
