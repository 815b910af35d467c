package mailbox

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"sync"

	"github.com/emersion/go-smtp"
)

// session is one client's conversation, as go-smtp hands it over.
type session struct {
	box  *Mailbox
	mu   sync.Mutex
	mail Mail
}

// Reset forgets the mail that was begun.
func (s *session) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail = Mail{}
}

// Logout ends the conversation; nothing is left to do.
func (s *session) Logout() error { return nil }

// Mail notes the envelope sender.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail.From = from
	return nil
}

// Rcpt takes every recipient.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail.To = append(s.mail.To, to)
	return nil
}

var (
	errBareBreak = &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "A line does not end in CRLF"}
	errTooLong   = &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "Mail is too long"}
	errLongLine  = &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "A line is longer than 2,000 bytes"}
	errTransfer  = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "Mail could not be read"}
)

// Data takes the content. What a real server might read as two mails is refused,
// so that a fault of ours shows here first. go-smtp calls it on a goroutine of
// its own for BDAT.
func (s *session) Data(r io.Reader) error {
	s.box.store.begin()
	defer s.box.store.end()
	s.mu.Lock()
	m := s.mail
	s.mu.Unlock()
	buf := s.box.buffers.Get().(*bytes.Buffer)
	defer s.box.buffers.Put(buf)
	buf.Reset()
	_, err := buf.ReadFrom(r)
	var refused *smtp.SMTPError
	switch {
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, smtp.ErrTooLongLine):
		return errLongLine
	case err != nil:
		return errTransfer
	case int64(buf.Len()) > s.box.o.MaxMailBytes:
		return errTooLong
	case bareBreaks(buf.Bytes()):
		return errBareBreak
	}
	m.Data, m.At = bytes.Clone(buf.Bytes()), s.box.o.Now()
	s.box.store.add(m)
	return nil
}

// bareBreaks reports whether a CR or LF stands alone.
func bareBreaks(data []byte) bool {
	breaks := bytes.Count(data, []byte("\r\n"))
	return bytes.Count(data, []byte{'\r'}) != breaks || bytes.Count(data, []byte{'\n'}) != breaks
}

// gate is a listener that lets a limited number in at a time and knows whom.
type gate struct {
	net.Listener
	max int

	shut sync.Once
	err  error // of closing

	mu   sync.Mutex
	open map[*guest]struct{}
}

type guest struct {
	net.Conn
	gate *gate
}

func newGate(l net.Listener, limit int) *gate {
	return &gate{Listener: l, max: limit, open: map[*guest]struct{}{}}
}

// Close stops accepting; go-smtp closes a second time.
func (g *gate) Close() error {
	g.shut.Do(func() { g.err = g.Listener.Close() })
	return g.err
}

// Accept turns away with 421 who comes when all places are taken.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		in := &guest{Conn: c, gate: g}
		g.mu.Lock()
		full := len(g.open) >= g.max
		if !full {
			g.open[in] = struct{}{}
		}
		g.mu.Unlock()
		if !full {
			return in, nil
		}
		_, _ = io.WriteString(c, "421 4.7.0 Too many connections\r\n")
		_ = c.Close()
	}
}

func (c *guest) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.open, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// hangUp hears no more from anyone. go-smtp sends the answer that it owes, finds
// the end of what it reads, and closes; closing here could cut that answer off.
func (g *gate) hangUp() {
	for _, c := range g.guests() {
		if half, ok := c.Conn.(interface{ CloseRead() error }); ok {
			_ = half.CloseRead()
		}
	}
}

func (g *gate) closeAll() {
	for _, c := range g.guests() {
		_ = c.Close()
	}
}

func (g *gate) guests() []*guest {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Collect(maps.Keys(g.open))
}
