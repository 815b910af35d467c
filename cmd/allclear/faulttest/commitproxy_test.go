package faulttest

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// commitProxy stands between a process and PostgreSQL, reads what is asked
// (protocol 3.0: a type, a length, a body) and counts the messages at whose end
// something is written for good: COMMIT, and a Sync behind a statement that
// writes. At the one it is armed for it kills the process.
type commitProxy struct {
	dsn    string
	server string

	mu    sync.Mutex
	left  int // commits until it strikes; 0: not armed
	after bool
	prey  *process
	lost  chan struct{} // closed when the answer to a claim's COMMIT was lost; nil: none is to be
}

// newCommitProxy starts one on a free port of 127.0.0.1; dsn leads through it.
func newCommitProxy(t *testing.T, dsn string) *commitProxy {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	x := &commitProxy{server: u.Host}
	u.Host = l.Addr().String()
	x.dsn = u.String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go x.serve(c)
		}
	}()
	return x
}

// arm kills p at the n-th commit from now: before it is passed on, or when the
// server has answered and the process has not heard.
func (x *commitProxy) arm(n int, after bool, p *process) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.left, x.after, x.prey = n, after, p
}

// loseClaim cuts the connection over which the next claim is made, when it is
// committed and the process has not heard. The channel is closed then.
func (x *commitProxy) loseClaim() (lost <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.lost = make(chan struct{})
	return x.lost
}

// claimed takes the task of loseClaim; nil where there is none.
func (x *commitProxy) claimed() (lost chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	lost, x.lost = x.lost, nil
	return lost
}

// strikes counts one commit.
func (x *commitProxy) strikes() (now, after bool, prey *process) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.left == 0 {
		return false, false, nil
	}
	x.left--
	return x.left == 0, x.after, x.prey
}

var (
	writes  = regexp.MustCompile(`(?i)\b(insert|update|delete)\b`)
	commits = regexp.MustCompile(`(?i)^\s*commit\b`)
	claims  = regexp.MustCompile(`^UPDATE deliveries SET state = 'sending', worker =`)
)

func (x *commitProxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", x.server)
	if err != nil {
		return
	}
	defer server.Close()
	answers := &valve{to: client}
	go func() {
		_, _ = io.Copy(answers, server)
		_ = client.Close()
	}()
	statements := map[string]bool{} // by name, whether it writes
	claiming := map[string]bool{}   // by name, whether it claims
	bound, claim := false, false
	for first := true; ; first = false {
		kind, message, err := frontend(client, first)
		if err != nil {
			return
		}
		at := false
		switch kind {
		case 'P':
			name, rest, _ := bytes.Cut(message[5:], []byte{0})
			statements[string(name)], claiming[string(name)] = writes.Match(rest), claims.Match(rest)
		case 'B':
			_, rest, _ := bytes.Cut(message[5:], []byte{0})
			name, _, _ := bytes.Cut(rest, []byte{0})
			bound, claim = bound || statements[string(name)], claim || claiming[string(name)]
		case 'Q':
			at = commits.Match(message[5:]) || writes.Match(message[5:])
		case 'S':
			at, bound = bound, false
		}
		var lost chan struct{}
		if kind == 'Q' && claim {
			if claim = false; commits.Match(message[5:]) {
				lost = x.claimed()
			}
		}
		var now, after bool
		var prey *process
		if at {
			now, after, prey = x.strikes()
		}
		if now && !after {
			prey.kill()
			return
		}
		var answered <-chan struct{}
		if now || lost != nil {
			answered = answers.shut()
		}
		if _, err := server.Write(message); err != nil {
			return
		}
		if lost != nil {
			<-answered
			close(lost)
			return
		}
		if now {
			<-answered // ReadyForQuery: it is committed, and only we know
			prey.kill()
			return
		}
	}
}

// frontend reads one message; the first has no type.
func frontend(from io.Reader, first bool) (kind byte, message []byte, err error) {
	head := make([]byte, 5)
	if first {
		head = head[:4]
	}
	if _, err := io.ReadFull(from, head); err != nil {
		return 0, nil, err
	}
	if !first {
		kind = head[0]
	}
	size := int(binary.BigEndian.Uint32(head[len(head)-4:])) - 4
	body := make([]byte, max(size, 0))
	_, err = io.ReadFull(from, body)
	return kind, slices.Concat(head, body), err
}

// valve passes answers on until it is shut; then it waits for ReadyForQuery,
// the five bytes at the end of an answer, and swallows it.
type valve struct {
	to       net.Conn
	mu       sync.Mutex
	answered chan struct{}
	done     bool
}

func (v *valve) shut() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answered = make(chan struct{})
	return v.answered
}

func (v *valve) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.answered == nil {
		return v.to.Write(p)
	}
	if n := len(p); n >= 6 && !v.done && bytes.Equal(p[n-6:n-1], []byte{'Z', 0, 0, 0, 5}) {
		v.done = true
		close(v.answered)
	}
	return len(p), nil
}
