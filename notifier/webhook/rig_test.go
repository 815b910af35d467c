package webhook

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log" //nolint:depguard // net/http wants one
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"allclear/notifier"
	"allclear/notifier/notifiertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lacking ends a test that needs a part from outside: skipped where somebody
// tries things out, failed where nothing may be left out.
func lacking(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ALLCLEAR_TEST_STRICT") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// book is what the store is to the Sender.
type book struct {
	mu    sync.Mutex
	known map[int64]notifier.Endpoint
	asked int
	err   error
}

func (b *book) Endpoint(_ context.Context, reader int64) (notifier.Endpoint, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	if b.err != nil {
		return notifier.Endpoint{}, b.err
	}
	e, ok := b.known[reader]
	if !ok {
		return e, notifier.ErrNotFound
	}
	return e, nil
}

func (b *book) put(e notifier.Endpoint) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known == nil {
		b.known = map[int64]notifier.Endpoint{}
	}
	b.known[e.Reader] = e
}

// rig is a Sender and everything around it. Loopback is opened, unless guard says otherwise.
type rig struct {
	*Sender
	t     testing.TB
	book  *book
	clock *notifiertest.Clock
	wire  *wire
	late  chan struct{} // closed: the time of every post has run out
}

type setup struct {
	options Options
	guard   GuardOptions
	roots   *httptest.Server // whose certificate is trusted
}

func newRig(t testing.TB, with ...func(*setup)) *rig {
	t.Helper()
	r := &rig{t: t, book: &book{}, clock: notifiertest.NewClock(), wire: &wire{}, late: make(chan struct{})}
	s := setup{
		options: Options{Endpoints: r.book, Now: r.clock.Now, Version: "1.2.3", Link: "https://status.example.com/"},
		guard:   GuardOptions{Allow: prefixes("127.0.0.0/8"), Dial: r.wire.dial},
	}
	s.options.Within = func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			select {
			case <-r.late:
				cancel()
			case <-ctx.Done():
			}
		}()
		return ctx, func() { cancel(); <-ended }
	}
	for _, f := range with {
		f(&s)
	}
	if s.roots != nil {
		s.options.Roots = x509.NewCertPool()
		s.options.Roots.AddCert(s.roots.Certificate())
	}
	s.options.Guard = NewGuard(s.guard)
	r.Sender = New(s.options)
	t.Cleanup(r.Close)
	return r
}

func prefixes(list string) []netip.Prefix {
	ps, err := ParseAllow(list)
	if err != nil {
		panic(err)
	}
	return ps
}

// endpoint registers url for reader.
func (r *rig) endpoint(reader int64, url string, change ...func(*notifier.Endpoint)) {
	e := notifier.Endpoint{Reader: reader, URL: url, Format: notifier.FormatStandard, Concurrency: 1, Secrets: []notifier.Secret{secret(byte(reader))}}
	for _, f := range change {
		f(&e)
	}
	r.book.put(e)
}

func secret(seed byte) notifier.Secret {
	key := make([]byte, notifier.SecretSize)
	for i := range key {
		key[i] = seed + byte(i)*7
	}
	return notifier.MakeSecret(key)
}

const sampleBody = `{"type":"incident.created","timestamp":"2026-11-23T16:11:00Z","data":{"incident":{"title":"Füße & Ärger"}}}`

func message(event, reader int64) *notifier.Message {
	return &notifier.Message{
		Delivery: notifier.MakeDeliveryID(event, reader), Lane: notifier.LaneIncident, Channel: notifier.Webhook,
		Letter: &notifier.Letter{Type: notifier.IncidentCreated, Body: []byte(sampleBody)},
	}
}

// send sends event 7 to reader.
func (r *rig) send(reader int64) (notifier.Receipt, *flight, error) {
	f := &flight{}
	receipt, err := r.Send(context.Background(), message(7, reader), f)
	return receipt, f, err
}

// fails sends to reader and wants a *notifier.SendError.
func (r *rig) fails(reader int64) *notifier.SendError {
	r.t.Helper()
	_, f, err := r.send(reader)
	var se *notifier.SendError
	if !errors.As(err, &se) {
		r.t.Fatalf("sent, or not a *SendError: %v", err)
	}
	if f.taken != nil {
		r.t.Errorf("it failed, and was taken: %+v", f.taken)
	}
	return se
}

// flight writes down what the Sender told it.
type flight struct {
	begun  atomic.Int32
	taken  []notifier.Receipt
	refuse func() error // Begin's answer
	deny   error        // Taken's
	hook   func()       // called by Taken
}

func (f *flight) Begin() error {
	f.begun.Add(1)
	if f.refuse != nil {
		return f.refuse()
	}
	return nil
}

func (f *flight) Taken(r notifier.Receipt) error {
	f.taken = append(f.taken, r)
	if f.hook != nil {
		f.hook()
	}
	return f.deny
}

// wire dials for real, sends to where a test says, and counts what was read.
type wire struct {
	mu    sync.Mutex
	to    map[string]string // address asked for -> address called
	calls []string
	read  atomic.Int64
	open  atomic.Int64
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	w.calls = append(w.calls, address)
	if to, ok := w.to[address]; ok {
		address = to
	}
	w.mu.Unlock()
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.open.Add(1)
	return &counted{Conn: conn, wire: w}, nil
}

func (w *wire) called() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.calls...)
}

type counted struct {
	net.Conn
	wire *wire
	once sync.Once
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wire.read.Add(int64(n))
	return n, err
}

func (c *counted) Close() error {
	c.once.Do(func() { c.wire.open.Add(-1) })
	return c.Conn.Close()
}

// heardPost is one request as a server got it.
type heardPost struct {
	header http.Header
	body   []byte
	path   string
	proto  string
}

// sink takes posts and answers by script.
type sink struct {
	*httptest.Server
	mu    sync.Mutex
	posts []heardPost
	then  http.HandlerFunc
}

func newSink(t testing.TB, tls bool, then http.HandlerFunc) *sink {
	t.Helper()
	s := &sink{then: then}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.posts = append(s.posts, heardPost{r.Header.Clone(), body, r.URL.String(), r.Proto})
		s.mu.Unlock()
		if s.then != nil {
			s.then(w, r)
		}
	}))
	s.Config.ErrorLog = quiet()
	if tls {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func (s *sink) heard() []heardPost {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]heardPost(nil), s.posts...)
}

// answering makes a handler that answers with status and body.
func answering(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// raw is a server that does what script says with each connection.
func raw(t testing.TB, script func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			all.Go(func() {
				defer c.Close()
				script(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr().String()
}

// hearRequest reads a request on c.
func hearRequest(c net.Conn) *http.Request {
	return hear(newReader(c))
}

// instant is how long a test lets a Sender wait where the wait is not the point.
const instant = time.Millisecond

func quiet() *log.Logger { return slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) }

func newReader(c net.Conn) *bufio.Reader { return bufio.NewReader(c) }

// hear reads a whole request; nil where there is none.
func hear(in *bufio.Reader) *http.Request {
	req, err := http.ReadRequest(in)
	if err != nil {
		return nil
	}
	io.Copy(io.Discard, req.Body)
	return req
}
