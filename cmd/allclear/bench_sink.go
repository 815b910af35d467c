package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// sink is the relay of a bench: it takes every mail as fast as a server can. It
// looks at the first byte of a command, skips to the end of the content, and
// answers what came together together.
type sink struct {
	o        sinkOptions
	listener net.Listener
	conns    sync.WaitGroup
	taken    atomic.Int64
	bytes    atomic.Int64
	answers  atomic.Int64 // round trips: answers that left together count once
	wanted   atomic.Pointer[sighting]
	counted  atomic.Pointer[crowded]

	mu     sync.Mutex
	open   map[net.Conn]bool
	target int64 // 0: nobody waits
	there  chan struct{}
}

// sinkOptions make it a slower or an older relay.
type sinkOptions struct {
	delay time.Duration // how long an answer is on its way
	plain bool          // without PIPELINING
	posts bool          // an endpoint of webhooks, and no relay
}

// sighting is a mail that somebody waits for: the first whose Subject holds a word.
type sighting struct {
	word []byte
	at   chan time.Time
}

func newSink(o sinkOptions) (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed by close
	if err != nil {
		return nil, fmt.Errorf("listen for the bench's relay: %w", err)
	}
	s := &sink{o: o, listener: l, open: map[net.Conn]bool{}}
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
			if s.o.posts {
				s.swallowPosts(c)
			} else {
				s.swallow(c)
			}
			s.mu.Lock()
			delete(s.open, c)
			s.mu.Unlock()
			_ = c.Close()
		})
	}
}

func (s *sink) swallow(c net.Conn) {
	var to io.Writer = c
	if s.o.delay > 0 {
		far := newFarWriter(c, s.o.delay)
		defer far.close()
		to = far
	}
	in, out := bufio.NewReaderSize(c, 64<<10), bufio.NewWriter(to)
	_, _ = out.WriteString("220 sink\r\n")
	content, size := false, 0
	var seen *sighting // in the mail that is being read
	var of *crowded    // that it is counted by
	var whom []byte
	for {
		if in.Buffered() == 0 && !s.answer(out) {
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
			if seen != nil && s.wanted.CompareAndSwap(seen, nil) {
				seen.at <- time.Now()
			}
			if of != nil {
				of.took(whom)
			}
			size, seen, of = 0, nil, nil
		case content:
			size += len(line)
			if line[0] == 'S' && bytes.HasPrefix(line, []byte("Subject: ")) {
				if w := s.wanted.Load(); w != nil && bytes.Contains(line, w.word) {
					seen = w
				}
				if c := s.counted.Load(); c != nil && bytes.Contains(line, c.word) {
					of = c
				}
			}
		case line[0] == 'E':
			if s.o.plain {
				_, _ = out.WriteString("250-sink\r\n250 8BITMIME\r\n")
			} else {
				_, _ = out.WriteString("250-sink\r\n250-8BITMIME\r\n250 PIPELINING\r\n")
			}
		case line[0] == 'D':
			content = true
			_, _ = out.WriteString("354 go\r\n")
		case line[0] == 'R':
			whom = append(whom[:0], line...)
			_, _ = out.WriteString("250 2.1.5 Ok\r\n")
		case line[0] == 'Q':
			_, _ = out.WriteString("221 2.0.0 Bye\r\n")
			_ = out.Flush()
			return
		default:
			_, _ = out.WriteString("250 2.1.0 Ok\r\n")
		}
	}
}

// answer lets go what is written.
func (s *sink) answer(out *bufio.Writer) bool {
	if out.Buffered() == 0 {
		return true
	}
	s.answers.Add(1)
	return out.Flush() == nil
}

// watch answers when the first mail came whose Subject holds word, which is of
// plain ASCII. One waits at a time.
func (s *sink) watch(word string) <-chan time.Time {
	w := &sighting{word: []byte(word), at: make(chan time.Time, 1)}
	s.wanted.Store(w)
	return w.at
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

// reached is closed when n mails were taken, all in all. One waits at a time.
func (s *sink) reached(n int64) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	there := make(chan struct{})
	if s.target, s.there = n, there; s.taken.Load() >= n {
		s.target = 0
		close(there)
	}
	return there
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

// farWriter is a way that takes a while: what is written arrives so much later,
// and the writer does not wait for it.
type farWriter struct {
	c     net.Conn
	delay time.Duration
	on    chan underway
	left  chan struct{}
}

type underway struct {
	text []byte
	due  time.Time
}

func newFarWriter(c net.Conn, delay time.Duration) *farWriter {
	w := &farWriter{c: c, delay: delay, on: make(chan underway, 64), left: make(chan struct{})}
	go w.carry()
	return w
}

func (w *farWriter) carry() {
	defer close(w.left)
	for u := range w.on {
		<-time.After(time.Until(u.due))
		if _, err := w.c.Write(u.text); err != nil {
			_ = w.c.Close() // the reader ends with it
		}
	}
}

func (w *farWriter) Write(p []byte) (int, error) {
	w.on <- underway{bytes.Clone(p), time.Now().Add(w.delay)}
	return len(p), nil
}

func (w *farWriter) close() {
	close(w.on)
	<-w.left
}
