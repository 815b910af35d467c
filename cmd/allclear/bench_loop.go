package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"allclear/notifier"
	"allclear/notifier/email"
)

// bareLoop sends mails as fast as anyone could who forgets each at once: one
// letter, rendered by production's templates from the pipeline's own event; the
// same compositor, pool and relay; no database, no journal.
type bareLoop struct {
	p          *Program
	name       string
	compositor *email.Compositor
	pool       *email.Pool
	letter     *notifier.Letter
	event      int64
	links      []string // each reader's tokens, one after the other
}

// newBareLoop makes one of a program that has told its first event to reader 1.
func newBareLoop(ctx context.Context, p *Program, messages int) (*bareLoop, error) {
	const event = 1
	m, err := p.set.Renderer().Render(ctx, notifier.Delivery{
		ID: notifier.MakeDeliveryID(event, 1), Lane: notifier.LaneIncident, Channel: notifier.Email, Address: benchReader(1), Since: event, AcceptedAt: p.db.Now(),
	})
	if err != nil {
		return nil, err
	}
	l := &bareLoop{p: p, letter: m.Letter, event: event, links: make([]string, 2*messages)}
	tokens := links{p.links}
	for i := range int64(messages) {
		l.links[2*i], l.links[2*i+1] = tokens.Unsubscribe(i+1), tokens.Manage(i+1, p.db.Now())
	}
	return l, nil
}

// twin is another loop with the same letter, to be opened.
func (l *bareLoop) twin() *bareLoop {
	return &bareLoop{p: l.p, letter: l.letter, event: l.event, links: l.links}
}

// open connects it. change says what is different from production.
func (l *bareLoop) open(name string, change func(*email.CompositorOptions)) (err error) {
	l.name = name
	o := l.p.mail.writing(l.p.links, l.p.o.settings.Name, l.p.db.Now)
	change(&o)
	if l.compositor, err = email.NewCompositor(o); err != nil {
		return err
	}
	l.pool, err = l.p.mail.pool(nil, nil, l.p.db.Now)
	return err
}

// run sends the mails of the readers behind from, up to to.
func (l *bareLoop) run(ctx context.Context, from, to int, tell func()) (time.Duration, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		next    atomic.Int64
		callers sync.WaitGroup
		once    sync.Once
		failed  error
	)
	next.Store(int64(from))
	began := time.Now()
	for range l.pool.Capacity() {
		callers.Go(func() {
			for i := next.Add(1); i <= int64(to); i = next.Add(1) {
				if err := l.send(ctx, i); err != nil {
					once.Do(func() { failed = err })
					cancel()
					return
				}
			}
		})
	}
	stop := ticking(tell)
	callers.Wait()
	took := time.Since(began)
	stop()
	return took, failed
}

func (l *bareLoop) send(ctx context.Context, reader int64) error {
	e, err := l.compositor.Compose(&notifier.Message{
		Delivery: notifier.MakeDeliveryID(l.event, reader), Lane: notifier.LaneIncident, Channel: notifier.Email,
		To: benchReader(int(reader)), Letter: l.letter, Fill: l.links[2*reader-2 : 2*reader : 2*reader],
	})
	if err != nil {
		return err
	}
	_, err = l.pool.Send(ctx, e, notifier.LaneIncident, freeFlight{})
	if errors.Is(err, notifier.ErrNotStarted) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (l *bareLoop) close() {
	if l.pool == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = l.pool.Close(ctx) // what it sent was acknowledged
}

// ticking calls tell a few times a second until it is stopped. tell may be nil.
func ticking(tell func()) (stop func()) {
	if tell == nil {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				tell()
			case <-end:
				tell()
				return
			}
		}
	}()
	return func() { close(end); <-ended }
}
