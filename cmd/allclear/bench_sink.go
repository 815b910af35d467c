package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// sink is the relay of a bench: it takes every mail as fast as a server can. It
// looks at the first byte of a command, skips to the end of the content, and
// answers what came together together.
type sink struct {
	listener net.Listener
	conns    sync.WaitGroup
	taken    atomic.Int64
	bytes    atomic.Int64

	mu     sync.Mutex
	open   map[net.Conn]bool
	target int64 // 0: nobody waits
	there  chan struct{}
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed by close
	if err != nil {
		return nil, fmt.Errorf("listen for the bench's relay: %w", err)
	}
	s := &sink{listener: l, open: map[net.Conn]bool{}}
	s.conns.Go(s.accept)
	return s, nil
}

func (s *sink) url() string { return "smtp://" + s.listener.Addr().String() + "?tls=off" }

func (s *sink) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[c] = true
		s.mu.Unlock()
		s.conns.Go(func() {
			s.swallow(c)
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
			_ = c.Close()
		})
	}
}

func (s *sink) swallow(c net.Conn) {
	in, out := bufio.NewReaderSize(c, 64<<10), bufio.NewWriter(c)
	_, _ = out.WriteString("220 sink\r\n")
	content, size := false, 0
	for {
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch {
		case content && bytes.Equal(line, []byte(".\r\n")):
			content = false
			_, _ = out.WriteString("250 2.0.0 Ok: queued as 4F3A2B1C\r\n")
			s.bytes.Add(int64(size))
			s.took()
			size = 0
		case content:
			size += len(line)
		case line[0] == 'E':
			_, _ = out.WriteString("250-sink\r\n250-8BITMIME\r\n250 PIPELINING\r\n")
		case line[0] == 'D':
			content = true
			_, _ = out.WriteString("354 go\r\n")
		case line[0] == 'Q':
			_, _ = out.WriteString("221 2.0.0 Bye\r\n")
			_ = out.Flush()
			return
		default:
			_, _ = out.WriteString("250 2.1.0 Ok\r\n")
		}
	}
}

// took counts a mail, right before it is acknowledged.
func (s *sink) took() {
	n := s.taken.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.target > 0 && n >= s.target {
		s.target = 0
		close(s.there)
	}
}

// after is closed when n mails more than by now were taken. One waits at a time.
func (s *sink) after(n int64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target, s.there = s.taken.Load()+n, make(chan struct{})
	return s.there
}

func (s *sink) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.open {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.conns.Wait()
}
