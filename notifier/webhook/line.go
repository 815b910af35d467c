package webhook

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// What one post may make us read, in bytes: 64 kB at the very most. Headers and
// body are counted as they are, the other two as they come over the wire, with
// all that TLS adds.
const (
	handshakeBytes = 24 << 10
	exchangeBytes  = 36 << 10
	staleBytes     = 4 << 10 // of a connection that turned out to be dead
	headBytes      = 16 << 10
	bodyBytes      = 8 << 10
	bufferBytes    = 4 << 10
)

// interimsMost is how many interim answers (1xx) may come before the final one.
const interimsMost = 5

// limited reads so many bytes from r and no more.
type limited struct {
	r    io.Reader
	left int
	over error
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, l.over
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// metered is a connection of which only so much is read.
type metered struct {
	net.Conn
	in limited
}

func (m *metered) Read(p []byte) (int, error) { return m.in.Read(p) }

// line is a connection to an endpoint. One goroutine at a time uses it.
//
// http.Transport is not used: it makes connections behind the back of who asked
// for one, repeats requests and says nothing of the moment at which the first
// byte leaves, which is when a Flight has to be asked.
type line struct {
	raw  *metered
	conn net.Conn // raw, or TLS over it
	text limited  // what the peer says
	in   *bufio.Reader
	out  *bufio.Writer
	old  bool // was idle at the last sweep
	kept [2 * answerKept]byte
}

func newLine(conn net.Conn) *line {
	l := &line{raw: &metered{Conn: conn, in: limited{r: conn, left: handshakeBytes, over: errTooMuch}}}
	l.speak(l.raw)
	return l
}

// speak makes conn what is written to and read from.
func (l *line) speak(conn net.Conn) {
	l.conn = conn
	l.text = limited{r: conn, over: errTooMuch}
	l.in, l.out = bufio.NewReaderSize(&l.text, bufferBytes), bufio.NewWriterSize(conn, bufferBytes)
}

// hangUp closes the connection under TLS: a goodbye could wait for a peer that does not read.
func (l *line) hangUp() { l.raw.Close() }

// stale reports whether a line that was idle had been closed by its peer before
// the request came there, or held a rest of the answer before: it said next to
// nothing, or nothing that makes sense, and no clock ran out.
func (l *line) stale(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (errors.Is(err, errNoWord) || errors.Is(err, errNoHTTP)) && exchangeBytes-l.raw.in.left <= staleBytes
}

// hooks are called in the middle of an exchange.
type hooks struct {
	begin func() error               // right before the first byte
	taken func(*http.Response) error // at a 2xx, before anything else is read
}

// hookError is what a hook answered. Nothing was sent where it was begin's.
type hookError struct {
	err   error
	begun bool
}

func (e *hookError) Error() string { return e.err.Error() }

// answer is what a peer said.
type answer struct {
	status int
	line   string // such as "404 Not Found"; as it came
	header http.Header
	body   []byte // its beginning, valid until the next exchange
	whole  bool   // and the line can be used again
}

// exchange writes req and reads the answer, as long as ctx lasts; what follows
// its headers gets the time of linger. After an error, which is a *hookError
// or the connection's, the line is of no use, except where begin refused.
func (l *line) exchange(ctx context.Context, req *http.Request, h hooks, linger time.Duration) (*answer, error) {
	l.raw.in.left = exchangeBytes
	_ = l.conn.SetDeadline(time.Time{})
	stop := context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := h.begin(); err != nil {
		return nil, &hookError{err: err}
	}
	err := req.Write(l.out)
	if err == nil {
		err = l.out.Flush()
	}
	if err != nil {
		return nil, broken(err)
	}
	resp, err := l.head(req) //nolint:bodyclose // it is the line's: read as far as body goes, and closed with the line
	if err != nil {
		return nil, err
	}
	a := &answer{status: resp.StatusCode, line: resp.Status, header: resp.Header}
	if a.status/100 == 2 {
		if err := h.taken(resp); err != nil {
			return nil, &hookError{err: err, begun: true}
		}
	}
	if a.status == http.StatusSwitchingProtocols {
		return a, nil // nobody asked for it; what follows is no answer
	}
	_ = l.conn.SetReadDeadline(time.Now().Add(linger))
	all := l.body(resp.Body, a)
	a.whole = all && !resp.Close && l.in.Buffered() == 0 && stop()
	return a, nil
}

// head reads the final answer's headers.
func (l *line) head(req *http.Request) (*http.Response, error) {
	l.text.left, l.text.over = headBytes, errLongHead
	if _, err := l.in.Peek(1); err != nil {
		return nil, broken(err)
	}
	for range interimsMost + 1 {
		resp, err := http.ReadResponse(l.in, req)
		switch {
		case err == nil && resp.StatusCode < 100:
			return nil, errNoHTTP
		case err == nil:
		case errors.Is(err, errLongHead), errors.Is(err, errTooMuch), late(err):
			return nil, err
		case l.text.left <= 0:
			return nil, errLongHead // the parser had words of its own for it
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return nil, broken(err)
		default:
			return nil, errors.Join(errNoHTTP, err)
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, errInterims
}

// body reads what is kept of the body and a little more, so that the
// connection can be used again after most answers. It reports whether that was all of it.
func (l *line) body(r io.ReadCloser, a *answer) (all bool) {
	l.text.left, l.text.over = bodyBytes, errTooMuch
	n := 0
	for read := 0; read < bodyBytes; {
		space := l.kept[n:answerKept]
		if len(space) == 0 {
			space = l.kept[answerKept:]
		}
		m, err := r.Read(space)
		read += m
		n = min(n+m, answerKept)
		if err != nil {
			all = err == io.EOF
			break
		}
	}
	a.body = l.kept[:n]
	return all
}
