package webhook

import (
	"context"
	"crypto/tls"
	"sync"
	"time"
)

const (
	idleTime   = 2 * time.Second // and at most twice that: many servers close after 5 s
	idleMost   = 512             // connections that do nothing
	idlePerKey = 64
)

// lines makes connections and keeps those that may be used again.
type lines struct {
	guard *Guard
	tls   *tls.Config

	mu     sync.Mutex
	idle   map[string][]*line // by target.key, used last last
	count  int
	sweep  *time.Timer // runs while anything is idle
	closed bool
}

func newLines(g *Guard, c *tls.Config) *lines {
	return &lines{guard: g, tls: c, idle: map[string][]*line{}}
}

// take returns an idle line to t; nil where there is none.
func (p *lines) take(t *target) *line {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := t.key()
	ls := p.idle[key]
	if len(ls) == 0 {
		return nil
	}
	l := ls[len(ls)-1]
	p.keep(key, ls[:len(ls)-1])
	p.count--
	return l
}

// put makes l idle.
func (p *lines) put(t *target, l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := t.key()
	if p.closed || p.count >= idleMost || len(p.idle[key]) >= idlePerKey {
		l.hangUp()
		return
	}
	l.old = false
	p.idle[key] = append(p.idle[key], l)
	p.count++
	if p.sweep == nil {
		p.sweep = time.AfterFunc(idleTime, p.age)
	}
}

// keep is called with the lock held.
func (p *lines) keep(key string, ls []*line) {
	if len(ls) == 0 {
		delete(p.idle, key)
	} else {
		p.idle[key] = ls
	}
}

// age closes what nobody used since the last time.
func (p *lines) age() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key, ls := range p.idle {
		var young []*line
		for _, l := range ls {
			if l.old {
				l.hangUp()
				p.count--
				continue
			}
			l.old = true
			young = append(young, l)
		}
		p.keep(key, young)
	}
	if p.count > 0 && !p.closed {
		p.sweep.Reset(idleTime)
	} else {
		p.sweep = nil
	}
}

// close hangs up what is idle; what is in use is hung up when it is put.
func (p *lines) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for key, ls := range p.idle {
		for _, l := range ls {
			l.hangUp()
		}
		delete(p.idle, key)
	}
	p.count = 0
	if p.sweep != nil {
		p.sweep.Stop()
	}
}

// dial makes a line to t. Its error says at which stage.
func (p *lines) dial(ctx context.Context, t *target) (*line, error) {
	ctx, done := context.WithTimeout(ctx, connectTime)
	defer done()
	conn, err := p.guard.dial(ctx, t)
	if err != nil {
		return nil, &atStage{stageDial, err}
	}
	l := newLine(conn)
	if !t.secure() {
		return l, nil
	}
	cfg := p.tls.Clone()
	cfg.ServerName = t.host
	secure := tls.Client(l.raw, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		l.hangUp()
		return nil, &atStage{stageTLS, err}
	}
	l.speak(secure)
	return l, nil
}
