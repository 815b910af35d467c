package emailtest

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What an Answer may say instead of a reply.
const (
	// Hang: answer nothing, and keep the connection open until the client ends it.
	Hang = "\x00hang"
	// Drop: close the connection without an answer, or with half of one that stands before it.
	Drop = "\x00drop"
	// Endless: a reply whose lines do not end until the client does.
	Endless = "\x00endless"
)

// Commands an Answer is asked about beside those that clients send.
const (
	Connected = "CONNECT" // the greeting
	Dot       = "."       // the end of a message
)

// Answer is asked for the reply to each command of the n-th connection (from
// 1): its bytes as they go out, CRLF added where it is missing. "" is the reply
// of a relay that is well. It runs in the connection's goroutine and may block.
type Answer func(n int, command string) string

// RawOptions says how a Raw server behaves.
type RawOptions struct {
	NoPipelining bool          // PIPELINING is not announced
	Extensions   []string      // announced beside PIPELINING
	Latency      time.Duration // before each write, as a line that is long
	Answer       Answer        // nil: all is well
}

// Raw is an SMTP server that does as it is told, and counts round trips: it
// answers as late as it can, when nothing more of the client's is there.
type Raw struct {
	Addr string
	t    testing.TB
	o    RawOptions
	l    net.Listener
	wg   sync.WaitGroup

	mu          sync.Mutex
	cond        *sync.Cond
	conns       []net.Conn
	messages    []Message
	flushes     int
	commands    []string
	connections int
	got         []byte
}

// NewRaw starts a server on a free port of 127.0.0.1. It ends with the test.
func NewRaw(t testing.TB, o RawOptions) *Raw {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	r := &Raw{Addr: l.Addr().String(), t: t, o: o, l: l}
	r.cond = sync.NewCond(&r.mu)
	r.wg.Add(1)
	go r.accept()
	t.Cleanup(r.Close)
	return r
}

// URL is the server as ParseRelays reads it; options are appended as they are.
func (r *Raw) URL(options string) string {
	if options != "" {
		options = "&" + options
	}
	return "smtp://" + r.Addr + "?tls=off" + options
}

// Close ends the server and all its connections. It does not wait for an Answer
// that blocks, so that a test that fails can end.
func (r *Raw) Close() {
	_ = r.l.Close()
	r.mu.Lock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// Messages are the mails that came to their end, whatever that was answered with.
func (r *Raw) Messages() []Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

// RoundTrips is how often the server had answered everything and waited for the client.
func (r *Raw) RoundTrips() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flushes
}

// Connections is how many were made.
func (r *Raw) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connections
}

// Commands are all command lines so far, over all connections; content is not among them.
func (r *Raw) Commands() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.commands)
}

// Bytes is everything clients sent, connection by connection as it came.
func (r *Raw) Bytes() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Clone(r.got)
}

// WaitCommand waits until n commands that begin with prefix have come.
func (r *Raw) WaitCommand(prefix string, n int) {
	r.t.Helper()
	r.await("commands "+prefix, n, func() int {
		seen := 0
		for _, c := range r.commands {
			if strings.HasPrefix(c, prefix) {
				seen++
			}
		}
		return seen
	})
}

// WaitConnections waits until n connections were made.
func (r *Raw) WaitConnections(n int) {
	r.t.Helper()
	r.await("connections", n, func() int { return r.connections })
}

func (r *Raw) await(what string, n int, count func() int) {
	r.t.Helper()
	late := time.AfterFunc(patience, r.cond.Broadcast)
	defer late.Stop()
	deadline := time.Now().Add(patience)
	r.mu.Lock()
	defer r.mu.Unlock()
	for count() < n {
		if !time.Now().Before(deadline) {
			r.t.Fatalf("%d %s within %s; want %d", count(), what, patience, n)
		}
		r.cond.Wait()
	}
}

func (r *Raw) accept() {
	defer r.wg.Done()
	for {
		c, err := r.l.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.connections++
		n := r.connections
		r.conns = append(r.conns, c)
		r.cond.Broadcast()
		r.mu.Unlock()
		go func() {
			defer func() { _ = c.Close() }()
			(&rawConn{r: r, n: n, Conn: c, in: bufio.NewReaderSize(c, 64<<10), out: bufio.NewWriter(c)}).serve()
		}()
	}
}

// rawConn is one conversation.
type rawConn struct {
	net.Conn
	r   *Raw
	n   int
	in  *bufio.Reader
	out *bufio.Writer
	m   Message
}

func (c *rawConn) serve() {
	if !c.answer(Connected) {
		return
	}
	for {
		line, err := c.line()
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		c.r.mu.Lock()
		c.r.commands = append(c.r.commands, line)
		c.r.cond.Broadcast()
		c.r.mu.Unlock()
		if !c.answer(line) {
			return
		}
	}
}

// line reads a line; what was answered goes out before it would wait.
func (c *rawConn) line() (string, error) {
	if c.in.Buffered() == 0 && c.out.Buffered() > 0 {
		if !c.flush() {
			return "", io.ErrClosedPipe
		}
	}
	line, err := c.in.ReadString('\n')
	c.r.mu.Lock()
	c.r.got = append(c.r.got, line...)
	c.r.mu.Unlock()
	return line, err
}

func (c *rawConn) flush() bool {
	if c.r.o.Latency > 0 {
		<-time.After(c.r.o.Latency)
	}
	c.r.mu.Lock()
	c.r.flushes++
	c.r.mu.Unlock()
	return c.out.Flush() == nil
}

// answer replies to one command; false ends the conversation.
func (c *rawConn) answer(command string) bool {
	reply := ""
	if c.r.o.Answer != nil {
		c.r.order()
		reply = c.r.o.Answer(c.n, command)
		c.r.order()
	}
	switch reply {
	case Hang:
		_ = c.out.Flush()
		_, _ = io.Copy(io.Discard, c.in)
		return false
	case Endless:
		for {
			if _, err := c.out.WriteString("250-and another thing\r\n"); err != nil {
				return false
			}
		}
	case "":
		reply = c.usual(command)
	}
	if half, ok := strings.CutSuffix(reply, Drop); ok {
		_, _ = c.out.WriteString(half)
		_ = c.out.Flush()
		return false
	}
	if !strings.HasSuffix(reply, "\n") {
		reply += "\r\n"
	}
	_, _ = c.out.WriteString(reply)
	verb := strings.ToUpper(strings.SplitN(command, " ", 2)[0])
	switch {
	case strings.HasPrefix(reply, "421"), verb == "QUIT":
		c.flush()
		return false
	case verb == "MAIL":
		c.m = Message{Connection: c.n, From: between(command)}
	case verb == "RCPT" && strings.HasPrefix(reply, "25"):
		c.m.To = append(c.m.To, between(command))
	case verb == "DATA" && strings.HasPrefix(reply, "354"):
		return c.content()
	}
	return true
}

// order lets an Answer use variables of its own without a lock, as long as its
// calls do not overlap.
func (r *Raw) order() {
	r.mu.Lock()
	defer r.mu.Unlock()
}

func (c *rawConn) usual(command string) string {
	switch verb := strings.ToUpper(strings.SplitN(command, " ", 2)[0]); verb {
	case Connected:
		return "220 raw.test ESMTP"
	case "EHLO":
		lines := []string{"raw.test"}
		if !c.r.o.NoPipelining {
			lines = append(lines, "PIPELINING")
		}
		lines = append(lines, c.r.o.Extensions...)
		lines = append(lines, "ENHANCEDSTATUSCODES")
		return "250-" + strings.Join(lines[:len(lines)-1], "\r\n250-") + "\r\n250 " + lines[len(lines)-1]
	case "DATA":
		if len(c.m.To) == 0 {
			return "554 5.5.1 no valid recipients"
		}
		return "354 go ahead"
	case "QUIT":
		return "221 2.0.0 bye"
	case Dot:
		return "250 2.0.0 Ok: queued as 4F3A2B1C"
	}
	return "250 2.1.0 Ok"
}

// content reads a message to its dot and answers that.
func (c *rawConn) content() bool {
	var data []byte
	for {
		line, err := c.line()
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		data = append(data, strings.TrimPrefix(line, ".")...)
	}
	m := c.m
	m.Data = data
	c.m = Message{}
	c.r.mu.Lock()
	c.r.messages = append(c.r.messages, m)
	c.r.cond.Broadcast()
	c.r.mu.Unlock()
	return c.answer(Dot)
}

func between(command string) string {
	_, rest, _ := strings.Cut(command, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}
