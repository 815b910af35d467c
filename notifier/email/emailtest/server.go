package emailtest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// patience is how long a test waits for what should come at once.
const patience = time.Minute

// Options says how a Server behaves. The zero value takes everything, without TLS or AUTH.
type Options struct {
	// TLS: offer STARTTLS, with a certificate for 127.0.0.1 and localhost that Server.Roots vouches for.
	TLS bool
	// Implicit: TLS from the first byte.
	Implicit bool
	// CertificateFor names other hosts, for a certificate that does not fit.
	CertificateFor []string
	// User and Password are what AUTH wants; empty: no AUTH is offered.
	User, Password string
	// Mechanisms are offered for AUTH: PLAIN and LOGIN.
	Mechanisms []string
	// Forget what was said: Message.Data and Raw stay empty, so that what is
	// measured beside the server is not how it keeps a hundred thousand mails.
	Forget bool

	// The hooks are called in the connection's goroutine, so they may also
	// block. A *smtp.SMTPError is answered as it is. Nil hooks agree.
	OnConnect func(n int) error // EHLO on the n-th connection, from 1
	OnMail    func(from string) error
	OnRcpt    func(from, to string) error
	OnData    func(m Message) error // an error keeps the message from being recorded
}

// Message is a mail the server took.
type Message struct {
	Connection int // counted from 1
	From       string
	To         []string
	Data       []byte // as sent, dots unstuffed
	TLS        bool
	User       string // who was authenticated
}

// Server records every mail it takes. It ends with the test.
type Server struct {
	Addr  string         // host:port
	Roots *x509.CertPool // vouches for its certificate

	t        testing.TB
	o        Options
	smtp     *smtp.Server
	listener net.Listener

	mu       sync.Mutex
	cond     *sync.Cond
	messages []Message
	raw      []*recorded
}

// NewServer starts a server on a free port of 127.0.0.1.
func NewServer(t testing.TB, o Options) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	return newServer(t, o, l)
}

// NewServerAt starts a server on an address that was in use before: a relay that comes back.
func NewServerAt(t testing.TB, o Options, addr string) *Server {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	return newServer(t, o, l)
}

func newServer(t testing.TB, o Options, l net.Listener) *Server {
	t.Helper()
	s := &Server{t: t, o: o, listener: l, Addr: l.Addr().String()}
	s.cond = sync.NewCond(&s.mu)
	if len(s.o.Mechanisms) == 0 {
		s.o.Mechanisms = []string{sasl.Plain, sasl.Login}
	}
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.newSession))
	s.smtp.Domain = "relay.test"
	s.smtp.MaxMessageBytes = 64 << 20
	s.smtp.ReadTimeout, s.smtp.WriteTimeout = time.Minute, time.Minute
	s.smtp.ErrorLog = log.New(io.Discard, "", 0)
	if o.TLS || o.Implicit {
		hosts := o.CertificateFor
		if len(hosts) == 0 {
			hosts = []string{"127.0.0.1", "localhost"}
		}
		cert, roots := certificate(t, hosts...)
		s.Roots = roots
		s.smtp.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	}
	var served net.Listener = recording{Listener: l, s: s}
	if o.Implicit {
		served = tls.NewListener(served, s.smtp.TLSConfig)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.smtp.Serve(served)
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return s
}

// Close stops the server and every connection, as a crash would.
func (s *Server) Close() {
	_ = s.smtp.Close()
	_ = s.listener.Close() // go-smtp closes only what its Serve has seen already
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.raw {
		_ = c.Close()
	}
}

// URL is the relay as ParseRelays reads it, with the login where there is one.
// options are appended as they are ("tls=off&rate=5").
func (s *Server) URL(options string) string {
	u := url.URL{Scheme: "smtp", Host: s.Addr, RawQuery: options}
	if s.o.Implicit {
		u.Scheme = "smtps"
	}
	if s.o.User != "" {
		u.User = url.UserPassword(s.o.User, s.o.Password)
	}
	return strings.ReplaceAll(u.String(), ",", "%2C") // which a URL may hold as it is, a list of them not
}

// TLSConfig trusts the server.
func (s *Server) TLSConfig() *tls.Config {
	return &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12}
}

// Messages are the mails taken so far.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Connections is how many were made.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.raw)
}

// WaitFor waits until n mails were taken, and returns all of them.
func (s *Server) WaitFor(n int) []Message {
	s.t.Helper()
	late := time.AfterFunc(patience, s.cond.Broadcast)
	defer late.Stop()
	deadline := time.Now().Add(patience)
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.messages) < n {
		if !time.Now().Before(deadline) {
			s.t.Fatalf("%d mails arrived within %s; want %d", len(s.messages), patience, n)
		}
		s.cond.Wait()
	}
	return slices.Clone(s.messages)
}

// Raw is what each connection sent, byte for byte (of TLS, what TLS makes of it).
func (s *Server) Raw() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([][]byte, len(s.raw))
	for i, c := range s.raw {
		out[i] = c.bytes()
	}
	return out
}

// CheckLines fails the test where a connection sent a CR without its LF or an LF
// without its CR, by which a message can be smuggled into another.
func (s *Server) CheckLines() {
	s.t.Helper()
	for i, b := range s.Raw() {
		if at := BareLineEnd(b); at >= 0 {
			s.t.Errorf("connection %d sent a bare CR or LF at byte %d: %q", i+1, at, b[max(0, at-20):min(len(b), at+20)])
		}
	}
}

// BareLineEnd is the place of the first CR or LF without its other half; -1 for none.
func BareLineEnd(b []byte) int {
	for i, c := range b {
		if c == '\n' && (i == 0 || b[i-1] != '\r') || c == '\r' && (i+1 == len(b) || b[i+1] != '\n') {
			return i
		}
	}
	return -1
}

func (s *Server) newSession(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	n := 1 + slices.IndexFunc(s.raw, func(r *recorded) bool { return r.RemoteAddr().String() == c.Conn().RemoteAddr().String() })
	s.mu.Unlock()
	if s.o.OnConnect != nil {
		if err := s.o.OnConnect(n); err != nil {
			return nil, err
		}
	}
	_, secure := c.TLSConnectionState()
	return &session{s: s, m: Message{Connection: n, TLS: secure}}, nil
}

type session struct {
	s *Server
	m Message
}

var _ smtp.AuthSession = (*session)(nil)

func (x *session) AuthMechanisms() []string {
	if x.s.o.User == "" {
		return nil
	}
	return x.s.o.Mechanisms
}

func (x *session) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != x.s.o.User || password != x.s.o.Password {
			return smtp.ErrAuthFailed
		}
		x.m.User = user
		return nil
	}
	if mech == sasl.Login {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

func (x *session) Mail(from string, _ *smtp.MailOptions) error {
	if x.s.o.User != "" && x.m.User == "" {
		return smtp.ErrAuthRequired
	}
	x.m.From, x.m.To = from, nil
	if x.s.o.OnMail != nil {
		return x.s.o.OnMail(from)
	}
	return nil
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if x.s.o.OnRcpt != nil {
		if err := x.s.o.OnRcpt(x.m.From, to); err != nil {
			return err
		}
	}
	x.m.To = append(x.m.To, to)
	return nil
}

func (x *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m := x.m
	if m.To = slices.Clone(x.m.To); !x.s.o.Forget {
		m.Data = data
	}
	if x.s.o.OnData != nil {
		if err := x.s.o.OnData(m); err != nil {
			return err
		}
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.messages = append(x.s.messages, m)
	x.s.cond.Broadcast()
	return nil
}

func (x *session) Reset() { x.m.From, x.m.To = "", nil }

func (x *session) Logout() error { return nil }

// loginServer is AUTH LOGIN, for which go-sasl has a client only.
type loginServer struct {
	check func(user, password string) error
	user  string
	asked int
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.asked++
	switch {
	case response == nil && l.asked == 1:
		l.asked--
		return []byte("Username:"), false, nil
	case l.asked == 1:
		l.user = string(response)
		return []byte("Password:"), false, nil
	case l.asked == 2:
		return nil, true, l.check(l.user, string(response))
	}
	return nil, false, errors.New("AUTH LOGIN goes on too long")
}

// recording keeps what each connection sends.
type recording struct {
	net.Listener
	s *Server
}

func (l recording) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	r := &recorded{Conn: c, forget: l.s.o.Forget}
	l.s.mu.Lock()
	l.s.raw = append(l.s.raw, r)
	l.s.mu.Unlock()
	return r, nil
}

type recorded struct {
	net.Conn
	forget bool
	mu     sync.Mutex
	got    bytes.Buffer
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	if !r.forget {
		r.mu.Lock()
		r.got.Write(p[:n])
		r.mu.Unlock()
	}
	return n, err
}

func (r *recorded) bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.got.Bytes())
}
